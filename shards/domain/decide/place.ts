/**
 * A new order. The order in which it is checked is fixed (docs/RULES.md has the table):
 *
 *   1. client order ids that were used   2. admission   3. unknown_symbol   4. trading state
 *   5. filters   6. position side   7. mark price   8. price band   9. immediate triggers
 *   10. number of orders   11. reduce-only   12. leverage   13. margin
 *
 * From 3 on a refusal is an event: stored, replicated, and given again on a replay.
 */
import type { AccountId, OrderId } from "../brands.ts";
import { checkFilters, type FilterRefusal, type NamedPrice } from "../filters.ts";
import {
  isConditional,
  isMarket,
  isOpen,
  type Order,
  type OrderRequest,
  type OrderStatus,
} from "../order.ts";
import { differingFields } from "../order-body.ts";
import { marginPriceOf, openLossOf } from "../risk/margin.ts";
import type { Venue } from "../risk/types.ts";
import {
  acceptedChildren,
  checkChildIds,
  childTypeOf,
  namedChildren,
  nextParentId,
} from "./children.ts";
import { checkLeverage, checkMargin, type Funds, fundsWith } from "./funds.ts";
import { type Refusal, refusal, refused, unknownSymbol } from "./problems.ts";
import {
  type ChildUnits,
  checkBand,
  checkCounts,
  checkMark,
  checkPositionSide,
  checkReducing,
  checkTradingState,
  checkTriggers,
  isReducing,
  type Placement,
} from "./rules.ts";
import type { Decision, DecisionView, Funding, Outcome } from "./types.ts";

const NONE: readonly never[] = [];

/** Places an order, repeats an answer, or refuses. */
export const decidePlace = (
  view: DecisionView,
  accountId: AccountId,
  request: OrderRequest,
  now: number,
  funding: Funding,
): Decision => {
  const reused = decideReuse(view, accountId, request);
  if (reused !== null) return reused;
  const closed = view.admission();
  if (closed !== undefined) return refused(closed);
  const judged = judge(view, accountId, request, now);
  if ("code" in judged) return refuse(view, accountId, request, now, judged);
  if (judged.funds !== null) {
    const short = checkMargin(view, judged.funds, funding);
    if (short !== null) {
      return "kind" in short ? short : refuse(view, accountId, request, now, short);
    }
  }
  return accept(view, request, judged);
};

/** Step 1: the first answer again, or which fields differ. */
export const decideReuse = (
  view: DecisionView,
  accountId: AccountId,
  request: OrderRequest,
): Decision | null => {
  const known = view.outcome(accountId, request.symbol, request.clientOrderId);
  if (known !== undefined) return decideReplay(known, request);
  if (request.takeProfit === null && request.stopLoss === null) return null;
  const taken = checkChildIds(view, accountId, request);
  return taken === null ? null : refused(taken);
};

const decideReplay = (known: Outcome, request: OrderRequest): Decision => {
  const fields = differingFields(known.request, request);
  if (fields.length === 0) return { kind: "replayed", outcome: known };
  return refused({
    code: "client_order_id_reused",
    detail: `${request.clientOrderId} was used for an order that differs in ${fields.join(", ")}.`,
    context: { clientOrderId: request.clientOrderId, fields },
  });
};

const refuse = (
  view: DecisionView,
  accountId: AccountId,
  request: OrderRequest,
  at: number,
  { code, detail, context }: Refusal,
): Decision => ({
  kind: "placed",
  children: [],
  after: null,
  event: {
    type: "order_refused",
    stamp: view.nextStamp(request.symbol),
    accountId,
    request,
    at,
    code,
    detail,
    context,
  },
});

/** An order that breaks no rule, but for its margin. */
export interface Judged {
  readonly placement: Placement;
  /** Without id, children and receipt. */
  readonly draft: Order;
  /** null where no margin is asked of it. */
  readonly funds: Funds | null;
}

/** Steps 3 to 12. */
export const judge = (
  view: DecisionView,
  accountId: AccountId,
  request: OrderRequest,
  now: number,
): Judged | Refusal => {
  const instrument = view.instrument(request.symbol);
  if (instrument === undefined) return unknownSymbol(request.symbol);
  const onlyReduces = isReducing(request);
  const { symbol } = request;
  const halted = checkTradingState(view, { accountId, symbol }, onlyReduces);
  if (halted !== null) return halted;
  const filtered = checkFilters(instrument, {
    type: request.type,
    price: request.price,
    quantity: request.quantity,
    isReducing: onlyReduces,
    otherPrices: otherPricesOf(request),
  });
  if (!filtered.ok) return filterRefusal(filtered);
  const others = filtered.otherPricesUnits ?? NONE;
  const hasStop = request.stopPrice !== null;
  const placement: Placement = {
    accountId,
    request,
    instrument,
    isReducing: onlyReduces,
    priceUnits: filtered.priceUnits,
    quantityUnits: filtered.quantityUnits,
    stopPriceUnits: hasStop ? (others[0] ?? null) : null,
    children: childrenOf(request, hasStop ? others.slice(1) : others),
    mark: view.mark(symbol),
  };
  const exposure = view.exposure(accountId, symbol);
  const broken =
    checkPositionSide(view, placement) ??
    checkMark(view, placement, now) ??
    (view.risk === "none" ? null : checkBand(placement)) ??
    (hasStop || placement.children.length > 0 ? checkTriggers(view, placement) : null) ??
    (view.risk === "none" ? null : checkCounts(placement, exposure)) ??
    (onlyReduces
      ? checkReducing(exposure, instrument, {
          side: request.side,
          positionSide: request.positionSide,
          quantityUnits: filtered.quantityUnits,
          isLive: !isConditional(request.type),
          ownUnits: 0,
        })
      : null);
  if (broken !== null) return broken;
  const draft = draftOf(view, placement, now);
  if (draft.marginPriceUnits === 0) return { placement, draft, funds: null };
  const funds = fundsWith(view, instrument, exposure, draft, undefined);
  return checkLeverage(view, funds) ?? { placement, draft, funds };
};

