/**
 * Money is a bigint of 10^-8 of an asset (minor units), a notional one of 10^-(priceScale +
 * quantityScale) of it. What an account owes or holds back rounds up, what it gets rounds down.
 */
import { formatUnits, MONEY_SCALE, SCALE_MAX } from "../decimal.ts";

/** The most that the file's 64 bits hold of an amount or a total, of either sign; minor units. */
export const MONEY_MINOR_MAX = 2n ** 63n - 1n;
export const fitsMoney = (minor: bigint): boolean =>
  minor <= MONEY_MINOR_MAX && minor >= -MONEY_MINOR_MAX;

/** Decimals of prices and quantities, 0 … 18 each: an instrument's, or an order's or position's. */
export interface Scales {
  readonly priceScale: number;
  readonly quantityScale: number;
}

const POWERS_OF_TEN: readonly bigint[] = Array.from(
  { length: 2 * SCALE_MAX + 1 },
  (_, exponent) => 10n ** BigInt(exponent),
);

const powerOfTen = (exponent: number): bigint => POWERS_OF_TEN[exponent] ?? 10n ** BigInt(exponent);

/** dividend ÷ divisor towards +∞; the dividend may be negative, the divisor is > 0. */
export const ceilDiv = (dividend: bigint, divisor: bigint): bigint => {
  const quotient = dividend / divisor;
  return dividend > 0n && quotient * divisor !== dividend ? quotient + 1n : quotient;
};

/** dividend ÷ divisor towards -∞; the dividend may be negative, the divisor is > 0. */
export const floorDiv = (dividend: bigint, divisor: bigint): bigint => -ceilDiv(-dividend, divisor);

/** Minor units of a notional that is held back or owed: towards +∞. */
export const marginCeil = (notionalUnits: bigint, scales: Scales): bigint => {
  const surplus = scales.priceScale + scales.quantityScale - MONEY_SCALE;
  return surplus > 0
    ? ceilDiv(notionalUnits, powerOfTen(surplus))
    : notionalUnits * powerOfTen(-surplus);
};

/** Minor units of a notional that is paid to an account: towards -∞, so a loss grows. */
export const creditFloor = (notionalUnits: bigint, scales: Scales): bigint =>
  -marginCeil(-notionalUnits, scales);

const MONEY = /^(-?)(0|[1-9]\d{0,15})(?:\.(\d{1,18}))?$/;

/**
 * Minor units of signed decimal text of the contract; zeros beyond the eighth decimal are dropped.
 * `malformed` for text that is no such decimal.
 */
export const parseMoney = (text: string): bigint | "malformed" | "too_precise" => {
  const match = MONEY.exec(text);
  if (match === null) return "malformed";
  const [, sign = "", integer = "", fraction = ""] = match;
  const decimals = fraction.replace(/0+$/, "");
  if (decimals.length > MONEY_SCALE) return "too_precise";
  return BigInt(`${sign}${integer}${decimals.padEnd(MONEY_SCALE, "0")}`);
};

/** Signed decimal text with exactly 8 decimals. */
export const formatMoney = (minor: bigint): string => formatUnits(minor, MONEY_SCALE);
