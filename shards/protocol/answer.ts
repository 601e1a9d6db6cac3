/** Shard → api: one frame of answers a batch, in any order; `requestId` tells whose each is. */
import { FrameError, splitEntry } from "./frame.ts";

export const ANSWERS = "answers";

/** Where the time went, in whole microseconds. */
export interface ShardTiming {
  readonly queueUs: number;
  readonly decideUs: number;
  readonly commitUs: number;
}

/** Of an answer that no batch stands behind. */
export const NO_TIME: ShardTiming = { queueUs: 0, decideUs: 0, commitUs: 0 };

/** The record that an answer stands on, to wait for its replication. */
export interface RecordPlace {
  readonly partition: number;
  readonly epoch: number;
  readonly seq: number;
}

/**
 * - `final`: `body` is the HTTP body, byte for byte
 * - `replayed`: the same, and it was given before
 * - `problem`: `body` is a {@link Problem} as JSON; the api renders it with its request id
 */
export const ANSWER_KINDS = ["final", "replayed", "problem"] as const;
export type AnswerKind = (typeof ANSWER_KINDS)[number];

export interface Answer {
  readonly requestId: number;
  readonly status: number;
  readonly kind: AnswerKind;
  /** null when nothing was stored for it. */
  readonly place: RecordPlace | null;
  readonly timing: ShardTiming;
  readonly body: string;
}

export const encodeAnswer = (answer: Answer): string => {
  const { requestId, status, kind, place, timing } = answer;
  const where = place === null ? "-1,0,0" : `${place.partition},${place.epoch},${place.seq}`;
  return (
    `[${requestId},${status},${ANSWER_KINDS.indexOf(kind)},${where},` +
    `${timing.queueUs},${timing.decideUs},${timing.commitUs}]\t${answer.body}`
  );
};

export const decodeAnswer = (entry: string): Answer => {
  const { head, body } = splitEntry(entry);
  if (head.length !== 9 || !head.every(Number.isSafeInteger)) {
    throw new FrameError(`answer that cannot be read: ${entry.slice(0, 80)}`);
  }
  const [requestId, status, kind, partition, epoch, seq, queueUs, decideUs, commitUs] = head as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return {
    requestId,
    status,
    kind: ANSWER_KINDS[kind] ?? "problem",
    place: partition < 0 ? null : { partition, epoch, seq },
    timing: { queueUs, decideUs, commitUs },
    body,
  };
};

/** Shard → api, unasked, when it changed: how far each partition's records have got. */
export const PROGRESS = "progress";

export interface Progress {
  readonly partition: number;
  readonly epoch: number;
  readonly committedSeq: number;
  /** The broker has it on all in-sync replicas; embedded: central has it. */
  readonly replicatedSeq: number;
  readonly appliedSeq: number;
  /** Age of the oldest committed record that central lacks; 0 when it has all. */
  readonly lagMs: number;
}

export const encodeProgress = (p: Progress): string =>
  JSON.stringify([p.partition, p.epoch, p.committedSeq, p.replicatedSeq, p.appliedSeq, p.lagMs]);

export const decodeProgress = (entry: string): Progress => {
  const head: unknown = JSON.parse(entry);
  if (!Array.isArray(head) || head.length !== 6 || !head.every(Number.isSafeInteger)) {
    throw new FrameError(`progress that cannot be read: ${entry.slice(0, 80)}`);
  }
  const [partition, epoch, committedSeq, replicatedSeq, appliedSeq, lagMs] = head as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return { partition, epoch, committedSeq, replicatedSeq, appliedSeq, lagMs };
};

/** Shard → api: no new operations, please; those sent are still answered. */
export const DRAINING = "draining";
