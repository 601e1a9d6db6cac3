import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { InstrumentSymbol } from "./brands.ts";
import { checkFilters, type FilterCode, type FilteredOrder } from "./filters.ts";
import { INSTRUMENT_STATUSES, type Instrument } from "./instrument.ts";

const bitcoin: Instrument = {
  symbol: "BTCUSDT" as InstrumentSymbol,
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
  marketStepSizeUnits: 10,
  marketMinQuantityUnits: 20,
  marketMaxQuantityUnits: 120_000,
  minNotionalUnits: 10_000_000,
  multiplierUpUnits: 105_000_000,
  multiplierDownUnits: 95_000_000,
  maxOrders: 200,
  maxConditionalOrders: 10,
  leverageBrackets: [],
  version: 1,
};

const limit = (price: string, quantity: string): FilteredOrder => ({
  type: "LIMIT",
  price,
  quantity,
});
const market = (quantity: string): FilteredOrder => ({ type: "MARKET", price: null, quantity });

describe("an order that keeps every rule", () => {
  test.each<[string, FilteredOrder, number | null, number]>([
    ["an ordinary price and quantity", limit("50000.10", "0.010"), 5_000_010, 10],
    ["zeros beyond the scale", limit("50000.1000", "0.0100000"), 5_000_010, 10],
    ["the lowest price", limit("556.80", "1"), 55_680, 1_000],
    ["the highest price and quantity", limit("4529764", "1000"), 452_976_400, 1_000_000],
    ["exactly the smallest notional", limit("50000", "0.002"), 5_000_000, 2],
    ["a market order of the smallest quantity", market("0.02"), null, 20],
    ["a market order of the largest quantity", market("120"), null, 120_000],
  ])("passes: %s", (_, order, priceUnits, quantityUnits) => {
    const pass = { ok: true, priceUnits, quantityUnits } as const;
    expect(checkFilters(bitcoin, order)).toEqual(pass);
  });

  test("has its other prices in units, in their order", () => {
    const stop: FilteredOrder = {
      ...limit("50000", "0.01"),
      type: "STOP",
      otherPrices: [
        { field: "stopPrice", price: "50001" },
        { field: "takeProfit.stopPrice", price: "60000.1" },
      ],
    };
    const pass = { ok: true, priceUnits: 5_000_000, quantityUnits: 10 } as const;
    const otherPricesUnits = [5_000_100, 6_000_010];
    expect(checkFilters(bitcoin, stop)).toEqual({ ...pass, otherPricesUnits });
    expect(checkFilters(bitcoin, { ...stop, price: null })).toEqual({
      ...pass,
      priceUnits: null,
      otherPricesUnits,
    });
  });

  test("may be of any notional when it reduces, and of no quantity when it closes", () => {
    const small = { ...limit("50000", "0.001"), isReducing: true };
    expect(checkFilters(bitcoin, small)).toMatchObject({ ok: true });
    const close = { ...market("0"), type: "STOP_MARKET", quantity: null } as const;
    expect(checkFilters(bitcoin, close)).toMatchObject({ ok: true, quantityUnits: null });
  });
});

