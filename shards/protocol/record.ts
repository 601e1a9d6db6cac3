/**
 * A committed event on its way to central. The value is the exact text that travels; the hash
 * chains it to the record before it in the same (shard, epoch, partition), so that a changed, lost
 * or reordered record shows.
 */
import { ENTITY_TYPES } from "../domain/entities.ts";

export const RECORD_TYPES = [
  "order_accepted",
  "order_refused",
  "order_changed",
  "epoch_started",
  // Stored by their number: only ever added to.
  ...ENTITY_TYPES,
] as const;
export type RecordType = (typeof RECORD_TYPES)[number];

export interface CommittedRecord {
  readonly type: RecordType;
  readonly shard: string;
  readonly epoch: number;
  readonly partition: number;
  /** Contiguous from 1 in (shard, epoch, partition). */
  readonly seq: number;
  /** Contiguous from 1 in (shard, epoch). */
  readonly commitSeq: number;
  /** Milliseconds since 1970, at the commit. */
  readonly at: number;
  /**
   * The symbol, `account:<id>` or `all`; decides the partition. Empty for `epoch_started`, and for
   * an execution that was put aside because nobody knows its symbol.
   */
  readonly key: string;
  readonly value: string;
  /** Hex of 32 bytes each. */
  readonly prevHash: string;
  readonly hash: string;
}

/** The hash before the first record of the first epoch. */
export const ZERO_HASH = "0".repeat(64);

/**
 * SHA-256 of the previous hash's hex text and the value, as hex. Anybody can repeat it:
 * `printf %s%s "$prevHash" "$value" | sha256sum`.
 */
export const chainHash = (prevHash: string, value: string): string =>
  new Bun.SHA256().update(prevHash).update(value).digest("hex");

/** The value of `epoch_started`: the end of this partition's stream in the epoch before. */
export interface EpochStarted {
  readonly previousEpoch: number;
  readonly previousSeq: number;
  readonly previousHash: string;
}
