import { describe, expect, test } from "bun:test";
import type { OrderId } from "../brands.ts";
import type { LeverageBracket } from "../instrument.ts";
import type { Order, OrderType, Side } from "../order.ts";
import { emptyExposure, highestHeldPrice, orderChanged, positionChanged } from "./exposure.ts";
import {
  initialMarginMinor,
  LEVERAGE_WITHOUT_BRACKETS,
  leverageFor,
  leverageMaxOf,
  marginPriceOf,
  maxNotionalAt,
  openLossOf,
  priceBand,
} from "./margin.ts";

const MOST = Number.MAX_SAFE_INTEGER;
const SCALES = { priceScale: 2, quantityScale: 3 };

const LIMIT = {
  type: "LIMIT" as OrderType,
  side: "BUY" as Side,
  positionSide: "BOTH" as const,
  priceUnits: 100 as number | null,
  stopPriceUnits: null as number | null,
  quantityUnits: 7,
  reduceOnly: false,
  closePosition: false,
  parentId: null as OrderId | null,
};
type Draft = Partial<typeof LIMIT> | { positionSide: "LONG" | "SHORT"; side?: Side };
const MARKET: Draft = { type: "MARKET", priceUnits: null };
const SELL: Draft = { side: "SELL" };

describe("marginPriceOf", () => {
  const settings = { marketBufferUnits: 1_000_000 };
  test.each<[string, Draft, number | null, number]>([
    ["a buy is held at its price", {}, 90, 100],
    ["a buy below the mark too", {}, 110, 100],
    ["a sell above the mark at its price", SELL, 90, 100],
    ["a sell below the mark at the mark", SELL, 110, 110],
    ["a sell without a mark at its price", SELL, null, 100],
    ["a market buy at the mark and the buffer", MARKET, 200, 202],
    ["a market sell likewise", { ...MARKET, ...SELL }, 200, 202],
    ["the buffer rounds up to a unit", MARKET, 201, 204],
    ["no price is past 2^53 - 1", MARKET, MOST, MOST],
    ["a buy stop at its price", { type: "STOP", stopPriceUnits: 150 }, 900, 100],
    [
      "a sell stop at the larger: its stop",
      { ...SELL, type: "STOP", stopPriceUnits: 150 },
      900,
      150,
    ],
    [
      "a sell take-profit: its price",
      { ...SELL, type: "TAKE_PROFIT", stopPriceUnits: 50 },
      900,
      100,
    ],
    [
      "a stop market at its stop and the buffer",
      { ...MARKET, type: "STOP_MARKET", stopPriceUnits: 101 },
      null,
      103,
    ],
    [
      "a take-profit market likewise",
      { ...MARKET, ...SELL, type: "TAKE_PROFIT_MARKET", stopPriceUnits: 100 },
      900,
      101,
    ],
    ["a reduce-only order needs none", { reduceOnly: true }, 90, 0],
    ["one that closes the position needs none", { closePosition: true }, 90, 0],
    ["an attached child needs none", { parentId: 5 as OrderId }, 90, 0],
    ["a reduce-only market order needs no mark either", { ...MARKET, reduceOnly: true }, null, 0],
    ["LONG opens with a buy", { positionSide: "LONG" }, 90, 100],
    ["LONG closes with a sell", { positionSide: "LONG", side: "SELL" }, 90, 0],
    ["SHORT opens with a sell", { positionSide: "SHORT", side: "SELL" }, 90, 100],
    ["SHORT closes with a buy", { positionSide: "SHORT" }, 90, 0],
  ])("%s", (_, draft, markUnits, expected) => {
    expect(marginPriceOf({ ...LIMIT, ...draft }, markUnits, settings)).toBe(expected);
  });

  test("a market order without a mark is nobody's to price", () => {
    expect(() => marginPriceOf({ ...LIMIT, ...MARKET }, null, settings)).toThrow(
      "a MARKET order has no reference price",
    );
  });
});

describe("openLossOf", () => {
  test.each<[string, Draft, number | null, bigint]>([
    ["a buy above the mark loses the difference", {}, 90, 70_000n],
    ["a buy at the mark loses nothing", {}, 100, 0n],
    ["a buy below the mark loses nothing", {}, 110, 0n],
    ["a sell below the mark loses the difference", SELL, 110, 70_000n],
    ["a sell above the mark loses nothing", SELL, 90, 0n],
    ["nothing is known without a mark", {}, null, 0n],
    ["a market order has its buffer instead", MARKET, 90, 0n],
    ["a stop order is not at the mark when it comes", { type: "STOP", stopPriceUnits: 1 }, 90, 0n],
    ["a reduce-only order opens nothing", { reduceOnly: true }, 90, 0n],
    ["the closing side of LONG opens nothing", { positionSide: "LONG", side: "SELL" }, 110, 0n],
  ])("%s", (_, draft, markUnits, expected) => {
    expect(openLossOf({ ...LIMIT, ...draft }, markUnits, SCALES)).toBe(expected);
  });

  test("past 8 decimals it rounds up", () => {
    expect(openLossOf(LIMIT, 99, { priceScale: 5, quantityScale: 5 })).toBe(1n);
  });
});