describe("an order that breaks a rule", () => {
  const range = { minPrice: "556.80", maxPrice: "4529764.00" };
  const sizes = { minQuantity: "0.001", maxQuantity: "1000.000" };
  const marketSizes = { minQuantity: "0.020", maxQuantity: "120.000" };

  test.each<[FilteredOrder, FilterCode, Record<string, string>]>([
    [limit("50000.15", "1"), "price_off_tick", { price: "50000.15", tickSize: "0.10" }],
    [limit("50000.101", "1"), "price_off_tick", { price: "50000.101", tickSize: "0.10" }],
    [limit("50000.1010", "1"), "price_off_tick", { price: "50000.101", tickSize: "0.10" }],
    [limit("556.70", "1"), "price_out_of_range", { price: "556.70", ...range }],
    [limit("0", "1"), "price_out_of_range", { price: "0.00", ...range }],
    [limit("4529764.10", "1"), "price_out_of_range", { price: "4529764.10", ...range }],
    [
      limit("9999999999999999.00", "1"),
      "price_out_of_range",
      { price: "9999999999999999", ...range },
    ],
    [limit("50000", "0.0015"), "quantity_off_step", { quantity: "0.0015", stepSize: "0.001" }],
    [limit("50000", "0"), "quantity_out_of_range", { quantity: "0.000", ...sizes }],
    [limit("50000", "1000.001"), "quantity_out_of_range", { quantity: "1000.001", ...sizes }],
    [
      limit("50000", "9999999999999999"),
      "quantity_out_of_range",
      { quantity: "9999999999999999", ...sizes },
    ],
    [
      limit("49999.90", "0.002"),
      "notional_too_small",
      { notional: "99.99980000", minNotional: "100.00000000" },
    ],
    [market("0.021"), "quantity_off_step", { quantity: "0.021", stepSize: "0.010" }],
    [market("0.01"), "quantity_out_of_range", { quantity: "0.010", ...marketSizes }],
    [market("120.01"), "quantity_out_of_range", { quantity: "120.010", ...marketSizes }],
  ])("%j is refused: %s", (order, code, context) => {
    expect(checkFilters(bitcoin, order)).toEqual({ ok: false, code, context });
  });

  const others = (...prices: readonly [string, string][]): FilteredOrder => ({
    ...limit("1", "0.0001"),
    otherPrices: prices.map(([field, price]) => ({ field, price })),
  });
  test.each<[string, FilteredOrder, FilterCode, Record<string, string>]>([
    [
      "a tick before every range, and names its field",
      others(["stopPrice", "1"], ["stopLoss.price", "50000.01"]),
      "price_off_tick",
      { field: "stopLoss.price", price: "50000.01", tickSize: "0.10" },
    ],
    [
      "the order's own price before the others, unnamed",
      others(["stopPrice", "2"]),
      "price_out_of_range",
      { price: "1.00", ...range },
    ],
    [
      "the other prices before the quantity",
      { ...others(["stopPrice", "2"], ["stopLoss.price", "3"]), price: "50000" },
      "price_out_of_range",
      { field: "stopPrice", price: "2.00", ...range },
    ],
  ])("of several prices: %s", (_, order, code, context) => {
    expect(checkFilters(bitcoin, order)).toEqual({ ok: false, code, context });
  });

  test("a market type is held to the market's sizes, conditional or not", () => {
    const order: FilteredOrder = { ...market("0.021"), type: "TAKE_PROFIT_MARKET" };
    expect(checkFilters(bitcoin, order)).toMatchObject({ code: "quantity_off_step" });
  });

  test.each(INSTRUMENT_STATUSES.filter((status) => status !== "TRADING"))(
    "everything is refused in %s, before any other rule",
    (status) => {
      expect(checkFilters({ ...bitcoin, status }, limit("0.001", "0.0001"))).toEqual({
        ok: false,
        code: "instrument_not_trading",
        context: { status },
      });
    },
  );

  test.each<[string, FilteredOrder, FilterCode]>([
    ["tick before price range", limit("1.01", "0.0001"), "price_off_tick"],
    ["price range before step", limit("1", "0.0001"), "price_out_of_range"],
    ["step before quantity range", limit("556.80", "2000.0001"), "quantity_off_step"],
    ["quantity range before notional", limit("556.80", "0"), "quantity_out_of_range"],
  ])("%s", (_, order, code) => {
    expect(checkFilters(bitcoin, order)).toMatchObject({ ok: false, code });
  });

  test("a notional with more than 8 decimals is cut, never rounded up to the minimum", () => {
    const fine = {
      ...bitcoin,
      priceScale: 7,
      quantityScale: 3,
      tickSizeUnits: 1,
      minPriceUnits: 1,
    };
    const result = checkFilters(
      { ...fine, minNotionalUnits: 50_000_000_000 },
      limit("0.0049999", "999.999"),
    );
    expect(result).toEqual({
      ok: false,
      code: "notional_too_small",
      context: { notional: "4.99989500", minNotional: "5.00000000" },
    });
  });
});

