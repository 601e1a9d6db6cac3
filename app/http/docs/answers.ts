/** Shapes of the answers, for the documents: what is sent is rendered elsewhere, by hand. */
import { z } from "zod";
import { CODES } from "../../../shards/domain/codes.ts";
import { INSTRUMENT_STATUSES } from "../../../shards/domain/instrument.ts";
import {
  ORDER_STATUSES,
  ORDER_TYPES,
  POSITION_SIDES,
  SELF_TRADE_PREVENTIONS,
  SIDES,
  TIMES_IN_FORCE,
  WORKING_TYPES,
} from "../../../shards/domain/order.ts";
import { shardStatusSchema } from "../../../shards/protocol/status.ts";

export const decimal = z.string().meta({ description: "Decimal with the instrument's decimals" });
const orderId = z.string().meta({ examples: ["4097"] });
export const timestamp = z.int().meta({ description: "Milliseconds since 1970" });
export const code = z.enum(Object.keys(CODES) as (keyof typeof CODES)[]);

const childAnswer = z
  .object({
    orderId,
    clientOrderId: z.string(),
    type: z.enum(ORDER_TYPES),
    stopPrice: decimal,
    price: decimal.nullable(),
    workingType: z.enum(WORKING_TYPES),
  })
  .meta({ id: "OrderChild" });

export const orderAnswer = z
  .object({
    orderId,
    clientOrderId: z.string(),
    accountId: z.string(),
    symbol: z.string(),
    side: z.enum(SIDES),
    type: z.enum(ORDER_TYPES),
    timeInForce: z.enum(TIMES_IN_FORCE).nullable(),
    goodTillDate: timestamp.optional(),
    price: decimal.nullable(),
    quantity: decimal,
    executedQuantity: decimal,
    averagePrice: decimal.nullable(),
    status: z.enum(ORDER_STATUSES),
    reduceOnly: z.boolean(),
    positionSide: z.enum(POSITION_SIDES),
    stopPrice: decimal.optional(),
    workingType: z.enum(WORKING_TYPES).optional(),
    closePosition: z.literal(true).optional(),
    parentOrderId: orderId.optional().meta({ description: "Of an attached child" }),
    selfTradePrevention: z.enum(SELF_TRADE_PREVENTIONS).optional(),
    amendment: z
      .object({ price: decimal, quantity: decimal, state: z.literal("PENDING") })
      .optional()
      .meta({ description: "Asked for, and not yet confirmed by the matching engine" }),
    children: z.array(childAnswer).meta({ description: "Take-profit first" }),
    createdAt: timestamp,
    updatedAt: timestamp,
    receipt: z.object({
      shard: z.string(),
      epoch: z.int(),
      commitSeq: z.int(),
      partition: z.int(),
      seq: z.int(),
    }),
  })
  .meta({ id: "Order" });

export const problemAnswer = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code,
    detail: z.string(),
    requestId: z
      .string()
      .optional()
      .meta({ description: "Absent in a stored refusal, which is the same on every replay" }),
    context: z.record(z.string(), z.unknown()).optional(),
    errors: z
      .array(z.object({ path: z.string(), reason: z.string() }))
      .optional()
      .meta({ description: "With invalid_request: each refused field" }),
  })
  .meta({ id: "Problem" });

export const batchAnswer = z
  .object({
    results: z.array(z.object({ status: z.int(), body: z.union([orderAnswer, problemAnswer]) })),
  })
  .meta({ id: "BatchResults" });

export const cancelManyAnswer = z
  .object({
    results: z.array(
      z.object({
        shard: z.string(),
        status: z.int(),
        cancelled: z.array(orderId),
        code: code.optional(),
      }),
    ),
  })
  .meta({ id: "CancelResults" });

export const listOf = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), nextCursor: z.string().nullable() });

export const orderList = listOf(orderAnswer).meta({ id: "OrderList" });
export const orderOrList = z.union([orderAnswer, orderList]);

const decimalText = z.string();
export const instrumentList = listOf(
  z
    .object({
      symbol: z.string(),
      status: z.enum(INSTRUMENT_STATUSES),
      baseAsset: z.string(),
      quoteAsset: z.string(),
      marginAsset: z.string(),
      priceDecimals: z.int(),
      quantityDecimals: z.int(),
      tickSize: decimalText,
      minPrice: decimalText,
      maxPrice: decimalText,
      stepSize: decimalText,
      minQuantity: decimalText,
      maxQuantity: decimalText,
      marketStepSize: decimalText,
      marketMinQuantity: decimalText,
      marketMaxQuantity: decimalText,
      minNotional: decimalText,
      multiplierUp: decimalText,
      multiplierDown: decimalText,
      maxOrders: z.int(),
      maxConditionalOrders: z.int(),
      leverageBrackets: z.array(
        z.object({
          bracket: z.int(),
          notionalFloor: decimalText,
          notionalCap: decimalText,
          initialLeverage: z.int(),
          maintenanceMarginRatio: decimalText,
          maintenanceAmount: decimalText,
        }),
      ),
    })
    .meta({ id: "Instrument" }),
).meta({ id: "InstrumentList" });

const silentShard = z
  .object({
    shard: z.string(),
    state: z.literal("unreachable"),
    reason: z.string(),
    epoch: z.int().nullable(),
    code,
    status: z.int(),
  })
  .meta({ id: "UnreachableShard" });
export const shardList = listOf(
  z.union([shardStatusSchema.meta({ id: "ShardStatus" }), silentShard]),
).meta({ id: "ShardList" });

export const partitionsAnswer = z
  .object({
    shard: z.string(),
    partitionCount: z.int(),
    generation: z.int().meta({ description: "Counts the changes of partitionCount, from 1" }),
  })
  .meta({ id: "Partitions" });
export const resendAnswer = z.object({ shard: z.string() }).meta({ id: "Resend" });

export const timeAnswer = z.object({ time: timestamp });
export const healthAnswer = z.object({ status: z.literal("ok") });
export const readinessAnswer = z
  .object({
    ready: z.boolean(),
    shards: z.array(
      z.object({
        shard: z.string(),
        ready: z.boolean(),
        state: z.string(),
        detail: z.string().nullable(),
      }),
    ),
  })
  .meta({ id: "Readiness" });
