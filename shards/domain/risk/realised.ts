/** What a fill brings to the purses of its account. */
import type { FillEffect } from "../event.ts";

/** A signed amount in one asset, fees taken off; minor units. */
export interface RealisedAmount {
  readonly asset: string;
  readonly deltaMinor: bigint;
}

/** The profit or loss in the margin asset; a fee in another asset stands for itself. */
export const realisedBy = (
  { realisedMinor, feeMinor, feeAsset }: Omit<FillEffect, "executionId" | "orderId">,
  marginAsset: string,
): readonly RealisedAmount[] =>
  feeAsset === marginAsset
    ? [{ asset: marginAsset, deltaMinor: realisedMinor - feeMinor }]
    : [
        { asset: marginAsset, deltaMinor: realisedMinor },
        { asset: feeAsset, deltaMinor: -feeMinor },
      ];
