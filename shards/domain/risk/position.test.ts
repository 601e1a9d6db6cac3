import { describe, expect, test } from "bun:test";
import type { AccountId, InstrumentSymbol } from "../brands.ts";
import type { PositionSide, Side } from "../order.ts";
import { applyFill, averageEntryPrice, fitsPosition } from "./position.ts";
import type { Position } from "./types.ts";

const SCALES = { priceScale: 2, quantityScale: 3 };
const FINE = { priceScale: 6, quantityScale: 6 };

const fill = (
  side: Side,
  quantityUnits: number,
  priceUnits: number,
  positionSide: PositionSide,
) => ({
  accountId: 7 as AccountId,
  symbol: "BTCUSDT" as InstrumentSymbol,
  side,
  positionSide,
  priceUnits,
  quantityUnits,
});

const filled = (
  fills: readonly [Side, number, number][],
  positionSide: PositionSide = "BOTH",
  scales = SCALES,
) => {
  let position: Position | undefined;
  let realisedMinor = 0n;
  for (const [side, quantity, price] of fills) {
    const after = applyFill(position, fill(side, quantity, price, positionSide), scales, 5);
    position = after.position;
    realisedMinor = after.realisedMinor;
  }
  if (position === undefined) throw new Error("no fill");
  return { position, realisedMinor };
};

describe("applyFill", () => {
  test("the first fill makes a position of version 1 with the instrument's scales", () => {
    expect(filled([["BUY", 3, 10_000]])).toEqual({
      position: {
        accountId: 7 as AccountId,
        symbol: "BTCUSDT" as InstrumentSymbol,
        side: "BOTH",
        quantityUnits: 3,
        costUnits: 30_000n,
        priceScale: 2,
        quantityScale: 3,
        realisedMinor: 0n,
        feesMinor: 0n,
        version: 1,
        updatedAt: 5,
      },
      realisedMinor: 0n,
    });
  });

  test.each<[string, [Side, number, number][], PositionSide, number, bigint, bigint]>([
    ["a short opens with a sell", [["SELL", 4, 100]], "BOTH", -4, 400n, 0n],
    [
      "a long reduced at a gain",
      [
        ["BUY", 4, 100],
        ["SELL", 1, 130],
      ],
      "BOTH",
      3,
      300n,
      30n,
    ],
    [
      "a long reduced at a loss",
      [
        ["BUY", 4, 100],
        ["SELL", 1, 70],
      ],
      "BOTH",
      3,
      300n,
      -30n,
    ],
    [
      "a short reduced at a gain",
      [
        ["SELL", 4, 100],
        ["BUY", 1, 70],
      ],
      "BOTH",
      -3,
      300n,
      30n,
    ],
    [
      "a short reduced at a loss",
      [
        ["SELL", 4, 100],
        ["BUY", 1, 130],
      ],
      "BOTH",
      -3,
      300n,
      -30n,
    ],
    [
      "a long closed leaves no cost",
      [
        ["BUY", 4, 100],
        ["SELL", 4, 101],
      ],
      "BOTH",
      0,
      0n,
      4n,
    ],
    [
      "a long turned into a short",
      [
        ["BUY", 4, 100],
        ["SELL", 6, 101],
      ],
      "BOTH",
      -2,
      202n,
      4n,
    ],
    [
      "a short turned into a long",
      [
        ["SELL", 4, 100],
        ["BUY", 5, 99],
      ],
      "BOTH",
      1,
      99n,
      4n,
    ],
    [
      "LONG reduced in hedge mode",
      [
        ["BUY", 4, 100],
        ["SELL", 3, 90],
      ],
      "LONG",
      1,
      100n,
      -30n,
    ],
    [
      "SHORT reduced in hedge mode",
      [
        ["SELL", 4, 100],
        ["BUY", 4, 90],
      ],
      "SHORT",
      0,
      0n,
      40n,
    ],
  ])("%s", (_, fills, side, quantityUnits, costUnits, realisedUnits) => {
    const { position, realisedMinor } = filled(fills, side);
    expect(position).toMatchObject({ quantityUnits, costUnits, version: fills.length });
    expect(realisedMinor).toBe(realisedUnits * 1_000n);
  });

  test("what the shares round off goes with the last reduction", () => {
    const opened: [Side, number, number][] = [
      ["BUY", 2, 1],
      ["BUY", 1, 2],
    ];
    const closed: [Side, number, number][] = [
      ["SELL", 1, 5],
      ["SELL", 1, 5],
      ["SELL", 1, 5],
    ];
    const costs = closed.map((_, count) => filled([...opened, ...closed.slice(0, count)]));
    expect(costs.map(({ position }) => position.costUnits)).toEqual([4n, 3n, 2n]);
    const { position } = filled([...opened, ...closed]);
    expect(position).toMatchObject({ costUnits: 0n, realisedMinor: 11_000n });
  });

  test("past 8 decimals a gain rounds down and a loss rounds up, for each fill", () => {
    const gain = filled(
      [
        ["BUY", 2, 10_000],
        ["SELL", 1, 10_001],
        ["SELL", 1, 10_001],
      ],
      "BOTH",
      FINE,
    );
    expect(gain.position.realisedMinor).toBe(0n);
    const loss = filled(
      [
        ["BUY", 2, 10_000],
        ["SELL", 1, 9_999],
        ["SELL", 1, 9_999],
      ],
      "BOTH",
      FINE,
    );
    expect(loss.position.realisedMinor).toBe(-2n);
  });

  test("products past 2^53 are exact", () => {
    const most = Number.MAX_SAFE_INTEGER;
    const { position } = filled([
      ["BUY", most, most],
      ["SELL", most - 1, most],
    ]);
    expect(position).toMatchObject({
      quantityUnits: 1,
      costUnits: BigInt(most),
      realisedMinor: 0n,
    });
  });

  test("fees of the position stay as they are", () => {
    const before = { ...filled([["BUY", 3, 10_000]]).position, feesMinor: 12n };
    const { position } = applyFill(before, fill("BUY", 1, 1, "BOTH"), SCALES, 6);
    expect(position.feesMinor).toBe(12n);
  });
});

