import { expect, test } from "bun:test";
import { checkFilters } from "../../shards/domain/filters.ts";
import { defaultInstruments } from "./default-set.ts";

const instrument = (symbol: string) => {
  const found = defaultInstruments.find((candidate) => candidate.symbol === symbol);
  if (found === undefined) throw new Error(`${symbol} is not in the default set`);
  return found;
};

test("the default set has BTCUSDT with its real rules", () => {
  const { leverageBrackets, ...rules } = instrument("BTCUSDT");
  expect(rules).toEqual({
    symbol: "BTCUSDT" as never,
    baseAsset: "BTC",
    quoteAsset: "USDT",
    marginAsset: "USDT",
    status: "TRADING",
    priceScale: 2,
    quantityScale: 3,
    tickSizeUnits: 10,
    minPriceUnits: 55_680,
    maxPriceUnits: 452_976_400,
    stepSizeUnits: 1,
    minQuantityUnits: 1,
    maxQuantityUnits: 1_000_000,
    marketStepSizeUnits: 1,
    marketMinQuantityUnits: 1,
    marketMaxQuantityUnits: 120_000,
    minNotionalUnits: 10_000_000,
    multiplierUpUnits: 105_000_000,
    multiplierDownUnits: 95_000_000,
    maxOrders: 200,
    maxConditionalOrders: 10,
    version: 1,
  });
  expect(leverageBrackets).toHaveLength(12);
  expect(leverageBrackets[2]).toEqual({
    bracket: 3,
    notionalFloorMinor: "60000000000000",
    notionalCapMinor: "300000000000000",
    initialLeverage: 75,
    maintenanceMarginRatioUnits: 650_000,
    maintenanceAmountMinor: "95000000000",
  });
});

test("the default set has the symbols of the default shard map, and one that is settling", () => {
  for (const base of ["BTC", "ETH"]) {
    for (const quote of ["USDT", "BUSD", "USDC"]) {
      expect(instrument(`${base}${quote}`).status).toBe("TRADING");
    }
  }
  expect(instrument("OCEANUSDT").status).toBe("SETTLING");
  expect(instrument("BTCBUSD").leverageBrackets[8]?.maintenanceAmountMinor).toBe(
    "4970380000000000",
  );
});

test.each(defaultInstruments.map((each) => [each.symbol, each] as const))(
  "%s has its minima on the grid, so counting ticks from them or from 0 is the same",
  (_, each) => {
    expect(each.minPriceUnits % each.tickSizeUnits).toBe(0);
    expect(each.minQuantityUnits % each.stepSizeUnits).toBe(0);
    expect(each.marketMinQuantityUnits % each.marketStepSizeUnits).toBe(0);
  },
);

test.each(defaultInstruments.map((each) => [each.symbol, each] as const))(
  "%s has a maintenance margin without a jump from bracket to bracket",
  (_, { leverageBrackets }) => {
    const ratioUnit = 100_000_000n;
    expect(leverageBrackets.length).toBeGreaterThan(0);
    leverageBrackets.slice(1).forEach((upper, index) => {
      const lower = leverageBrackets[index];
      const ratioStep =
        upper.maintenanceMarginRatioUnits - (lower?.maintenanceMarginRatioUnits ?? 0);
      const amountStep =
        BigInt(upper.maintenanceAmountMinor) - BigInt(lower?.maintenanceAmountMinor ?? 0);
      expect(amountStep * ratioUnit).toBe(BigInt(upper.notionalFloorMinor) * BigInt(ratioStep));
    });
  },
);

test("the largest order of 1000SHIBUSDT passes, though its notional is past 2^53", () => {
  const order = { type: "LIMIT", price: "2000", quantity: "800000000" } as const;
  expect(checkFilters(instrument("1000SHIBUSDT"), order)).toEqual({
    ok: true,
    priceUnits: 2_000_000_000,
    quantityUnits: 800_000_000,
  });
});
