/**
 * A committed event on its way to central. The value is the exact text that travels; the hash
 * chains it to the record before it in the same (shard, epoch, partition), so that a changed, lost
 * or reordered record shows.
 */
export const RECORD_TYPES = [
  "order_accepted",
  "order_refused",
  "order_changed",
  "epoch_started",
] as const;
export type RecordType = (typeof RECORD_TYPES)[number];

/** Version of the value's shape, a header of its own. */
export const RECORD_VERSION = 1;

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
  /** The symbol, or `account:<id>`; decides the partition. Empty for `epoch_started`. */
  readonly key: string;
  readonly value: string;
  /** Hex of 32 bytes each. */
  readonly prevHash: string;
  readonly hash: string;
}

/** The hash before the first record of the first epoch. */
export const ZERO_HASH = "0".repeat(64);

const encoder = new TextEncoder();
const scratch = new Uint8Array(1 << 20);

/** SHA-256 of the previous hash's 32 bytes and the value's UTF-8 bytes, as hex. */
export const chainHash = (prevHash: string, value: string): string => {
  const previous = Buffer.from(prevHash, "hex");
  scratch.set(previous, 0);
  const { read, written } = encoder.encodeInto(value, scratch.subarray(32));
  if (read !== value.length) {
    const whole = Buffer.concat([previous, Buffer.from(value)]);
    return Bun.CryptoHasher.hash("sha256", whole, "hex");
  }
  return Bun.CryptoHasher.hash("sha256", scratch.subarray(0, 32 + written), "hex");
};

/** Unique for ever: where the record stands. */
export const eventIdOf = (record: CommittedRecord): string =>
  `${record.shard}-${record.epoch}-${record.partition}-${record.seq}`;

/** The value of `epoch_started`: the end of this partition's stream in the epoch before. */
export interface EpochStarted {
  readonly previousEpoch: number;
  readonly previousSeq: number;
  readonly previousHash: string;
}
