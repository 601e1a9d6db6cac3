/**
 * Shard's relay ↔ applier. Without a broker the relay pushes records of one partition at a time, in
 * sequence, and the applier answers when its commit has returned. With one the records go there, and
 * the relay asks how far central has got.
 */
import { z } from "zod";
import { entryReader, FrameError, joinEntry, splitEntry } from "./frame.ts";
import { cursorSchema, grantedEpochSchema } from "./hello.ts";
import { type CommittedRecord, RECORD_TYPES, type RecordType } from "./record.ts";

export const RECORDS = "records";
export const APPLIED = "applied";
export const STOPPED = "stopped";
export const CLAIM = "claim";
export const GRANTED = "granted";
/** Shard → applier when records go through a broker: how far has central got with mine? */
export const ASK = "ask";
/** The answer to that. */
export const STANDING = "standing";

/** What every record of one push has in common, in the frame's first entry. */
interface PushHead {
  readonly shard: string;
  readonly epoch: number;
  readonly partition: number;
  readonly prevHash: string;
}

/** Records of one (shard, epoch, partition), contiguous, at least one. */
export const encodeRecords = (records: readonly CommittedRecord[]): string[] => {
  const first = records[0];
  if (first === undefined) throw new FrameError("a push without records");
  const { shard, epoch, partition, prevHash } = first;
  return [
    JSON.stringify([shard, epoch, partition, prevHash]),
    ...records.map((r) =>
      joinEntry([RECORD_TYPES.indexOf(r.type), r.seq, r.commitSeq, r.at, r.key, r.hash], r.value),
    ),
  ];
};

/** The previous hash of each but the first is the hash of the one before it. */
export const decodeRecords = (entries: readonly string[]): CommittedRecord[] => {
  const head = decodePushHead(entries[0] ?? "");
  let { prevHash } = head;
  return entries.slice(1).map((entry) => {
    const { head: h, body } = splitEntry(entry);
    const [typeIndex, seq, commitSeq, at, key, hash] = h;
    const type: RecordType | undefined = RECORD_TYPES[Number(typeIndex)];
    if (type === undefined || typeof hash !== "string" || typeof key !== "string") {
      throw new FrameError(`record that cannot be read: ${entry.slice(0, 120)}`);
    }
    const record: CommittedRecord = {
      type,
      shard: head.shard,
      epoch: head.epoch,
      partition: head.partition,
      seq: Number(seq),
      commitSeq: Number(commitSeq),
      at: Number(at),
      key,
      value: body,
      prevHash,
      hash,
    };
    prevHash = hash;
    return record;
  });
};

const decodePushHead = (entry: string): PushHead => {
  try {
    const [shard, epoch, partition, prevHash] = pushHeadSchema.parse(JSON.parse(entry));
    return { shard, epoch, partition, prevHash };
  } catch (error) {
    throw new FrameError(`push that cannot be read: ${entry.slice(0, 120)}`, { cause: error });
  }
};

const pushHeadSchema = z.tuple([z.string(), z.number().int(), z.number().int(), z.string()]);

/** Central refuses to go on with a partition of this shard, and why. Somebody must look. */
const stoppedSchema = z.strictObject({
  partition: z.number().int(),
  code: z.enum(["gap", "hash_mismatch", "old_epoch", "unreadable", "refused_by_store"]),
  detail: z.string(),
});
export type Stopped = z.infer<typeof stoppedSchema>;

/** A shard without a file asks for the epoch of its new disk. */
const claimSchema = z.strictObject({
  shard: z.string(),
  shardIndex: z.number().int(),
  /** Random, kept in the new file: the same file may ask again and gets the same epoch. */
  claimId: z.string(),
  /** The operator said that what the lost file alone held may be lost (`--new-epoch`). */
  acceptLoss: z.boolean(),
});
export type Claim = z.infer<typeof claimSchema>;

const grantSchema = z.discriminatedUnion("granted", [
  z.strictObject({
    granted: z.literal(true),
    centralId: z.string(),
    epoch: z.number().int().min(1),
    /** No order of this shard that central knows has a higher counter. */
    orderCounter: z.number().int().min(0),
    cursors: z.array(cursorSchema),
  }),
  /** The shard had a file in `epoch`; a new one would hide what that file holds. */
  z.strictObject({
    granted: z.literal(false),
    epoch: z.number().int(),
    /** Central's of this shard; of very many, at least so many. */
    orders: z.number().int(),
  }),
]);
export type Grant = z.infer<typeof grantSchema>;

const centralStandingSchema = z.strictObject({
  centralId: z.string(),
  epoch: grantedEpochSchema,
  cursors: z.array(cursorSchema),
  /** Streams of the shard's newest epoch that central has stopped. */
  stopped: z.array(stoppedSchema),
});
/** How far central has got with one shard. */
export type CentralStanding = z.infer<typeof centralStandingSchema>;

export const readStanding = entryReader("an applier message", centralStandingSchema);
export const readStopped = entryReader("an applier message", stoppedSchema);
export const readClaim = entryReader("an applier message", claimSchema);
export const readGrant = entryReader("an applier message", grantSchema);
