/**
 * One batch's view of the state: what is committed, covered by what this batch has decided so
 * far. Applied after COMMIT returned; dropped if it fails, and then nothing has happened.
 */
import {
  type AccountId,
  type ClientOrderId,
  type InstrumentSymbol,
  makeOrderId,
  type OrderId,
} from "../domain/brands.ts";
import { CODES } from "../domain/codes.ts";
import type { BookAfter, DecisionView, Outcome } from "../domain/decide/types.ts";
import type { DomainEvent, OrderAccepted, OrderChanged, OrderRefused } from "../domain/event.ts";
import type { Instrument } from "../domain/instrument.ts";
import { isOpen, type Order, type PositionSide, type Stamp } from "../domain/order.ts";
import { renderOrder, renderOrderChange, renderRefusal } from "../domain/order-body.ts";
import { type Problem, renderProblem } from "../domain/problem.ts";
import type { Exposure } from "../domain/risk/exposure.ts";
import type {
  MarkPrice,
  Position,
  PositionMode,
  RiskMode,
  RiskSettings,
  ScopedTradingState,
  SymbolSettings,
  TradingScope,
  TradingState,
  Venue,
} from "../domain/risk/types.ts";
import type { RecordPlace } from "../protocol/answer.ts";
import { type CommittedRecord, chainHash } from "../protocol/record.ts";
import { entityRecord } from "./entity-record.ts";
import { RiskOverlay } from "./risk/risk-overlay.ts";
import type { ShardState, StreamEnd } from "./state.ts";
import type { BatchWrites, OrderWrite, WriterStore } from "./store-port.ts";

type OverlayStore = Pick<WriterStore, "findOutcome" | "readOrder" | "hasExecution">;

export interface OverlayOptions {
  readonly store: OverlayStore;
  readonly hashKey: (key: string) => number;
  /** Why no new order is taken in this batch. */
  readonly admission: Problem | undefined;
  readonly openOrdersMax: number;
  readonly now: number;
}

/** The latest look-up of an outcome: most events that follow one are its key's outcome. */
interface LookedUp {
  readonly accountId: AccountId;
  readonly symbol: InstrumentSymbol;
  readonly clientOrderId: ClientOrderId;
  readonly key: string;
  readonly hash: number;
}

export class Overlay implements DecisionView {
  readonly risk: RiskMode;
  readonly venue: Venue;
  readonly riskSettings: RiskSettings;
  /** Positions, settings, prices and purses. */
  readonly held: RiskOverlay;
  readonly #state: ShardState;
  readonly #store: OverlayStore;
  readonly #hashKey: (key: string) => number;
  readonly #admission: Problem | undefined;
  readonly #openOrdersMax: number;
  readonly #now: number;
  readonly #records: CommittedRecord[] = [];
  readonly #orders = new Map<OrderId, OrderWrite>();
  readonly #outcomes = new Map<string, Outcome>();
  readonly #outcomeKeys: { hash: number; commitSeq: number }[] = [];
  readonly #streams = new Map<number, StreamEnd>();
  /** Sequences given to events that are not added yet. */
  readonly #reserved = new Map<number, number>();
  #orderCounter: number;
  #commitSeq: number;
  #opened = 0;
  #lookedUp: LookedUp | undefined;

  constructor(state: ShardState, options: OverlayOptions) {
    this.#state = state;
    this.#store = options.store;
    this.#hashKey = options.hashKey;
    this.#admission = options.admission;
    this.#openOrdersMax = options.openOrdersMax;
    this.#now = options.now;
    this.#orderCounter = state.orderCounter;
    this.#commitSeq = state.commitSeq;
    this.held = new RiskOverlay(state.risk, this, options.now);
    const { risk, venue, settings } = state.risk.terms;
    this.risk = risk;
    this.venue = venue;
    this.riskSettings = settings;
  }

  instrument(symbol: InstrumentSymbol): Instrument | undefined {
    return this.#state.instruments.get(symbol);
  }

  order(orderId: OrderId): Order | undefined {
    return (
      this.#orders.get(orderId)?.order ??
      this.#state.openOrder(orderId) ??
      this.#store.readOrder(orderId)
    );
  }

