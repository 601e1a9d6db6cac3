import type { Context, RefusalCode } from "./codes.ts";
import {
  canonicalDecimal,
  formatUnits,
  multiplyExact,
  parseUnits,
  productAtLeast,
} from "./decimal.ts";
import { formatNotional, type Instrument } from "./instrument.ts";
import type { OrderType } from "./order.ts";

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
  /** null for MARKET: then neither price nor notional is checked. */
  readonly price: string | null;
  readonly quantity: string;
}

/** Units are of 10^-priceScale and 10^-quantityScale. */
export interface FilterPass {
  readonly ok: true;
  readonly priceUnits: number | null;
  readonly quantityUnits: number;
}

export interface FilterRefusal {
  readonly ok: false;
  readonly code: FilterCode;
  readonly context: Context;
}

/**
 * The instrument's own rules on one order. The first rule that fails, in the order of
 * {@link FILTER_CODES}, decides. More decimals than the scale are off the tick or step, a number
 * past 2^53 - 1 units is out of range; minima and maxima are inclusive.
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
  let priceUnits: number | null = null;
  if (order.price !== null) {
    const price = checkPrice(instrument, order.price);
    if (typeof price !== "number") return price;
    priceUnits = price;
  }
  const quantityUnits = checkQuantity(instrument, order);
  if (typeof quantityUnits !== "number") return quantityUnits;
  if (
    priceUnits !== null &&
    !productAtLeast(priceUnits, quantityUnits, instrument.minNotionalUnits)
  ) {
    return refuse("notional_too_small", {
      notional: formatNotional(instrument, multiplyExact(priceUnits, quantityUnits)),
      minNotional: formatNotional(instrument, BigInt(instrument.minNotionalUnits)),
    });
  }
  return { ok: true, priceUnits, quantityUnits };
};

const refuse = (code: FilterCode, context: Context): FilterRefusal => ({
  ok: false,
  code,
  context,
});

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
  { type, quantity: text }: FilteredOrder,
): number | FilterRefusal => {
  const { quantityScale } = instrument;
  const market = type === "MARKET";
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
