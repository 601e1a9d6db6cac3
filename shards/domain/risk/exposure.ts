/**
 * What the open orders and positions of one account in one symbol come to, kept up with each
 * change. All sums are exact; the same orders and positions give the same exposure in any order.
 *
 * An order counts while it is open, but not as an attached child that is PENDING: nothing of it can
 * trade before its parent does. With a pending amendment it counts with the larger quantity and the
 * larger price, because the matching engine may fill it either way.
 */
import { multiplyExact } from "../decimal.ts";
import { isOpen, type Order, type PositionSide, type Side } from "../order.ts";
import { ceilDiv } from "./money.ts";
import type { Position } from "./types.ts";

/** The open orders of one side. */
export interface SideExposure {
  /** Σ of what is left of the orders that need margin; units of 10^-quantityScale. */
  readonly quantityUnits: bigint;
  /** The same at each order's margin price; units of 10^-(priceScale + quantityScale). */
  readonly notionalUnits: bigint;
  /**
   * Σ of what is left of the live orders that can only reduce ({@link reducesOnly}). Conditional
   * ones come in when they trigger: a take-profit and a stop may each close the whole position.
   */
  readonly reducingUnits: bigint;
}

/** A position and the orders that move it. */
export interface BookExposure {
  /** Signed: long > 0. Units of 10^-quantityScale. */
  readonly positionUnits: number;
  /** Entry cost of the position, ≥ 0; units of 10^-(priceScale + quantityScale). */
  readonly costUnits: bigint;
  readonly buys: SideExposure;
  readonly sells: SideExposure;
}

export interface Exposure {
  /** One-way mode. */
  readonly both: BookExposure;
  /** Hedge mode, one for each side. */
  readonly long: BookExposure;
  readonly short: BookExposure;
  /** Σ of what is left of the orders' open losses, each rounded up; minor units. */
  readonly openLossMinor: bigint;
  /** Open orders, UNTRIGGERED ones among them. */
  readonly openOrders: number;
  /** UNTRIGGERED ones alone. */
  readonly conditionalOrders: number;
}

type Book = "both" | "long" | "short";

const BOOK_OF = { BOTH: "both", LONG: "long", SHORT: "short" } as const satisfies Record<
  PositionSide,
  Book
>;

const emptySide: SideExposure = { quantityUnits: 0n, notionalUnits: 0n, reducingUnits: 0n };
const emptyBook: BookExposure = {
  positionUnits: 0,
  costUnits: 0n,
  buys: emptySide,
  sells: emptySide,
};

/** No order and no position. */
export const emptyExposure: Exposure = {
  both: emptyBook,
  long: emptyBook,
  short: emptyBook,
  openLossMinor: 0n,
  openOrders: 0,
  conditionalOrders: 0,
};

export const bookOf = (exposure: Exposure, side: PositionSide): BookExposure =>
  exposure[BOOK_OF[side]];

export const sideOf = (book: BookExposure, side: Side): SideExposure =>
  side === "BUY" ? book.buys : book.sells;

/** Whether nothing but closing can come of the order; it needs no margin then. */
export const reducesOnly = (
  order: Pick<Order, "reduceOnly" | "closePosition" | "parentId" | "positionSide" | "side">,
): boolean =>
  order.reduceOnly ||
  order.closePosition ||
  order.parentId !== null ||
  (order.positionSide === "LONG" && order.side === "SELL") ||
  (order.positionSide === "SHORT" && order.side === "BUY");

const counts = (order: Order | undefined): order is Order =>
  order !== undefined && isOpen(order.status) && order.status !== "PENDING";

/** What may still trade, an amendment that waits included. */
export const remainingUnits = ({ quantityUnits, executedUnits, amendment }: Order): number =>
  (amendment === null ? quantityUnits : Math.max(quantityUnits, amendment.quantityUnits)) -
  executedUnits;

