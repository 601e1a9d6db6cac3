/** For unit tests of the shard: instruments, requests, an empty state and a store in memory. */
import type {
  AccountId,
  CanonicalDecimal,
  InstrumentSymbol,
  OrderId,
  ShardName,
} from "../../shards/domain/brands.ts";
import type { Command } from "../../shards/domain/command.ts";
import type { BankMessage } from "../../shards/domain/escrow/messages.ts";
import { DEFAULT_ESCROW_POLICY } from "../../shards/domain/escrow/policy.ts";
import type { Instrument } from "../../shards/domain/instrument.ts";
import type { Order, OrderRequest } from "../../shards/domain/order.ts";
import type { Problem } from "../../shards/domain/problem.ts";
import { emptyExposure } from "../../shards/domain/risk/exposure.ts";
import type { RiskSettings } from "../../shards/domain/risk/types.ts";
import { type CommittedRecord, chainHash, ZERO_HASH } from "../../shards/protocol/record.ts";
import { Batch, type Draft } from "../../shards/writer/batch.ts";
import type { Waiting } from "../../shards/writer/intake-queue.ts";
import { Overlay } from "../../shards/writer/overlay.ts";
import type { EscrowTerms } from "../../shards/writer/risk/purses.ts";
import { NO_RISK_LOADED, type RiskTerms } from "../../shards/writer/risk/risk-state.ts";
import { TransferRoom } from "../../shards/writer/risk/transfer-room.ts";
import { WaitingRoom } from "../../shards/writer/risk/waiting-room.ts";
import { type InitialState, ShardState } from "../../shards/writer/state.ts";
import { MemoryStore } from "./memory-store.ts";

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

/** Changed fields of a request; brands are not asked for. */
export type RequestChanges = Partial<
  Record<keyof OrderRequest, string | number | boolean | object | null>
>;

/** A LIMIT order that every rule lets pass. */
export const limitRequest = (changes: RequestChanges = {}): OrderRequest =>
  ({
    clientOrderId: "a-1",
    symbol: "BTCUSDT",
    side: "BUY",
    type: "LIMIT",
    timeInForce: "GTC",
    goodTillDate: null,
    price: "50000.1",
    quantity: "0.01",
    stopPrice: null,
    workingType: null,
    reduceOnly: false,
    closePosition: false,
    positionSide: "BOTH",
    selfTradePrevention: "NONE",
    takeProfit: null,
    stopLoss: null,
    ...changes,
  }) as OrderRequest;

export const marketRequest = (changes: RequestChanges = {}): OrderRequest =>
  limitRequest({ type: "MARKET", timeInForce: null, price: null, ...changes });

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
  createdAt: START_AT - 5,
  updatedAt: START_AT - 5,
  receipt: STAMP,
  ...changes,
});

export const place = (changes: RequestChanges = {}, accountId: AccountId = ACCOUNT): Command => ({
  kind: "place",
  accountId,
  request: limitRequest(changes),
});

export const named = (clientOrderId: string, changes: RequestChanges = {}): Command =>
  place({ clientOrderId, ...changes });

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

/** 0.05 % fee, market orders at 5 % worse than the mark, 20 × leverage. */
export const RISK_SETTINGS: RiskSettings = {
  feeRateUnits: 50_000,
  marketBufferUnits: 5_000_000,
  markAgeMsMax: 10_000,
  leverageDefault: 20,
};

/** The only shard, which is everybody's home, its records replicated at once. */
export const escrowTerms = (changes: Partial<EscrowTerms> = {}): EscrowTerms => ({
  shardIndex: 1,
  epoch: 1,
  shardIndexes: [1],
  homeOf: () => 1,
  bankBoot: "boot-1",
  isReconciling: false,
  policy: DEFAULT_ESCROW_POLICY,
  replicatedCommitSeq: () => Number.MAX_SAFE_INTEGER,
  ...changes,
});

/** No margin, and nobody behind the shard. */
export const WITHOUT_RISK: RiskTerms = {
  risk: "none",
  venue: "none",
  settings: RISK_SETTINGS,
  escrow: escrowTerms(),
};

export const riskTerms = (escrow: Partial<EscrowTerms> = {}): RiskTerms => ({
  risk: "margin",
  venue: "external",
  settings: RISK_SETTINGS,
  escrow: escrowTerms(escrow),
});

