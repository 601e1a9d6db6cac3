/**
 * The rules of a placement beyond the instrument's filters, each with its code and the numbers that
 * explain it. The order in which they are tried is place.ts's; the table is in docs/RULES.md.
 */
import type { AccountId } from "../brands.ts";
import { formatUnits } from "../decimal.ts";
import type { Instrument } from "../instrument.ts";
import {
  isConditional,
  isMarket,
  type Order,
  type OrderRequest,
  type OrderType,
  type PositionSide,
  type Side,
  type WorkingType,
} from "../order.ts";
import { bookOf, type Exposure, reducesOnly, sideOf } from "../risk/exposure.ts";
import { priceBand } from "../risk/margin.ts";
import type { MarkPrice } from "../risk/types.ts";
import { type Refusal, refusal } from "./problems.ts";
import type { DecisionView } from "./types.ts";

/** An attached child in units of 10^-priceScale. */
export interface ChildUnits {
  readonly field: "takeProfit" | "stopLoss";
  readonly type: OrderType;
  readonly stopPriceUnits: number;
  /** null for the market types. */
  readonly priceUnits: number | null;
  readonly workingType: WorkingType;
}

/** A placement as the rules see it: on the instrument's grid, in units. */
export interface Placement {
  readonly accountId: AccountId;
  readonly request: OrderRequest;
  readonly instrument: Instrument;
  readonly isReducing: boolean;
  readonly priceUnits: number | null;
  /** null with closePosition. */
  readonly quantityUnits: number | null;
  readonly stopPriceUnits: number | null;
  readonly children: readonly ChildUnits[];
  readonly mark: MarkPrice | undefined;
}

/** Whether nothing but closing a position can come of it. */
export const isReducing = (request: OrderRequest): boolean =>
  reducesOnly({
    reduceOnly: request.reduceOnly,
    closePosition: request.closePosition,
    parentId: null,
    positionSide: request.positionSide,
    side: request.side,
  });

/** HALTED takes nothing, REDUCE_ONLY what can only reduce a position. */
export const checkTradingState = (
  view: DecisionView,
  order: Pick<Order, "accountId" | "symbol">,
  onlyReduces: boolean,
): Refusal | null => {
  const state = view.tradingState(order.accountId, order.symbol);
  if (state === "ACTIVE" || (state === "REDUCE_ONLY" && onlyReduces)) return null;
  return refusal(
    "trading_halted",
    { tradingState: state },
    state === "HALTED" ? "Trading is halted." : "Only orders that reduce a position are taken.",
  );
};

/** One-way mode knows BOTH alone, hedge mode LONG and SHORT. */
export const checkPositionSide = (
  view: DecisionView,
  { accountId, request: { positionSide } }: Placement,
): Refusal | null => {
  const positionMode = view.positionMode(accountId);
  if ((positionMode === "ONE_WAY") === (positionSide === "BOTH")) return null;
  return refusal("position_side_mismatch", { positionSide, positionMode });
};

/**
 * Under `risk: margin` market types need a fresh mark, unless they only reduce: those need no
 * margin. What is to be judged by the mark needs one, of whatever age.
 */
export const checkMark = (
  { risk, riskSettings: { markAgeMsMax } }: DecisionView,
  { request, isReducing: onlyReduces, children, mark }: Placement,
  now: number,
): Refusal | null => {
  const { type, workingType } = request;
  if (mark === undefined) {
    const isJudged =
      workingType === "MARK_PRICE" ||
      (type === "MARKET" && children.some((child) => child.workingType === "MARK_PRICE"));
    if (!isJudged && (risk === "none" || !isMarket(type) || onlyReduces)) return null;
    return refusal("mark_price_stale", { markPriceAt: null }, "There is no mark price yet.");
  }
  if (risk === "none" || !isMarket(type) || onlyReduces) return null;
  const ageMs = now - mark.at;
  if (ageMs <= markAgeMsMax) return null;
  return refusal(
    "mark_price_stale",
    { markPriceAt: String(mark.at), ageMs: String(ageMs), ageMsMax: String(markAgeMsMax) },
    `The mark price is ${ageMs} ms old; market orders need one of at most ${markAgeMsMax} ms.`,
  );
};

/** A limit price and what it is measured by: the mark, or the stop price it follows. */
interface BandedPrice {
  readonly field: string | null;
  readonly side: Side;
  readonly priceUnits: number;
  readonly referenceUnits: number;
  readonly isStop: boolean;
}

/** A buy may not be far above its reference, nor a sell far below. */
export const checkBandedPrice = (
  instrument: Instrument,
  { field, side, priceUnits, referenceUnits, isStop }: BandedPrice,
): Refusal | null => {
  const { lowestUnits, highestUnits } = priceBand(instrument, referenceUnits);
  if (side === "BUY" ? priceUnits <= highestUnits : priceUnits >= lowestUnits) return null;
  const price = (units: number): string => formatUnits(units, instrument.priceScale);
  const bound = side === "BUY" ? { highest: price(highestUnits) } : { lowest: price(lowestUnits) };
  const reference = { [isStop ? "stopPrice" : "markPrice"]: price(referenceUnits) };
  const named = field === null ? {} : { field };
  return refusal("price_out_of_range", {
    ...named,
    price: price(priceUnits),
    ...reference,
    ...bound,
  });
};

const opposite = (side: Side): Side => (side === "BUY" ? "SELL" : "BUY");

