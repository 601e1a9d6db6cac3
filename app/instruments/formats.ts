/**
 * The forms in which instruments come, each one zod schema that ends in the same fields:
 *
 *   own            a line per instrument, as `GET /v1/instruments` shows it
 *   exchangeInfo   Binance's `{ symbols: [{ symbol, filters: [...] }] }`
 *   brackets       Binance's leverageBracket answer, `[{ symbol, brackets: [...] }]`
 *   flat           a list of instruments with filters and brackets as plain fields
 *
 * Unknown fields are ignored: exchanges add some every month. Numbers reach the schemas as text.
 */
import { z } from "zod";
import type { InstrumentFields } from "./fields.ts";
import { asset, type BracketFields, count, decimal, precision, status } from "./fields.ts";

/** Of the exchange, where its file names no limit. */
const MAX_ORDERS_DEFAULT = "200";
const MAX_CONDITIONAL_ORDERS_DEFAULT = "10";

const identity = {
  symbol: z.string(),
  baseAsset: asset,
  quoteAsset: asset,
  marginAsset: asset,
  status,
};

const bracket = z
  .object({
    bracket: count,
    notionalFloor: decimal,
    notionalCap: decimal,
    initialLeverage: count,
    maintMarginRatio: decimal,
    cum: decimal,
  })
  .transform(
    ({ maintMarginRatio, cum, ...rest }): BracketFields => ({
      ...rest,
      maintenanceMarginRatio: maintMarginRatio,
      maintenanceAmount: cum,
    }),
  );

export const bracketsForm = z.object({ symbol: z.string(), brackets: z.array(bracket) });

const ownBracket = z.object({
  bracket: count,
  notionalFloor: decimal,
  notionalCap: decimal,
  initialLeverage: count,
  maintenanceMarginRatio: decimal,
  maintenanceAmount: decimal,
});

/** Decimals that stand under the same names in the own and the flat form. */
const plainDecimals = {
  tickSize: decimal,
  minPrice: decimal,
  maxPrice: decimal,
  minNotional: decimal,
  multiplierUp: decimal,
  multiplierDown: decimal,
};

export const ownForm = z
  .object({
    ...identity,
    ...plainDecimals,
    priceDecimals: precision,
    quantityDecimals: precision,
    stepSize: decimal,
    minQuantity: decimal,
    maxQuantity: decimal,
    marketStepSize: decimal,
    marketMinQuantity: decimal,
    marketMaxQuantity: decimal,
    maxOrders: count,
    maxConditionalOrders: count,
    leverageBrackets: z.array(ownBracket),
  })
  .transform(
    (own): InstrumentFields => ({
      ...own,
      pricePrecision: own.priceDecimals,
      quantityPrecision: own.quantityDecimals,
      lot: { step: own.stepSize, min: own.minQuantity, max: own.maxQuantity },
      marketLot: {
        step: own.marketStepSize,
        min: own.marketMinQuantity,
        max: own.marketMaxQuantity,
      },
      brackets: own.leverageBrackets,
    }),
  );

export const flatForm = z
  .object({
    ...identity,
    ...plainDecimals,
    pricePrecision: precision,
    quantityPrecision: precision,
    stepSize: decimal,
    minQty: decimal,
    maxQty: decimal,
    marketStepSize: decimal,
    marketMinQty: decimal,
    marketMaxQty: decimal,
    maxNumOrders: count,
    maxNumAlgoOrders: count,
    leverageBrackets: z.array(bracket).default([]),
  })
  .transform(
    (flat): InstrumentFields => ({
      ...flat,
      lot: { step: flat.stepSize, min: flat.minQty, max: flat.maxQty },
      marketLot: { step: flat.marketStepSize, min: flat.marketMinQty, max: flat.marketMaxQty },
      maxOrders: flat.maxNumOrders,
      maxConditionalOrders: flat.maxNumAlgoOrders,
      brackets: flat.leverageBrackets,
    }),
  );

const lotFilter = z
  .object({ stepSize: decimal, minQty: decimal, maxQty: decimal })
  .transform(({ stepSize, minQty, maxQty }) => ({ step: stepSize, min: minQty, max: maxQty }));

const filterList = z.array(z.looseObject({ filterType: z.string() }));

/** The list of filters as an object by type; another shape is left for the schema to refuse. */
const filtersByType = (filters: unknown): unknown => {
  const list = filterList.safeParse(filters);
  if (!list.success) return filters;
  return Object.fromEntries(list.data.map((filter) => [filter.filterType, filter]));
};

const filters = z.preprocess(
  filtersByType,
  z.object({
    PRICE_FILTER: z.object({ tickSize: decimal, minPrice: decimal, maxPrice: decimal }),
    LOT_SIZE: lotFilter,
    MARKET_LOT_SIZE: lotFilter.optional(),
    MIN_NOTIONAL: z.object({ notional: decimal }).prefault({ notional: "0" }),
    PERCENT_PRICE: z.object({ multiplierUp: decimal, multiplierDown: decimal }),
    MAX_NUM_ORDERS: z.object({ limit: count }).prefault({ limit: MAX_ORDERS_DEFAULT }),
    MAX_NUM_ALGO_ORDERS: z
      .object({ limit: count })
      .prefault({ limit: MAX_CONDITIONAL_ORDERS_DEFAULT }),
  }),
);

/** One of an exchangeInfo's `symbols`; its brackets come from another file. */
export const exchangeInfoForm = z
  .object({ ...identity, pricePrecision: precision, quantityPrecision: precision, filters })
  .transform(
    ({ filters: rules, ...rest }): InstrumentFields => ({
      ...rest,
      ...rules.PRICE_FILTER,
      ...rules.PERCENT_PRICE,
      lot: rules.LOT_SIZE,
      marketLot: rules.MARKET_LOT_SIZE ?? rules.LOT_SIZE,
      minNotional: rules.MIN_NOTIONAL.notional,
      maxOrders: rules.MAX_NUM_ORDERS.limit,
      maxConditionalOrders: rules.MAX_NUM_ALGO_ORDERS.limit,
      brackets: [],
    }),
  );
