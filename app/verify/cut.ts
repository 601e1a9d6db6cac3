/**
 * The named point up to which shard and central are compared: central's cursors, all read at one
 * time. Traffic goes on behind it. What is read afterwards, on either side, is as new or newer.
 */
import type { Cursor } from "../../shards/protocol/hello.ts";
import type { ShardReader, StreamEnd } from "../../shards/store/shard-reader.ts";
import type { Findings } from "./findings.ts";

export interface Cut {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Of the file. */
  readonly epoch: number;
  /** Central's last record of each partition; one of an older epoch has nothing of this one yet. */
  readonly cursors: readonly Cursor[];
}

/** The last seq of the partition that central has in the file's epoch; 0 when none. */
export const seqAt = (cut: Cut, partition: number): number => {
  const cursor = cut.cursors.find((one) => one.partition === partition);
  return cursor?.epoch === cut.epoch ? cursor.seq : 0;
};

/** The file, read after the cut, must have what central had; and the ends that it has must be the same. */
export const checkEnds = (shard: ShardReader, cut: Cut, findings: Findings): void => {
  const streams = shard.streams();
  for (const cursor of cut.cursors) {
    const where = `partition ${cursor.partition}`;
    const own = streams.find(({ partition }) => partition === cursor.partition);
    const theirs = `central is at seq ${cursor.seq} of epoch ${cursor.epoch}`;
    if (cursor.epoch > cut.epoch) {
      findings.add("file_behind", where, `${theirs}, the file is of epoch ${cut.epoch}`);
    } else if (cursor.epoch === cut.epoch) {
      checkEnd(cursor, own, `${theirs}, the file at ${own?.seq ?? "none"}`, findings);
    }
  }
};

const checkEnd = (
  cursor: Cursor,
  own: StreamEnd | undefined,
  both: string,
  findings: Findings,
): void => {
  const where = `partition ${cursor.partition}`;
  if (own === undefined || own.seq < cursor.seq) findings.add("file_behind", where, both);
  else if (own.seq === cursor.seq && own.hash !== cursor.hash) {
    findings.add("end_differs", where, `${both}: central ${cursor.hash}, file ${own.hash}`);
  }
};
