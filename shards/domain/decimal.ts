/**
 * Exact decimals: text at the edge, integers of 10^-scale inside, never floats.
 *
 * `parseUnits`, `formatUnits` and `canonicalDecimal` run several times per order, so they walk
 * characters and stay on small integers. `parseExact` reads what an exchange's files contain,
 * exponents included, and is for imports only.
 */
import type { CanonicalDecimal } from "./brands.ts";

/** Decimals of money in answers and in minor units (10^-8 of an asset). */
export const MONEY_SCALE = 8;
/** Largest scale: the contract's decimals have at most 18 digits after the point. */
export const SCALE_MAX = 18;

const EXPONENT_MAX = 40;
const TEXT_LENGTH_MAX = 64;
const DOT = 46;
const MINUS = 45;
const ZERO = 48;

/**
 * Integer units of 10^-scale for unsigned decimal text of the contract
 * (`^(0|[1-9]\d{0,15})(\.\d{1,18})?$`; other text gives nonsense). Zeros beyond the scale are
 * dropped. `too_precise` comes before `out_of_range` (above 2^53 - 1) when both hold.
 */
export const parseUnits = (
  text: string,
  scale: number,
): number | "too_precise" | "out_of_range" => {
  const length = text.length;
  let units = 0;
  let index = 0;
  for (; index < length; index++) {
    const character = text.charCodeAt(index);
    if (character === DOT) break;
    units = units * 10 + (character - ZERO);
  }
  let missingDigits = scale;
  for (index++; index < length; index++) {
    const digit = text.charCodeAt(index) - ZERO;
    if (missingDigits > 0) {
      units = units * 10 + digit;
      missingDigits--;
    } else if (digit !== 0) {
      return "too_precise";
    }
  }
  for (; missingDigits > 0; missingDigits--) units *= 10;
  // Rounding is monotone: a true value above 2^53 - 1 never rounds back to or below it, and
  // values up to it are exact. One look at the end is therefore enough.
  return units <= Number.MAX_SAFE_INTEGER ? units : "out_of_range";
};

/** Text with exactly `scale` decimals and no dot at scale 0; numbers up to ±(2^53 - 1). */
export const formatUnits = (units: number | bigint, scale: number): string => {
  const text = String(units);
  if (scale === 0) return text;
  const negative = text.charCodeAt(0) === MINUS;
  const digits = (negative ? text.slice(1) : text).padStart(scale + 1, "0");
  const point = digits.length - scale;
  return `${negative ? "-" : ""}${digits.slice(0, point)}.${digits.slice(point)}`;
};

/** Unsigned decimal text of the contract without trailing zeros: "1.0" → "1", "0.50" → "0.5". */
export const canonicalDecimal = (text: string): CanonicalDecimal => {
  if (!text.includes(".")) return text as CanonicalDecimal;
  let end = text.length;
  while (text.charCodeAt(end - 1) === ZERO) end--;
  if (text.charCodeAt(end - 1) === DOT) end--;
  return text.slice(0, end) as CanonicalDecimal;
};

/** Text that is no decimal, or one past the limits of {@link parseExact}. */
export class DecimalError extends RangeError {
  override readonly name = "DecimalError";
  readonly code = "decimal_unreadable";
  readonly retryable = false;
}

/** value = digits × 10^-scale, with the smallest scale ≥ 0 that holds it. */
export interface ExactDecimal {
  readonly digits: bigint;
  readonly scale: number;
}

const EXACT_DECIMAL = /^(-?)(0|[1-9]\d*)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/**
 * The exact value of a JSON number's text: sign, exponent (|exp| ≤ 40) and trailing zeros allowed,
 * 64 characters at most. Throws {@link DecimalError} on anything else.
 */
export const parseExact = (text: string): ExactDecimal => {
  const match = text.length <= TEXT_LENGTH_MAX ? EXACT_DECIMAL.exec(text) : null;
  if (match === null) {
    const shown = JSON.stringify(text.slice(0, TEXT_LENGTH_MAX));
    throw new DecimalError(`${shown} is not a decimal: write it like "0.10" or "4.97038E7"`);
  }
  const [, sign = "", integer = "", fraction = "", exponentText = "0"] = match;
  const exponent = Number(exponentText);
  if (Math.abs(exponent) > EXPONENT_MAX) {
    throw new DecimalError(`"${text}" has an exponent beyond ±${EXPONENT_MAX}: write it out`);
  }
  const significant = fraction.replace(/0+$/, "");
  const scale = significant.length - exponent;
  const digits = BigInt(`${sign}${integer}${significant}`);
  if (scale <= 0) return { digits: digits * 10n ** BigInt(-scale), scale: 0 };
  return stripZeros(digits, scale);
};

const stripZeros = (digits: bigint, scale: number): ExactDecimal => {
  let [restDigits, restScale] = [digits, scale];
  while (restScale > 0 && restDigits % 10n === 0n) {
    restDigits /= 10n;
    restScale--;
  }
  return { digits: restDigits, scale: restScale };
};

/** a × b, exact. Both are safe integers. */
export const multiplyExact = (a: number, b: number): bigint => BigInt(a) * BigInt(b);

/** Whether a × b ≥ limit, exact also past 2^53; a, b and a number as limit are safe and ≥ 0. */
export const productAtLeast = (a: number, b: number, limit: number | bigint): boolean => {
  const product = a * b;
  // Up to 2^53 - 1 the product is exact; beyond, it is larger than every safe integer.
  if (product <= Number.MAX_SAFE_INTEGER) return product >= limit;
  return typeof limit === "number" || multiplyExact(a, b) >= limit;
};
