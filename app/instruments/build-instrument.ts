import type { InstrumentSymbol } from "../../shards/domain/brands.ts";
import { type ExactDecimal, MONEY_SCALE, SCALE_MAX } from "../../shards/domain/decimal.ts";
import {
  type Instrument,
  type LeverageBracket,
  RATIO_SCALE,
} from "../../shards/domain/instrument.ts";
import type { BracketFields, InstrumentFields, LotFields } from "./fields.ts";

/** A value that cannot stand in an instrument; the caller adds file and symbol. */
export class FieldRefused extends Error {
  override readonly name = "FieldRefused";

  constructor(field: string, value: string | number, reason: string) {
    super(`${field} ${JSON.stringify(value)} ${reason}`);
  }
}

/**
 * The instrument of these fields, version 1. A scale is the larger of the precision shown and the
 * decimals that tick or step, minimum and maximum really need. Throws {@link FieldRefused}.
 */
export const buildInstrument = (fields: InstrumentFields): Instrument => {
  const { tickSize, minPrice, maxPrice, lot, marketLot } = fields;
  const priceScale = scaleOf("pricePrecision", fields.pricePrecision, [
    tickSize,
    minPrice,
    maxPrice,
  ]);
  const quantityScale = scaleOf("quantityPrecision", fields.quantityPrecision, [
    lot.step,
    lot.min,
    lot.max,
    marketLot.step,
    marketLot.min,
    marketLot.max,
  ]);
  const price = range(
    ["tickSize", "minPrice", "maxPrice"],
    { step: tickSize, min: minPrice, max: maxPrice },
    priceScale,
    { step: 1, max: Number.MAX_SAFE_INTEGER },
  );
  const quantity = range(LOT_NAMES, lot, quantityScale, { step: 1, max: Number.MAX_SAFE_INTEGER });
  const market = range(MARKET_LOT_NAMES, marketLot, quantityScale, quantity);
  return {
    symbol: fields.symbol as InstrumentSymbol,
    baseAsset: fields.baseAsset,
    quoteAsset: fields.quoteAsset,
    marginAsset: fields.marginAsset,
    status: fields.status,
    priceScale,
    quantityScale,
    tickSizeUnits: price.step,
    minPriceUnits: price.min,
    maxPriceUnits: price.max,
    stepSizeUnits: quantity.step,
    minQuantityUnits: quantity.min,
    maxQuantityUnits: quantity.max,
    marketStepSizeUnits: market.step,
    marketMinQuantityUnits: market.min,
    marketMaxQuantityUnits: market.max,
    minNotionalUnits: minNotional(fields.minNotional, priceScale + quantityScale),
    multiplierUpUnits: safeUnits("multiplierUp", fields.multiplierUp, RATIO_SCALE),
    multiplierDownUnits: safeUnits("multiplierDown", fields.multiplierDown, RATIO_SCALE),
    maxOrders: fields.maxOrders,
    maxConditionalOrders: fields.maxConditionalOrders,
    leverageBrackets: buildBrackets(fields.brackets),
    version: 1,
  };
};

type RangeNames = readonly [step: string, min: string, max: string];
const LOT_NAMES: RangeNames = ["stepSize", "minQuantity", "maxQuantity"];
const MARKET_LOT_NAMES: RangeNames = ["marketStepSize", "marketMinQuantity", "marketMaxQuantity"];

const show = ({ digits, scale }: ExactDecimal): string => {
  const text = String(digits).padStart(scale + 1, "0");
  return scale === 0 ? text : `${text.slice(0, -scale)}.${text.slice(-scale)}`;
};

const scaleOf = (name: string, shown: number, values: readonly ExactDecimal[]): number => {
  const scale = Math.max(shown, ...values.map((value) => value.scale));
  if (scale <= SCALE_MAX) return scale;
  throw new FieldRefused(name, scale, `is needed, but at most ${SCALE_MAX} decimals are possible`);
};

const exactUnits = (name: string, value: ExactDecimal, scale: number): bigint => {
  if (value.scale <= scale) return value.digits * 10n ** BigInt(scale - value.scale);
  throw new FieldRefused(name, show(value), `has more than ${scale} decimals`);
};

const safeUnits = (name: string, value: ExactDecimal, scale: number): number => {
  const units = exactUnits(name, value, scale);
  if (units <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(units);
  throw new FieldRefused(name, show(value), `passes 2^53 - 1 at ${scale} decimals`);
};

/** In an exchange's file 0 switches a rule off: then the widest one stands in its place. */
const range = (
  [stepName, minName, maxName]: RangeNames,
  lot: LotFields,
  scale: number,
  widest: { readonly step: number; readonly min?: number; readonly max: number },
): { readonly step: number; readonly min: number; readonly max: number } => {
  const step = safeUnits(stepName, lot.step, scale) || widest.step;
  const min = safeUnits(minName, lot.min, scale) || (widest.min ?? step);
  const max = safeUnits(maxName, lot.max, scale) || widest.max;
  if (min > max) throw new FieldRefused(minName, show(lot.min), `is above ${maxName}`);
  return { step, min, max };
};

/** Money: shown with 8 decimals, so it has no more; nor more than a notional can have. */
const minNotional = (value: ExactDecimal, notionalScale: number): number => {
  exactUnits("minNotional", value, MONEY_SCALE);
  return safeUnits("minNotional", value, notionalScale);
};

const buildBrackets = (brackets: readonly BracketFields[]): readonly LeverageBracket[] => {
  const sorted = brackets.toSorted((a, b) => a.bracket - b.bracket);
  let previousCapMinor = 0n;
  return sorted.map((fields, index) => {
    const field = (name: string): string => `brackets[${fields.bracket}].${name}`;
    if (fields.bracket !== index + 1) {
      throw new FieldRefused("bracket", fields.bracket, `stands where ${index + 1} is due`);
    }
    const { notionalFloor, notionalCap, maintenanceMarginRatio, maintenanceAmount } = fields;
    const floorMinor = exactUnits(field("notionalFloor"), notionalFloor, MONEY_SCALE);
    const capMinor = exactUnits(field("notionalCap"), notionalCap, MONEY_SCALE);
    if (floorMinor !== previousCapMinor) {
      const due = "is not where the bracket before it ends";
      throw new FieldRefused(field("notionalFloor"), show(notionalFloor), due);
    }
    if (capMinor <= floorMinor) {
      throw new FieldRefused(field("notionalCap"), show(notionalCap), "is not above notionalFloor");
    }
    if (fields.initialLeverage < 1) {
      throw new FieldRefused(field("initialLeverage"), fields.initialLeverage, "is below 1");
    }
    previousCapMinor = capMinor;
    return {
      bracket: fields.bracket,
      notionalFloorMinor: String(floorMinor),
      notionalCapMinor: String(capMinor),
      initialLeverage: fields.initialLeverage,
      maintenanceMarginRatioUnits: safeUnits(
        field("maintenanceMarginRatio"),
        maintenanceMarginRatio,
        RATIO_SCALE,
      ),
      maintenanceAmountMinor: String(
        exactUnits(field("maintenanceAmount"), maintenanceAmount, MONEY_SCALE),
      ),
    };
  });
};
