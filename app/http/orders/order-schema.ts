/** What clients send about orders, field by field; the documents are made from the same. */
import { z } from "zod";
import {
  ORDER_TYPES,
  POSITION_SIDES,
  SELF_TRADE_PREVENTIONS,
  SIDES,
  TIMES_IN_FORCE,
  WORKING_TYPES,
} from "../../../shards/domain/order.ts";
import { clientOrderId, decimal, symbol, timestamp } from "../fields.ts";

export const ORDERS_PER_BATCH_MAX = 100;

export const WORKING_TYPE_DEFAULT = "MARK_PRICE";
const workingType = z
  .enum(WORKING_TYPES)
  .optional()
  .meta({ description: `The price that triggers it; ${WORKING_TYPE_DEFAULT} when absent` });

const child = z
  .strictObject({
    stopPrice: decimal.meta({ description: "Where it triggers" }),
    price: decimal
      .optional()
      .meta({ description: "Of the limit order; a market order when absent" }),
    workingType,
    clientOrderId: clientOrderId
      .optional()
      .meta({ description: "Its own; made by the server when absent" }),
  })
  .meta({
    id: "ChildRequest",
    description: "Written with its parent; waits for the parent's fill, and closes what it opened",
  });

export const orderSchema = z
  .strictObject({
    clientOrderId: clientOrderId.optional().meta({
      description: "The idempotency key, with account and symbol; made by the server when absent",
    }),
    symbol,
    side: z.enum(SIDES),
    type: z.enum(ORDER_TYPES),
    timeInForce: z
      .enum(TIMES_IN_FORCE)
      .optional()
      .meta({ description: "LIMIT, STOP, TAKE_PROFIT; GTC when absent; GTX is post only" }),
    goodTillDate: timestamp
      .optional()
      .meta({ description: "Milliseconds since 1970, with GTD and only with it" }),
    price: decimal
      .optional()
      .meta({ description: "LIMIT, STOP, TAKE_PROFIT; on the instrument's tick" }),
    quantity: decimal
      .optional()
      .meta({ description: "On the instrument's step; required without closePosition" }),
    stopPrice: decimal
      .optional()
      .meta({ description: "Where a conditional order triggers; required for those types" }),
    workingType,
    reduceOnly: z
      .boolean()
      .optional()
      .meta({ description: "Only makes a position smaller; false when absent" }),
    closePosition: z.boolean().optional().meta({
      description:
        "STOP_MARKET, TAKE_PROFIT_MARKET: closes the whole position that there is when it triggers",
    }),
    positionSide: z
      .enum(POSITION_SIDES)
      .optional()
      .meta({ description: "BOTH when absent; LONG and SHORT in hedge mode only" }),
    takeProfit: child.optional(),
    stopLoss: child.optional(),
    selfTradePrevention: z
      .enum(SELF_TRADE_PREVENTIONS)
      .optional()
      .meta({ description: "NONE when absent; carried to the matching engine" }),
  })
  .meta({ id: "OrderRequest" });
export type SentOrder = z.infer<typeof orderSchema>;

export const batchSchema = z
  .strictObject({ orders: z.array(orderSchema).min(1).max(ORDERS_PER_BATCH_MAX) })
  .meta({ id: "BatchRequest" });

export const amendSchema = z
  .strictObject({ price: decimal.optional(), quantity: decimal.optional() })
  .meta({ id: "AmendRequest", description: "Price or quantity or both" });
