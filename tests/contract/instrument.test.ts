import { beforeAll, describe, expect, test } from "bun:test";
import type { InstrumentDescription } from "../../shards/domain/instrument.ts";
import { limitOrder, type OrderFields } from "../support/contract-client.ts";
import { startedOnce } from "../support/contract-fixture.ts";

const running = startedOnce();
let instruments: readonly InstrumentDescription[];
beforeAll(async () => {
  const { json } = await running.client.send("GET", "/v1/instruments");
  instruments = json.items as readonly InstrumentDescription[];
});

describe("GET /v1/instruments", () => {
  test("lists the default set by symbol, each once", async () => {
    const { status, json } = await running.client.send("GET", "/v1/instruments");
    expect([status, json.nextCursor]).toEqual([200, null]);
    const symbols = instruments.map(({ symbol }) => symbol);
    expect(symbols.length).toBeGreaterThanOrEqual(26);
    expect(symbols).toEqual([...new Set(symbols)].sort());
    for (const symbol of ["BTCUSDT", "BTCBUSD", "BTCUSDC", "ETHUSDT", "ETHBUSD", "ETHUSDC"]) {
      expect(symbols).toContain(symbol);
    }
  });

  test("says the rules of BTCUSDT exactly", () => {
    const { leverageBrackets, ...rules } = instruments.find(
      ({ symbol }) => symbol === "BTCUSDT",
    ) as InstrumentDescription;
    expect(rules).toEqual({
      symbol: "BTCUSDT",
      status: "TRADING",
      baseAsset: "BTC",
      quoteAsset: "USDT",
      marginAsset: "USDT",
      priceDecimals: 2,
      quantityDecimals: 3,
      tickSize: "0.10",
      minPrice: "556.80",
      maxPrice: "4529764.00",
      stepSize: "0.001",
      minQuantity: "0.001",
      maxQuantity: "1000.000",
      marketStepSize: "0.001",
      marketMinQuantity: "0.001",
      marketMaxQuantity: "120.000",
      minNotional: "100.00000000",
      multiplierUp: "1.05000000",
      multiplierDown: "0.95000000",
      maxOrders: 200,
      maxConditionalOrders: 10,
    });
    expect(leverageBrackets.length).toBe(12);
    expect(leverageBrackets[0]).toEqual({
      bracket: 1,
      notionalFloor: "0.00000000",
      notionalCap: "50000.00000000",
      initialLeverage: 125,
      maintenanceMarginRatio: "0.00400000",
      maintenanceAmount: "0.00000000",
    });
    expect(leverageBrackets[11]?.notionalCap).toBe("1800000000.00000000");
  });
});

/** What each order comes to: its code, or `ok`. Sent in batches, since there are many. */
const outcomesOf = async (orders: readonly OrderFields[]): Promise<readonly string[]> => {
  const outcomes: string[] = [];
  for (let start = 0; start < orders.length; start += 100) {
    const { json } = await running.client.send("POST", "/v1/orders/batch", {
      json: { orders: orders.slice(start, start + 100) },
    });
    for (const { status, body } of json.results as { status: number; body: { code?: string } }[]) {
      outcomes.push(status === 201 ? "ok" : (body.code ?? `status ${status}`));
    }
  }
  return outcomes;
};

type Case = readonly [price: string | null, quantity: string, outcome: string];

