/**
 * What fills make of a position. A position carries the cost of its entry, exactly: opening adds
 * price × quantity, reducing takes the closed share of the cost out and realises the difference.
 * The share rounds down to a notional unit; what it leaves behind goes with the next reduction, and
 * the last one takes all. So for any sequence of fills, in notional units and to the last of them,
 *
 *   Σ sold − Σ bought = Σ realised − (cost of a long position) + (cost of a short one)
 *
 * Realised money is rounded down once for each fill, to 10^-8 of the margin asset.
 */
import type { AccountId, InstrumentSymbol } from "../brands.ts";
import { formatUnits, multiplyExact } from "../decimal.ts";
import type { PositionSide, Side } from "../order.ts";
import { creditFloor, type Scales } from "./money.ts";
import type { Position } from "./types.ts";

/** One execution of an order, as its account's position sees it. */
export interface PositionFill {
  readonly accountId: AccountId;
  readonly symbol: InstrumentSymbol;
  readonly side: Side;
  readonly positionSide: PositionSide;
  /** Units of 10^-priceScale, > 0. */
  readonly priceUnits: number;
  /** Units of 10^-quantityScale, > 0. */
  readonly quantityUnits: number;
}

export interface FilledPosition {
  readonly position: Position;
  /** What this fill realised, fees not taken off; signed minor units. */
  readonly realisedMinor: bigint;
}

type FilledQuantity = Pick<PositionFill, "side" | "positionSide" | "quantityUnits">;

/** Signed quantity after the fill; long > 0. Exact only where {@link fitsPosition} holds. */
const quantityAfter = (position: Position | undefined, fill: FilledQuantity): number =>
  (position?.quantityUnits ?? 0) + (fill.side === "BUY" ? fill.quantityUnits : -fill.quantityUnits);

/**
 * Whether the fill leads to a position that may exist: LONG never below zero, SHORT never above
 * it, and no quantity past 2^53 - 1. A fill for which this is false is nobody's to apply.
 */
export const fitsPosition = (position: Position | undefined, fill: FilledQuantity): boolean => {
  const quantityUnits = quantityAfter(position, fill);
  if (!Number.isSafeInteger(quantityUnits)) return false;
  if (fill.positionSide === "LONG") return quantityUnits >= 0;
  return fill.positionSide === "BOTH" || quantityUnits <= 0;
};

/**
 * The position after the fill. A fill larger than a BOTH position closes it and opens the rest at
 * the fill's price. Fees are not looked at: `feesMinor` stays. `at` is in milliseconds since 1970.
 */
export const applyFill = (
  position: Position | undefined,
  fill: PositionFill,
  instrument: Scales,
  at: number,
): FilledPosition => {
  if (!fitsPosition(position, fill)) {
    throw new Error(
      `fill of ${fill.side} ${fill.quantityUnits} on ${position?.quantityUnits ?? 0} of ` +
        `${fill.symbol} ${fill.positionSide} leads to no position`,
    );
  }
  const heldUnits = position?.quantityUnits ?? 0;
  const quantityUnits = quantityAfter(position, fill);
  const isReducing = heldUnits !== 0 && heldUnits > 0 === (fill.side === "SELL");
  const closedUnits = isReducing ? Math.min(Math.abs(heldUnits), fill.quantityUnits) : 0;
  let costUnits = position?.costUnits ?? 0n;
  let realisedMinor = 0n;
  if (closedUnits > 0) {
    const closedCost = (costUnits * BigInt(closedUnits)) / BigInt(Math.abs(heldUnits));
    const proceeds = multiplyExact(fill.priceUnits, closedUnits);
    const realised = heldUnits > 0 ? proceeds - closedCost : closedCost - proceeds;
    realisedMinor = creditFloor(realised, instrument);
    costUnits -= closedCost;
  }
  const openedUnits = fill.quantityUnits - closedUnits;
  if (openedUnits > 0) costUnits += multiplyExact(fill.priceUnits, openedUnits);
  return {
    position: {
      accountId: fill.accountId,
      symbol: fill.symbol,
      side: fill.positionSide,
      quantityUnits,
      costUnits,
      priceScale: instrument.priceScale,
      quantityScale: instrument.quantityScale,
      realisedMinor: (position?.realisedMinor ?? 0n) + realisedMinor,
      feesMinor: position?.feesMinor ?? 0n,
      version: (position?.version ?? 0) + 1,
      updatedAt: at,
    },
    realisedMinor,
  };
};

/** What one unit cost at entry, rounded down to the price's decimals; null without a position. */
export const averageEntryPrice = (
  position: Pick<Position, "costUnits" | "quantityUnits" | "priceScale">,
): string | null =>
  position.quantityUnits === 0
    ? null
    : formatUnits(
        position.costUnits / BigInt(Math.abs(position.quantityUnits)),
        position.priceScale,
      );
