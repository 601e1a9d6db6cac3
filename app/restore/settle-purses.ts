/**
 * Both sides of a lost shard's purses, from the files of all other shards and from central, while
 * no shard runs: no message of before is under way, so each number below is the last one.
 *
 *   bank elsewhere  the bank's own row says what the shard may use and which numbers come next.
 *                   What central knows of realised and the bank has not heard becomes one event
 *                   more; what is used beyond the rights is cancelled, newest first.
 *   bank here       the other shards' allotments say what was granted and realised, central's
 *                   transfers what was paid in and out. The home's own rights are what it uses, as
 *                   far as free money goes; the rest is cancelled.
 *
 * Marks are not replicated, nor are fees in another asset than the margin asset summed up: a purse
 * that such a fee belongs to keeps what its bank has heard, and is named. Where the account also has
 * positions in the fee's asset, an earlier such fee can't be told from a profit, and is paid back.
 */
import type { AccountId } from "../../shards/domain/brands.ts";
import { purseKey } from "../../shards/domain/entities.ts";
import { emptyRow, equityOf, grantedOf } from "../../shards/domain/escrow/ledger.ts";
import type {
  Allotment,
  AllotmentEvent,
  Bank,
  BankShard,
  PurseKey,
  Transfer,
} from "../../shards/domain/escrow/types.ts";
import type { AccountTotals } from "../central/entity-row.ts";
import type { LostBooks } from "./lost-books.ts";

/** A purse as its file has it. */
export interface FilePurse extends PurseKey {
  readonly allotment: Allotment;
  readonly bank: Bank | null;
}

/** The purses of other shards' files by {@link purseKey}, each shard's under its index. */
export type Peers = ReadonlyMap<number, ReadonlyMap<string, FilePurse>>;

export interface LostPurses {
  readonly shardIndex: number;
  /** The new one. */
  readonly epoch: number;
  /** Of all shards of the map. */
  readonly shardIndexes: readonly number[];
  readonly homeOf: (accountId: AccountId) => number;
  readonly peers: Peers;
  readonly books: LostBooks;
  /** What central knows that a purse has realised on this shard; undefined where fees may lack. */
  readonly realised: (key: PurseKey) => bigint | undefined;
  /** Purses that paid fees for positions in another margin asset. */
  readonly foreignFees: readonly PurseKey[];
  /** By {@link purseKey}, both. */
  readonly transfers: ReadonlyMap<string, readonly (PurseKey & Transfer)[]>;
  readonly accounts: ReadonlyMap<string, AccountTotals>;
}

export interface SettledPurses {
  readonly purses: readonly FilePurse[];
  /** Those whose bank is here: central hears of each. */
  readonly banks: readonly (PurseKey & { readonly bank: Bank })[];
  /** Events that the banks of other shards have not heard of. */
  readonly keptEvents: number;
  /** Purses of which fees may be missing. */
  readonly unsure: readonly string[];
}

/** Banks that came up once keep their term: nothing of an older one can be under way. */
const TERM = 1;

export const settlePurses = (lost: LostPurses): SettledPurses => {
  const settled = keysOf(lost).map((key) =>
    lost.homeOf(key.accountId) === lost.shardIndex
      ? settleHome(lost, key)
      : settleElsewhere(lost, key),
  );
  const unsure = settled.filter((key) => lost.realised(key) === undefined);
  return {
    purses: settled,
    banks: settled.flatMap(({ bank, ...key }) => (bank === null ? [] : { ...key, bank })),
    keptEvents: settled.reduce((sum, { allotment }) => sum + allotment.outbox.length, 0),
    unsure: unsure.map(nameOf),
  };
};

const nameOf = ({ accountId, asset }: PurseKey): string => purseKey(accountId, asset);

const keysOf = (lost: LostPurses): readonly PurseKey[] => {
  const { books, peers, accounts, transfers, foreignFees } = lost;
  const keys = new Map<string, PurseKey>();
  const all = [
    ...books.purseKeys(),
    ...[...peers.values()].flatMap((purses) => [...purses.values()]),
    ...accounts.values(),
    ...[...transfers.values()].flat(),
    ...foreignFees,
  ];
  for (const key of all) keys.set(nameOf(key), { accountId: key.accountId, asset: key.asset });
  return [...keys.values()];
};

const settleElsewhere = (lost: LostPurses, key: PurseKey): FilePurse => {
  const { shardIndex, epoch, books } = lost;
  const bank = purseOf(lost, lost.homeOf(key.accountId), key)?.bank;
  const row =
    bank?.shards.find((one) => one.shardIndex === shardIndex) ?? emptyRow(shardIndex, TERM);
  books.cancelDown(key, row.grantedMinor);
  const delta = (lost.realised(key) ?? row.pnlTotalMinor) - row.pnlTotalMinor;
  const unused = positive(row.grantedMinor - books.usedMinor(key));
  const burn = lesser(positive(-delta), unused);
  const event: AllotmentEvent = {
    evtSeq: row.lastEvt + 1,
    kind: "PNL",
    unitsMinor: burn,
    deltaMinor: delta,
    orderId: 0,
    executionId: `restored-${epoch}`,
    afterCommitSeq: 0,
  };
  const kept = delta === 0n ? [] : [event];
  const allotment: Allotment = {
    epoch,
    state: "LIVE",
    rightsMinor: row.grantedMinor - burn,
    reqSeq: row.lastReq,
    evtSeq: row.lastEvt + kept.length,
    pnlTotalMinor: row.pnlTotalMinor + delta,
    unsecuredTotalMinor: row.unsecuredTotalMinor + positive(-delta - burn),
    pending: null,
    outbox: kept,
  };
  return { ...key, allotment, bank: null };
};

