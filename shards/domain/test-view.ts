/** For unit tests of decisions: a state in plain maps that takes up the events of what was decided. */
import type {
  AccountId,
  CanonicalDecimal,
  ClientOrderId,
  InstrumentSymbol,
  OrderId,
} from "./brands.ts";
import type { Execution } from "./command.ts";
import {
  type DecidedCommand,
  type Decision,
  type DecisionView,
  decide,
  type Funding,
  type Outcome,
} from "./decide.ts";
import { scopeKey } from "./entities.ts";
import type { DomainEvent } from "./event.ts";
import type { Instrument } from "./instrument.ts";
import { isOpen, type Order, type OrderRequest, type Stamp } from "./order.ts";
import type { Problem } from "./problem.ts";
import {
  type Exposure,
  emptyExposure,
  highestHeldPrice,
  orderChanged,
  positionChanged,
} from "./risk/exposure.ts";
import { initialMarginMinor, leverageFor } from "./risk/margin.ts";
import { mostRestrictive } from "./risk/trading-state.ts";
import type {
  AccountSettings,
  MarkPrice,
  Position,
  RiskMode,
  ScopedTradingState,
  SymbolSettings,
  TradingScope,
  TradingState,
  Venue,
} from "./risk/types.ts";
import {
  ACCOUNT,
  BTC,
  bitcoin,
  ETH,
  limit,
  type RequestChanges,
  riskSettings,
  START_AT,
} from "./test-requests.ts";

export interface TestOptions {
  readonly risk?: RiskMode;
  readonly venue?: Venue;
  readonly instruments?: readonly Instrument[];
  /** Units of 10^-2; null for none. */
  readonly markUnits?: number | null;
  /** What the account may use on this shard. */
  readonly rightsMinor?: bigint;
}

export class TestView implements DecisionView {
  readonly risk: RiskMode;
  readonly venue: Venue;
  readonly riskSettings = riskSettings;
  readonly instruments = new Map<InstrumentSymbol, Instrument>();
  readonly orders = new Map<OrderId, Order>();
  readonly outcomes = new Map<string, Outcome>();
  readonly positions = new Map<string, Position>();
  readonly settings = new Map<string, SymbolSettings>();
  readonly accounts = new Map<AccountId, AccountSettings>();
  readonly marks = new Map<InstrumentSymbol, MarkPrice>();
  readonly lastPrices = new Map<InstrumentSymbol, number>();
  readonly states = new Map<string, ScopedTradingState>();
  readonly seen = new Set<string>();
  readonly #exposures = new Map<string, Exposure>();
  closed: Problem | undefined;
  rights: bigint;
  now = START_AT;
  /** Ids and stamps given out so far. */
  ids = 0;
  stamps = 0;
  #executions = 0;
  #attempts = 0;

  constructor(options: TestOptions = {}) {
    this.risk = options.risk ?? "margin";
    this.venue = options.venue ?? "external";
    this.rights = options.rightsMinor ?? 100_000_000_000_000n;
    for (const one of options.instruments ?? [bitcoin, { ...bitcoin, symbol: ETH }]) {
      this.instruments.set(one.symbol, one);
      const { markUnits = 5_000_000 } = options;
      if (markUnits !== null) this.setMark(markUnits, START_AT, one.symbol);
    }
  }

