import type { Context, RefusalCode } from "./codes.ts";
import {
  canonicalDecimal,
  formatUnits,
  multiplyExact,
  parseUnits,
  productAtLeast,
} from "./decimal.ts";
import { formatNotional, type Instrument } from "./instrument.ts";
import { isMarket, type OrderType } from "./order.ts";

/** The refusals of {@link checkFilters}, in order of precedence. */
export const FILTER_CODES = [
  "instrument_not_trading",
  "price_off_tick",
  "price_out_of_range",
  "quantity_off_step",
  "quantity_out_of_range",
  "notional_too_small",
] as const satisfies readonly RefusalCode[];
export type FilterCode = (typeof FILTER_CODES)[number];

/** What the filters look at; decimals are text of the contract. */
export interface FilteredOrder {
  readonly type: OrderType;
  /** null for the market types. */
  readonly price: string | null;
  /** null where it is the position's: then neither quantity nor notional is checked. */
  readonly quantity: string | null;
  /** Whether it can only reduce a position: such an order may be of any notional. */
  readonly isReducing?: boolean;
  /** Further prices with the path of their field, each held to the rules of a price. */
  readonly otherPrices?: readonly NamedPrice[];
}

export interface NamedPrice {
  /** `stopPrice`, `takeProfit.stopPrice`, … */
  readonly field: string;
  readonly price: string;
}

/** Units are of 10^-priceScale and 10^-quantityScale. */
export interface FilterPass {
  readonly ok: true;
  readonly priceUnits: number | null;
  readonly quantityUnits: number | null;
  /** Of {@link FilteredOrder.otherPrices}, one for one; absent without any. */
  readonly otherPricesUnits?: readonly number[];
}

export interface FilterRefusal {
  readonly ok: false;
  readonly code: FilterCode;
  readonly context: Context;
}

/**
 * The instrument's own rules on one order. The first rule that fails, in the order of
 * {@link FILTER_CODES}, decides. More decimals than the scale are off the tick or step, a number
 * past 2^53 - 1 units is out of range; minima and maxima are inclusive. Market types are not held
 * to the notional: what they will trade at is not known.
 *
 * A price is on the tick when it is a multiple of it, counted from 0. Binance's USD-M "Filters"
 * page counts from minPrice and minQty, its Spot page from 0 (changed 2022-02-24); the two agree
 * wherever the minimum is itself on the tick or step, which holds for the whole default set.
 */
export const checkFilters = (
  instrument: Instrument,
  order: FilteredOrder,
): FilterPass | FilterRefusal => {
  if (instrument.status !== "TRADING") {
    return refuse("instrument_not_trading", { status: instrument.status });
  }
  const { price, otherPrices } = order;
  if (otherPrices !== undefined && otherPrices.length > 0) {
    const prices = checkPrices(instrument, price, otherPrices);
    if ("ok" in prices) return prices;
    const [first] = prices;
    if (price === null || first === undefined) {
      return checkSize(instrument, order, { priceUnits: null, otherPricesUnits: prices });
    }
    const otherPricesUnits = prices.slice(1);
    return checkSize(instrument, order, { priceUnits: first, otherPricesUnits });
  }
  const priceUnits = price === null ? null : checkPrice(instrument, price);
  if (priceUnits !== null && typeof priceUnits !== "number") return priceUnits;
  return checkSize(instrument, order, { priceUnits });
};

/** The rules of quantity and notional, once the prices have passed. */
const checkSize = (
  instrument: Instrument,
  order: FilteredOrder,
  prices: Pick<FilterPass, "priceUnits" | "otherPricesUnits">,
): FilterPass | FilterRefusal => {
  if (order.quantity === null) return { ok: true, ...prices, quantityUnits: null };
  const quantityUnits = checkQuantity(instrument, order.type, order.quantity);
  if (typeof quantityUnits !== "number") return quantityUnits;
  const { priceUnits } = prices;
  if (
    priceUnits !== null &&
    order.isReducing !== true &&
    !productAtLeast(priceUnits, quantityUnits, instrument.minNotionalUnits)
  ) {
    return refuse("notional_too_small", {
      notional: formatNotional(instrument, multiplyExact(priceUnits, quantityUnits)),
      minNotional: formatNotional(instrument, BigInt(instrument.minNotionalUnits)),
    });
  }
  return { ok: true, ...prices, quantityUnits };
};

const refuse = (code: FilterCode, context: Context): FilterRefusal => ({
  ok: false,
  code,
  context,
});

/** Units of all prices, the order's own first; else the first that is off the tick, or out of range. */
const checkPrices = (
  instrument: Instrument,
  price: string | null,
  otherPrices: readonly NamedPrice[],
): number[] | FilterRefusal => {
  const named = price === null ? otherPrices : [{ field: "price", price }, ...otherPrices];
  const units: number[] = [];
  let outOfRange: FilterRefusal | null = null;
  for (const { field, price: text } of named) {
    const checked = checkPrice(instrument, text);
    if (typeof checked === "number") {
      units.push(checked);
      continue;
    }
    const refusal =
      field === "price" ? checked : { ...checked, context: { field, ...checked.context } };
    if (checked.code === "price_off_tick") return refusal;
    outOfRange ??= refusal;
  }
  return outOfRange ?? units;
};

const checkPrice = (instrument: Instrument, text: string): number | FilterRefusal => {
  const { priceScale, tickSizeUnits, minPriceUnits, maxPriceUnits } = instrument;
  const units = parseUnits(text, priceScale);
  if (units === "too_precise" || (units !== "out_of_range" && units % tickSizeUnits !== 0)) {
    return refuse("price_off_tick", {
      price: show(units, priceScale, text),
      tickSize: formatUnits(tickSizeUnits, priceScale),
    });
  }
  if (units === "out_of_range" || units < minPriceUnits || units > maxPriceUnits) {
    return refuse("price_out_of_range", {
      price: show(units, priceScale, text),
      minPrice: formatUnits(minPriceUnits, priceScale),
      maxPrice: formatUnits(maxPriceUnits, priceScale),
    });
  }
  return units;
};

const checkQuantity = (
  instrument: Instrument,
  type: OrderType,
  text: string,
): number | FilterRefusal => {
  const { quantityScale } = instrument;
  const market = isMarket(type);
  const step = market ? instrument.marketStepSizeUnits : instrument.stepSizeUnits;
  const min = market ? instrument.marketMinQuantityUnits : instrument.minQuantityUnits;
  const max = market ? instrument.marketMaxQuantityUnits : instrument.maxQuantityUnits;
  const units = parseUnits(text, quantityScale);
  if (units === "too_precise" || (units !== "out_of_range" && units % step !== 0)) {
    return refuse("quantity_off_step", {
      quantity: show(units, quantityScale, text),
      stepSize: formatUnits(step, quantityScale),
    });
  }
  if (units === "out_of_range" || units < min || units > max) {
    return refuse("quantity_out_of_range", {
      quantity: show(units, quantityScale, text),
      minQuantity: formatUnits(min, quantityScale),
      maxQuantity: formatUnits(max, quantityScale),
    });
  }
  return units;
};

/** In the instrument's decimals; text that has no units is shown canonical, so replays agree. */
const show = (units: number | string, scale: number, text: string): string =>
  typeof units === "number" ? formatUnits(units, scale) : canonicalDecimal(text);
