/**
 * Does this file belong to what central has? A shard's file put back from an older copy lacks
 * records that central applied, or has others in their place. Such a file must not be served:
 * it would accept orders that central drops as already seen.
 */
import type { ApplierWelcome, Cursor } from "../protocol/hello.ts";
import { chainHash } from "../protocol/record.ts";
import type { OutboxRecord, Standing } from "./ports.ts";

/** Why the file is refused; undefined when it can be the one that central knows. */
export const compareStanding = (
  standing: Pick<Standing, "epoch" | "streams">,
  central: Pick<ApplierWelcome, "epoch" | "cursors">,
): string | undefined => {
  const newest = Math.max(central.epoch, ...central.cursors.map(({ epoch }) => epoch));
  if (newest > standing.epoch) {
    return `central knows epoch ${newest} of this shard, the file is of epoch ${standing.epoch}`;
  }
  for (const cursor of central.cursors) {
    const own = standing.streams.find(({ partition }) => partition === cursor.partition);
    if (cursor.epoch < standing.epoch || cursor.seq === 0) continue;
    if (own === undefined || cursor.seq > own.seq) {
      return (
        `central has ${cursor.seq} records of partition ${cursor.partition}, ` +
        `the file has ${own?.seq ?? 0}: it is older than what central has`
      );
    }
    if (cursor.seq === own.seq && cursor.hash !== own.hash) {
      return `record ${own.seq} of partition ${own.partition} is not the one that central has`;
    }
  }
  return undefined;
};

/** Does the first record that central lacks follow the last one it has? */
export const follows = (cursor: Cursor, next: OutboxRecord): boolean =>
  next.seq === cursor.seq + 1 && chainHash(cursor.hash, next.value) === next.hash;
