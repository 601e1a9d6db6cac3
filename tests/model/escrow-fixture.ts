/** Purses and messages for the unit tests of the allotments: bank on shard 1, shards 2 and 3. */
import type { OrderId } from "../../shards/domain/brands.ts";
import { shardOf } from "../../shards/domain/escrow/ledger.ts";
import type { ToBank } from "../../shards/domain/escrow/messages.ts";
import { DEFAULT_ESCROW_POLICY, type EscrowPolicy } from "../../shards/domain/escrow/policy.ts";
import {
  type EscrowContext,
  emptyPurse,
  type Purse,
  restorePurse,
} from "../../shards/domain/escrow/purse.ts";
import type {
  Allotment,
  AllotmentEvent,
  Bank,
  BankShard,
} from "../../shards/domain/escrow/types.ts";
import { KEY } from "./escrow-place.ts";

export const NOW = 1_000_000;
export const EXACT: EscrowPolicy = { ...DEFAULT_ESCROW_POLICY, exactBelowNeeds: 1_000_000 };

export const contextOf = (shardIndex: number, fields: Partial<EscrowContext> = {}) => ({
  shardIndex,
  epoch: 1,
  homeIndex: 1,
  shardIndexes: [1, 2, 3],
  now: NOW,
  bankBoot: "boot",
  bankTerm: 1,
  replicatedCommitSeq: 100,
  isReconciling: false,
  policy: EXACT,
  ...fields,
});

/** Shard 2's purse, after a restart. */
export const shardPurse = (fields: Partial<Allotment> = {}): Purse =>
  restorePurse(KEY, { ...emptyPurse(KEY, contextOf(2)).allotment, ...fields }, null);

type Rows = Readonly<Record<number, Partial<BankShard>>>;

/** The home's purse; its own rights are what row 1 grants. */
export const homePurse = (fields: Partial<Bank>, rows: Rows = {}): Purse => {
  const { allotment, bank } = emptyPurse(KEY, contextOf(1));
  const shards = (bank?.shards ?? []).map((row) => ({
    ...row,
    epoch: 1,
    ...rows[row.shardIndex],
  }));
  const rightsMinor = rows[1]?.grantedMinor ?? 0n;
  return restorePurse(KEY, { ...allotment, rightsMinor }, bank && { ...bank, ...fields, shards });
};

/** 100 owned: 30 at the home, 40 at shard 2, 20 at shard 3, 10 free. */
export const spread = (): Purse =>
  homePurse(
    { depositedMinor: 100n },
    { 1: { grantedMinor: 30n }, 2: { grantedMinor: 40n }, 3: { grantedMinor: 20n } },
  );

export const bankOf = (purse: Purse): Bank => {
  if (purse.bank === null) {
    throw new Error("This purse has no bank.");
  }
  return purse.bank;
};

export const rowOf = (purse: Purse, shardIndex: number): BankShard => {
  const row = shardOf(bankOf(purse), shardIndex);
  if (row === undefined) {
    throw new Error(`There is no row for shard ${shardIndex}.`);
  }
  return row;
};

export const fromShard = (shardIndex: number) => ({ ...KEY, shardIndex, epoch: 1 });
export const toShard = (shardIndex: number) => ({ ...fromShard(shardIndex), term: 1 });

/** What other shards say to the bank. */
export const request = (
  shardIndex: number,
  reqSeq: number,
  needMinor: bigint,
  afterEvt = 0,
): ToBank => ({
  kind: "grant_request",
  ...fromShard(shardIndex),
  reqSeq,
  needMinor,
  afterEvt,
});
export const event = (shardIndex: number, fact: AllotmentEvent): ToBank => ({
  kind: "event",
  ...fromShard(shardIndex),
  event: fact,
});
export const answer = (
  shardIndex: number,
  recallId: string,
  afterEvt: number,
  isEmpty: boolean,
): ToBank => ({
  kind: "recall_answer",
  ...fromShard(shardIndex),
  recallId,
  afterEvt,
  isEmpty,
});

export const giveback = (evtSeq: number, unitsMinor: bigint): AllotmentEvent => ({
  evtSeq,
  kind: "GIVEBACK",
  unitsMinor,
  deltaMinor: 0n,
  orderId: 0,
  executionId: "",
  afterCommitSeq: 0,
});

export const realised = (
  evtSeq: number,
  deltaMinor: bigint,
  unitsMinor: bigint,
  afterCommitSeq: number,
): AllotmentEvent => ({
  evtSeq,
  kind: "PNL",
  unitsMinor,
  deltaMinor,
  orderId: 5 as OrderId,
  executionId: "x1",
  afterCommitSeq,
});
