/**
 * What a shard answers to a command. Pure: it reads a view of the state and gives back events and
 * an answer; nothing is changed here. The order in which a placement is checked is fixed:
 *
 *   1. the client order id was used   same request → its first answer; another → 409
 *   2. admission (queue, disk, backlog, open orders) → 503, nothing stored
 *   3. unknown_symbol
 *   4. the filters of the instrument, in their own order (filters.ts)
 *
 * From 3 on a refusal is an event: stored, replicated, and given again on a replay.
 */
import type { AccountId, ClientOrderId, InstrumentSymbol, OrderId } from "./brands.ts";
import { CODES, type Context, type RefusalCode } from "./codes.ts";
import type { Command } from "./command.ts";
import { canonicalDecimal, formatUnits } from "./decimal.ts";
import type { ChangeReason, DomainEvent, OrderChanged } from "./event.ts";
import { checkFilters } from "./filters.ts";
import type { Instrument } from "./instrument.ts";
import {
  isOpen,
  mayBecome,
  type Order,
  type OrderRequest,
  type OrderStatus,
  type Stamp,
} from "./order.ts";
import { differingFields } from "./order-body.ts";
import type { Problem } from "./problem.ts";

/** What is known of a client order id that was used before. */
export interface Outcome {
  readonly status: number;
  readonly body: string;
  readonly request: OrderRequest;
  /** Stamp of the record that holds the outcome, to wait for its replication. */
  readonly stamp: Stamp;
  /** null for a refusal. */
  readonly orderId: OrderId | null;
}

/** The state as a decision sees it: what is committed, and what this batch decided before. */
export interface DecisionView {
  instrument(symbol: InstrumentSymbol): Instrument | undefined;
  order(orderId: OrderId): Order | undefined;
  openOrdersOf(accountId: AccountId): readonly Order[];
  outcome(
    accountId: AccountId,
    symbol: InstrumentSymbol,
    clientOrderId: ClientOrderId,
  ): Outcome | undefined;
  /** Why no new order is taken now; undefined when they are. */
  admission(): Problem | undefined;
  nextOrderId(): OrderId;
  /** The next place in the shard's order and in the partition of `symbol`. */
  nextStamp(symbol: InstrumentSymbol): Stamp;
}

/** What a command comes to. `events` may be empty: then nothing has to be committed for it. */
export type Decision =
  | { readonly kind: "placed"; readonly event: DomainEvent }
  | { readonly kind: "replayed"; readonly outcome: Outcome }
  | { readonly kind: "changed"; readonly event: OrderChanged }
  | { readonly kind: "unchanged"; readonly order: Order }
  | { readonly kind: "cancelled"; readonly events: readonly OrderChanged[] }
  | { readonly kind: "refused"; readonly problem: Problem }
  | { readonly kind: "ignored" };

/** Decides one command. `now` is in milliseconds since 1970 and goes into the records only. */
export const decide = (view: DecisionView, command: Command, now: number): Decision => {
  switch (command.kind) {
    case "place":
      return decidePlace(view, command.accountId, command.request, now);
    case "amend":
      return decideAmend(view, command, now);
    case "cancel":
      return decideCancel(view, command, now);
    case "cancel_many":
      return decideCancelMany(view, command, now);
    case "expire":
      return decideExpire(view, command.orderId, now);
  }
};

const decidePlace = (
  view: DecisionView,
  accountId: AccountId,
  request: OrderRequest,
  now: number,
): Decision => {
  const known = view.outcome(accountId, request.symbol, request.clientOrderId);
  if (known !== undefined) return decideReplay(known, request);
  const closed = view.admission();
  if (closed !== undefined) return { kind: "refused", problem: closed };
  const refuse = (code: RefusalCode, detail: string, context: Context): Decision => ({
    kind: "placed",
    event: {
      type: "order_refused",
      stamp: view.nextStamp(request.symbol),
      accountId,
      request,
      at: now,
      code,
      detail,
      context,
    },
  });
  const instrument = view.instrument(request.symbol);
  if (instrument === undefined) {
    const { symbol } = request;
    return refuse("unknown_symbol", `There is no instrument ${symbol}.`, { symbol });
  }
  const checked = checkFilters(instrument, request);
  if (!checked.ok) return refuse(checked.code, detailOf(checked.code), checked.context);
  const stamp = view.nextStamp(request.symbol);
  return {
    kind: "placed",
    event: {
      type: "order_accepted",
      stamp,
      request,
      order: {
        orderId: view.nextOrderId(),
        accountId,
        clientOrderId: request.clientOrderId,
        symbol: request.symbol,
        side: request.side,
        type: request.type,
        timeInForce: request.timeInForce,
        goodTillDate: request.goodTillDate,
        priceUnits: checked.priceUnits,
        quantityUnits: checked.quantityUnits,
        executedUnits: 0,
        priceScale: instrument.priceScale,
        quantityScale: instrument.quantityScale,
        selfTradePrevention: request.selfTradePrevention,
        status: firstStatus(request, now),
        version: 1,
        createdAt: now,
        updatedAt: now,
        receipt: stamp,
      },
    },
  };
};

