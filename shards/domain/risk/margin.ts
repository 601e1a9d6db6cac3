/**
 * Initial margin of one account in one symbol, and the limits that prices and leverage have there.
 * The formulas, their sources and a worked example: docs/MARGIN.md.
 *
 * What is held for an order is never less than what its fills need: a fill of an order that needs
 * margin, at its margin price or below, never raises `usedMinor` (I-MARGIN in the tests).
 */
import { multiplyExact } from "../decimal.ts";
import { type Instrument, RATIO_SCALE } from "../instrument.ts";
import { isConditional, isMarket, type Order, type Side } from "../order.ts";
import { type BookExposure, type Exposure, reducesOnly } from "./exposure.ts";
import { ceilDiv, floorDiv, marginCeil, type Scales } from "./money.ts";
import type { RiskSettings, SymbolSettings } from "./types.ts";

const RATIO_ONE = 10n ** BigInt(RATIO_SCALE);
const PRICE_UNITS_MAX = BigInt(Number.MAX_SAFE_INTEGER);

/** Highest leverage where the leverage table is not known: what exchanges give who chose none. */
export const LEVERAGE_WITHOUT_BRACKETS = 20;

export interface MarginTerms {
  /** 1 or more, a whole number. */
  readonly leverage: number;
  readonly instrument: Scales;
  /** Of the notional of open orders; 10^-8. */
  readonly feeRateUnits: number;
}

/** What one (account, symbol) uses. Minor units, except the notional. */
export interface InitialMargin {
  /** positions + orders. */
  readonly usedMinor: bigint;
  /** Of the positions alone. */
  readonly positionsMinor: bigint;
  /** What the open orders add: margin, fees and open loss. */
  readonly ordersMinor: bigint;
  readonly feesMinor: bigint;
  readonly openLossMinor: bigint;
  /** What the leverage is applied to and brackets limit; 10^-(priceScale + quantityScale). */
  readonly notionalUnits: bigint;
}

/**
 * Initial margin of an exposure. `highestOpenPrice` gives the highest margin price among the open
 * one-way orders of a side (units of 10^-priceScale, {@link highestHeldPrice}); it is only called
 * when orders against the position are larger than it, since it has to look at all of them.
 */
export const initialMarginMinor = (
  exposure: Exposure,
  { leverage, instrument, feeRateUnits }: MarginTerms,
  highestOpenPrice: (side: Side) => number,
): InitialMargin => {
  const { both, long, short, openLossMinor } = exposure;
  const entryUnits = both.costUnits + long.costUnits + short.costUnits;
  const hedgeOpenUnits = long.buys.notionalUnits + short.sells.notionalUnits;
  const notionalUnits =
    oneWayNotional(both, highestOpenPrice) + long.costUnits + short.costUnits + hedgeOpenUnits;
  const openUnits = both.buys.notionalUnits + both.sells.notionalUnits + hedgeOpenUnits;
  const divisor = BigInt(leverage);
  const marginMinor = ceilDiv(marginCeil(notionalUnits, instrument), divisor);
  const positionsMinor =
    entryUnits === notionalUnits
      ? marginMinor
      : ceilDiv(marginCeil(entryUnits, instrument), divisor);
  // Rounding up twice is the same as once: ⌈⌈x⌉ ÷ n⌉ = ⌈x ÷ n⌉ for whole n ≥ 1.
  const feesMinor =
    openUnits === 0n
      ? 0n
      : ceilDiv(marginCeil(openUnits * BigInt(feeRateUnits), instrument), RATIO_ONE);
  const usedMinor = marginMinor + feesMinor + openLossMinor;
  const ordersMinor = usedMinor - positionsMinor;
  return { usedMinor, positionsMinor, ordersMinor, feesMinor, openLossMinor, notionalUnits };
};

/** The most that position and open orders can come to, whichever of them fill, in any order. */
const oneWayNotional = (book: BookExposure, highestOpenPrice: (side: Side) => number): bigint => {
  const { positionUnits, costUnits, buys, sells } = book;
  const [along, against] = positionUnits >= 0 ? [buys, sells] : [sells, buys];
  const alongUnits = costUnits + along.notionalUnits;
  const againstUnits = against.notionalUnits;
  if (againstUnits <= alongUnits) return alongUnits;
  if (positionUnits === 0) return againstUnits;
  const openedUnits = against.quantityUnits - BigInt(Math.abs(positionUnits));
  if (openedUnits <= 0n) return alongUnits;
  // The cheap ones may close and the dear ones open: the highest price, but never more than all.
  const dearestUnits = openedUnits * BigInt(highestOpenPrice(positionUnits > 0 ? "SELL" : "BUY"));
  const openingUnits = dearestUnits < againstUnits ? dearestUnits : againstUnits;
  return openingUnits > alongUnits ? openingUnits : alongUnits;
};

