import type { InstrumentSymbol } from "./brands.ts";
import { formatUnits, MONEY_SCALE } from "./decimal.ts";

/** New orders are taken in TRADING only; the others keep what is open until it is closed. */
export const INSTRUMENT_STATUSES = [
  "PENDING_TRADING",
  "TRADING",
  "HALTED",
  "SETTLING",
  "CLOSED",
] as const;
export type InstrumentStatus = (typeof INSTRUMENT_STATUSES)[number];

/** Decimals of ratios: multipliers and maintenance margin ratios are integers of 10^-8. */
export const RATIO_SCALE = 8;

/**
 * One step of the leverage table: positions with notionalFloor ≤ notional < notionalCap.
 * Money is an integer of 10^-8 of the quote asset as decimal text, because caps such as
 * 600,000,000 pass 2^53 in minor units and the whole instrument must survive JSON.
 */
export interface LeverageBracket {
  /** 1, 2, 3 … in order of the floor. */
  readonly bracket: number;
  readonly notionalFloorMinor: string;
  readonly notionalCapMinor: string;
  /** Highest leverage allowed in this bracket, 1 or more. */
  readonly initialLeverage: number;
  /** 10^-8: 400000 is 0.4 %. */
  readonly maintenanceMarginRatioUnits: number;
  /** What is subtracted from notional × ratio, so that the requirement has no jump. */
  readonly maintenanceAmountMinor: string;
}

/**
 * The rules of a tradable thing. JSON-safe: safe integers, text and arrays only.
 * Prices are in units of 10^-priceScale, quantities of 10^-quantityScale; both scales are fixed for
 * the instrument's life, tick and step are filters on them. Sizes are ≥ 1 and minima ≤ maxima.
 */
export interface Instrument {
  readonly symbol: InstrumentSymbol;
  readonly baseAsset: string;
  readonly quoteAsset: string;
  readonly marginAsset: string;
  readonly status: InstrumentStatus;
  /** 0 … 18. */
  readonly priceScale: number;
  /** 0 … 18. */
  readonly quantityScale: number;
  readonly tickSizeUnits: number;
  readonly minPriceUnits: number;
  readonly maxPriceUnits: number;
  readonly stepSizeUnits: number;
  readonly minQuantityUnits: number;
  readonly maxQuantityUnits: number;
  /** The three rules for MARKET orders, in place of the three above. */
  readonly marketStepSizeUnits: number;
  readonly marketMinQuantityUnits: number;
  readonly marketMaxQuantityUnits: number;
  /** Units of 10^-(priceScale + quantityScale) of the quote asset; 0 means no minimum. */
  readonly minNotionalUnits: number;
  /** Highest price of a BUY, lowest of a SELL, relative to the mark price; 10^-8. */
  readonly multiplierUpUnits: number;
  readonly multiplierDownUnits: number;
  /** Open orders, and conditional ones among them, that an account may have. */
  readonly maxOrders: number;
  readonly maxConditionalOrders: number;
  /** Contiguous from 0 upwards; empty when the table is not known. */
  readonly leverageBrackets: readonly LeverageBracket[];
  /** 1 when the instrument is first known, one more with each change. */
  readonly version: number;
}

export interface LeverageBracketDescription {
  readonly bracket: number;
  readonly notionalFloor: string;
  readonly notionalCap: string;
  readonly initialLeverage: number;
  readonly maintenanceMarginRatio: string;
  readonly maintenanceAmount: string;
}

/** An instrument as shown to clients: decimals as text in the instrument's decimals, money in 8. */
export interface InstrumentDescription {
  readonly symbol: string;
  readonly status: InstrumentStatus;
  readonly baseAsset: string;
  readonly quoteAsset: string;
  readonly marginAsset: string;
  readonly priceDecimals: number;
  readonly quantityDecimals: number;
  readonly tickSize: string;
  readonly minPrice: string;
  readonly maxPrice: string;
  readonly stepSize: string;
  readonly minQuantity: string;
  readonly maxQuantity: string;
  readonly marketStepSize: string;
  readonly marketMinQuantity: string;
  readonly marketMaxQuantity: string;
  readonly minNotional: string;
  readonly multiplierUp: string;
  readonly multiplierDown: string;
  readonly maxOrders: number;
  readonly maxConditionalOrders: number;
  readonly leverageBrackets: readonly LeverageBracketDescription[];
}

/** The object of `GET /v1/instruments`, and one line of an instrument file. */
export const describeInstrument = (instrument: Instrument): InstrumentDescription => {
  const price = (units: number): string => formatUnits(units, instrument.priceScale);
  const quantity = (units: number): string => formatUnits(units, instrument.quantityScale);
  return {
    symbol: instrument.symbol,
    status: instrument.status,
    baseAsset: instrument.baseAsset,
    quoteAsset: instrument.quoteAsset,
    marginAsset: instrument.marginAsset,
    priceDecimals: instrument.priceScale,
    quantityDecimals: instrument.quantityScale,
    tickSize: price(instrument.tickSizeUnits),
    minPrice: price(instrument.minPriceUnits),
    maxPrice: price(instrument.maxPriceUnits),
    stepSize: quantity(instrument.stepSizeUnits),
    minQuantity: quantity(instrument.minQuantityUnits),
    maxQuantity: quantity(instrument.maxQuantityUnits),
    marketStepSize: quantity(instrument.marketStepSizeUnits),
    marketMinQuantity: quantity(instrument.marketMinQuantityUnits),
    marketMaxQuantity: quantity(instrument.marketMaxQuantityUnits),
    minNotional: formatNotional(instrument, BigInt(instrument.minNotionalUnits)),
    multiplierUp: formatUnits(instrument.multiplierUpUnits, RATIO_SCALE),
    multiplierDown: formatUnits(instrument.multiplierDownUnits, RATIO_SCALE),
    maxOrders: instrument.maxOrders,
    maxConditionalOrders: instrument.maxConditionalOrders,
    leverageBrackets: instrument.leverageBrackets.map(describeBracket),
  };
};

const describeBracket = (bracket: LeverageBracket): LeverageBracketDescription => ({
  bracket: bracket.bracket,
  notionalFloor: formatUnits(BigInt(bracket.notionalFloorMinor), MONEY_SCALE),
  notionalCap: formatUnits(BigInt(bracket.notionalCapMinor), MONEY_SCALE),
  initialLeverage: bracket.initialLeverage,
  maintenanceMarginRatio: formatUnits(bracket.maintenanceMarginRatioUnits, RATIO_SCALE),
  maintenanceAmount: formatUnits(BigInt(bracket.maintenanceAmountMinor), MONEY_SCALE),
});

/**
 * Money text with 8 decimals for price units × quantity units of the instrument. Digits beyond the
 * eighth are cut: what was below a minimum is then still shown below it.
 */
export const formatNotional = (
  { priceScale, quantityScale }: Pick<Instrument, "priceScale" | "quantityScale">,
  notionalUnits: bigint,
): string => {
  const surplus = priceScale + quantityScale - MONEY_SCALE;
  const minor =
    surplus > 0 ? notionalUnits / 10n ** BigInt(surplus) : notionalUnits * 10n ** BigInt(-surplus);
  return formatUnits(minor, MONEY_SCALE);
};