describe("the filters, by hand", () => {
  test.each<[string, readonly Case[]]>([
    [
      "BTCUSDT",
      [
        ["556.80", "1.000", "ok"],
        ["556.70", "1.000", "price_out_of_range"],
        ["556.79", "1.000", "price_off_tick"],
        ["4529764.00", "0.001", "ok"],
        ["4529764.10", "0.001", "price_out_of_range"],
        ["50000.1", "0.01", "ok"],
        ["50000.11", "0.01", "price_off_tick"],
        ["50000.100000000000000001", "0.01", "price_off_tick"],
        ["9999999999999999", "0.01", "price_out_of_range"],
        ["0", "0.01", "price_out_of_range"],
        ["1000", "0.1", "ok"],
        ["999.90", "0.1", "notional_too_small"],
        ["1000", "0.099", "notional_too_small"],
        ["50000.10", "1000.000", "ok"],
        ["50000.10", "1000.001", "quantity_out_of_range"],
        ["50000.10", "0.0015", "quantity_off_step"],
        ["50000.10", "0", "quantity_out_of_range"],
        ["50000.10", "9999999999999999.999999999999999999", "quantity_off_step"],
        ["50000.10", "9999999999999999", "quantity_out_of_range"],
        [null, "0.001", "ok"],
        [null, "0.0005", "quantity_off_step"],
        [null, "0.000", "quantity_out_of_range"],
        [null, "120", "ok"],
        [null, "120.001", "quantity_out_of_range"],
      ],
    ],
    [
      "1000SHIBUSDT",
      [
        ["0.000157", "31848", "ok"],
        ["0.000157", "31847", "notional_too_small"],
        ["0.000156", "800000000", "price_out_of_range"],
        ["0.0001575", "800000000", "price_off_tick"],
        ["2000.000000", "800000000", "ok"],
        ["2000.000001", "800000000", "price_out_of_range"],
        ["2000", "800000001", "quantity_out_of_range"],
        ["2000", "1.5", "quantity_off_step"],
        ["5.000000", "1", "ok"],
        ["4.999999", "1", "notional_too_small"],
        [null, "50000000", "ok"],
        [null, "50000001", "quantity_out_of_range"],
      ],
    ],
    [
      "AAVEUSDT",
      [
        ["100.010", "0.1", "ok"],
        ["100.015", "0.1", "price_off_tick"],
        ["100.01", "0.15", "quantity_off_step"],
        ["4.340", "1.2", "ok"],
        ["4.340", "1.1", "notional_too_small"],
        ["4.330", "1.2", "price_out_of_range"],
        [null, "1250.0", "ok"],
        [null, "1250.1", "quantity_out_of_range"],
      ],
    ],
  ])("of %s hold at each boundary and one unit beyond", async (symbol, cases) => {
    const outcomes = await outcomesOf(cases.map((one) => orderOf(symbol, one)));
    expect(cases.map(([price, quantity], n) => [price, quantity, outcomes[n] ?? ""])).toEqual(
      cases.map(([...one]) => one),
    );
  });

  test("answer with the numbers that decided, exact beyond 2^53 units", async () => {
    const tooSmall = await running.client.place(orderOf("BTCUSDT", ["999.90", "0.1", ""]));
    expect(tooSmall.json.context).toEqual({ notional: "99.99000000", minNotional: "100.00000000" });
    const offTick = await running.client.place(orderOf("BTCUSDT", ["50000.110", "1", ""]));
    expect(offTick.json.context).toEqual({ price: "50000.11", tickSize: "0.10" });
    const largest = orderOf("1000SHIBUSDT", ["2000.000000", "800000000", ""]);
    const { price, quantity } = await running.client.accepted(largest);
    expect([price, quantity]).toEqual(["2000.000000", "800000000"]);
  });
});

const orderOf = (
  symbol: string,
  [price, quantity]: readonly [string | null, string, ...unknown[]],
) =>
  price === null
    ? limitOrder({ symbol, type: "MARKET", price: undefined, quantity })
    : limitOrder({ symbol, price, quantity });

/** Units of 10^-decimals; exact. */
const unitsOf = (text: string, decimals: number): bigint => {
  const [whole = "0", fraction = ""] = text.split(".");
  return BigInt(whole + fraction.slice(0, decimals).padEnd(decimals, "0"));
};
const textOf = (units: bigint, decimals: number): string => {
  const digits = String(units).padStart(decimals + 1, "0");
  const point = digits.length - decimals;
  return decimals === 0 ? digits : `${digits.slice(0, point)}.${digits.slice(point)}`;
};

