/**
 * Money in SQLite: 64-bit integers. The driver reads them as doubles, exact up to 2^53 only, and
 * binds a bigint beyond 64 bits as another number without a word.
 */
import { fitsMoney } from "../../domain/risk/money.ts";
import { invariant } from "../../process/failure.ts";

const EXACT_MAX = BigInt(Number.MAX_SAFE_INTEGER);

/** What to bind for an amount in minor units; asserts that it fits into 64 bits. */
export const storable = (minor: bigint): number | bigint => {
  if (minor === 0n) return 0;
  if (minor <= EXACT_MAX && minor >= -EXACT_MAX) return Number(minor);
  invariant(fitsMoney(minor), "an amount of money fits into 64 bits");
  return minor;
};

/** A column read so that it is exact: the row has text, for `BigInt`. */
export const exact = (column: string): string => `CAST(${column} AS TEXT) AS ${column}`;
