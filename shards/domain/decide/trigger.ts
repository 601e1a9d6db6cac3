/** Conditional orders: whether a price triggers one, and what becomes of it then. */
import type { OrderId } from "../brands.ts";
import type { Order } from "../order.ts";
import { bookOf, reducesOnly, sideOf } from "../risk/exposure.ts";
import { changedDecision, decideExpire } from "./cancel.ts";
import { Changes } from "./changes.ts";
import { endBracket } from "./children.ts";
import { liveStatus } from "./place.ts";
import { closableUnits, triggersAt } from "./rules.ts";
import type { Decision, DecisionView } from "./types.ts";

/** Whether a price (units of 10^-priceScale) triggers an order; false for one that is not conditional. */
export const isTriggeredAt = (
  { type, side, stopPriceUnits }: Pick<Order, "type" | "side" | "stopPriceUnits">,
  workingPriceUnits: number,
): boolean =>
  stopPriceUnits !== null && triggersAt({ type, side, stopPriceUnits }, workingPriceUnits);

/** Today's price of the kind that triggers the order; undefined when there is none. */
export const workingPriceOf = (
  view: Pick<DecisionView, "mark" | "lastPrice">,
  { symbol, workingType }: Pick<Order, "symbol" | "workingType">,
): number | undefined =>
  workingType === "LAST_PRICE" ? view.lastPrice(symbol) : view.mark(symbol)?.priceUnits;

/**
 * An order whose price was reached goes live; whoever asks has seen the price. What can only reduce
 * is sized to what is left of the position, and ends where nothing is. An order that no longer
 * waits is left alone, so each triggers once.
 */
export const decideTrigger = (view: DecisionView, orderId: OrderId, now: number): Decision => {
  const order = view.order(orderId);
  if (order?.status !== "UNTRIGGERED") return { kind: "ignored" };
  // After an absence its price and its date may both have passed: the date has the last word.
  if (order.goodTillDate !== null && order.goodTillDate <= now) {
    return decideExpire(view, orderId, now);
  }
  const changes = new Changes(view, now);
  const quantityUnits = reducesOnly(order) ? reducibleUnits(view, order) : order.quantityUnits;
  if (quantityUnits === 0) {
    changes.cancel(order, "REDUCED");
  } else {
    changes.change(order, { status: liveStatus(view.venue, order), quantityUnits }, "TRIGGERED");
  }
  endBracket(changes, order);
  return changedDecision(changes);
};

/** What an order may close beside the live orders that close already. */
const reducibleUnits = (view: DecisionView, order: Order): number => {
  const { accountId, symbol, side, positionSide } = order;
  const exposure = view.exposure(accountId, symbol);
  const takenUnits = sideOf(bookOf(exposure, positionSide), side).reducingUnits;
  const leftUnits = BigInt(closableUnits(exposure, side, positionSide)) - takenUnits;
  const left = leftUnits > 0n ? Number(leftUnits) : 0;
  return order.closePosition ? left : Math.min(left, order.quantityUnits);
};
