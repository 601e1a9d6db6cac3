/**
 * Which records of a push central takes. A stream is (shard, partition); its cursor names the last
 * record applied. Pure: reads no store, so that all is decided before anything is written.
 *
 *   record                                            decision
 *   an epoch older than the granted or the cursor's   stop old_epoch
 *   an epoch newer than the granted                   stop refused_by_store
 *   a number or value that cannot be read             stop unreadable
 *   same epoch, seq < cursor                          drop as a duplicate
 *   same epoch, seq = cursor, same hash               drop as a duplicate
 *   same epoch, seq = cursor, other hash              stop hash_mismatch
 *   same epoch, seq = cursor + 1, the chain holds     apply
 *   same epoch, seq = cursor + 1, it does not         stop hash_mismatch
 *   same epoch, seq > cursor + 1                      stop gap
 *   next epoch, epoch_started at seq 1 that names
 *     the cursor as the end of the epoch before       apply
 *   next epoch, anything else                         stop gap, hash_mismatch or unreadable
 *
 * A stopped stream goes on with the one record that continues its chain (the rules' "apply"), whenever
 * that comes: the shard sends again what was lost or altered. All else of that epoch is left out until
 * then. Nothing but the true continuation has the hash, so nothing is ever skipped for good.
 */
import { reasonOf } from "../../shards/process/failure.ts";
import type { Cursor } from "../../shards/protocol/hello.ts";
import { type CommittedRecord, chainHash, ZERO_HASH } from "../../shards/protocol/record.ts";
import type { Stopped } from "../../shards/protocol/relay.ts";
import { type RecordContent, readRecord } from "./order-row.ts";
import { UnreadableRecord } from "./record-value.ts";

/** What is known of a stream before a push. */
export interface StreamState {
  readonly cursor: Cursor;
  /** The epoch that the shard was given last; 0 when none. */
  readonly grantedEpoch: number;
  /** Why the stream is stopped; null when it goes on. */
  readonly stopped: Stopped | null;
}

export interface AppliedRecord {
  readonly record: CommittedRecord;
  readonly content: RecordContent;
}

export interface StreamPlan {
  readonly cursor: Cursor;
  readonly apply: readonly AppliedRecord[];
  readonly duplicates: number;
  /** Left out of a stopped stream. */
  readonly skipped: number;
  /** The stop that stands afterwards. */
  readonly stopped: Stopped | null;
  /** The record that brought that stop, when it is of this push. */
  readonly stoppedBy: CommittedRecord | null;
}

/** The cursor of a stream that has no record yet. */
export const emptyCursor = (partition: number): Cursor => ({
  partition,
  epoch: 0,
  seq: 0,
  hash: ZERO_HASH,
});

/** Plans one push; `records` are of one (shard, epoch, partition). */
export const planPush = (state: StreamState, records: readonly CommittedRecord[]): StreamPlan => {
  let { cursor, stopped } = state;
  const apply: AppliedRecord[] = [];
  let stoppedBy: CommittedRecord | null = null;
  let duplicates = 0;
  let skipped = 0;
  for (const record of records) {
    const verdict = judge(cursor, state.grantedEpoch, record);
    if (verdict.kind === "apply") {
      apply.push({ record, content: verdict.content });
      const { partition, epoch, seq, hash } = record;
      cursor = { partition, epoch, seq, hash };
      stopped = null;
      stoppedBy = null;
    } else if (verdict.kind === "duplicate") {
      duplicates++;
    } else {
      skipped++;
      if (stopped !== null) continue;
      const { code, detail } = verdict;
      stopped = { partition: cursor.partition, code, detail: detail.slice(0, DETAIL_MAX) };
      stoppedBy = record;
    }
  }
  return { cursor, apply, duplicates, skipped, stopped, stoppedBy };
};

/** Characters of a detail: it is stored, sent and logged. */
const DETAIL_MAX = 500;

type Verdict =
  | { readonly kind: "apply"; readonly content: RecordContent }
  | { readonly kind: "duplicate" }
  | { readonly kind: "stop"; readonly code: Stopped["code"]; readonly detail: string };

const stop = (code: Stopped["code"], detail: string): Verdict => ({ kind: "stop", code, detail });
const DUPLICATE: Verdict = { kind: "duplicate" };

const judge = (cursor: Cursor, grantedEpoch: number, record: CommittedRecord): Verdict => {
  const { shard, epoch, seq } = record;
  if (epoch < Math.max(cursor.epoch, grantedEpoch)) {
    const newest = Math.max(cursor.epoch, grantedEpoch);
    return stop("old_epoch", `${shard} is in epoch ${newest}; this record is of ${epoch}`);
  }
  if (epoch > grantedEpoch) {
    const held = grantedEpoch === 0 ? "holds none" : `holds ${grantedEpoch}`;
    return stop("refused_by_store", `${shard} was never granted epoch ${epoch}: it ${held}`);
  }
  if (epoch > cursor.epoch) return judgeFirst(cursor, record);
  if (seq < cursor.seq) return DUPLICATE;
  if (seq === cursor.seq) {
    if (record.hash === cursor.hash) return DUPLICATE;
    return stop("hash_mismatch", `another record ${seq} was applied before: ${cursor.hash}`);
  }
  if (seq > cursor.seq + 1) {
    return stop("gap", `record ${seq} came, ${cursor.seq + 1} is the next`);
  }
  return judgeChained(cursor, record);
};

/** seq is cursor + 1, or 1 in a new epoch; what is no whole number ends here as unreadable. */
const judgeChained = (cursor: Cursor, record: CommittedRecord): Verdict => {
  const content = contentOf(record);
  if (content instanceof UnreadableRecord) {
    return stop("unreadable", `record ${record.seq}: ${reasonOf(content)}`);
  }
  if (record.prevHash !== cursor.hash) {
    const { seq, prevHash } = record;
    return stop("hash_mismatch", `record ${seq} follows ${prevHash}, the cursor is ${cursor.hash}`);
  }
  if (chainHash(record.prevHash, record.value) !== record.hash) {
    return stop("hash_mismatch", `record ${record.seq} is not what its hash was made of`);
  }
  if ((content.type === "epoch_started") !== (record.seq === 1)) {
    return stop("unreadable", `record ${record.seq} of the epoch is ${content.type}`);
  }
  return { kind: "apply", content };
};

const judgeFirst = (cursor: Cursor, record: CommittedRecord): Verdict => {
  const { epoch, seq } = record;
  if (seq !== 1) return stop("gap", `epoch ${epoch} starts with record ${seq}`);
  const verdict = judgeChained(cursor, record);
  if (verdict.kind !== "apply" || verdict.content.type !== "epoch_started") return verdict;
  const { previousEpoch, previousSeq, previousHash } = verdict.content.previous;
  if (previousEpoch !== cursor.epoch || previousSeq !== cursor.seq) {
    return stop(
      "gap",
      `epoch ${epoch} follows record ${previousSeq} of epoch ${previousEpoch}; ` +
        `the last applied is ${cursor.seq} of ${cursor.epoch}`,
    );
  }
  if (previousHash !== cursor.hash) {
    return stop("hash_mismatch", `epoch ${epoch} follows ${previousHash}, not the cursor`);
  }
  return verdict;
};

const contentOf = (record: CommittedRecord): RecordContent | UnreadableRecord => {
  try {
    return readRecord(record);
  } catch (error) {
    if (error instanceof UnreadableRecord) return error;
    throw error;
  }
};
