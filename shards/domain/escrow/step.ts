/** What one call comes to, and the draft that the handlers of shard.ts and bank.ts work on. */
import { changeRow, shardOf } from "./ledger.ts";
import type { BankMessage } from "./messages.ts";
import { type EscrowContext, type Purse, unusedOf } from "./state.ts";
import type { Allotment, Bank, BankShard, ReplyCode } from "./types.ts";

/** `UNAVAILABLE` is never stored: the same id may be tried again. */
export interface TransferResult {
  readonly transferId: string;
  /** > 0 for a deposit, < 0 for a withdrawal. */
  readonly amountMinor: bigint;
  readonly outcome: "PAID" | "REFUSED" | "UNAVAILABLE";
}

/** What happened in one step, for counters that only grow. */
export interface EscrowCounts {
  /** The bank's answers to requests and withdrawals, by code. */
  readonly answers: Readonly<Record<ReplyCode, number>>;
  /** Decisions that needed recalls: all that mattered answered, or the time was over. */
  readonly recallsAnswered: number;
  readonly recallsTimedOut: number;
  /** Given back by this shard because a bank asked. */
  readonly recalledMinor: bigint;
  /** Messages of a lower epoch that this bank refused. */
  readonly fenced: number;
  /** Messages of another term that were ignored. */
  readonly otherTerm: number;
}

/** What a bank said to a request. */
export interface GrantOutcome {
  readonly reqSeq: number;
  readonly code: ReplyCode;
  /** What the bank had free when it said so, beside all rights; < 0 after losses without cover. */
  readonly freeMinor: bigint;
}

/**
 * `purse` has to be durable before anything of the rest leaves the process. A `reply` answers this
 * shard's own request: the caller decides the order that is bound to it before its next call, and
 * then tries those that wait behind it.
 */
export interface PurseStep {
  readonly purse: Purse;
  readonly send: readonly BankMessage[];
  readonly reply: GrantOutcome | null;
  readonly transfers: readonly TransferResult[];
  /** Sentences; each means a defect or a lost file. */
  readonly alarms: readonly string[];
  /** The bank knows a later life of this shard: it has to stop trading. */
  readonly isFenced: boolean;
  readonly counts: EscrowCounts;
}

type Growing<T> = { -readonly [K in keyof T]: T[K] extends object ? Growing<T[K]> : T[K] };

/** Changes while one call runs and is never seen outside of it. */
export interface Draft {
  purse: Purse;
  /** Grows within a call by what a granted order is about to use. */
  usedMinor: bigint;
  readonly context: EscrowContext;
  readonly send: BankMessage[];
  reply: PurseStep["reply"];
  readonly transfers: TransferResult[];
  readonly alarms: string[];
  isFenced: boolean;
  readonly counts: Growing<EscrowCounts>;
}

export const openDraft = (purse: Purse, usedMinor: bigint, context: EscrowContext): Draft => ({
  purse,
  usedMinor,
  context,
  send: [],
  reply: null,
  transfers: [],
  alarms: [],
  isFenced: false,
  counts: {
    answers: { OK: 0, INSUFFICIENT: 0, UNAVAILABLE: 0 },
    recallsAnswered: 0,
    recallsTimedOut: 0,
    recalledMinor: 0n,
    fenced: 0,
    otherTerm: 0,
  },
});

export const closeDraft = (draft: Draft): PurseStep => {
  const { purse, send, reply, transfers, alarms, isFenced, counts } = draft;
  return { purse, send, reply, transfers, alarms, isFenced, counts };
};

export const change = (draft: Draft, fields: Partial<Purse>): void => {
  draft.purse = { ...draft.purse, ...fields };
};

export const changeAllotment = (draft: Draft, fields: Partial<Allotment>): void =>
  change(draft, { allotment: { ...draft.purse.allotment, ...fields } });

export const changeSending = (draft: Draft, fields: Partial<Purse["sending"]>): void =>
  change(draft, { sending: { ...draft.purse.sending, ...fields } });

export const draftUnused = (draft: Draft): bigint => unusedOf(draft.purse, draft.usedMinor);

/** The bank of a purse that has one. Throws on any shard but the home. */
export const bankOf = (draft: Draft): Bank => {
  const { bank, key } = draft.purse;
  if (bank === null) {
    throw new Error(`Account ${key.accountId} has no bank here: only its home shard has one.`);
  }
  return bank;
};

export const rowOf = (draft: Draft, shardIndex: number): BankShard => {
  const row = shardOf(bankOf(draft), shardIndex);
  if (row === undefined) {
    throw new Error(`The bank of account ${draft.purse.key.accountId} has no shard ${shardIndex}.`);
  }
  return row;
};

export const setRow = (draft: Draft, row: BankShard): void =>
  change(draft, { bank: changeRow(bankOf(draft), row) });

/** The home's own rights and what its bank has granted to it are the same number, always. */
export const changeHomeRights = (draft: Draft, byMinor: bigint): void => {
  const row = rowOf(draft, draft.context.homeIndex);
  setRow(draft, { ...row, grantedMinor: row.grantedMinor + byMinor });
  changeAllotment(draft, { rightsMinor: draft.purse.allotment.rightsMinor + byMinor });
};
