/** The purses of one shard in memory, each an object that stays (books.ts says why). */
import type { AccountId } from "../../domain/brands.ts";
import type { EscrowPolicy } from "../../domain/escrow/policy.ts";
import {
  type EscrowContext,
  emptyPurse,
  overhangOf,
  type Purse,
} from "../../domain/escrow/purse.ts";
import type { PurseKey } from "../../domain/escrow/types.ts";

/** What all purses of a shard's process have in common. */
export interface EscrowTerms {
  readonly shardIndex: number;
  readonly epoch: number;
  /** Of all shards of the map. */
  readonly shardIndexes: readonly number[];
  /** The index of the account's home shard. */
  readonly homeOf: (accountId: AccountId) => number;
  /** Another one with each start of the process. */
  readonly bankBoot: string;
  readonly isReconciling: boolean;
  readonly policy: EscrowPolicy;
  /** This shard's records up to here are safe where they were sent. */
  readonly replicatedCommitSeq: () => number;
}

/** Terms above 1 belong to a bank that came up on a disk not its own. */
const BANK_TERM = 1;

export const contextOf = (
  terms: EscrowTerms,
  accountId: AccountId,
  now: number,
): EscrowContext => ({
  shardIndex: terms.shardIndex,
  epoch: terms.epoch,
  homeIndex: terms.homeOf(accountId),
  shardIndexes: terms.shardIndexes,
  now,
  bankBoot: terms.bankBoot,
  bankTerm: BANK_TERM,
  replicatedCommitSeq: terms.replicatedCommitSeq(),
  isReconciling: terms.isReconciling,
  policy: terms.policy,
});

export interface PurseContents {
  purse: Purse;
  /** Σ over the books with this margin asset; minor units. */
  usedMinor: bigint;
}

export interface PurseCell extends PurseContents {
  readonly key: PurseKey;
  /** Whether the file has a row of it. */
  isStored: boolean;
  /** Whether a timer's command for it waits in the queue. */
  tickWaits: boolean;
  /** Before then its timers have nothing to do; milliseconds since 1970. */
  tickAt: number;
  /** Since when its request, and the oldest event of its outbox, have no answer; null: none has. */
  askedAt: number | null;
  outboxAt: number | null;
}

export class Purses {
  readonly #assets = new Map<string, Map<AccountId, PurseCell>>();

  find(accountId: AccountId, asset: string): PurseCell | undefined {
    return this.#assets.get(asset)?.get(accountId);
  }

  of(accountId: AccountId): readonly PurseCell[] {
    return [...this.#assets.values()]
      .map((accounts) => accounts.get(accountId))
      .filter((cell) => cell !== undefined);
  }

  *all(): Iterable<PurseCell> {
    for (const accounts of this.#assets.values()) yield* accounts.values();
  }

  add(cell: PurseCell): void {
    const { accountId, asset } = cell.key;
    const accounts = this.#assets.get(asset);
    if (accounts === undefined) this.#assets.set(asset, new Map([[accountId, cell]]));
    else accounts.set(accountId, cell);
  }
}

export const cellOf = (purse: Purse): PurseCell => ({
  key: purse.key,
  purse,
  usedMinor: 0n,
  isStored: false,
  tickWaits: false,
  tickAt: 0,
  askedAt: null,
  outboxAt: null,
});

/** Of an account that this shard hears of for the first time. */
export const newCell = (accountId: AccountId, asset: string, context: EscrowContext): PurseCell =>
  cellOf(emptyPurse({ accountId, asset }, context));

/** How often the timers of a purse are looked at while somebody waits, and while nobody does. */
const TICK_MS = 100;
const IDLE_TICK_MS = 10_000;

export const tickPauseMs = (cell: PurseCell): number => (isPressing(cell) ? TICK_MS : IDLE_TICK_MS);

/** Whether its timers have to be looked at. A clock that was set back does not put them off. */
export const isTickDue = ({ tickAt, tickWaits }: PurseCell, now: number): boolean =>
  !tickWaits && (tickAt <= now || tickAt > now + IDLE_TICK_MS);

/** Whether somebody waits for what the timers do; else rights may only go back after a while. */
const isPressing = ({ purse, usedMinor }: PurseCell): boolean =>
  purse.bank !== null ||
  purse.allotment.pending !== null ||
  purse.allotment.outbox.length > 0 ||
  overhangOf(purse, usedMinor) > 0n;