describe("initialMarginMinor", () => {
  const order = (side: Side, quantityUnits: number, priceUnits: number): Order =>
    ({
      ...LIMIT,
      ...{ side, quantityUnits, priceUnits, marginPriceUnits: priceUnits },
      ...{ executedUnits: 0, openLossMinor: 0n, amendment: null, status: "NEW" },
    }) as unknown as Order;
  const terms = { leverage: 1, instrument: { priceScale: 4, quantityScale: 4 }, feeRateUnits: 0 };
  const used = (positionUnits: number, costUnits: bigint, orders: readonly Order[]) => {
    let exposure = positionChanged(emptyExposure, {
      side: "BOTH",
      quantityUnits: positionUnits,
      costUnits,
    });
    for (const each of orders) exposure = orderChanged(exposure, undefined, each);
    const scanned: Side[] = [];
    const { usedMinor, positionsMinor, ordersMinor } = initialMarginMinor(
      exposure,
      terms,
      (side) => {
        scanned.push(side);
        return highestHeldPrice(orders, side);
      },
    );
    expect(positionsMinor + ordersMinor).toBe(usedMinor);
    expect(positionsMinor).toBe(costUnits);
    return { usedMinor, scanned };
  };

  test.each<[string, number, bigint, Order[], bigint, Side[]]>([
    ["nothing needs nothing", 0, 0n, [], 0n, []],
    [
      "both sides of a flat account: the larger",
      0,
      0n,
      [order("BUY", 2, 10), order("SELL", 1, 30)],
      30n,
      [],
    ],
    ["orders along a position add", 3, 30n, [order("BUY", 2, 10)], 50n, []],
    ["orders along a short add", -3, 30n, [order("SELL", 2, 10)], 50n, []],
    ["orders that only close add nothing", 3, 30n, [order("SELL", 3, 99)], 30n, []],
    [
      "what opens beyond is dear",
      3,
      30n,
      [order("SELL", 3, 9), order("SELL", 2, 40)],
      80n,
      ["SELL"],
    ],
    [
      "but never more than all",
      1,
      10n,
      [order("SELL", 9, 9), order("SELL", 1, 40)],
      121n,
      ["SELL"],
    ],
    ["nor more than the other way", 3, 300n, [order("SELL", 4, 9)], 300n, []],
    [
      "a short against buys likewise",
      -3,
      30n,
      [order("BUY", 3, 9), order("BUY", 2, 40)],
      80n,
      ["BUY"],
    ],
  ])("%s", (_, quantityUnits, costUnits, orders, expected, scanned) => {
    expect(used(quantityUnits, costUnits, orders)).toEqual({ usedMinor: expected, scanned });
  });

  test("a sell out of a flat account does not make the buys dearer than their sum", () => {
    const buys = [order("BUY", 100, 10), order("BUY", 1, 1000)];
    const before = used(0, 0n, [...buys, order("SELL", 1, 100)]).usedMinor;
    const after = used(-1, 100n, buys).usedMinor;
    expect([before, after]).toEqual([2000n, 2000n]);
  });

  test("the leverage, the fees and the open loss each round up", () => {
    const exposure = orderChanged(emptyExposure, undefined, {
      ...order("BUY", 1, 100),
      openLossMinor: 5n,
    });
    const fine = { leverage: 3, instrument: terms.instrument, feeRateUnits: 1 };
    expect(initialMarginMinor(exposure, fine, () => 0)).toEqual({
      usedMinor: 34n + 1n + 5n,
      positionsMinor: 0n,
      ordersMinor: 40n,
      feesMinor: 1n,
      openLossMinor: 5n,
      notionalUnits: 100n,
    });
  });
});

describe("leverage", () => {
  const bracket = (initialLeverage: number, cap: string) =>
    ({ initialLeverage, notionalCapMinor: cap }) as unknown as LeverageBracket;
  const table = {
    leverageBrackets: [
      bracket(50, "100"),
      bracket(20, "500"),
      bracket(20, "900"),
      bracket(1, "4000"),
    ],
  };
  const unknown = { leverageBrackets: [] };

  test.each<[number, bigint]>([
    [51, 0n],
    [50, 100n],
    [21, 100n],
    [20, 900n],
    [2, 900n],
    [1, 4000n],
  ])("%p allows a notional below %p", (leverage, expected) => {
    expect(maxNotionalAt(table, leverage)).toBe(expected);
    expect(maxNotionalAt(unknown, leverage)).toBeNull();
  });

  test("the highest is the first bracket's, and moderate where the table is not known", () => {
    expect(leverageMaxOf(table)).toBe(50);
    expect(leverageMaxOf(unknown)).toBe(LEVERAGE_WITHOUT_BRACKETS);
  });

  test.each<[string, number | undefined, number, number]>([
    ["the account's choice", 7, 20, 7],
    ["a choice that the table no longer allows", 100, 20, 100],
    ["the default of who chose none", undefined, 20, 20],
    ["the default as far as the instrument allows it", undefined, 75, 50],
  ])("%s applies", (_, chosen, leverageDefault, expected) => {
    const settings = chosen === undefined ? undefined : { leverage: chosen };
    expect(leverageFor(settings, table, { leverageDefault })).toBe(expected);
  });
});

test.each<[number, number, number, number, number]>([
  [1000, 105_000_000, 95_000_000, 950, 1050],
  [1001, 105_000_000, 95_000_000, 951, 1051],
  [1, 105_000_000, 95_000_000, 1, 1],
  [MOST, 200_000_000, 100_000_000, MOST, MOST],
])("a mark of %p × %p and %p has the band %p … %p", (mark, up, down, lowestUnits, highestUnits) => {
  const band = priceBand({ multiplierUpUnits: up, multiplierDownUnits: down }, mark);
  expect(band).toEqual({ lowestUnits, highestUnits });
});
