/**
 * What shards answer about accounts: JSON bodies of `account`, `positions`, `check` and of what the
 * venue sends. The api puts those of several shards together. Money has 8 decimals.
 */
import { z } from "zod";
import { CODES } from "../domain/codes.ts";
import { POSITION_SIDES } from "../domain/order.ts";
import { MARGIN_MODES } from "../domain/risk/types.ts";

const money = z
  .string()
  .regex(/^-?\d+\.\d{8}$/)
  .meta({ description: "Money, 8 decimals", examples: ["1000.00000000"] });
const decimal = z.string().meta({ description: "Decimal with the instrument's decimals" });

/** A shard's side of one asset of an account. */
export const purseSchema = z.object({
  asset: z.string(),
  /** What its orders and positions may use here. */
  rights: money,
  used: money,
  usedByOrders: money,
  usedByPositions: money,
  unused: money,
  /** Given back or burnt, and not yet known to the bank. */
  outbox: money,
});

/** The bank's side, of the account's home shard only. */
export const bankSchema = z.object({
  asset: z.string(),
  deposited: money,
  withdrawn: money,
  /** Profit, loss and fees that the bank knows of. */
  realised: money,
  granted: money,
  free: money,
  equity: money,
});

/** The answer to `account`. */
export const shardAccountSchema = z.object({
  shard: z.string(),
  purses: z.array(purseSchema),
  /** null where this shard is not the account's home, or has never heard of it. */
  bank: z.array(bankSchema).nullable(),
});
export type ShardAccount = z.infer<typeof shardAccountSchema>;

/** One of the array that answers `positions`; positions that are closed are left out. */
export const positionSchema = z
  .object({
    symbol: z.string(),
    positionSide: z.enum(POSITION_SIDES),
    quantity: decimal.meta({ description: "Signed: a short position is below zero" }),
    averagePrice: decimal.meta({ description: "Of its entry" }),
    markPrice: decimal.nullable(),
    unrealised: money.nullable().meta({ description: "Against the mark; null without one" }),
    realised: money.meta({ description: "All that it has ever realised, fees not taken off" }),
    fees: money,
    leverage: z.int(),
    marginMode: z.enum(MARGIN_MODES),
    updatedAt: z.int(),
  })
  .meta({ id: "Position" });

/**
 * The answer to `check`. `required` is what the order would add to `used`; numbers that the shard
 * did not come to (it refused before, or checks no margin) are null or absent.
 */
export const shardCheckSchema = z.object({
  decision: z.enum(["accepted", "refused"]),
  code: z.enum(Object.keys(CODES) as (keyof typeof CODES)[]).optional(),
  detail: z.string().optional(),
  context: z.record(z.string(), z.unknown()).optional(),
  /** The id was used for this same order: its first answer would be given again. */
  isReplay: z.literal(true).optional(),
  asset: z.string().nullish(),
  required: money.nullish(),
  used: money.nullish(),
  rights: money.nullish(),
  unused: money.nullish(),
  leverage: z.int().nullish(),
  notional: money.nullish(),
  fees: money.nullish(),
  openLoss: money.nullish(),
  markPrice: decimal.nullish(),
});
export type ShardCheck = z.infer<typeof shardCheckSchema>;

export const EXECUTION_RESULTS = ["applied", "duplicate", "quarantined"] as const;
/** The answer to `execute`; `reason` goes with `quarantined`. */
export const executionResultSchema = z.object({
  status: z.enum(EXECUTION_RESULTS),
  reason: z.string().optional(),
});
export type ExecutionResult = z.infer<typeof executionResultSchema>;

export const MARK_RESULTS = ["applied", "ignored"] as const;
/** The answer to `mark`; one older than the mark in force is `ignored`. */
export const markResultSchema = z.object({ status: z.enum(MARK_RESULTS) });
export type MarkResult = z.infer<typeof markResultSchema>;
