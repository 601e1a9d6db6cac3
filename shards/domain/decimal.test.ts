import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  canonicalDecimal,
  DecimalError,
  formatUnits,
  multiplyExact,
  parseExact,
  parseUnits,
  productAtLeast,
} from "./decimal.ts";

const SAFE_MAX = BigInt(Number.MAX_SAFE_INTEGER);

const digits = (min: number, max: number) =>
  fc
    .array(fc.integer({ min: 0, max: 9 }), { minLength: min, maxLength: max })
    .map((list) => list.join(""));
const trailingZeros = fc.integer({ min: 0, max: 4 }).map((count) => "0".repeat(count));
/** Every text of the contract's decimal grammar, with more zeros at the end than usual. */
const decimalText = fc
  .tuple(digits(1, 16), fc.option(fc.tuple(digits(1, 14), trailingZeros)))
  .map(([integer, fraction]) => {
    const whole = integer.replace(/^0+(?=\d)/, "");
    return fraction === null ? whole : `${whole}.${fraction.join("")}`;
  });
const scale = fc.integer({ min: 0, max: 18 });
const safeInteger = fc.maxSafeNat();

/** The slow way: everything in bigint. */
const parseUnitsOracle = (text: string, toScale: number): number | string => {
  const [integer = "", fraction = ""] = text.split(".");
  const kept = fraction.slice(0, toScale).padEnd(toScale, "0");
  if (BigInt(`0${fraction.slice(toScale)}`) !== 0n) return "too_precise";
  const units = BigInt(integer + kept);
  return units > SAFE_MAX ? "out_of_range" : Number(units);
};

