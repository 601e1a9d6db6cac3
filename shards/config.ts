/** Limits of one shard process. What is pinned in the shard's file is `shards/store/cluster.ts`. */
import { z } from "zod";

const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const UNIT_BYTES = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;

const quantity = (units: Readonly<Record<string, number>>, example: string) =>
  z.string().transform((text, context) => {
    const match = /^(\d{1,12})\s*([A-Za-z]+)$/.exec(text.trim());
    const factor = match === null ? undefined : units[match[2] ?? ""];
    if (match === null || factor === undefined) {
      const known = Object.keys(units).join(", ");
      context.addIssue({ code: "custom", message: `expected like ${example} (${known})` });
      return z.NEVER;
    }
    return Number(match[1]) * factor;
  });

/** A duration such as `250ms`, `30s`, `24h`; becomes milliseconds. */
export const duration = (defaultText: string) => quantity(UNIT_MS, "30s").prefault(defaultText);

/** A size such as `64MiB`; becomes bytes. */
export const size = (defaultText: string) => quantity(UNIT_BYTES, "64MiB").prefault(defaultText);

const count = (defaultValue: number, min = 1, max = Number.MAX_SAFE_INTEGER) =>
  z.coerce.number().int().min(min).max(max).default(defaultValue);

export const shardSettingsSchema = z.strictObject({
  /** Commands in one transaction. */
  batchOrdersMax: count(1024, 1, 8192),
  /** Commands that may wait for their batch; over it 503 `overloaded`. */
  intakeQueueMax: count(8192),
  /** A new order that has waited longer is refused with `overloaded`. */
  intakeWaitMax: duration("50ms"),
  /** Open orders in memory, about 600 B each. */
  openOrdersMax: count(2_000_000),
  /** Orders and transfers that may wait for a bank; over it 503 `overloaded`. */
  grantWaitersMax: count(4096),
  /** How long a client order id is remembered. */
  outcomeRetention: duration("24h"),
  /** How long a terminal order stays in the shard once central has it. */
  orderRetention: duration("1h"),
  /** Client order ids per generation: the current one's are in memory. */
  outcomeGenerationSize: count(1_000_000, 1000),
  /** Free space on the disk below which no new order is taken. */
  freeSpaceFloor: size("256MiB"),
  /** The write-ahead log is truncated past this size. */
  walMax: size("64MiB"),
  /** Records that may wait for central; over it 503 `replication_backlog`. */
  backlogRecordsMax: count(10_000_000),
  /** Bytes of those records' values, with the same effect. */
  backlogBytesMax: size("8GiB"),
});
export type ShardSettings = z.infer<typeof shardSettingsSchema>;