/** Limit prices within the band: of the order against the mark, of conditional ones their stop. */
export const checkBand = ({
  request: { side },
  instrument,
  priceUnits,
  stopPriceUnits,
  children,
  mark,
}: Placement): Refusal | null => {
  const referenceUnits = stopPriceUnits ?? mark?.priceUnits;
  if (priceUnits !== null && referenceUnits !== undefined) {
    const isStop = stopPriceUnits !== null;
    const banded = { field: null, side, priceUnits, referenceUnits, isStop };
    const broken = checkBandedPrice(instrument, banded);
    if (broken !== null) return broken;
  }
  for (const child of children) {
    if (child.priceUnits === null) continue;
    const broken = checkBandedPrice(instrument, {
      field: `${child.field}.price`,
      side: opposite(side),
      priceUnits: child.priceUnits,
      referenceUnits: child.stopPriceUnits,
      isStop: true,
    });
    if (broken !== null) return broken;
  }
  return null;
};

/**
 * Whether a price triggers a conditional order: a stop when the market runs against it, a
 * take-profit when it runs with it. Prices in units of 10^-priceScale.
 */
export const triggersAt = (
  {
    type,
    side,
    stopPriceUnits,
  }: Pick<Order, "type" | "side"> & { readonly stopPriceUnits: number },
  workingPriceUnits: number,
): boolean => {
  const isStop = type === "STOP" || type === "STOP_MARKET";
  return isStop === (side === "BUY")
    ? workingPriceUnits >= stopPriceUnits
    : workingPriceUnits <= stopPriceUnits;
};

/**
 * Conditional orders are judged by their working price; children of an order with a price by that
 * price, since they live from its fill on. What has no working price yet can't be judged: it passes.
 */
export const checkTriggers = (view: DecisionView, placement: Placement): Refusal | null => {
  const { request, instrument, priceUnits, stopPriceUnits, children, mark } = placement;
  const working = (workingType: WorkingType | null): number | undefined =>
    workingType === "LAST_PRICE" ? view.lastPrice(request.symbol) : mark?.priceUnits;
  const judge = (
    order: Parameters<typeof triggersAt>[0],
    by: { readonly name: string; readonly units: number | undefined },
    field: string,
  ): Refusal | null =>
    by.units === undefined || !triggersAt(order, by.units)
      ? null
      : refusal("would_trigger_immediately", {
          field,
          stopPrice: formatUnits(order.stopPriceUnits, instrument.priceScale),
          [by.name]: formatUnits(by.units, instrument.priceScale),
        });
  const nameOf = (workingType: WorkingType | null): string =>
    workingType === "LAST_PRICE" ? "lastPrice" : "markPrice";
  if (stopPriceUnits !== null) {
    const { type, side, workingType } = request;
    const by = { name: nameOf(workingType), units: working(workingType) };
    const broken = judge({ type, side, stopPriceUnits }, by, "stopPrice");
    if (broken !== null) return broken;
  }
  for (const child of children) {
    const by =
      priceUnits === null
        ? { name: nameOf(child.workingType), units: working(child.workingType) }
        : { name: "price", units: priceUnits };
    const broken = judge(
      { type: child.type, side: opposite(request.side), stopPriceUnits: child.stopPriceUnits },
      by,
      `${child.field}.stopPrice`,
    );
    if (broken !== null) return broken;
  }
  return null;
};

/** Of one account in one symbol; attached children count from their parent's first fill on. */
export const checkCounts = (
  { instrument: { maxOrders, maxConditionalOrders }, request }: Placement,
  { openOrders, conditionalOrders }: Exposure,
): Refusal | null => {
  if (openOrders >= maxOrders) {
    return refusal("too_many_open_orders", {
      openOrders: String(openOrders),
      maxOrders: String(maxOrders),
    });
  }
  if (isConditional(request.type) && conditionalOrders >= maxConditionalOrders) {
    return refusal("too_many_open_orders", {
      conditionalOrders: String(conditionalOrders),
      maxConditionalOrders: String(maxConditionalOrders),
    });
  }
  return null;
};

/** How much of the position an order of this side could close; units of 10^-quantityScale. */
export const closableUnits = (
  exposure: Exposure,
  side: Side,
  positionSide: PositionSide,
): number => {
  const { positionUnits } = bookOf(exposure, positionSide);
  return Math.max(0, side === "SELL" ? positionUnits : -positionUnits);
};

interface ReducingOrder {
  readonly side: Side;
  readonly positionSide: PositionSide;
  /** null: the position's. */
  readonly quantityUnits: number | null;
  /** Conditional ones are sized when they trigger: others do not count against them until then. */
  readonly isLive: boolean;
  /** What the exposure has of this same order. */
  readonly ownUnits: number;
}

/** What only reduces needs a position of the other direction, and all of them fit into it. */
export const checkReducing = (
  exposure: Exposure,
  instrument: Instrument,
  { side, positionSide, quantityUnits, isLive, ownUnits }: ReducingOrder,
): Refusal | null => {
  const closable = closableUnits(exposure, side, positionSide);
  const others = isLive
    ? sideOf(bookOf(exposure, positionSide), side).reducingUnits - BigInt(ownUnits)
    : 0n;
  if (closable > 0 && others + BigInt(quantityUnits ?? 0) <= BigInt(closable)) return null;
  const quantity = (units: number | bigint): string => formatUnits(units, instrument.quantityScale);
  return refusal("reduce_only_rejected", {
    positionQuantity: quantity(bookOf(exposure, positionSide).positionUnits),
    openReduceOnlyQuantity: quantity(others),
    quantity: quantityUnits === null ? null : quantity(quantityUnits),
  });
};