type PricedOrder = Pick<
  Order,
  | "type"
  | "side"
  | "positionSide"
  | "priceUnits"
  | "stopPriceUnits"
  | "reduceOnly"
  | "closePosition"
  | "parentId"
>;

/**
 * The price at which the order's open part is held, units of 10^-priceScale; 0: it needs no margin.
 * `markUnits` is null where no mark is known, which a market order's sender is refused for before.
 */
export const marginPriceOf = (
  order: PricedOrder,
  markUnits: number | null,
  { marketBufferUnits }: Pick<RiskSettings, "marketBufferUnits">,
): number => {
  if (reducesOnly(order)) return 0;
  // A stop order enters the book at its stop price, not at today's mark.
  const referenceUnits = isConditional(order.type) ? order.stopPriceUnits : markUnits;
  if (isMarket(order.type)) {
    if (referenceUnits === null) throw new Error(`a ${order.type} order has no reference price`);
    return buffered(referenceUnits, marketBufferUnits);
  }
  if (order.priceUnits === null) throw new Error(`a ${order.type} order has no price`);
  if (order.side === "BUY" || referenceUnits === null) return order.priceUnits;
  return Math.max(order.priceUnits, referenceUnits);
};

/** price × (1 + buffer) rounded up to a unit; there is no price past 2^53 - 1 units. */
const buffered = (priceUnits: number, bufferUnits: number): number =>
  asPrice(ceilDiv(BigInt(priceUnits) * (RATIO_ONE + BigInt(bufferUnits)), RATIO_ONE));

const asPrice = (units: bigint): number =>
  units < PRICE_UNITS_MAX ? Number(units) : Number.MAX_SAFE_INTEGER;

/**
 * What the whole order would lose at once against the mark, were it filled at its price: a buy
 * above it, a sell below it. Minor units, rounded up; 0 without a mark, for market and conditional
 * orders and for those that only reduce.
 */
export const openLossOf = (
  order: PricedOrder & Pick<Order, "quantityUnits">,
  markUnits: number | null,
  instrument: Scales,
): bigint => {
  if (markUnits === null || order.priceUnits === null || order.type !== "LIMIT") return 0n;
  const lossUnits =
    order.side === "BUY" ? order.priceUnits - markUnits : markUnits - order.priceUnits;
  if (lossUnits <= 0 || reducesOnly(order)) return 0n;
  return marginCeil(multiplyExact(lossUnits, order.quantityUnits), instrument);
};

type Brackets = Pick<Instrument, "leverageBrackets">;

/** Highest leverage that the instrument allows: its first bracket's. */
export const leverageMaxOf = ({ leverageBrackets }: Brackets): number =>
  leverageBrackets[0]?.initialLeverage ?? LEVERAGE_WITHOUT_BRACKETS;

/**
 * Below what notional (minor units) this leverage is allowed: the cap of the last bracket that
 * allows it. 0 when none does, null when the table is not known: then there is no limit.
 */
export const maxNotionalAt = ({ leverageBrackets }: Brackets, leverage: number): bigint | null => {
  if (leverageBrackets.length === 0) return null;
  const allowing = leverageBrackets.findLast(({ initialLeverage }) => initialLeverage >= leverage);
  return allowing === undefined ? 0n : BigInt(allowing.notionalCapMinor);
};

/**
 * The leverage that applies: the account's choice, else the default as far as the instrument
 * allows it. A choice stays when the instrument's table shrinks under it, so that nothing that is
 * open needs more at once; {@link maxNotionalAt} is 0 then and stops new exposure.
 */
export const leverageFor = (
  settings: Pick<SymbolSettings, "leverage"> | undefined,
  instrument: Brackets,
  { leverageDefault }: Pick<RiskSettings, "leverageDefault">,
): number => settings?.leverage ?? Math.min(leverageDefault, leverageMaxOf(instrument));

/** Prices that limit orders may have; units of 10^-priceScale. */
export interface PriceBand {
  /** Of a SELL. */
  readonly lowestUnits: number;
  /** Of a BUY. */
  readonly highestUnits: number;
}

/** The band around the mark, rounded inwards. */
export const priceBand = (
  {
    multiplierUpUnits,
    multiplierDownUnits,
  }: Pick<Instrument, "multiplierUpUnits" | "multiplierDownUnits">,
  markUnits: number,
): PriceBand => ({
  lowestUnits: asPrice(ceilDiv(multiplyExact(markUnits, multiplierDownUnits), RATIO_ONE)),
  highestUnits: asPrice(floorDiv(multiplyExact(markUnits, multiplierUpUnits), RATIO_ONE)),
});