export const emptyState = (
  changes: Partial<InitialState> = {},
  terms: RiskTerms = WITHOUT_RISK,
): ShardState =>
  new ShardState(
    {
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
      risk: NO_RISK_LOADED,
      ...changes,
    },
    terms,
  );

/** Everything that a {@link ShardState} says, for comparisons. */
export const describeState = (state: ShardState): unknown => ({
  orderCounter: state.orderCounter,
  commitSeq: state.commitSeq,
  generation: state.generation,
  streams: Array.from({ length: state.partitionCount }, (_, p) => state.streamEnd(p)),
  open: [...state.allOpenOrders()].toSorted((a, b) => a.orderId - b.orderId),
  openCount: state.openCount,
  risk: describeRisk(state),
});

/** Positions, prices, exposures, what is used and what is granted; empty books left out. */
const describeRisk = ({ risk }: ShardState): unknown => ({
  books: [...risk.books.all()]
    .filter(
      ({ exposure, settings, positions }) =>
        !Bun.deepEquals(exposure, emptyExposure) || settings !== undefined || positions.length > 0,
    )
    .map((book) => ({
      ...book,
      positions: book.positions.toSorted((a, b) => a.side.localeCompare(b.side)),
    }))
    .sort((a, b) => a.accountId - b.accountId || a.symbol.localeCompare(b.symbol)),
  purses: [...risk.purses.all()]
    .map(({ key, purse, usedMinor }) => ({
      key,
      usedMinor,
      allotment: purse.allotment,
      bank: purse.bank,
    }))
    .sort((a, b) => a.key.accountId - b.key.accountId),
  modes: [...risk.modes.values()],
  marks: [...risk.marks.values()],
  lastPrices: [...risk.lastPrices],
});

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
  readonly terms: RiskTerms;
  state: ShardState;
  readonly store = new MemoryStore();
  room = new WaitingRoom<null>(1_000);
  transfers = new TransferRoom<null>();
  now = START_AT;
  openOrdersMax = 1_000;
  admission: Problem | undefined;
  /** What the shard has said to others, oldest first. */
  readonly sent: BankMessage[] = [];
  /** Every answer with its place, oldest first. */
  readonly answered: Draft<null>[] = [];

  constructor(terms: RiskTerms = WITHOUT_RISK) {
    this.terms = terms;
    this.state = emptyState({ shardIndex: terms.escrow.shardIndex }, terms);
  }

  overlay(): Overlay {
    return new Overlay(this.state, {
      store: this.store,
      hashKey,
      admission: this.admission,
      openOrdersMax: this.openOrdersMax,
      now: this.now,
    });
  }

  /** Decides a batch; `commits` false drops it as a failed transaction does. */
  run(commands: readonly Command[], commits = true): readonly BatchAnswer[] {
    const { store, state, room, transfers, now } = this;
    const overlay = this.overlay();
    const batch = new Batch<null>({ overlay, state, store, room, transfers, now });
    for (const one of waitingOf(commands)) batch.take(one);
    batch.finish();
    if (commits) {
      const writes = overlay.writes();
      if (writes.records.length > 0 || writes.risk !== null) store.commit(writes);
      overlay.apply();
      this.sent.push(...batch.desk.sends);
    } else {
      for (const waiter of batch.parked) room.remove(waiter);
      transfers.remove(batch.parkedTransfers);
    }
    this.now++;
    if (commits) this.answered.push(...batch.drafts);
    return batch.drafts.map(({ status, kind, body }) => ({ status, kind, body }));
  }

  /** The process ends and another one starts on the same file. */
  restart(): void {
    const { state, store, terms } = this;
    const { orderCounter, commitSeq } = state;
    const streams = Array.from({ length: PARTITIONS }, (_, partition) => ({
      partition,
      ...state.streamEnd(partition),
    }));
    const openOrders = store.loadOpenOrders();
    const { shardIndex } = terms.escrow;
    const loaded = { shardIndex, orderCounter, commitSeq, streams, openOrders };
    this.state = emptyState({ ...loaded, risk: store.loadRisk() }, terms);
    this.room = new WaitingRoom<null>(1_000);
    this.transfers = new TransferRoom<null>();
  }
}

/** Commands as they wait in the queue, each with its place as request id. */
export const waitingOf = (commands: readonly Command[]): readonly Waiting<null>[] =>
  commands.map((command, requestId) => ({
    sender: null,
    requestId,
    deadlineAt: Number.MAX_SAFE_INTEGER,
    command,
    arrivedMs: 0,
  }));
