/** For unit tests of the shard's file: batches made by hand, and values that a double cannot hold. */
import type { Database } from "bun:sqlite";
import type {
  AccountId,
  ClientOrderId,
  InstrumentSymbol,
  OrderId,
} from "../../shards/domain/brands.ts";
import type { Allotment, Bank, PurseKey, Transfer } from "../../shards/domain/escrow/types.ts";
import type { Order, OrderChild } from "../../shards/domain/order.ts";
import type { Position } from "../../shards/domain/risk/types.ts";
import type { CommittedRecord } from "../../shards/protocol/record.ts";
import { openShardFile } from "../../shards/store/open-shard.ts";
import { ShardStore, type StoreOptions } from "../../shards/store/shard-store.ts";
import type {
  BatchWrites,
  DurablePurse,
  OrderWrite,
  RiskWrites,
} from "../../shards/writer/store-port.ts";
import { CONFIG, DAY_MS, FIRST_EPOCH, noCheckpoints } from "./shard-file.ts";
import { INSTRUMENTS, PARTITIONS, START_AT } from "./shard-state.ts";

export const BTC = "BTCUSDT" as InstrumentSymbol;
export const OWNER = 42 as AccountId;
export const USDT: PurseKey = { accountId: OWNER, asset: "USDT" };

/** The largest amount that a column of money holds, minor units. */
export const MONEY_MAX = 2n ** 63n - 1n;
/** No double is this number. */
export const ODD = 2n ** 53n + 1n;

/** The `n`-th order of shard1: LIMIT, plain, open. */
export const storedOrder = (n: number, changes: Partial<Order> = {}): Order => ({
  orderId: (n * 1024 + 1) as OrderId,
  accountId: OWNER,
  clientOrderId: `order-${n}` as ClientOrderId,
  symbol: BTC,
  side: "BUY",
  type: "LIMIT",
  timeInForce: "GTC",
  goodTillDate: null,
  priceUnits: 5_000_010,
  quantityUnits: 10,
  executedUnits: 0,
  priceScale: 2,
  quantityScale: 3,
  selfTradePrevention: "NONE",
  stopPriceUnits: null,
  workingType: null,
  reduceOnly: false,
  closePosition: false,
  positionSide: "BOTH",
  children: [],
  parentId: null,
  costUnits: 0n,
  marginPriceUnits: 0,
  openLossMinor: 0n,
  amendment: null,
  status: "NEW",
  version: 1,
  createdAt: START_AT,
  updatedAt: START_AT,
  receipt: { epoch: 1, commitSeq: n, partition: 1, seq: n },
  ...changes,
});

/** A stop-loss of the `parent`-th order, as the `n`-th. */
export const storedChild = (n: number, parent: number, changes: Partial<Order> = {}): Order =>
  storedOrder(n, {
    side: "SELL",
    type: "STOP_MARKET",
    timeInForce: null,
    priceUnits: null,
    stopPriceUnits: 4_000_000,
    workingType: "MARK_PRICE",
    reduceOnly: true,
    parentId: (parent * 1024 + 1) as OrderId,
    status: "PENDING",
    ...changes,
  });

/** What a parent's body says of that child. */
export const childOf = (n: number): OrderChild => ({
  orderId: (n * 1024 + 1) as OrderId,
  clientOrderId: `order-${n}` as ClientOrderId,
  type: "STOP_MARKET",
  stopPrice: "40000",
  price: null,
  workingType: "MARK_PRICE",
});

export const isNew = (...orders: readonly Order[]): readonly OrderWrite[] =>
  orders.map((order) => ({ order, isNew: true, lastCommitSeq: order.receipt.commitSeq }));

export const changed = (...orders: readonly Order[]): readonly OrderWrite[] =>
  orders.map((order) => ({ order, isNew: false, lastCommitSeq: order.receipt.commitSeq }));

export const NO_WRITES: RiskWrites = {
  purses: [],
  positions: [],
  symbolSettings: [],
  accountSettings: [],
  marks: [],
  lastPrices: [],
  tradingStates: [],
  transfers: [],
  executions: [],
  quarantined: [],
};

export const emptyAllotment = (changes: Partial<Allotment> = {}): Allotment => ({
  epoch: 1,
  state: "LIVE",
  rightsMinor: 0n,
  reqSeq: 0,
  evtSeq: 0,
  pnlTotalMinor: 0n,
  unsecuredTotalMinor: 0n,
  pending: null,
  outbox: [],
  ...changes,
});