/** Each rule of an instrument at its boundary and beyond, reckoned from what the API says. */
const boundaries = (rules: InstrumentDescription): readonly Case[] => {
  const price = (units: bigint): string => textOf(units, rules.priceDecimals);
  const quantity = (units: bigint): string => textOf(units, rules.quantityDecimals);
  const inPrice = (text: string): bigint => unitsOf(text, rules.priceDecimals);
  const inQuantity = (text: string): bigint => unitsOf(text, rules.quantityDecimals);
  const [tick, low, high] = [rules.tickSize, rules.minPrice, rules.maxPrice].map(inPrice) as [
    bigint,
    bigint,
    bigint,
  ];
  const [step, least, most, marketStep, marketLeast, marketMost] = [
    rules.stepSize,
    rules.minQuantity,
    rules.maxQuantity,
    rules.marketStepSize,
    rules.marketMinQuantity,
    rules.marketMaxQuantity,
  ].map(inQuantity) as [bigint, bigint, bigint, bigint, bigint, bigint];
  const notional = unitsOf(rules.minNotional, rules.priceDecimals + rules.quantityDecimals);
  const enough = (priceUnits: bigint, quantityUnits: bigint): string =>
    priceUnits * quantityUnits >= notional ? "ok" : "notional_too_small";
  /** The smallest quantity on the step at the lowest price, and one step less. */
  const smallest = ((notional + low * step - 1n) / (low * step)) * step;
  return [
    [price(low), quantity(most), enough(low, most)],
    [price(low - tick), quantity(most), "price_out_of_range"],
    [price(high), quantity(least), enough(high, least)],
    [price(high + tick), quantity(least), "price_out_of_range"],
    [
      `${price(high - tick)}${rules.priceDecimals === 0 ? "." : ""}5`,
      quantity(most),
      "price_off_tick",
    ],
    ...(tick > 1n ? ([[price(low + 1n), quantity(most), "price_off_tick"]] as const) : []),
    [price(high), quantity(most), "ok"],
    [price(high), quantity(most + step), "quantity_out_of_range"],
    [price(high), quantity(least - step), "quantity_out_of_range"],
    [
      price(high),
      `${quantity(least)}${rules.quantityDecimals === 0 ? "." : ""}5`,
      "quantity_off_step",
    ],
    [price(low), quantity(smallest), smallest <= most ? "ok" : "quantity_out_of_range"],
    ...(smallest <= most
      ? ([[price(low), quantity(smallest - step), "notional_too_small"]] as const)
      : []),
    [null, quantity(marketLeast), "ok"],
    [null, quantity(marketLeast - marketStep), "quantity_out_of_range"],
    [null, quantity(marketMost), "ok"],
    [null, quantity(marketMost + marketStep), "quantity_out_of_range"],
  ];
};

test("the filters of every instrument hold at each boundary and one unit beyond", async () => {
  const cases = instruments
    .filter(({ status }) => status === "TRADING")
    .flatMap((rules) => boundaries(rules).map((one) => ({ symbol: rules.symbol, one })))
    .filter(({ one: [price, quantity] }) => !`${price} ${quantity}`.includes("-"));
  expect(cases.length).toBeGreaterThan(300);
  const outcomes = await outcomesOf(cases.map(({ symbol, one }) => orderOf(symbol, one)));
  const wrong = cases
    .map(({ symbol, one: [price, quantity, expected] }, n) => ({
      symbol,
      price,
      quantity,
      expected,
      outcome: outcomes[n],
    }))
    .filter(({ expected, outcome }) => expected !== outcome);
  expect(wrong).toEqual([]);
});

test("an instrument that is not trading takes no order, whatever its price", async () => {
  const silent = instruments.filter(({ status }) => status !== "TRADING");
  expect(silent.length).toBeGreaterThan(0);
  const outcomes = await outcomesOf(
    silent.flatMap(({ symbol }) => [
      orderOf(symbol, ["0.15", "0.05"]),
      orderOf(symbol, [null, "1"]),
    ]),
  );
  expect(new Set(outcomes)).toEqual(new Set(["instrument_not_trading"]));
});
