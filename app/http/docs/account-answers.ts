/** Shapes of the answers about accounts and from the venue, for the documents. */
import { z } from "zod";
import { MARGIN_MODES, POSITION_MODES, TRADING_STATES } from "../../../shards/domain/risk/types.ts";
import {
  EXECUTION_RESULTS,
  MARK_RESULTS,
  positionSchema,
} from "../../../shards/protocol/account.ts";
import { code, decimal, listOf } from "./answers.ts";

const money = z.string().meta({ description: "Money, 8 decimals" });

export const checkAnswer = z
  .object({
    shard: z.string().meta({ description: "Which would decide" }),
    decision: z.enum(["accepted", "refused"]),
    status: z.int().meta({ description: "Of the answer to the order" }),
    code: code.optional().meta({ description: "With refused, as are detail and context" }),
    detail: z.string().optional(),
    context: z.record(z.string(), z.unknown()).optional(),
    isReplay: z
      .literal(true)
      .optional()
      .meta({ description: "The first answer to this clientOrderId would be given again" }),
    asset: z.string().nullable().meta({
      description: "The margin asset; null, as the numbers are, where none were needed to refuse",
    }),
    required: money.nullable().meta({ description: "What the order adds to what is used" }),
    available: money.nullable().meta({ description: "Of the whole account" }),
    leverage: z.int().nullable(),
    notional: money.nullable(),
    fees: money.nullable(),
    openLoss: money.nullable().meta({ description: "What it would lose at once to the mark" }),
    markPrice: decimal.nullable(),
    free: money.nullable().meta({ description: "Held by the bank" }),
    held: z
      .array(z.object({ shard: z.string(), rights: money, used: money, unused: money }))
      .meta({ description: "Held by the shards" }),
  })
  .meta({ id: "OrderCheck" });

export const accountAnswer = z
  .object({
    accountId: z.string(),
    balances: z
      .array(
        z.object({
          asset: z.string(),
          wallet: money.meta({ description: "Deposits less withdrawals, and what was realised" }),
          usedByOrders: money,
          usedByPositions: money,
          available: money.meta({ description: "What new orders can have, on any shard" }),
          inTransit: money.meta({ description: "Between the bank and the shards" }),
          deposited: money,
          withdrawn: money,
          realised: money,
          free: money.meta({ description: "Held by the bank; below zero after large losses" }),
          shards: z.array(
            z.object({
              shard: z.string(),
              rights: money,
              used: money,
              usedByOrders: money,
              usedByPositions: money,
              unused: money,
            }),
          ),
        }),
      )
      .meta({ description: "By asset" }),
  })
  .meta({ id: "Account" });

export const positionList = listOf(positionSchema).meta({ id: "PositionList" });

export const symbolSettingsAnswer = z
  .object({
    accountId: z.string(),
    symbol: z.string(),
    leverage: z.int(),
    marginMode: z.enum(MARGIN_MODES),
    version: z.int().meta({ description: "Counts the changes" }),
  })
  .meta({ id: "SymbolSettings" });

export const accountSettingsAnswer = z
  .object({ accountId: z.string(), positionMode: z.enum(POSITION_MODES) })
  .meta({ id: "AccountSettings" });

export const transferAnswer = z
  .object({
    accountId: z.string(),
    asset: z.string(),
    transferId: z.string(),
    amount: money,
    outcome: z.literal("PAID"),
    at: z.int().meta({ description: "Milliseconds since 1970" }),
  })
  .meta({ id: "Transfer" });

export const executionsAnswer = z
  .object({
    results: z.array(
      z.object({
        executionId: z.string(),
        status: z.enum([...EXECUTION_RESULTS, "unknown"]),
        reason: z.string().optional().meta({ description: "With quarantined" }),
        code: code.optional().meta({ description: "With unknown: send it again" }),
      }),
    ),
  })
  .meta({ id: "ExecutionResults" });

export const markPricesAnswer = z
  .object({
    results: z.array(
      z.object({
        symbol: z.string(),
        status: z.enum([...MARK_RESULTS, "refused", "unknown"]),
        code: code.optional(),
        detail: z.string().optional(),
      }),
    ),
  })
  .meta({ id: "MarkPriceResults" });

export const tradingStateAnswer = z
  .object({
    results: z.array(
      z.object({
        shard: z.string(),
        status: z.int(),
        state: z.enum(TRADING_STATES).optional(),
        code: code.optional(),
      }),
    ),
  })
  .meta({ id: "TradingStateResults" });
