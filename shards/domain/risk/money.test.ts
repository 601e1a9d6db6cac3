import { describe, expect, test } from "bun:test";
import { ceilDiv, creditFloor, floorDiv, formatMoney, marginCeil, parseMoney } from "./money.ts";

describe("division", () => {
  test.each<[bigint, bigint, bigint, bigint]>([
    [0n, 7n, 0n, 0n],
    [7n, 7n, 1n, 1n],
    [8n, 7n, 1n, 2n],
    [6n, 7n, 0n, 1n],
    [-1n, 7n, -1n, 0n],
    [-7n, 7n, -1n, -1n],
    [-8n, 7n, -2n, -1n],
    [2n ** 90n + 1n, 2n, 2n ** 89n, 2n ** 89n + 1n],
  ])("%p ÷ %p lies between %p and %p", (dividend, divisor, floor, ceil) => {
    expect(floorDiv(dividend, divisor)).toBe(floor);
    expect(ceilDiv(dividend, divisor)).toBe(ceil);
  });
});

describe("a notional as money", () => {
  test.each<[string, bigint, number, number, bigint, bigint]>([
    ["grows by zeros below 8 decimals", 12_345n, 2, 3, 12_345_000n, 12_345_000n],
    ["stays as it is at 8 decimals", 12_345n, 5, 3, 12_345n, 12_345n],
    ["is held rounded up, paid rounded down", 12_345n, 5, 5, 124n, 123n],
    ["is exact where nothing is cut", 12_300n, 5, 5, 123n, 123n],
    ["of a loss is paid rounded away from zero", -12_345n, 5, 5, -123n, -124n],
    ["is held for the smallest unit of 36 decimals", 1n, 18, 18, 1n, 0n],
    ["at scale 0 has eight zeros", 3n, 0, 0, 300_000_000n, 300_000_000n],
  ])("%s", (_, notionalUnits, priceScale, quantityScale, held, paid) => {
    expect(marginCeil(notionalUnits, { priceScale, quantityScale })).toBe(held);
    expect(creditFloor(notionalUnits, { priceScale, quantityScale })).toBe(paid);
  });
});

describe("money text", () => {
  test.each<[string, bigint | string]>([
    ["0", 0n],
    ["-0", 0n],
    ["1", 100_000_000n],
    ["-0.00000001", -1n],
    ["0.1", 10_000_000n],
    ["9999999999999999.99999999", 999_999_999_999_999_999_999_999n],
    ["-9999999999999999.99999999", -999_999_999_999_999_999_999_999n],
    ["1.100000000", 110_000_000n],
    ["0.000000001", "too_precise"],
    ["1.000000001", "too_precise"],
    ["", "malformed"],
    ["-", "malformed"],
    ["+1", "malformed"],
    ["01", "malformed"],
    ["1.", "malformed"],
    [".5", "malformed"],
    ["1e3", "malformed"],
    ["10000000000000000", "malformed"],
    ["1\n", "malformed"],
  ])("%p is %p minor units", (text, expected) => {
    expect(parseMoney(text)).toBe(expected as bigint);
  });

  test.each<[bigint, string]>([
    [0n, "0.00000000"],
    [-1n, "-0.00000001"],
    [123_456_789n, "1.23456789"],
    [-(10n ** 24n), "-10000000000000000.00000000"],
  ])("%p minor units are shown as %p", (minor, expected) => {
    expect(formatMoney(minor)).toBe(expected);
  });
});
