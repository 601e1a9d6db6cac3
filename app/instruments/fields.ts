import { z } from "zod";
import {
  DecimalError,
  type ExactDecimal,
  parseExact,
  SCALE_MAX,
} from "../../shards/domain/decimal.ts";
import type { InstrumentStatus } from "../../shards/domain/instrument.ts";

/** What every form of instrument file comes to, before scales are chosen. All decimals are ≥ 0. */
export interface InstrumentFields {
  readonly symbol: string;
  readonly baseAsset: string;
  readonly quoteAsset: string;
  readonly marginAsset: string;
  readonly status: InstrumentStatus;
  /** Decimals that the source shows; the scale is never below them. */
  readonly pricePrecision: number;
  readonly quantityPrecision: number;
  /** Sizes may be 0, which switches that rule off. */
  readonly tickSize: ExactDecimal;
  readonly minPrice: ExactDecimal;
  readonly maxPrice: ExactDecimal;
  readonly lot: LotFields;
  readonly marketLot: LotFields;
  readonly minNotional: ExactDecimal;
  readonly multiplierUp: ExactDecimal;
  readonly multiplierDown: ExactDecimal;
  readonly maxOrders: number;
  readonly maxConditionalOrders: number;
  readonly brackets: readonly BracketFields[];
}

export interface LotFields {
  readonly step: ExactDecimal;
  readonly min: ExactDecimal;
  readonly max: ExactDecimal;
}

export interface BracketFields {
  readonly bracket: number;
  readonly notionalFloor: ExactDecimal;
  readonly notionalCap: ExactDecimal;
  readonly initialLeverage: number;
  readonly maintenanceMarginRatio: ExactDecimal;
  readonly maintenanceAmount: ExactDecimal;
}

/** An unsigned decimal, quoted or not. */
export const decimal = z.string("must be a decimal").transform((text, context): ExactDecimal => {
  try {
    const exact = parseExact(text);
    if (exact.digits >= 0n) return exact;
    context.addIssue({ code: "custom", message: "must not be negative" });
  } catch (error) {
    if (!(error instanceof DecimalError)) throw error;
    context.addIssue({ code: "custom", message: error.message });
  }
  return z.NEVER;
});

/** An integer from 0 to 999,999,999, quoted or not. */
export const count = z
  .string("must be an integer")
  .regex(/^\d{1,9}$/, "must be an integer from 0 to 999999999")
  .transform(Number);

export const precision = count.refine((digits) => digits <= SCALE_MAX, {
  error: `must be at most ${SCALE_MAX}`,
});

export const asset = z.string().regex(/^[A-Z0-9_-]{1,32}$/, "must match ^[A-Z0-9_-]{1,32}$");

/** The contract statuses of Binance's USD-M "Common Definition" page, and this project's own. */
const STATUS_BY_NAME: Readonly<Record<string, InstrumentStatus>> = {
  PENDING_TRADING: "PENDING_TRADING",
  TRADING: "TRADING",
  TRADING_HALT: "HALTED",
  TRADING_CANCEL_ONLY: "HALTED",
  HALTED: "HALTED",
  PRE_DELIVERING: "SETTLING",
  DELIVERING: "SETTLING",
  PRE_SETTLE: "SETTLING",
  SETTLING: "SETTLING",
  DELIVERED: "CLOSED",
  CLOSE: "CLOSED",
  CLOSED: "CLOSED",
};

export const status = z.string().transform((name, context): InstrumentStatus => {
  const known = Object.hasOwn(STATUS_BY_NAME, name) ? STATUS_BY_NAME[name] : undefined;
  if (known !== undefined) return known;
  const names = Object.keys(STATUS_BY_NAME).join(", ");
  context.addIssue({ code: "custom", message: `must be one of ${names}` });
  return z.NEVER;
});
