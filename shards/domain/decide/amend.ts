/**
 * Another price or quantity for an open order. Final where the shard has the order to itself
 * (conditional orders, attached children, `venue: none`); else a request, with margin held for the
 * larger of both until the matching engine has answered.
 */
import type { AccountId, CanonicalDecimal, OrderId } from "../brands.ts";
import { canonicalDecimal, formatUnits } from "../decimal.ts";
import { checkFilters } from "../filters.ts";
import type { Instrument } from "../instrument.ts";
import { isMarket, isOpen, type Order } from "../order.ts";
import { reducesOnly } from "../risk/exposure.ts";
import { marginPriceOf, openLossOf } from "../risk/margin.ts";
import { floorDiv } from "../risk/money.ts";
import { changedDecision } from "./cancel.ts";
import { Changes } from "./changes.ts";
import { checkLeverage, checkMargin, fundsWith } from "./funds.ts";
import { filterRefusal } from "./place.ts";
import { orderNotFound, orderNotOpen, type Refusal, refusal, refused } from "./problems.ts";
import { checkBandedPrice, checkReducing, checkTradingState } from "./rules.ts";
import type { Decision, DecisionView, Funding } from "./types.ts";

interface AmendCommand {
  readonly accountId: AccountId;
  readonly orderId: OrderId;
  /** null: stays as it is. */
  readonly price: CanonicalDecimal | null;
  readonly quantity: CanonicalDecimal | null;
}

export const decideAmend = (
  view: DecisionView,
  command: AmendCommand,
  now: number,
  funding: Funding,
): Decision => {
  const order = view.order(command.orderId);
  if (order === undefined || order.accountId !== command.accountId) {
    return orderNotFound(command.orderId);
  }
  if (!isOpen(order.status) || order.status === "PENDING_CANCEL") return orderNotOpen(order);
  const unfit = checkShape(order, command);
  if (unfit !== null) return unfit;
  const instrument = view.instrument(order.symbol);
  if (instrument === undefined) throw new Error(`open order ${order.orderId} has no instrument`);
  const wish = wishOf(order, command);
  const known = decideRepeat(order, wish);
  if (known !== null) return known;
  const checked = checkWish(view, instrument, order, wish);
  if ("code" in checked) return refused(checked);
  const closed = checked.quantityUnits > order.quantityUnits ? view.admission() : undefined;
  if (closed !== undefined) return refused(closed);
  const amended = amendedOrder(view, instrument, order, checked);
  const funds = checkFunds(view, instrument, order, amended, funding);
  if (funds !== null) return "kind" in funds ? funds : refused(funds);
  const { priceUnits, quantityUnits, marginPriceUnits, openLossMinor, amendment } = amended;
  const changes = new Changes(view, now);
  changes.change(
    order,
    { priceUnits, quantityUnits, marginPriceUnits, openLossMinor, amendment },
    amendment === null ? "AMENDED" : "AMEND_REQUESTED",
  );
  return changedDecision(changes);
};

/** Some orders have no price, some take their quantity from elsewhere. */
const checkShape = (order: Order, { price, quantity }: AmendCommand): Decision | null => {
  const invalid = (detail: string): Decision => refused({ code: "invalid_request", detail });
  const { type, status } = order;
  if (isMarket(type) && status !== "UNTRIGGERED" && status !== "PENDING") {
    return invalid(`A ${type} order that is live can't be amended; cancel it.`);
  }
  if (price !== null && order.priceUnits === null) return invalid(`A ${type} order has no price.`);
  if (quantity !== null && order.parentId !== null) {
    return invalid("The quantity of an attached order follows its parent's fills.");
  }
  if (quantity !== null && order.closePosition) {
    return invalid("The quantity of an order with closePosition is the position's.");
  }
  return null;
};

interface Wish {
  readonly price: CanonicalDecimal | null;
  readonly quantity: CanonicalDecimal;
}

const priceText = (units: number, { priceScale }: Order): CanonicalDecimal =>
  canonicalDecimal(formatUnits(units, priceScale));
const quantityText = (units: number, { quantityScale }: Order): CanonicalDecimal =>
  canonicalDecimal(formatUnits(units, quantityScale));

const wishOf = (order: Order, { price, quantity }: AmendCommand): Wish => ({
  price: price ?? (order.priceUnits === null ? null : priceText(order.priceUnits, order)),
  quantity: quantity ?? quantityText(order.quantityUnits, order),
});

/** What already holds, or is asked for, needs no rule's consent, whatever became of the instrument. */
const decideRepeat = (order: Order, wish: Wish): Decision | null => {
  const { amendment, priceUnits, quantityUnits } = order;
  const isSame = (units: number | null, quantity: number): boolean =>
    wish.price === (units === null ? null : priceText(units, order)) &&
    wish.quantity === quantityText(quantity, order);
  if (amendment === null) {
    return isSame(priceUnits, quantityUnits) ? { kind: "unchanged", order } : null;
  }
  if (isSame(amendment.priceUnits, amendment.quantityUnits)) return { kind: "unchanged", order };
  const price = formatUnits(amendment.priceUnits, order.priceScale);
  const quantity = formatUnits(amendment.quantityUnits, order.quantityScale);
  return refused({
    code: "amendment_pending",
    detail: `Order ${order.orderId} waits for the matching engine to make it ${quantity} at ${price}.`,
    context: { orderId: String(order.orderId), price, quantity },
  });
};