describe("parseUnits", () => {
  test.each<[string, number, number | string]>([
    ["50000.10", 2, 5_000_010],
    ["50000.1", 2, 5_000_010],
    ["50000", 2, 5_000_000],
    ["0", 0, 0],
    ["0.000", 2, 0],
    ["1.500", 1, 15],
    ["1.500", 0, "too_precise"],
    ["1.000000000000000000", 0, 1],
    ["0.000000000000000001", 18, 1],
    ["0.000000000000000001", 17, "too_precise"],
    ["9007199254740991", 0, Number.MAX_SAFE_INTEGER],
    ["9007199254740992", 0, "out_of_range"],
    ["9007199254740993", 0, "out_of_range"],
    ["9999999999999999", 0, "out_of_range"],
    ["90071992547409.91", 2, Number.MAX_SAFE_INTEGER],
    ["90071992547409.92", 2, "out_of_range"],
    ["9007199254740991", 1, "out_of_range"],
    ["9999999999999999.123", 2, "too_precise"],
    ["9999999999999999", 18, "out_of_range"],
  ])("%s at scale %d is %p", (text, toScale, expected) => {
    expect(parseUnits(text, toScale)).toBe(expected as number);
  });

  test("agrees with bigint arithmetic on every decimal and scale", () => {
    fc.assert(
      fc.property(decimalText, scale, (text, toScale) => {
        expect(parseUnits(text, toScale)).toBe(parseUnitsOracle(text, toScale) as number);
      }),
      { numRuns: 3_000 },
    );
  });

  test("agrees with bigint arithmetic around 2^53", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -50n, max: 50n }), scale, (distance, toScale) => {
        const text = formatUnits(SAFE_MAX + distance, toScale);
        expect(parseUnits(text, toScale)).toBe(parseUnitsOracle(text, toScale) as number);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("formatUnits", () => {
  test.each<[number | bigint, number, string]>([
    [5_000_010, 2, "50000.10"],
    [7, 0, "7"],
    [0, 2, "0.00"],
    [1, 8, "0.00000001"],
    [-1, 2, "-0.01"],
    [-12_345, 2, "-123.45"],
    [-7, 0, "-7"],
    [Number.MAX_SAFE_INTEGER, 3, "9007199254740.991"],
    [60_000_000_000_000_000n, 8, "600000000.00000000"],
    [-60_000_000_000_000_001n, 8, "-600000000.00000001"],
  ])("%p units at scale %d are %s", (units, atScale, expected) => {
    expect(formatUnits(units, atScale)).toBe(expected);
  });

  test("is undone by parseUnits", () => {
    fc.assert(
      fc.property(safeInteger, scale, (units, atScale) => {
        expect(parseUnits(formatUnits(units, atScale), atScale)).toBe(units);
      }),
    );
  });
});

describe("canonicalDecimal", () => {
  test.each([
    ["50000.10", "50000.1"],
    ["1.0", "1"],
    ["0.000", "0"],
    ["100", "100"],
    ["100.00", "100"],
    ["0.5", "0.5"],
    ["10.010", "10.01"],
  ])("%s is %s", (text, expected) => {
    expect<string>(canonicalDecimal(text)).toBe(expected);
  });

  test("keeps the value, and two texts of one value become the same", () => {
    fc.assert(
      fc.property(decimalText, trailingZeros, (text, zeros) => {
        const canonical = canonicalDecimal(text);
        expect(parseExact(canonical)).toEqual(parseExact(text));
        const longer = text.includes(".") ? text + zeros : `${text}.0${zeros}`;
        expect(canonicalDecimal(longer)).toBe(canonical);
      }),
    );
  });
});

describe("parseExact", () => {
  test.each<[string, bigint, number]>([
    ["4.97038E7", 49_703_800n, 0],
    ["1.997038E8", 199_703_800n, 0],
    ["1e-7", 1n, 7],
    ["1E+3", 1_000n, 0],
    ["-0.5", -5n, 1],
    ["0.10", 1n, 1],
    ["100", 100n, 0],
    ["100e-1", 10n, 0],
    ["1.50e-1", 15n, 2],
    ["-0", 0n, 0],
    ["0e-5", 0n, 0],
    ["1e40", 10n ** 40n, 0],
  ])("%s is %p × 10^-%d", (text, expected, atScale) => {
    expect(parseExact(text)).toEqual({ digits: expected, scale: atScale });
  });

  test.each(
    [
      ["", "abc", "1.", ".5", "+1", "01", "1e", "1e1.5", "0x10", "NaN", "Infinity", " 1", "1 "],
      ["1e41", "1e-41", "1e99999999999999999999", "9".repeat(65)],
    ].flat(),
  )("refuses %p", (text) => {
    expect(() => parseExact(text)).toThrow(DecimalError);
  });

  test("says what it could not read and how to write it", () => {
    expect(() => parseExact("1,5")).toThrow(
      '"1,5" is not a decimal: write it like "0.10" or "4.97038E7"',
    );
  });

  test("moving the point by an exponent keeps the value", () => {
    fc.assert(
      fc.property(decimalText, fc.integer({ min: -40, max: 40 }), (text, exponent) => {
        const plain = parseExact(text);
        const moved = parseExact(`${text}e${exponent}`);
        const common = 10n ** BigInt(100 - plain.scale) * plain.digits;
        const factor = 10n ** BigInt(100 - moved.scale) * moved.digits;
        expect(exponent >= 0 ? factor : factor * 10n ** BigInt(-exponent)).toBe(
          exponent >= 0 ? common * 10n ** BigInt(exponent) : common,
        );
      }),
    );
  });
});

describe("products", () => {
  // 800,000,000 lots of 1000SHIBUSDT at 2000.000000: 1.6 × 10^18, far past 2^53.
  const shibNotional = 1_600_000_000_000_000_000n;

  test.each<[number, number, number | bigint, boolean]>([
    [2_000_000_000, 800_000_000, shibNotional, true],
    [2_000_000_000, 800_000_000, shibNotional + 1n, false],
    [2_000_000_000, 800_000_000, Number.MAX_SAFE_INTEGER, true],
    [94_906_267, 94_906_267, 9_007_199_515_875_289n, true],
    [94_906_267, 94_906_267, 9_007_199_515_875_290n, false],
    [5, 20, 100, true],
    [5, 20, 101, false],
    [0, Number.MAX_SAFE_INTEGER, 0, true],
    [0, Number.MAX_SAFE_INTEGER, 1, false],
  ])("%d × %d ≥ %p: %p", (a, b, limit, expected) => {
    expect(productAtLeast(a, b, limit)).toBe(expected);
  });

  test("agree with bigint arithmetic for all safe factors and limits", () => {
    const near = fc.bigInt({ min: -2n, max: 2n });
    fc.assert(
      fc.property(safeInteger, safeInteger, near, (a, b, distance) => {
        const product = BigInt(a) * BigInt(b);
        expect(multiplyExact(a, b)).toBe(product);
        const limit = product + distance;
        expect(productAtLeast(a, b, limit)).toBe(product >= limit);
      }),
      { numRuns: 2_000 },
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 200_000_000 }),
        fc.integer({ min: 0, max: 200_000_000 }),
        safeInteger,
        (a, b, limit) => {
          expect(productAtLeast(a, b, limit)).toBe(BigInt(a) * BigInt(b) >= BigInt(limit));
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