const settleHome = (lost: LostPurses, key: PurseKey): FilePurse => {
  const { shardIndex, epoch, shardIndexes, books } = lost;
  const totals = lost.accounts.get(nameOf(key));
  const { deposited, withdrawn } = paidOf(lost.transfers, key);
  const others = shardIndexes
    .filter((index) => index !== shardIndex)
    .map((index) => rowOf(index, purseOf(lost, index, key)?.allotment));
  const realised = lost.realised(key) ?? realisedByTotals(lost, key, totals);
  const own = { ...emptyRow(shardIndex, TERM), epoch, pnlTotalMinor: realised };
  const bank: Bank = {
    term: TERM,
    depositedMinor: deposited,
    withdrawnMinor: withdrawn,
    version: (totals?.version ?? 0) + 1,
    shards: [own, ...others].sort((a, b) => a.shardIndex - b.shardIndex),
  };
  const free = positive(equityOf(bank) - grantedOf(bank));
  books.cancelDown(key, free);
  const rights = lesser(books.usedMinor(key), free);
  const shards = bank.shards.map((row) =>
    row.shardIndex === shardIndex ? { ...row, grantedMinor: rights } : row,
  );
  const allotment: Allotment = {
    epoch,
    state: "LIVE",
    rightsMinor: rights,
    reqSeq: 0,
    evtSeq: 0,
    pnlTotalMinor: realised,
    unsecuredTotalMinor: 0n,
    pending: null,
    outbox: [],
  };
  return { ...key, allotment, bank: { ...bank, shards } };
};

/** A shard's own numbers cover every event that it ever numbered, applied by the bank or not. */
const rowOf = (shardIndex: number, allotment: Allotment | undefined): BankShard => {
  const row = emptyRow(shardIndex, TERM);
  if (allotment === undefined) return row;
  const { epoch, rightsMinor, reqSeq, evtSeq, pending } = allotment;
  const { pnlTotalMinor, unsecuredTotalMinor } = allotment;
  return {
    ...row,
    epoch,
    grantedMinor: rightsMinor,
    // What it still waits for is asked, and answered, anew.
    lastReq: pending === null ? reqSeq : reqSeq - 1,
    replyCode: "UNAVAILABLE",
    lastEvt: evtSeq,
    pnlTotalMinor,
    unsecuredTotalMinor,
  };
};

/** What the bank had told, less what it had heard of the other shards. */
const realisedByTotals = (
  lost: LostPurses,
  key: PurseKey,
  totals: AccountTotals | undefined,
): bigint => {
  const heard = [...lost.peers.keys()].map((shardIndex) => {
    const allotment = purseOf(lost, shardIndex, key)?.allotment;
    const unheard = allotment?.outbox.reduce((sum, { deltaMinor }) => sum + deltaMinor, 0n) ?? 0n;
    return (allotment?.pnlTotalMinor ?? 0n) - unheard;
  });
  return (totals?.realisedMinor ?? 0n) - heard.reduce((sum, minor) => sum + minor, 0n);
};

const paidOf = (transfers: LostPurses["transfers"], key: PurseKey) => {
  let deposited = 0n;
  let withdrawn = 0n;
  for (const transfer of transfers.get(nameOf(key)) ?? []) {
    if (transfer.outcome !== "PAID") continue;
    if (transfer.amountMinor > 0n) deposited += transfer.amountMinor;
    else withdrawn -= transfer.amountMinor;
  }
  return { deposited, withdrawn };
};

/**
 * A bank of which only its totals are known: nothing is granted or paid until the file is restored
 * with the others' files. It tells what it told before.
 */
export const unsettledBank = (
  { accountId, asset, ...totals }: AccountTotals,
  { shardIndex, epoch, shardIndexes }: Pick<LostPurses, "shardIndex" | "epoch" | "shardIndexes">,
): FilePurse => {
  const shards = shardIndexes.map((index) =>
    index === shardIndex
      ? {
          ...emptyRow(index, 0),
          epoch,
          grantedMinor: totals.grantedMinor,
          pnlTotalMinor: totals.realisedMinor,
        }
      : emptyRow(index, 0),
  );
  const { depositedMinor, withdrawnMinor, version } = totals;
  const allotment: Allotment = {
    epoch,
    state: "RECONCILING",
    rightsMinor: 0n,
    reqSeq: 0,
    evtSeq: 0,
    pnlTotalMinor: 0n,
    unsecuredTotalMinor: 0n,
    pending: null,
    outbox: [],
  };
  const bank: Bank = { term: totals.term, depositedMinor, withdrawnMinor, version, shards };
  return { accountId, asset, allotment, bank };
};

const purseOf = ({ peers }: LostPurses, shardIndex: number, key: PurseKey): FilePurse | undefined =>
  peers.get(shardIndex)?.get(nameOf(key));

const positive = (minor: bigint): bigint => (minor > 0n ? minor : 0n);
const lesser = (a: bigint, b: bigint): bigint => (a < b ? a : b);