export const bankShard = (
  shardIndex: number,
  changes: Partial<Bank["shards"][number]> = {},
): Bank["shards"][number] => ({
  shardIndex,
  epoch: 1,
  grantedMinor: 0n,
  lastReq: 0,
  replyCode: "OK",
  replyGrantedMinor: 0n,
  lastEvt: 0,
  pnlTotalMinor: 0n,
  unsecuredTotalMinor: 0n,
  reportedTerm: 1,
  claim: false,
  ...changes,
});

/** A home's purse with something in every column. */
export const fullPurse = (): DurablePurse => ({
  allotment: emptyAllotment({
    epoch: 3,
    rightsMinor: MONEY_MAX,
    reqSeq: 8,
    evtSeq: 12,
    pnlTotalMinor: -MONEY_MAX,
    unsecuredTotalMinor: ODD,
    pending: { reqSeq: 8, needMinor: ODD, afterEvt: 11 },
    outbox: [
      {
        evtSeq: 11,
        kind: "GIVEBACK",
        unitsMinor: ODD,
        deltaMinor: 0n,
        orderId: 0,
        executionId: "",
        afterCommitSeq: 0,
      },
      {
        evtSeq: 12,
        kind: "PNL",
        unitsMinor: 0n,
        deltaMinor: -ODD,
        orderId: 1025 as OrderId,
        executionId: "x:1",
        afterCommitSeq: 77,
      },
    ],
  }),
  bank: {
    term: 1,
    depositedMinor: MONEY_MAX,
    withdrawnMinor: ODD,
    version: 9,
    shards: [
      bankShard(1, { grantedMinor: ODD, lastReq: 5, replyCode: "INSUFFICIENT" }),
      bankShard(2, { pnlTotalMinor: -ODD, unsecuredTotalMinor: ODD, lastEvt: 7, claim: true }),
      bankShard(3, { replyCode: "UNAVAILABLE", replyGrantedMinor: ODD, reportedTerm: 0 }),
    ],
  },
});

export const storedPosition = (changes: Partial<Position> = {}): Position => ({
  accountId: OWNER,
  symbol: BTC,
  side: "BOTH",
  quantityUnits: -12,
  costUnits: 2n ** 90n + 1n,
  priceScale: 2,
  quantityScale: 3,
  realisedMinor: -ODD,
  feesMinor: ODD,
  version: 3,
  updatedAt: START_AT,
  ...changes,
});

export const storedTransfer = (transferId: string, amountMinor: bigint): PurseKey & Transfer => ({
  ...USDT,
  transferId,
  amountMinor,
  outcome: amountMinor > 0n ? "PAID" : "REFUSED",
  at: START_AT,
});

/** A shard's file behind its store, written with batches made by hand. */
export class StoredRisk {
  readonly database: Database;
  readonly store: ShardStore;
  now = START_AT;
  commitSeq = PARTITIONS;

  constructor(database: Database, store: ShardStore) {
    this.database = database;
    this.store = store;
  }

  /** `values` are those of records of the type `execution_quarantined`, the batch's only ones. */
  batchOf(
    risk: Partial<RiskWrites> | null,
    orders: readonly OrderWrite[] = [],
    values: readonly string[] = [],
  ): BatchWrites {
    const records = values.map((value, i): CommittedRecord => {
      const commitSeq = this.commitSeq + 1 + i;
      const place = { shard: "shard1", epoch: 1, partition: 0, seq: commitSeq, commitSeq };
      const hash = "0".repeat(64);
      const type = "execution_quarantined" as const;
      return { ...place, type, at: this.now, key: BTC, value, prevHash: hash, hash };
    });
    return {
      at: this.now,
      raise: null,
      records,
      orders,
      risk: risk && { ...NO_WRITES, ...risk },
      outcomeKeys: [],
      orderCounter: 0,
      commitSeq: this.commitSeq + values.length,
    };
  }

  commit(batch: BatchWrites): void {
    this.store.commit(batch);
    this.commitSeq = batch.commitSeq;
  }

  close(): void {
    this.store.close();
  }
}

export const openStored = async (
  path: string,
  options: Partial<StoreOptions> = {},
): Promise<StoredRisk> => {
  const { database, loaded } = await openShardFile({
    path,
    config: CONFIG,
    instruments: INSTRUMENTS,
    backlogRecordsMax: 1_000,
    now: START_AT,
    claimEpoch: async () => FIRST_EPOCH,
  });
  const retention = { outcomeRetentionMs: DAY_MS, orderRetentionMs: DAY_MS };
  const settings = { path, epoch: 1, outcomeGenerationSize: 1_000, ...retention, ...options };
  return new StoredRisk(database, new ShardStore(database, settings, noCheckpoints(), loaded));
};
