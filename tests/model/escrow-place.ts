/** What a {@link World} is made of: shards as their writers know them, and what the checks note. */
import type { AccountId } from "../../shards/domain/brands.ts";
import type { EscrowPolicy } from "../../shards/domain/escrow/policy.ts";
import type { Purse } from "../../shards/domain/escrow/purse.ts";
import type { Claimant, Deciding } from "../../shards/domain/escrow/state.ts";

export interface PlacedOrder {
  readonly needMinor: bigint;
  readonly state: "open" | "closed" | "refused";
}

export interface Waiter {
  readonly key: string;
  readonly needMinor: bigint;
  /** Of the request that was made for it. */
  readonly reqSeq: number | null;
}

/** One shard as its writer knows it; the waiters and `purse`'s volatile part die in a crash. */
export interface Place {
  readonly index: number;
  readonly purse: Purse;
  readonly orders: ReadonlyMap<string, PlacedOrder>;
  readonly positionMinor: bigint;
  readonly transfers: ReadonlyMap<string, "PAID" | "REFUSED">;
  readonly commitSeq: number;
  readonly replicatedSeq: number;
  readonly waiters: readonly Waiter[];
  readonly boot: number;
  /** How often unused rights grew here; only the checks read it. */
  readonly growth: number;
}

/** What only the checks read. */
export interface Ghosts {
  /** A shard's growth when it first said, to a claim's recalls, that nothing is left. */
  readonly emptyAt: ReadonlyMap<string, number>;
  /** A shard's growth when it made a request. */
  readonly requestedAt: ReadonlyMap<string, number>;
  readonly appliedOnce: ReadonlySet<string>;
  readonly outcomes: ReadonlyMap<string, number>;
  readonly madeMinor: bigint;
  readonly movedMinor: bigint;
  /** Losses beyond what was unused after their fill. */
  readonly unsecuredMinor: bigint;
}

export interface WorldSettings {
  readonly shardIndexes: readonly number[];
  readonly homeIndex: number;
  readonly policy: EscrowPolicy;
  /** Fills may raise what is used beyond the rights. */
  readonly overhangs: boolean;
}

/** A claim that was refused for lack of money, and the decision that ran before the step. */
export interface Refused {
  readonly claimant: Claimant;
  readonly deciding: Deciding | null;
  /** What an order of the home was granted in the same step and does not use yet. */
  readonly promisedMinor: bigint;
}

export const KEY = { accountId: 7 as AccountId, asset: "USDT" };

export const usedOf = (place: Place): bigint => {
  let usedMinor = place.positionMinor;
  for (const order of place.orders.values()) {
    usedMinor += order.state === "open" ? order.needMinor : 0n;
  }
  return usedMinor;
};