interface WishUnits {
  readonly priceUnits: number | null;
  readonly quantityUnits: number;
}

/** The rules of a placement as far as price and quantity matter to them, in the same order. */
const checkWish = (
  view: DecisionView,
  instrument: Instrument,
  order: Order,
  wish: Wish,
): WishUnits | Refusal => {
  const onlyReduces = reducesOnly(order);
  const halted = checkTradingState(view, order, onlyReduces);
  if (halted !== null) return halted;
  const isSized = order.closePosition || order.parentId !== null;
  const filtered = checkFilters(instrument, {
    type: order.type,
    price: wish.price,
    quantity: isSized ? null : wish.quantity,
    isReducing: onlyReduces,
  });
  if (!filtered.ok) return filterRefusal(filtered);
  const { priceUnits } = filtered;
  const quantityUnits = filtered.quantityUnits ?? order.quantityUnits;
  if (quantityUnits <= order.executedUnits && !isSized) {
    return refusal("quantity_out_of_range", {
      quantity: formatUnits(quantityUnits, order.quantityScale),
      executedQuantity: formatUnits(order.executedUnits, order.quantityScale),
    });
  }
  const referenceUnits = order.stopPriceUnits ?? view.mark(order.symbol)?.priceUnits;
  if (view.risk === "margin" && priceUnits !== null && referenceUnits !== undefined) {
    const { side, stopPriceUnits } = order;
    const isStop = stopPriceUnits !== null;
    const banded = { field: null, side, priceUnits, referenceUnits, isStop };
    const broken = checkBandedPrice(instrument, banded);
    if (broken !== null) return broken;
  }
  if (onlyReduces && quantityUnits > order.quantityUnits) {
    const isLive = order.status !== "UNTRIGGERED";
    const broken = checkReducing(view.exposure(order.accountId, order.symbol), instrument, {
      side: order.side,
      positionSide: order.positionSide,
      quantityUnits: quantityUnits - order.executedUnits,
      isLive,
      ownUnits: isLive ? order.quantityUnits - order.executedUnits : 0,
    });
    if (broken !== null) return broken;
  }
  return { priceUnits, quantityUnits };
};

/** The order as the amendment, or the request for it, leaves it. */
const amendedOrder = (
  view: DecisionView,
  instrument: Instrument,
  order: Order,
  { priceUnits, quantityUnits }: WishUnits,
): Order => {
  const isFree = order.marginPriceUnits === 0;
  const markUnits = view.mark(order.symbol)?.priceUnits ?? null;
  const wanted = { ...order, priceUnits, quantityUnits };
  const marginPriceUnits = isFree ? 0 : marginPriceOf(wanted, markUnits, view.riskSettings);
  const isHeldHere = order.status === "PENDING" || order.status === "UNTRIGGERED";
  if (view.venue === "none" || isHeldHere || priceUnits === null) {
    const openLossMinor = isFree ? 0n : openLossOf(wanted, markUnits, instrument);
    return { ...wanted, marginPriceUnits, openLossMinor };
  }
  // The open loss is of the order's quantity: the exposure scales it to the larger one.
  const asItIs = { ...order, priceUnits };
  const openLossMinor = isFree ? 0n : openLossOf(asItIs, markUnits, instrument);
  return {
    ...order,
    amendment: { priceUnits, quantityUnits },
    marginPriceUnits: Math.max(order.marginPriceUnits, marginPriceUnits),
    openLossMinor: openLossMinor > order.openLossMinor ? openLossMinor : order.openLossMinor,
  };
};

const checkFunds = (
  view: DecisionView,
  instrument: Instrument,
  order: Order,
  amended: Order,
  funding: Funding,
): Refusal | Extract<Decision, { kind: "short" }> | null => {
  if (amended.marginPriceUnits === 0) return null;
  const exposure = view.exposure(order.accountId, order.symbol);
  const funds = fundsWith(view, instrument, exposure, amended, order);
  return checkLeverage(view, funds) ?? checkMargin(view, funds, funding);
};

/**
 * What is held for an order once its amendment is decided: by its price and the mark as they then
 * are, but never more than was held for the larger of both.
 */
export const settledMargin = (
  view: DecisionView,
  instrument: Instrument,
  order: Order,
  { priceUnits, quantityUnits }: WishUnits,
): Pick<Order, "marginPriceUnits" | "openLossMinor"> => {
  if (order.marginPriceUnits === 0) return { marginPriceUnits: 0, openLossMinor: 0n };
  const markUnits = view.mark(order.symbol)?.priceUnits ?? null;
  const settled = { ...order, priceUnits, quantityUnits };
  let openLossMinor = openLossOf(settled, markUnits, instrument);
  const heldMinor = floorDiv(
    order.openLossMinor * BigInt(quantityUnits),
    BigInt(order.quantityUnits),
  );
  if (heldMinor < openLossMinor) openLossMinor = heldMinor;
  return {
    marginPriceUnits: Math.min(
      Math.max(order.marginPriceUnits, order.amendment?.priceUnits ?? 0),
      marginPriceOf(settled, markUnits, view.riskSettings),
    ),
    openLossMinor,
  };
};