/** Without a matching engine nothing trades: what may not rest ends in its own commit. */
const firstStatus = (request: OrderRequest, now: number): OrderStatus => {
  if (request.type === "MARKET") return "EXPIRED";
  if (request.timeInForce === "IOC" || request.timeInForce === "FOK") return "EXPIRED";
  return request.goodTillDate !== null && request.goodTillDate <= now ? "EXPIRED" : "NEW";
};

const detailOf = (code: RefusalCode): string => `${CODES[code].title}.`;

const decideReplay = (known: Outcome, request: OrderRequest): Decision => {
  const fields = differingFields(known.request, request);
  if (fields.length === 0) return { kind: "replayed", outcome: known };
  return {
    kind: "refused",
    problem: {
      code: "client_order_id_reused",
      detail: `${request.clientOrderId} was used for an order that differs in ${fields.join(", ")}.`,
      context: { clientOrderId: request.clientOrderId, fields },
    },
  };
};

const orderNotFound = (orderId: OrderId): Decision => ({
  kind: "refused",
  problem: {
    code: "order_not_found",
    detail: `The account has no order ${orderId}.`,
    context: { orderId: String(orderId) },
  },
});

const orderNotOpen = (order: Order): Decision => ({
  kind: "refused",
  problem: {
    code: "order_not_open",
    detail: `Order ${order.orderId} is ${order.status}.`,
    context: { orderId: String(order.orderId), status: order.status },
  },
});

const changed = (
  view: DecisionView,
  order: Order,
  change: Partial<Pick<Order, "status" | "priceUnits" | "quantityUnits">>,
  reason: ChangeReason,
  now: number,
): OrderChanged => ({
  type: "order_changed",
  stamp: view.nextStamp(order.symbol),
  reason,
  order: { ...order, ...change, version: order.version + 1, updatedAt: now },
});

const decideAmend = (
  view: DecisionView,
  command: Extract<Command, { kind: "amend" }>,
  now: number,
): Decision => {
  const order = view.order(command.orderId);
  if (order === undefined || order.accountId !== command.accountId) {
    return orderNotFound(command.orderId);
  }
  if (!isOpen(order.status)) return orderNotOpen(order);
  const instrument = view.instrument(order.symbol);
  if (instrument === undefined) throw new Error(`open order ${order.orderId} has no instrument`);
  const price = canonicalDecimal(formatUnits(order.priceUnits ?? 0, order.priceScale));
  const quantity = canonicalDecimal(formatUnits(order.quantityUnits, order.quantityScale));
  const wish = { price: command.price ?? price, quantity: command.quantity ?? quantity };
  // What already holds needs no rule's consent, whatever became of the instrument.
  if (wish.price === price && wish.quantity === quantity) return { kind: "unchanged", order };
  const wanted = checkFilters(instrument, { type: "LIMIT", ...wish });
  if (!wanted.ok) {
    const { code, context } = wanted;
    return { kind: "refused", problem: { code, detail: detailOf(code), context } };
  }
  const { priceUnits, quantityUnits } = wanted;
  const closed = quantityUnits > order.quantityUnits ? view.admission() : undefined;
  if (closed !== undefined) return { kind: "refused", problem: closed };
  const change = { priceUnits, quantityUnits };
  return { kind: "changed", event: changed(view, order, change, "AMENDED", now) };
};

const decideCancel = (
  view: DecisionView,
  command: Extract<Command, { kind: "cancel" }>,
  now: number,
): Decision => {
  const order = view.order(command.orderId);
  if (order === undefined || order.accountId !== command.accountId) {
    return orderNotFound(command.orderId);
  }
  if (order.status === "CANCELED") return { kind: "unchanged", order };
  if (!mayBecome(order.status, "CANCELED")) return orderNotOpen(order);
  return {
    kind: "changed",
    event: changed(view, order, { status: "CANCELED" }, "CANCELED", now),
  };
};

const decideCancelMany = (
  view: DecisionView,
  command: Extract<Command, { kind: "cancel_many" }>,
  now: number,
): Decision => ({
  kind: "cancelled",
  events: view
    .openOrdersOf(command.accountId)
    .filter((order) => command.symbol === null || order.symbol === command.symbol)
    .map((order) => changed(view, order, { status: "CANCELED" }, "CANCELED", now)),
});

/** The timer may be late or twice: an order that is no longer open is left alone. */
const decideExpire = (view: DecisionView, orderId: OrderId, now: number): Decision => {
  const order = view.order(orderId);
  if (order === undefined || !mayBecome(order.status, "EXPIRED")) return { kind: "ignored" };
  return { kind: "changed", event: changed(view, order, { status: "EXPIRED" }, "EXPIRED", now) };
};
