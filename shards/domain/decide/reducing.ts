/** Live orders that can only reduce a position: all of them fit into it, and the newest give way. */
import { isMarket, type Order } from "../order.ts";
import { bookOf, reducesOnly, remainingUnits, sideOf } from "../risk/exposure.ts";
import type { Changes } from "./changes.ts";
import { closableUnits } from "./rules.ts";

type Place = Pick<Order, "accountId" | "symbol" | "positionSide" | "side">;

/** Those that the matching engine may still fill, oldest first. */
const liveReducing = (
  changes: Changes,
  { accountId, symbol, positionSide, side }: Place,
): readonly Order[] =>
  changes
    .openOrdersIn(accountId, symbol)
    .filter(
      (order) =>
        order.side === side &&
        order.positionSide === positionSide &&
        order.status !== "PENDING" &&
        order.status !== "UNTRIGGERED" &&
        reducesOnly(order),
    );

/** Ends the newest until `excessUnits` are free; units that are free, or will be. */
const endNewest = (changes: Changes, orders: readonly Order[], excessUnits: number): number => {
  let freedUnits = 0;
  for (const order of orders.toReversed()) {
    if (freedUnits >= excessUnits) break;
    freedUnits += remainingUnits(order);
    changes.cancel(order, "REDUCED");
  }
  return freedUnits;
};

const sumOf = (orders: readonly Order[]): number =>
  orders.reduce((units, order) => units + remainingUnits(order), 0);

const isEnding = ({ status }: Order): boolean => status === "PENDING_CANCEL";

/** The position shrank or turned, and `leftUnits` of it can still be closed on this side. */
export const cutReducing = (changes: Changes, place: Place, leftUnits: number): void => {
  const staying = liveReducing(changes, place).filter((order) => !isEnding(order));
  endNewest(changes, staying, sumOf(staying) - leftUnits);
};

/**
 * How much of the position a triggered order may close. Resting orders that stand in its way give
 * way, newest first; until the matching engine has let go of them the order `waits`.
 */
export const makeRoom = (changes: Changes, order: Order): number | "waits" => {
  const { view } = changes;
  const { accountId, symbol, side, positionSide } = order;
  const exposure = view.exposure(accountId, symbol);
  const closable = closableUnits(exposure, side, positionSide);
  const wanted = order.closePosition ? closable : Math.min(order.quantityUnits, closable);
  if (wanted === 0) return 0;
  const taken = Number(sideOf(bookOf(exposure, positionSide), side).reducingUnits);
  const free = closable - taken;
  if (free >= wanted) return wanted;
  // A market type trades at once or never: nothing is won by ending it for another one.
  const resting = liveReducing(changes, order).filter(({ type }) => !isMarket(type));
  if (resting.length === 0) return Math.max(0, free);
  const staying = resting.filter((other) => !isEnding(other));
  const coming = sumOf(resting) - sumOf(staying);
  const freed = endNewest(changes, staying, wanted - free - coming);
  return view.venue === "external" ? "waits" : Math.max(0, Math.min(wanted, free + freed));
};