  openOrdersOf(accountId: AccountId): readonly Order[] {
    const found: Order[] = [];
    for (const order of this.#state.openOrdersOf(accountId)) {
      if (!this.#orders.has(order.orderId)) found.push(order);
    }
    for (const { order } of this.#orders.values()) {
      if (order.accountId === accountId && isOpen(order.status)) found.push(order);
    }
    return found.sort((a, b) => a.orderId - b.orderId);
  }

  openOrdersIn(accountId: AccountId, symbol: InstrumentSymbol): readonly Order[] {
    const found: Order[] = [];
    for (const order of this.#state.openOrdersIn(accountId, symbol)) {
      if (!this.#orders.has(order.orderId)) found.push(order);
    }
    for (const orderId of new Set(this.held.orderIdsIn(accountId, symbol))) {
      const order = this.#orders.get(orderId)?.order;
      if (order !== undefined && isOpen(order.status)) found.push(order);
    }
    return found.sort((a, b) => a.orderId - b.orderId);
  }

  outcome(
    accountId: AccountId,
    symbol: InstrumentSymbol,
    clientOrderId: ClientOrderId,
  ): Outcome | undefined {
    const { key, hash } = this.#lookUp(accountId, symbol, clientOrderId);
    const decided = this.#outcomes.get(key);
    if (decided !== undefined) return decided;
    return this.#store.findOutcome({ accountId, symbol, clientOrderId, hash }, this.#now);
  }

  #lookUp(accountId: AccountId, symbol: InstrumentSymbol, clientOrderId: ClientOrderId): LookedUp {
    const latest = this.#lookedUp;
    if (
      latest?.clientOrderId === clientOrderId &&
      latest.accountId === accountId &&
      latest.symbol === symbol
    ) {
      return latest;
    }
    const key = `${accountId}:${symbol}:${clientOrderId}`;
    this.#lookedUp = { accountId, symbol, clientOrderId, key, hash: this.#hashKey(key) };
    return this.#lookedUp;
  }

  admission(): Problem | undefined {
    if (this.#admission !== undefined) return this.#admission;
    if (this.#state.openCount + this.#opened < this.#openOrdersMax) return undefined;
    return {
      code: "overloaded",
      detail: `The shard holds ${this.#openOrdersMax} open orders, its openOrdersMax.`,
    };
  }

  nextOrderId(): OrderId {
    this.#orderCounter++;
    return makeOrderId(this.#orderCounter, this.#state.shardIndex);
  }

  nextStamp(key: string): Stamp {
    const partition = this.#state.partitionFor(key);
    // The events of one decision are added in the order of their stamps, after it.
    const pending = this.#reserved.get(partition) ?? this.#endOf(partition).seq;
    this.#reserved.set(partition, pending + 1);
    this.#commitSeq++;
    return {
      epoch: this.#state.epoch,
      commitSeq: this.#commitSeq,
      partition,
      seq: pending + 1,
    };
  }

  #endOf(partition: number): StreamEnd {
    return this.#streams.get(partition) ?? this.#state.streamEnd(partition);
  }

  position(
    accountId: AccountId,
    symbol: InstrumentSymbol,
    side: PositionSide,
  ): Position | undefined {
    return this.held.position(accountId, symbol, side);
  }

  positionsOf(accountId: AccountId): readonly Position[] {
    return this.held.positionsOf(accountId);
  }

  exposure(accountId: AccountId, symbol: InstrumentSymbol): Exposure {
    return this.held.exposure(accountId, symbol);
  }

  symbolSettings(accountId: AccountId, symbol: InstrumentSymbol): SymbolSettings | undefined {
    return this.held.symbolSettings(accountId, symbol);
  }

  positionMode(accountId: AccountId): PositionMode {
    return this.held.positionMode(accountId);
  }

  accountSettingsVersion(accountId: AccountId): number {
    return this.held.accountSettingsVersion(accountId);
  }

  mark(symbol: InstrumentSymbol): MarkPrice | undefined {
    return this.held.mark(symbol);
  }

  lastPrice(symbol: InstrumentSymbol): number | undefined {
    return this.held.lastPrice(symbol);
  }

  tradingState(accountId: AccountId, symbol: InstrumentSymbol): TradingState {
    return this.held.tradingState(accountId, symbol);
  }

  scopedTradingState(scope: TradingScope): ScopedTradingState | undefined {
    return this.held.scopedTradingState(scope);
  }

  hasExecution(symbol: InstrumentSymbol, executionId: string): boolean {
    return (
      this.held.hasExecution(symbol, executionId) || this.#store.hasExecution(symbol, executionId)
    );
  }

  usedInMinor(accountId: AccountId, symbol: InstrumentSymbol): bigint {
    return this.held.usedInMinor(accountId, symbol);
  }

  usedMinor(accountId: AccountId, asset: string): bigint {
    return this.held.usedMinor(accountId, asset);
  }

  rightsMinor(accountId: AccountId, asset: string): bigint {
    return this.held.rightsMinor(accountId, asset);
  }

  canRealise(accountId: AccountId, asset: string, deltaMinor: bigint): boolean {
    return this.held.canRealise(accountId, asset, deltaMinor);
  }

  /** Adds an event of the latest decision; gives the body that its client gets. */
  add(event: DomainEvent): string {
    switch (event.type) {
      case "order_accepted":
        return this.accept(event, null);
      case "order_refused":
        return this.#refused(event);
      case "order_changed":
        return this.#changed(event);
      case "position_changed":
        this.held.positionChanged(event.position);
        break;
      case "settings_changed":
        if (event.settings.of === "symbol") this.held.symbolSettingsChanged(event.settings);
        else this.held.accountSettingsChanged(event.settings);
        break;
      case "trading_state_changed":
        this.held.tradingStateChanged(event.tradingState);
        break;
      case "transfer_decided":
        this.held.transferred(event);
        break;
      case "execution_quarantined":
      case "account_changed":
    }
    const { key, value } = entityRecord(event, (text) => this.#state.instruments.has(text));
    this.#append(event, key, value);
    return value;
  }

  /** As {@link add}; `after` saves reckoning again what the decision has come to. */
  accept(event: OrderAccepted, after: BookAfter | null): string {
    const { order, request, stamp } = event;
    const body = renderOrder(order, this.#state.shard);
    this.#append(event, order.symbol, body);
    this.#orders.set(order.orderId, { order, isNew: true, lastCommitSeq: stamp.commitSeq });
    if (isOpen(order.status)) this.#opened++;
    this.held.orderChanged(undefined, order, after);
    const { orderId, accountId } = order;
    this.#remember(accountId, { status: 201, body, request, stamp, orderId });
    return body;
  }

  #refused(event: OrderRefused): string {
    const { accountId, request, at, code, detail, context, stamp } = event;
    const { status } = CODES[code];
    const answer = renderProblem({ code, detail, context });
    const value = renderRefusal({ accountId, at, request, status, code, answer });
    this.#append(event, request.symbol, value);
    this.#remember(accountId, { status, body: answer, request, stamp, orderId: null });
    return answer;
  }

  #changed(event: OrderChanged): string {
    const { order, reason, stamp } = event;
    const { orderId } = order;
    const known = this.#orders.get(orderId);
    const before = known?.order ?? this.#state.openOrder(orderId);
    if (before === undefined) throw new Error(`order ${orderId} changes, but is not open`);
    this.#append(event, order.symbol, renderOrderChange(order, this.#state.shard, reason));
    const isNew = known?.isNew ?? false;
    this.#orders.set(orderId, { order, isNew, lastCommitSeq: stamp.commitSeq });
    if (!isOpen(order.status)) this.#opened--;
    this.held.orderChanged(before, order);
    return renderOrder(order, this.#state.shard);
  }

  #append(event: DomainEvent, key: string, value: string): void {
    const { partition, seq, commitSeq, epoch } = event.stamp;
    const last = this.#records.at(-1)?.commitSeq ?? this.#state.commitSeq;
    const { seq: before, hash: prevHash } = this.#endOf(partition);
    // A stamp that was taken and left unused would break the chain at central.
    if (commitSeq !== last + 1 || seq !== before + 1) {
      throw new Error(`record ${commitSeq} (${partition}/${seq}) after ${last} (${before})`);
    }
    const hash = chainHash(prevHash, value);
    const { shard } = this.#state;
    const at = this.#now;
    const { type } = event;
    this.#records.push({
      type,
      shard,
      epoch,
      partition,
      seq,
      commitSeq,
      at,
      key,
      value,
      prevHash,
      hash,
    });
    this.#streams.set(partition, { seq, hash });
  }

  #remember(accountId: AccountId, outcome: Outcome): void {
    const { symbol, clientOrderId } = outcome.request;
    const { key, hash } = this.#lookUp(accountId, symbol, clientOrderId);
    this.#outcomes.set(key, outcome);
    this.#outcomeKeys.push({ hash, commitSeq: outcome.stamp.commitSeq });
  }

  /** The newest record of the partition that this key's records go to. */
  newestPlace(key: string): RecordPlace {
    const partition = this.#state.partitionFor(key);
    return { partition, epoch: this.#state.epoch, seq: this.#endOf(partition).seq };
  }

  /** What the transaction writes. */
  writes(): BatchWrites {
    return {
      at: this.#now,
      raise: null,
      records: this.#records,
      orders: [...this.#orders.values()],
      risk: this.held.writes(),
      outcomeKeys: this.#outcomeKeys,
      orderCounter: this.#orderCounter,
      commitSeq: this.#commitSeq,
    };
  }

  /** After COMMIT: the state is now what the file says. Gives the orders that changed. */
  apply(): Iterable<OrderWrite> {
    this.#state.orderCounter = this.#orderCounter;
    this.#state.commitSeq = this.#commitSeq;
    for (const [partition, end] of this.#streams) this.#state.setStreamEnd(partition, end);
    for (const { order } of this.#orders.values()) this.#state.put(order);
    this.held.apply();
    return this.#orders.values();
  }
}
