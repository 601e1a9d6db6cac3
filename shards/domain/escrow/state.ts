/** A purse as one shard holds it in memory, and what it needs to know of its surroundings. */
import { emptyRow } from "./ledger.ts";
import type { EscrowPolicy } from "./policy.ts";
import type { Allotment, Bank, PurseKey } from "./types.ts";

/** Who wants money of the bank. `needMinor` > 0, but 0 where the home only lacks its overhang. */
export type Claimant =
  | {
      readonly kind: "shard";
      readonly shardIndex: number;
      readonly reqSeq: number;
      readonly needMinor: bigint;
    }
  | { readonly kind: "home"; readonly reqSeq: number; readonly needMinor: bigint }
  | { readonly kind: "withdrawal"; readonly transferId: string; readonly needMinor: bigint };

/** An answer to the current recall, kept until the events before it have been applied. */
export interface KeptAnswer {
  readonly shardIndex: number;
  readonly afterEvt: number;
  readonly isEmpty: boolean;
}

/** The one decision of a bank that waits for recalls. */
export interface Deciding {
  readonly claimant: Claimant;
  readonly round: number;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** null: this round's recalls have not been sent. */
  readonly recalledAt: number | null;
  /** Shards that held rights when the decision began. */
  readonly asked: readonly number[];
  /** Those of them that have nothing unused left. */
  readonly emptied: readonly number[];
  readonly answers: readonly KeptAnswer[];
}

/** What a restart forgets. Times are milliseconds since 1970; null: not yet. */
export interface Sending {
  /** The highest event that has been sent. */
  readonly evtSeq: number;
  /** When events or the request were last sent from the first one on. */
  readonly at: number | null;
  /** What the bank thinks this shard should hold unused. */
  readonly targetMinor: bigint | null;
  /** Since when more than twice that is unused. */
  readonly idleSince: number | null;
  readonly overhangAskedAt: number | null;
  /** When the bank last asked for what its free money is below zero. */
  readonly deficitAskedAt: number | null;
}

export interface Purse {
  readonly key: PurseKey;
  /** Durable. */
  readonly allotment: Allotment;
  /** Durable; null but on the home shard. */
  readonly bank: Bank | null;
  readonly deciding: Deciding | null;
  /** Who waits for the decision to end, first come first. */
  readonly queue: readonly Claimant[];
  readonly sending: Sending;
}

export interface EscrowContext {
  readonly shardIndex: number;
  /** Of this shard; an allotment keeps the one it was made in. */
  readonly epoch: number;
  /** Whose file has the purse's bank. */
  readonly homeIndex: number;
  /** Of all shards of the map, this one too. */
  readonly shardIndexes: readonly number[];
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Another one with each start of this process, never used again. */
  readonly bankBoot: string;
  /** Of the home's bank; a message of another term is ignored. */
  readonly bankTerm: number;
  /** This shard's records up to here are replicated: realised amounts before may leave. */
  readonly replicatedCommitSeq: number;
  /** The shard's file is a copy whose newest part may be missing: a new purse trusts nothing. */
  readonly isReconciling: boolean;
  readonly policy: EscrowPolicy;
}

const NOTHING_SENT: Sending = {
  evtSeq: 0,
  at: null,
  targetMinor: null,
  idleSince: null,
  overhangAskedAt: null,
  deficitAskedAt: null,
};

/** The purse of an account that this shard hears of for the first time. */
export const emptyPurse = (key: PurseKey, context: EscrowContext): Purse => {
  const { bankTerm, isReconciling } = context;
  const allotment: Allotment = {
    epoch: context.epoch,
    state: isReconciling ? "RECONCILING" : "LIVE",
    rightsMinor: 0n,
    reqSeq: 0,
    evtSeq: 0,
    pnlTotalMinor: 0n,
    unsecuredTotalMinor: 0n,
    pending: null,
    outbox: [],
  };
  const reportedTerm = isReconciling ? 0 : bankTerm;
  const bank: Bank = {
    term: bankTerm,
    depositedMinor: 0n,
    withdrawnMinor: 0n,
    version: 0,
    shards: context.shardIndexes
      .map((index) => ({
        ...emptyRow(index, reportedTerm),
        epoch: index === context.shardIndex ? context.epoch : 0,
      }))
      .sort((a, b) => a.shardIndex - b.shardIndex),
  };
  return restorePurse(key, allotment, context.homeIndex === context.shardIndex ? bank : null);
};

/** The purse after a restart, from what was durable. */
export const restorePurse = (key: PurseKey, allotment: Allotment, bank: Bank | null): Purse => ({
  key,
  allotment,
  bank,
  deciding: null,
  queue: [],
  sending: NOTHING_SENT,
});

/** Rights that no order or position uses, ≥ 0. */
export const unusedOf = (purse: Purse, usedMinor: bigint): bigint => {
  const unusedMinor = purse.allotment.rightsMinor - usedMinor;
  return unusedMinor > 0n ? unusedMinor : 0n;
};

/** By how much orders and positions use more than the rights, ≥ 0: a fill may raise what is used. */
export const overhangOf = (purse: Purse, usedMinor: bigint): bigint => {
  const overhangMinor = usedMinor - purse.allotment.rightsMinor;
  return overhangMinor > 0n ? overhangMinor : 0n;
};
