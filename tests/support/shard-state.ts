/** For unit tests of the shard: instruments, requests, an empty state and a store in memory. */
import type {
  AccountId,
  CanonicalDecimal,
  InstrumentSymbol,
  OrderId,
  ShardName,
} from "../../shards/domain/brands.ts";
import type { Command } from "../../shards/domain/command.ts";
import type { Outcome } from "../../shards/domain/decide.ts";
import type { Instrument } from "../../shards/domain/instrument.ts";
import type { Order, OrderRequest } from "../../shards/domain/order.ts";
import { type OrderBody, type RefusalBody, requestOfBody } from "../../shards/domain/order-body.ts";
import type { Problem } from "../../shards/domain/problem.ts";
import type { CommitError } from "../../shards/process/commit-error.ts";
import { type CommittedRecord, chainHash, ZERO_HASH } from "../../shards/protocol/record.ts";
import { decideBatch } from "../../shards/writer/batch.ts";
import type { Waiting } from "../../shards/writer/intake-queue.ts";
import { Overlay } from "../../shards/writer/overlay.ts";
import { type InitialState, ShardState } from "../../shards/writer/state.ts";
import type {
  BatchWrites,
  OutcomeLookup,
  Watermarks,
  WriterStore,
} from "../../shards/writer/store-port.ts";

export const SHARD = "shard1" as ShardName;
/** Milliseconds since 1970 at which the tests begin. */
export const START_AT = 1_790_000_000_000;
export const PARTITIONS = 4;

/** Tick 0.10, step 0.001, prices up to 4,529,764.00, notional of 100 at least. */
export const bitcoin: Instrument = {
  symbol: "BTCUSDT" as InstrumentSymbol,
  baseAsset: "BTC",
  quoteAsset: "USDT",
  marginAsset: "USDT",
  status: "TRADING",
  priceScale: 2,
  quantityScale: 3,
  tickSizeUnits: 10,
  minPriceUnits: 55_680,
  maxPriceUnits: 452_976_400,
  stepSizeUnits: 1,
  minQuantityUnits: 1,
  maxQuantityUnits: 1_000_000,
  marketStepSizeUnits: 1,
  marketMinQuantityUnits: 1,
  marketMaxQuantityUnits: 120_000,
  minNotionalUnits: 10_000_000,
  multiplierUpUnits: 105_000_000,
  multiplierDownUnits: 95_000_000,
  maxOrders: 200,
  maxConditionalOrders: 10,
  leverageBrackets: [],
  version: 1,
};

export const SYMBOLS = ["BTCUSDT", "BTCBUSD", "ETHUSDT"] as InstrumentSymbol[];
export const INSTRUMENTS: readonly Instrument[] = SYMBOLS.map((symbol) => ({ ...bitcoin, symbol }));
export const UNKNOWN_SYMBOL = "NONE" as InstrumentSymbol;

/** A LIMIT order that every rule lets pass. */
export const limitRequest = (
  changes: Partial<Record<keyof OrderRequest, string | number | null>> = {},
): OrderRequest =>
  ({
    clientOrderId: "a-1",
    symbol: "BTCUSDT",
    side: "BUY",
    type: "LIMIT",
    timeInForce: "GTC",
    goodTillDate: null,
    price: "50000.1",
    quantity: "0.01",
    selfTradePrevention: "NONE",
    ...changes,
  }) as OrderRequest;

export const marketRequest = (
  changes: Partial<Record<keyof OrderRequest, string | number | null>> = {},
): OrderRequest => limitRequest({ type: "MARKET", timeInForce: null, price: null, ...changes });

export const ACCOUNT = 42 as AccountId;

export const STAMP = { epoch: 1, commitSeq: 1, partition: 0, seq: 1 };

/** The order that {@link limitRequest} makes, accepted a moment before {@link START_AT}. */
export const orderOf = (changes: Partial<Order> = {}): Order => ({
  orderId: 1025 as OrderId,
  accountId: ACCOUNT,
  clientOrderId: limitRequest().clientOrderId,
  symbol: bitcoin.symbol,
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
  status: "NEW",
  version: 1,
  createdAt: START_AT - 5,
  updatedAt: START_AT - 5,
  receipt: STAMP,
  ...changes,
});

export const place = (
  changes: Partial<Record<keyof OrderRequest, string | number | null>> = {},
  accountId: AccountId = ACCOUNT,
): Command => ({ kind: "place", accountId, request: limitRequest(changes) });

export const named = (
  clientOrderId: string,
  changes: Record<string, string | number> = {},
): Command => place({ clientOrderId, ...changes });

export const amend = (
  orderId: OrderId,
  change: { readonly price?: string; readonly quantity?: string },
  accountId: AccountId = ACCOUNT,
): Command => ({
  kind: "amend",
  accountId,
  orderId,
  price: (change.price ?? null) as CanonicalDecimal | null,
  quantity: (change.quantity ?? null) as CanonicalDecimal | null,
});

export const cancel = (orderId: OrderId, accountId: AccountId = ACCOUNT): Command => ({
  kind: "cancel",
  accountId,
  orderId,
});

export const emptyState = (changes: Partial<InitialState> = {}): ShardState =>
  new ShardState({
    shard: SHARD,
    shardIndex: 1,
    epoch: 1,
    partitionCount: PARTITIONS,
    generation: 1,
    orderCounter: 0,
    commitSeq: 0,
    streams: Array.from({ length: PARTITIONS }, (_, partition) => ({
      partition,
      seq: 0,
      hash: ZERO_HASH,
    })),
    openOrders: [],
    instruments: INSTRUMENTS,
    ...changes,
  });