  instrument(symbol: InstrumentSymbol): Instrument | undefined {
    return this.instruments.get(symbol);
  }
  order(orderId: OrderId): Order | undefined {
    return this.orders.get(orderId);
  }
  openOrdersOf(accountId: AccountId): readonly Order[] {
    return [...this.orders.values()]
      .filter((order) => order.accountId === accountId && isOpen(order.status))
      .sort((a, b) => a.orderId - b.orderId);
  }
  openOrdersIn(accountId: AccountId, symbol: InstrumentSymbol): readonly Order[] {
    return this.openOrdersOf(accountId).filter((order) => order.symbol === symbol);
  }
  outcome(
    accountId: AccountId,
    symbol: InstrumentSymbol,
    clientOrderId: ClientOrderId,
  ): Outcome | undefined {
    return this.outcomes.get(`${accountId}:${symbol}:${clientOrderId}`);
  }
  admission(): Problem | undefined {
    return this.closed;
  }
  nextOrderId(): OrderId {
    return (++this.ids * 1024 + 1) as OrderId;
  }
  nextStamp(): Stamp {
    this.stamps++;
    return { epoch: 1, commitSeq: this.stamps, partition: 0, seq: this.stamps };
  }
  position(accountId: AccountId, symbol: InstrumentSymbol, side: string): Position | undefined {
    return this.positions.get(`${accountId}:${symbol}:${side}`);
  }
  positionsOf(accountId: AccountId): readonly Position[] {
    return [...this.positions.values()].filter((one) => one.accountId === accountId);
  }
  exposure(accountId: AccountId, symbol: InstrumentSymbol): Exposure {
    return this.#exposures.get(`${accountId}:${symbol}`) ?? emptyExposure;
  }
  symbolSettings(accountId: AccountId, symbol: InstrumentSymbol): SymbolSettings | undefined {
    return this.settings.get(`${accountId}:${symbol}`);
  }
  positionMode(accountId: AccountId): AccountSettings["positionMode"] {
    return this.accounts.get(accountId)?.positionMode ?? "ONE_WAY";
  }
  accountSettingsVersion(accountId: AccountId): number {
    return this.accounts.get(accountId)?.version ?? 0;
  }
  mark(symbol: InstrumentSymbol): MarkPrice | undefined {
    return this.marks.get(symbol);
  }
  lastPrice(symbol: InstrumentSymbol): number | undefined {
    return this.lastPrices.get(symbol);
  }
  tradingState(accountId: AccountId, symbol: InstrumentSymbol): TradingState {
    const scopes = ["all", symbol, `account:${accountId}`];
    return mostRestrictive(...scopes.map((key) => this.states.get(key)?.state ?? "ACTIVE"));
  }
  scopedTradingState(scope: TradingScope): ScopedTradingState | undefined {
    return this.states.get(scopeKey(scope));
  }
  hasExecution(symbol: InstrumentSymbol, executionId: string): boolean {
    return this.seen.has(`${symbol}:${executionId}`);
  }
  usedInMinor(accountId: AccountId, symbol: InstrumentSymbol): bigint {
    const instrument = this.instruments.get(symbol);
    if (instrument === undefined) return 0n;
    const leverage = leverageFor(this.symbolSettings(accountId, symbol), instrument, riskSettings);
    const { feeRateUnits } = riskSettings;
    const orders = this.openOrdersIn(accountId, symbol);
    return initialMarginMinor(
      this.exposure(accountId, symbol),
      { leverage, instrument, feeRateUnits },
      (side) => highestHeldPrice(orders, side),
    ).usedMinor;
  }
  usedMinor(accountId: AccountId): bigint {
    let used = 0n;
    for (const symbol of this.instruments.keys()) used += this.usedInMinor(accountId, symbol);
    return used;
  }
  rightsMinor(): bigint {
    return this.rights;
  }
  canRealise(): boolean {
    return true;
  }

  setMark(priceUnits: number, at: number = this.now, symbol: InstrumentSymbol = BTC): void {
    this.marks.set(symbol, { symbol, priceUnits, at });
  }

  /** Decides and takes up what was decided. */
  run(command: DecidedCommand, funding: Funding = { freeMinor: 0n }): Decision {
    const decision = decide(this, command, this.now, funding);
    switch (decision.kind) {
      case "placed":
        for (const event of [decision.event, ...decision.children]) this.apply(event);
        break;
      case "changed":
        for (const event of [decision.event, ...decision.more]) this.apply(event);
        break;
      case "cancelled":
        for (const event of decision.events) this.apply(event);
        break;
      case "executed":
        for (const event of decision.events) this.apply(event);
        if (decision.seen !== null) {
          this.seen.add(`${decision.seen.symbol}:${decision.seen.executionId}`);
        }
        if (decision.lastPriceUnits !== null && command.kind === "execute") {
          this.lastPrices.set(command.execution.symbol, decision.lastPriceUnits);
        }
        break;
      case "settings":
      case "trading_state":
        if (decision.event !== null) this.apply(decision.event);
        break;
      case "marked":
        if (decision.mark !== null) this.marks.set(decision.mark.symbol, decision.mark);
        break;
    }
    return decision;
  }

