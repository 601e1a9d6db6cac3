import { expect, test } from "bun:test";
import type { InstrumentSymbol } from "./brands.ts";
import { describeInstrument, formatNotional, type Instrument } from "./instrument.ts";

const shiba: Instrument = {
  symbol: "1000SHIBUSDT" as InstrumentSymbol,
  baseAsset: "1000SHIB",
  quoteAsset: "USDT",
  marginAsset: "USDT",
  status: "TRADING",
  priceScale: 6,
  quantityScale: 0,
  tickSizeUnits: 1,
  minPriceUnits: 157,
  maxPriceUnits: 2_000_000_000,
  stepSizeUnits: 1,
  minQuantityUnits: 1,
  maxQuantityUnits: 800_000_000,
  marketStepSizeUnits: 1,
  marketMinQuantityUnits: 1,
  marketMaxQuantityUnits: 50_000_000,
  minNotionalUnits: 5_000_000,
  multiplierUpUnits: 110_000_000,
  multiplierDownUnits: 90_000_000,
  maxOrders: 200,
  maxConditionalOrders: 10,
  leverageBrackets: [
    {
      bracket: 1,
      notionalFloorMinor: "0",
      notionalCapMinor: "60000000000000000",
      initialLeverage: 75,
      maintenanceMarginRatioUnits: 650_000,
      maintenanceAmountMinor: "4970380000000000",
    },
  ],
  version: 3,
};

test("an instrument is described in its own decimals and money in eight", () => {
  expect(describeInstrument(shiba)).toEqual({
    symbol: "1000SHIBUSDT",
    status: "TRADING",
    baseAsset: "1000SHIB",
    quoteAsset: "USDT",
    marginAsset: "USDT",
    priceDecimals: 6,
    quantityDecimals: 0,
    tickSize: "0.000001",
    minPrice: "0.000157",
    maxPrice: "2000.000000",
    stepSize: "1",
    minQuantity: "1",
    maxQuantity: "800000000",
    marketStepSize: "1",
    marketMinQuantity: "1",
    marketMaxQuantity: "50000000",
    minNotional: "5.00000000",
    multiplierUp: "1.10000000",
    multiplierDown: "0.90000000",
    maxOrders: 200,
    maxConditionalOrders: 10,
    leverageBrackets: [
      {
        bracket: 1,
        notionalFloor: "0.00000000",
        notionalCap: "600000000.00000000",
        initialLeverage: 75,
        maintenanceMarginRatio: "0.00650000",
        maintenanceAmount: "49703800.00000000",
      },
    ],
  });
});

test("an instrument survives JSON unchanged", () => {
  expect(JSON.parse(JSON.stringify(shiba))).toEqual(shiba);
});

test.each<[number, number, bigint, string]>([
  [6, 0, 1_600_000_000_000_000_000n, "1600000000000.00000000"],
  [2, 3, 9_999_980n, "99.99980000"],
  [7, 1, 1n, "0.00000001"],
  [7, 3, 199n, "0.00000001"],
])("a notional at scales %d and %d of %p units is %s", (priceScale, quantityScale, value, text) => {
  expect(formatNotional({ priceScale, quantityScale }, value)).toBe(text);
});