export const filterRefusal = ({ code, context }: FilterRefusal): Refusal => refusal(code, context);

/** In the order in which {@link childrenOf} takes their units: stop, take-profit, stop-loss. */
const otherPricesOf = (request: OrderRequest): readonly NamedPrice[] => {
  const { stopPrice, takeProfit, stopLoss } = request;
  if (stopPrice === null && takeProfit === null && stopLoss === null) return NONE;
  const prices: NamedPrice[] = [];
  const add = (field: string, price: string | null): void => {
    if (price !== null) prices.push({ field, price });
  };
  add("stopPrice", stopPrice);
  for (const [field, child] of [
    ["takeProfit", takeProfit],
    ["stopLoss", stopLoss],
  ] as const) {
    if (child === null) continue;
    add(`${field}.stopPrice`, child.stopPrice);
    add(`${field}.price`, child.price);
  }
  return prices;
};

const childrenOf = (request: OrderRequest, units: readonly number[]): readonly ChildUnits[] => {
  if (request.takeProfit === null && request.stopLoss === null) return NONE;
  const children: ChildUnits[] = [];
  let next = 0;
  for (const field of ["takeProfit", "stopLoss"] as const) {
    const child = request[field];
    if (child === null) continue;
    children.push({
      field,
      type: childTypeOf(field, child),
      stopPriceUnits: units[next++] as number,
      priceUnits: child.price === null ? null : (units[next++] as number),
      workingType: child.workingType,
    });
  }
  return children;
};

const NO_ID = 0 as OrderId;
const NO_STAMP = { epoch: 0, commitSeq: 0, partition: 0, seq: 0 };

const draftOf = (view: DecisionView, placement: Placement, now: number): Order => {
  const { accountId, request, instrument, mark } = placement;
  const markUnits = mark?.priceUnits ?? null;
  const priced = {
    type: request.type,
    side: request.side,
    positionSide: request.positionSide,
    priceUnits: placement.priceUnits,
    stopPriceUnits: placement.stopPriceUnits,
    quantityUnits: placement.quantityUnits ?? 0,
    reduceOnly: request.reduceOnly,
    closePosition: request.closePosition,
    parentId: null,
  };
  const status = firstStatus(view.venue, request, now);
  const isFree = view.risk === "none" || placement.isReducing || !isOpen(status);
  return {
    orderId: NO_ID,
    accountId,
    clientOrderId: request.clientOrderId,
    symbol: request.symbol,
    ...priced,
    timeInForce: request.timeInForce,
    goodTillDate: request.goodTillDate,
    executedUnits: 0,
    priceScale: instrument.priceScale,
    quantityScale: instrument.quantityScale,
    selfTradePrevention: request.selfTradePrevention,
    workingType: request.workingType,
    children: NONE,
    costUnits: 0n,
    marginPriceUnits: isFree ? 0 : marginPriceOf(priced, markUnits, view.riskSettings),
    openLossMinor: isFree ? 0n : openLossOf(priced, markUnits, instrument),
    amendment: null,
    status,
    version: 1,
    createdAt: now,
    updatedAt: now,
    receipt: NO_STAMP,
  };
};

const firstStatus = (venue: Venue, request: OrderRequest, now: number): OrderStatus => {
  if (request.goodTillDate !== null && request.goodTillDate <= now) return "EXPIRED";
  return isConditional(request.type) ? "UNTRIGGERED" : liveStatus(venue, request);
};

/** Without a matching engine nothing trades: what may not rest ends as it goes live. */
export const liveStatus = (
  venue: Venue,
  { type, timeInForce }: Pick<Order, "type" | "timeInForce">,
): "NEW" | "EXPIRED" => {
  const mayRest = !isMarket(type) && timeInForce !== "IOC" && timeInForce !== "FOK";
  return venue === "external" || mayRest ? "NEW" : "EXPIRED";
};

const accept = (
  view: DecisionView,
  request: OrderRequest,
  { draft, funds, placement: { children, instrument } }: Judged,
): Decision => {
  const hasChildren = children.length > 0;
  const orderId = hasChildren ? nextParentId(view, draft.accountId, request) : view.nextOrderId();
  const named = hasChildren
    ? namedChildren(view, orderId, request, children, instrument.priceScale)
    : NONE;
  const stamp = view.nextStamp(request.symbol);
  const order: Order = { ...draft, orderId, children: named, receipt: stamp };
  return {
    kind: "placed",
    event: { type: "order_accepted", stamp, request, order },
    children: hasChildren ? acceptedChildren(view, order, children) : NONE,
    after: funds && { exposure: funds.exposure, usedMinor: funds.margin.usedMinor },
  };
};
