/**
 * The rights of one account in one asset, spread over shards: the bank (a table of the account's
 * home shard) owns the equity, every shard holds an allotment and opens orders inside it only.
 * Money is a bigint of 10^-8 of the asset. The protocol: docs/ALLOTMENTS.md.
 */
import type { AccountId, OrderId } from "../brands.ts";

export interface PurseKey {
  readonly accountId: AccountId;
  readonly asset: string;
}

/** A fact on its way from a shard to the bank, numbered from 1 for each purse; sent until it is acknowledged. */
export interface AllotmentEvent {
  readonly evtSeq: number;
  /** `GIVEBACK`: rights return. `PNL`: a fill realised `deltaMinor`; `unitsMinor` rights were burnt. */
  readonly kind: "GIVEBACK" | "PNL";
  readonly unitsMinor: bigint;
  /** Signed; 0 for a give-back. */
  readonly deltaMinor: bigint;
  /** 0 for a give-back. */
  readonly orderId: OrderId | 0;
  /** Empty for a give-back. */
  readonly executionId: string;
  /** It may leave once the shard's records up to here are replicated; give-backs leave at once (0). */
  readonly afterCommitSeq: number;
}

/** A shard's side of a purse. Never deleted, not even at zero. */
export interface Allotment {
  readonly epoch: number;
  readonly state: "LIVE" | "RECONCILING";
  readonly rightsMinor: bigint;
  readonly reqSeq: number;
  readonly evtSeq: number;
  readonly pnlTotalMinor: bigint;
  readonly unsecuredTotalMinor: bigint;
  /** The request that has no answer yet. */
  readonly pending: {
    readonly reqSeq: number;
    readonly needMinor: bigint;
    readonly afterEvt: number;
  } | null;
  /** Not acknowledged, oldest first. */
  readonly outbox: readonly AllotmentEvent[];
}

export type ReplyCode = "OK" | "INSUFFICIENT" | "UNAVAILABLE";

/** What the bank knows of one shard's allotment. */
export interface BankShard {
  readonly shardIndex: number;
  readonly epoch: number;
  readonly grantedMinor: bigint;
  readonly lastReq: number;
  readonly replyCode: ReplyCode;
  readonly replyGrantedMinor: bigint;
  readonly lastEvt: number;
  readonly pnlTotalMinor: bigint;
  readonly unsecuredTotalMinor: bigint;
  readonly reportedTerm: number;
  readonly claim: boolean;
}

export type TransferOutcome = "PAID" | "REFUSED";

/** A deposit (amount > 0) or withdrawal (< 0); idempotent by its id. */
export interface Transfer {
  readonly transferId: string;
  readonly amountMinor: bigint;
  readonly outcome: TransferOutcome;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** The home shard's side of a purse. `free = deposited - withdrawn + Σ pnlTotal - Σ granted`, never stored. */
export interface Bank {
  readonly term: number;
  readonly depositedMinor: bigint;
  readonly withdrawnMinor: bigint;
  /** One more with each change that central should know. */
  readonly version: number;
  /** One for each shard of the map, the home shard's too; by shard index. */
  readonly shards: readonly BankShard[];
}