describe("fitsPosition", () => {
  const most = Number.MAX_SAFE_INTEGER;
  test.each<[string, number, Side, number, PositionSide, boolean]>([
    ["a close in one-way mode", 4, "SELL", 4, "BOTH", true],
    ["a turn in one-way mode", 4, "SELL", 5, "BOTH", true],
    ["a close of LONG", 4, "SELL", 4, "LONG", true],
    ["more than LONG holds", 4, "SELL", 5, "LONG", false],
    ["a close of SHORT", -4, "BUY", 4, "SHORT", true],
    ["more than SHORT holds", -4, "BUY", 5, "SHORT", false],
    ["a sell without LONG", 0, "SELL", 1, "LONG", false],
    ["the largest long", most - 1, "BUY", 1, "BOTH", true],
    ["one more than the largest long", most, "BUY", 1, "BOTH", false],
    ["one more than the largest short", -most, "SELL", 1, "SHORT", false],
  ])("%s", (_, quantityUnits, side, filledUnits, positionSide, fits) => {
    const position =
      quantityUnits === 0 ? undefined : { ...filled([["BUY", 1, 1]]).position, quantityUnits };
    expect(fitsPosition(position, fill(side, filledUnits, 1, positionSide))).toBe(fits);
    const apply = () => applyFill(position, fill(side, filledUnits, 1, positionSide), SCALES, 1);
    if (fits) expect(apply).not.toThrow();
    else expect(apply).toThrow("leads to no position");
  });
});

test.each<[bigint, number, string | null]>([
  [0n, 0, null],
  [300n, 3, "1.00"],
  [305n, 3, "1.01"],
  [305n, -3, "1.01"],
  [2n, 3, "0.00"],
])("cost %p of %p has the average price %p", (costUnits, quantityUnits, expected) => {
  expect(averageEntryPrice({ costUnits, quantityUnits, priceScale: 2 })).toBe(expected);
});