const units = (text: string, scale: number): bigint | "too_precise" => {
  const [integer = "", fraction = ""] = text.split(".");
  if (BigInt(`0${fraction.slice(scale)}`) !== 0n) return "too_precise";
  return BigInt(integer + fraction.slice(0, scale).padEnd(scale, "0"));
};

/** The same rules once more, in bigint only, as a list of what is wrong in order of precedence. */
const oracle = (instrument: Instrument, order: FilteredOrder): FilterCode | "pass" => {
  const safeMax = BigInt(Number.MAX_SAFE_INTEGER);
  const number = (
    value: bigint | "too_precise",
    [step, min, max]: readonly [number, number, number],
    [off, outside]: readonly [FilterCode, FilterCode],
  ): FilterCode | null => {
    if (value === "too_precise") return off;
    if (value > safeMax) return outside;
    if (value % BigInt(step) !== 0n) return off;
    return value < BigInt(min) || value > BigInt(max) ? outside : null;
  };
  const price = units(order.price ?? "0", instrument.priceScale);
  const quantity = units(order.quantity ?? "0", instrument.quantityScale);
  const { tickSizeUnits, minPriceUnits, maxPriceUnits } = instrument;
  const wrong =
    number(
      price,
      [tickSizeUnits, minPriceUnits, maxPriceUnits],
      ["price_off_tick", "price_out_of_range"],
    ) ??
    number(
      quantity,
      [instrument.stepSizeUnits, instrument.minQuantityUnits, instrument.maxQuantityUnits],
      ["quantity_off_step", "quantity_out_of_range"],
    );
  if (wrong !== null) return wrong;
  const notional = BigInt(price) * BigInt(quantity);
  return notional < BigInt(instrument.minNotionalUnits) ? "notional_too_small" : "pass";
};

const decimal = (integerMax: number) =>
  fc
    .tuple(fc.nat(integerMax), fc.option(fc.stringMatching(/^[0-9]{1,4}0{0,3}$/)))
    .map(([integer, fraction]) => (fraction === null ? `${integer}` : `${integer}.${fraction}`));

test("agrees with bigint arithmetic, also where price × quantity passes 2^53", () => {
  const seen = new Set<string>();
  const instruments = fc.record({
    tickSizeUnits: fc.constantFrom(1, 5, 10, 100),
    stepSizeUnits: fc.constantFrom(1, 10, 1_000),
    priceScale: fc.integer({ min: 0, max: 7 }),
    quantityScale: fc.integer({ min: 0, max: 3 }),
    minPriceUnits: fc.integer({ min: 1, max: 100_000 }),
    maxPriceUnits: fc.integer({ min: 100_000, max: 20_000_000_000_000 }),
    minQuantityUnits: fc.integer({ min: 1, max: 1_000 }),
    maxQuantityUnits: fc.integer({ min: 1_000, max: 800_000_000_000 }),
    minNotionalUnits: fc.oneof(fc.nat(1_000_000_000), fc.maxSafeNat()),
  });
  const anyDecimal = fc.oneof(decimal(20), decimal(1_000_000_000), decimal(9_999_999_999_999));
  fc.assert(
    fc.property(instruments, anyDecimal, anyDecimal, (rules, price, quantity) => {
      const instrument = { ...bitcoin, ...rules };
      const result = checkFilters(instrument, limit(price, quantity));
      const code = result.ok ? "pass" : result.code;
      seen.add(code);
      expect(code).toBe(oracle(instrument, limit(price, quantity)));
      if (!result.ok) return;
      expect(BigInt(result.priceUnits ?? 0)).toBe(units(price, rules.priceScale) as bigint);
      expect(BigInt(result.quantityUnits ?? 0)).toBe(
        units(quantity, rules.quantityScale) as bigint,
      );
    }),
    { numRuns: 5_000 },
  );
  expect(seen).toContain("pass");
  expect(seen).toContain("notional_too_small");
});
