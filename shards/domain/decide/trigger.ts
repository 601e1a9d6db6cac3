/** Conditional orders: whether a price triggers one, and what becomes of it then. */
import type { OrderId } from "../brands.ts";
import type { Order } from "../order.ts";
import { reducesOnly } from "../risk/exposure.ts";
import { changedDecision, decideExpire } from "./cancel.ts";
import { Changes } from "./changes.ts";
import { endBracket } from "./children.ts";
import { liveStatus } from "./place.ts";
import { makeRoom } from "./reducing.ts";
import { triggersAt } from "./rules.ts";
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
 * is sized to the position, and ends where there is none; it still waits, and is to be triggered
 * again, while resting orders make room for it. An order that no longer waits is left alone, so
 * each triggers once.
 */
export const decideTrigger = (view: DecisionView, orderId: OrderId, now: number): Decision => {
  const order = view.order(orderId);
  if (order?.status !== "UNTRIGGERED") return { kind: "ignored" };
  // After an absence its price and its date may both have passed: the date has the last word.
  if (order.goodTillDate !== null && order.goodTillDate <= now) {
    return decideExpire(view, orderId, now);
  }
  const changes = new Changes(view, now);
  const quantityUnits = reducesOnly(order) ? makeRoom(changes, order) : order.quantityUnits;
  if (quantityUnits === "waits") return changedDecision(changes);
  if (quantityUnits === 0) {
    changes.cancel(order, "REDUCED");
  } else {
    changes.change(order, { status: liveStatus(view.venue, order), quantityUnits }, "TRIGGERED");
  }
  endBracket(changes, order);
  return changedDecision(changes);
};
