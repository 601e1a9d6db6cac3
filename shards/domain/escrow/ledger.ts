/** Arithmetic on a bank's rows. Nothing computed here is ever stored. */
import type { Bank, BankShard } from "./types.ts";

export const lesserOf = (a: bigint, b: bigint): bigint => (a < b ? a : b);
export const greaterOf = (a: bigint, b: bigint): bigint => (a > b ? a : b);

const sumOf = (bank: Bank, of: (row: BankShard) => bigint): bigint =>
  bank.shards.reduce((sum, row) => sum + of(row), 0n);

/** What the account owns of the asset, as far as the bank has heard; negative after great losses. */
export const equityOf = (bank: Bank): bigint =>
  bank.depositedMinor - bank.withdrawnMinor + sumOf(bank, (row) => row.pnlTotalMinor);

/** Σ rights that shards hold, or that are on the way to or from them. */
export const grantedOf = (bank: Bank): bigint => sumOf(bank, (row) => row.grantedMinor);

/** What no shard holds; negative only after losses beyond a shard's unused rights. */
export const freeOf = (bank: Bank): bigint => equityOf(bank) - grantedOf(bank);

/** Σ losses that no unused rights covered, as far as the bank has heard. */
export const unsecuredOf = (bank: Bank): bigint => sumOf(bank, (row) => row.unsecuredTotalMinor);

/** What of a realised loss no burnt rights covered, ≥ 0. */
export const unsecuredPartOf = (deltaMinor: bigint, burnMinor: bigint): bigint =>
  deltaMinor < 0n ? greaterOf(0n, -deltaMinor - burnMinor) : 0n;

/**
 * Rights between the bank and those shards: grants not credited yet and give-backs not applied
 * yet. Exact when bank and shards are read at one moment; shards that are not named count nothing.
 */
export const inTransitOf = (
  bank: Bank,
  held: readonly { readonly shardIndex: number; readonly rightsMinor: bigint }[],
): bigint =>
  held.reduce(
    (sum, { shardIndex, rightsMinor }) =>
      sum + (shardOf(bank, shardIndex)?.grantedMinor ?? 0n) - rightsMinor,
    0n,
  );

export const shardOf = (bank: Bank, shardIndex: number): BankShard | undefined =>
  bank.shards.find((row) => row.shardIndex === shardIndex);

export const hasReported = (bank: Bank, row: BankShard): boolean =>
  row.reportedTerm === bank.term && !row.claim;

/** Whether every shard has reported in this term; before that nothing is granted or paid out. */
export const isReady = (bank: Bank): boolean => bank.shards.every((row) => hasReported(bank, row));

/** A row nobody has sent anything for; the first message's epoch becomes its epoch. */
export const emptyRow = (shardIndex: number, reportedTerm: number): BankShard => ({
  shardIndex,
  epoch: 0,
  grantedMinor: 0n,
  lastReq: 0,
  replyCode: "OK",
  replyGrantedMinor: 0n,
  lastEvt: 0,
  pnlTotalMinor: 0n,
  unsecuredTotalMinor: 0n,
  reportedTerm,
  claim: false,
});

export const changeBank = (bank: Bank, change: Partial<Bank>): Bank => ({
  ...bank,
  ...change,
  version: bank.version + 1,
});

/** Changes one shard's row, or adds it. */
export const changeRow = (bank: Bank, row: BankShard): Bank =>
  changeBank(bank, {
    shards: shardOf(bank, row.shardIndex)
      ? bank.shards.map((old) => (old.shardIndex === row.shardIndex ? row : old))
      : [...bank.shards, row].sort((a, b) => a.shardIndex - b.shardIndex),
  });
