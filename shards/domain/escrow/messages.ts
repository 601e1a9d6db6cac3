/** What shards and banks say to each other. Any of it may be lost, doubled, delayed or reordered. */
import type { AllotmentEvent, PurseKey, ReplyCode } from "./types.ts";

interface Envelope extends PurseKey {
  /** Whose allotment it is about: the index of the shard that is not the bank, or the home's own. */
  readonly shardIndex: number;
  /** Of that shard. */
  readonly epoch: number;
}

interface FromBank extends Envelope {
  readonly term: number;
}

export interface GrantRequest extends Envelope {
  readonly kind: "grant_request";
  readonly reqSeq: number;
  /** The order's whole margin, not the shortfall. */
  readonly needMinor: bigint;
  readonly afterEvt: number;
}

export interface GrantReply extends FromBank {
  readonly kind: "grant_reply";
  readonly reqSeq: number;
  readonly code: ReplyCode;
  readonly grantedMinor: bigint;
  /** What the bank thinks the shard should hold unused now; advice, not stored. */
  readonly targetMinor: bigint;
  /** What the bank has free now, beside all rights; advice, not stored. */
  readonly freeMinor: bigint;
}

export interface EventMessage extends Envelope {
  readonly kind: "event";
  readonly event: AllotmentEvent;
}

/** Cumulative. */
export interface EventAck extends FromBank {
  readonly kind: "event_ack";
  readonly evtSeq: number;
}

/** A question, never an order. */
export interface Recall extends FromBank {
  readonly kind: "recall";
  readonly recallId: string;
  readonly askMinor: bigint;
}

/** What was given travels as an event ≤ afterEvt. */
export interface RecallAnswer extends Envelope {
  readonly kind: "recall_answer";
  readonly recallId: string;
  readonly afterEvt: number;
  /** Nothing unused is left. */
  readonly isEmpty: boolean;
}

/** Sent for a lower epoch than the bank's for that shard; the receiver stops trading. */
export interface Fenced extends FromBank {
  readonly kind: "fenced";
  readonly currentEpoch: number;
}

export type ToBank = GrantRequest | EventMessage | RecallAnswer;
export type ToShard = GrantReply | EventAck | Recall | Fenced;
export type BankMessage = ToBank | ToShard;