  apply(event: DomainEvent): void {
    switch (event.type) {
      case "order_accepted":
        this.#put(event.order);
        this.#remember(event.order.accountId, event.request, 201, event.stamp, event.order.orderId);
        break;
      case "order_refused":
        this.#remember(event.accountId, event.request, 422, event.stamp, null);
        break;
      case "order_changed":
        this.#put(event.order);
        break;
      case "position_changed": {
        const { accountId, symbol, side } = event.position;
        const key = `${accountId}:${symbol}`;
        this.positions.set(`${key}:${side}`, event.position);
        const exposure = this.exposure(accountId, symbol);
        this.#exposures.set(key, positionChanged(exposure, event.position));
        break;
      }
      case "settings_changed": {
        const { settings } = event;
        if (settings.of === "account") this.accounts.set(settings.accountId, settings);
        else this.settings.set(`${settings.accountId}:${settings.symbol}`, settings);
        break;
      }
      case "trading_state_changed":
        this.states.set(scopeKey(event.tradingState.scope), event.tradingState);
        break;
    }
  }

  #put(order: Order): void {
    const key = `${order.accountId}:${order.symbol}`;
    const exposure = this.exposure(order.accountId, order.symbol);
    this.#exposures.set(key, orderChanged(exposure, this.orders.get(order.orderId), order));
    this.orders.set(order.orderId, order);
  }

  #remember(
    accountId: AccountId,
    request: OrderRequest,
    status: number,
    stamp: Stamp,
    orderId: OrderId | null,
  ): void {
    const key = `${accountId}:${request.symbol}:${request.clientOrderId}`;
    this.outcomes.set(key, { status, body: `{"status":${status}}`, request, stamp, orderId });
  }

  place(request: OrderRequest, accountId: AccountId = ACCOUNT, funding?: Funding): Decision {
    return this.run({ kind: "place", accountId, request }, funding);
  }

  /** Places under a client order id of its own. */
  attempt(request: OrderRequest, accountId: AccountId = ACCOUNT): Decision {
    const clientOrderId = `made-${++this.#attempts}` as ClientOrderId;
    return this.place({ ...request, clientOrderId }, accountId);
  }

  /** The order that such a placement made; throws when it was refused. */
  placed(request: OrderRequest, accountId: AccountId = ACCOUNT): Order {
    const decision = this.attempt(request, accountId);
    if (decision.kind === "placed" && decision.event.type === "order_accepted") {
      return decision.event.order;
    }
    throw new Error(`not placed: ${codeOf(decision)}`);
  }

  /** What the matching engine says of an order, under an id of its own unless one is given. */
  execute(
    order: Order,
    kind: Execution["kind"],
    changes: Partial<Record<keyof Execution, unknown>> = {},
  ): Decision {
    const execution = {
      executionId: `e-${++this.#executions}`,
      orderId: order.orderId,
      symbol: order.symbol,
      kind,
      price: null,
      quantity: null,
      fee: null,
      feeAsset: null,
      at: this.now,
      ...changes,
    } as Execution;
    return this.run({ kind: "execute", execution });
  }

  fill(order: Order, quantity: string, price = "50000"): Decision {
    const text = { price: price as CanonicalDecimal, quantity: quantity as CanonicalDecimal };
    return this.execute(order, "FILL", text);
  }

  /** A position of the account, by an order at 50,000 that is filled. */
  hold(quantity: string, side: "BUY" | "SELL" = "BUY", changes: RequestChanges = {}): void {
    const order = this.placed(limit({ side, quantity, ...changes }));
    this.fill(order, quantity);
  }

  /** The order as it now is. */
  latest(order: Pick<Order, "orderId">): Order {
    const found = this.orders.get(order.orderId);
    if (found === undefined) throw new Error(`no order ${order.orderId}`);
    return found;
  }
}

/** The code of a refusal, stored or not; else what the decision is. */
export const codeOf = (decision: Decision): string => {
  if (decision.kind === "refused") return decision.problem.code;
  if (decision.kind !== "placed") return decision.kind;
  return decision.event.type === "order_refused" ? decision.event.code : "placed";
};

/** What explains a refusal. */
export const contextOf = (decision: Decision): object | undefined => {
  if (decision.kind === "refused") return decision.problem.context;
  if (decision.kind !== "placed" || decision.event.type !== "order_refused") return undefined;
  return decision.event.context;
};