/** Everything that a {@link ShardState} says, for comparisons. */
export const describeState = (state: ShardState): unknown => ({
  orderCounter: state.orderCounter,
  commitSeq: state.commitSeq,
  generation: state.generation,
  streams: Array.from({ length: state.partitionCount }, (_, p) => state.streamEnd(p)),
  open: [...state.allOpenOrders()].toSorted((a, b) => a.orderId - b.orderId),
  openCount: state.openCount,
});

/** What a client order id's record says, read from the record alone. */
const outcomeOf = (record: CommittedRecord): Outcome | undefined => {
  const { epoch, commitSeq, partition, seq } = record;
  const stamp = { epoch, commitSeq, partition, seq };
  if (record.type === "order_accepted") {
    const body: OrderBody = JSON.parse(record.value);
    const orderId = Number(body.orderId) as OrderId;
    return { status: 201, body: record.value, request: requestOfBody(body), stamp, orderId };
  }
  if (record.type !== "order_refused") return undefined;
  const { request, status, answer }: RefusalBody = JSON.parse(record.value);
  return { status, body: answer, request, stamp, orderId: null };
};

const keyOf = (key: {
  readonly accountId: number | string;
  readonly symbol: string;
  readonly clientOrderId: string;
}): string => `${key.accountId}:${key.symbol}:${key.clientOrderId}`;

/** The writer's store without a disk; `failure` is thrown by the next commit. */
export class MemoryStore implements WriterStore {
  readonly records: CommittedRecord[] = [];
  readonly batches: BatchWrites[] = [];
  readonly orders = new Map<OrderId, Order>();
  readonly #outcomes = new Map<string, Outcome>();
  watermarks: Watermarks | null = null;
  failure: CommitError | null = null;
  maintained = 0;
  valueBytes = 0;

  commit(batch: BatchWrites): void {
    const { failure } = this;
    this.failure = null;
    if (failure !== null) throw failure;
    this.batches.push(batch);
    for (const record of batch.records) {
      this.records.push(record);
      this.valueBytes += record.value.length;
      const outcome = outcomeOf(record);
      const { accountId } = JSON.parse(record.value);
      if (outcome !== undefined) {
        this.#outcomes.set(keyOf({ ...outcome.request, accountId }), outcome);
      }
    }
    for (const { order } of batch.orders) this.orders.set(order.orderId, order);
  }

  maintain(): void {
    this.maintained++;
  }

  findOutcome(key: OutcomeLookup): Outcome | undefined {
    return this.#outcomes.get(keyOf(key));
  }

  readOrder(orderId: OrderId): Order | undefined {
    return this.orders.get(orderId);
  }

  setWatermarks(watermarks: Watermarks): void {
    this.watermarks = watermarks;
  }

  sizes() {
    return { fileBytes: 0, walBytes: 0, freeBytes: 1e12 };
  }
}

/** What is wrong with a shard's records: gaps in commitSeq or seq, or a broken chain. */
export const faultsOf = (records: readonly CommittedRecord[], first = 1): readonly string[] => {
  const faults: string[] = [];
  const ends = new Map<number, { readonly seq: number; readonly hash: string }>();
  for (const [i, record] of records.entries()) {
    const { commitSeq, partition, seq, prevHash, value, hash } = record;
    if (commitSeq !== first + i) faults.push(`commitSeq ${commitSeq} at place ${first + i}`);
    const end = ends.get(partition);
    if (end !== undefined && seq !== end.seq + 1) faults.push(`${partition}: ${seq} after ${end}`);
    if (end !== undefined && prevHash !== end.hash) faults.push(`${partition}/${seq}: prevHash`);
    if (chainHash(prevHash, value) !== hash) faults.push(`${partition}/${seq}: hash`);
    ends.set(partition, { seq, hash });
  }
  return faults;
};

export const idOf = (body: string): OrderId =>
  Number((JSON.parse(body) as { orderId: string }).orderId) as OrderId;

/** The first of a list that has one. */
export const first = <T>(items: readonly T[]): T => {
  const [item] = items;
  if (item === undefined) throw new Error("there is none");
  return item;
};

/** 53 bits, as the shard's own; collisions are not expected here. */
export const hashKey = (key: string): number => Number(BigInt.asUintN(53, Bun.hash.wyhash(key)));

export interface BatchAnswer {
  readonly status: number;
  readonly kind: string;
  readonly body: string;
}

/** A shard's state over a {@link MemoryStore}, driven batch by batch as the writer does. */
export class StateBench {
  readonly state: ShardState = emptyState();
  readonly store = new MemoryStore();
  now = START_AT;
  openOrdersMax = 1_000;
  admission: Problem | undefined;

  /** Decides a batch; `commits` false drops it as a failed transaction does. */
  run(commands: readonly Command[], commits = true): readonly BatchAnswer[] {
    const overlay = new Overlay(this.state, {
      store: this.store,
      hashKey,
      admission: this.admission,
      openOrdersMax: this.openOrdersMax,
      now: this.now,
    });
    const { drafts } = decideBatch(waitingOf(commands), overlay, this.state, this.now);
    if (commits) {
      this.store.commit(overlay.writes());
      overlay.apply();
    }
    this.now++;
    return drafts.map(({ status, kind, body }) => ({ status, kind, body }));
  }
}

/** Commands as they wait in the queue, each with its place as request id. */
export const waitingOf = (commands: readonly Command[]): readonly Waiting<null>[] =>
  commands.map((command, requestId) => ({
    sender: null,
    requestId,
    deadlineAt: 0,
    command,
    arrivedMs: 0,
  }));