/** At what price the order's open part is held; units of 10^-priceScale, 0 when it needs none. */
const heldPriceUnits = ({ marginPriceUnits, amendment }: Order): number =>
  amendment === null || marginPriceUnits === 0
    ? marginPriceUnits
    : Math.max(marginPriceUnits, amendment.priceUnits);

const heldUnits = (order: Order | undefined): number =>
  counts(order) && order.marginPriceUnits > 0 ? remainingUnits(order) : 0;

const heldNotional = (order: Order | undefined): bigint =>
  counts(order) && order.marginPriceUnits > 0
    ? multiplyExact(heldPriceUnits(order), remainingUnits(order))
    : 0n;

const reducingUnits = (order: Order | undefined): number =>
  counts(order) && order.status !== "UNTRIGGERED" && reducesOnly(order) ? remainingUnits(order) : 0;

const openLoss = (order: Order | undefined): bigint =>
  counts(order) && order.marginPriceUnits > 0 && order.openLossMinor > 0n
    ? ceilDiv(order.openLossMinor * BigInt(remainingUnits(order)), BigInt(order.quantityUnits))
    : 0n;

const isUntriggered = (order: Order | undefined): boolean => order?.status === "UNTRIGGERED";

const sideChanged = (
  side: SideExposure,
  before: Order | undefined,
  after: Order | undefined,
): SideExposure => {
  const held = heldUnits(after) - heldUnits(before);
  const notional = heldNotional(after) - heldNotional(before);
  const reducing = reducingUnits(after) - reducingUnits(before);
  if (held === 0 && notional === 0n && reducing === 0) return side;
  return {
    quantityUnits: held === 0 ? side.quantityUnits : side.quantityUnits + BigInt(held),
    notionalUnits: side.notionalUnits + notional,
    reducingUnits: reducing === 0 ? side.reducingUnits : side.reducingUnits + BigInt(reducing),
  };
};

/**
 * The exposure once `after` stands where `before` stood; undefined: there is none. Both are the
 * same order, so its side and position side are the same too.
 */
export const orderChanged = (
  exposure: Exposure,
  before: Order | undefined,
  after: Order | undefined,
): Exposure => {
  const order = after ?? before;
  if (order === undefined) return exposure;
  const name = BOOK_OF[order.positionSide];
  const book = exposure[name];
  const side = sideOf(book, order.side);
  const changed = sideChanged(side, before, after);
  return {
    ...exposure,
    [name]: changed === side ? book : withSide(book, order.side, changed),
    openLossMinor: exposure.openLossMinor + openLoss(after) - openLoss(before),
    openOrders: exposure.openOrders + Number(counts(after)) - Number(counts(before)),
    conditionalOrders:
      exposure.conditionalOrders + Number(isUntriggered(after)) - Number(isUntriggered(before)),
  };
};

const withSide = (book: BookExposure, side: Side, changed: SideExposure): BookExposure => ({
  positionUnits: book.positionUnits,
  costUnits: book.costUnits,
  buys: side === "BUY" ? changed : book.buys,
  sells: side === "SELL" ? changed : book.sells,
});

/** The exposure once this is the position of its side. */
export const positionChanged = (
  exposure: Exposure,
  position: Pick<Position, "side" | "quantityUnits" | "costUnits">,
): Exposure => {
  const name = BOOK_OF[position.side];
  const { buys, sells } = exposure[name];
  const { quantityUnits, costUnits } = position;
  return { ...exposure, [name]: { positionUnits: quantityUnits, costUnits, buys, sells } };
};

/**
 * The highest price at which margin is held for an order of this side among an account's orders in
 * one symbol; 0 when none needs any.
 */
export const highestHeldPrice = (orders: Iterable<Order>, side: Side): number => {
  let highestUnits = 0;
  for (const order of orders) {
    if (order.side === side && counts(order)) {
      highestUnits = Math.max(highestUnits, heldPriceUnits(order));
    }
  }
  return highestUnits;
};
