/**
 * An order as clients send it, parsed once. The whole shape of the contract is recognised: what
 * this version cannot do yet is `not_supported`, and only what no version takes is an error.
 */
import { z } from "zod";
import type { CanonicalDecimal } from "../../../shards/domain/brands.ts";
import type { Code } from "../../../shards/domain/codes.ts";
import { canonicalDecimal } from "../../../shards/domain/decimal.ts";
import {
  ORDER_TYPES,
  type OrderRequest,
  type OrderType,
  SELF_TRADE_PREVENTIONS,
  SIDES,
  TIMES_IN_FORCE,
} from "../../../shards/domain/order.ts";
import type { FieldError, Problem } from "../../../shards/domain/problem.ts";
import { randomId } from "../../../shards/process/ids.ts";
import { plainProblem } from "../reply.ts";
import { clientOrderId, decimal, parseWith, symbol, timestamp } from "./fields.ts";

const CONDITIONAL_TYPES = ["STOP_MARKET", "STOP", "TAKE_PROFIT_MARKET", "TAKE_PROFIT"] as const;
const WORKING_TYPES = ["MARK_PRICE", "LAST_PRICE"] as const;
export const ORDERS_PER_BATCH_MAX = 100;

const fields = {
  clientOrderId: clientOrderId.optional().meta({
    description: "The idempotency key, with account and symbol; made by the server when absent",
  }),
  symbol,
  side: z.enum(SIDES),
  type: z.enum(ORDER_TYPES),
  timeInForce: z
    .enum(TIMES_IN_FORCE)
    .optional()
    .meta({ description: "LIMIT only, GTC when absent; GTX is post only" }),
  goodTillDate: timestamp
    .optional()
    .meta({ description: "Milliseconds since 1970, with GTD and only with it" }),
  price: decimal.optional().meta({ description: "LIMIT only, on the instrument's tick" }),
  quantity: decimal.meta({ description: "On the instrument's step" }),
  reduceOnly: z.boolean().optional().meta({ description: "true is not supported yet" }),
  closePosition: z.boolean().optional().meta({ description: "true is not supported yet" }),
  positionSide: z
    .enum(["BOTH", "LONG", "SHORT"])
    .optional()
    .meta({ description: "LONG and SHORT are not supported yet" }),
  selfTradePrevention: z
    .enum(SELF_TRADE_PREVENTIONS)
    .optional()
    .meta({ description: "NONE when absent; carried to the matching engine" }),
};

/** What this version takes; the documents are made from it. */
export const orderSchema = z.strictObject(fields).meta({ id: "OrderRequest" });

const child = z.strictObject({
  stopPrice: decimal,
  price: decimal.optional(),
  workingType: z.enum(WORKING_TYPES).optional(),
  clientOrderId: clientOrderId.optional(),
});

/** What is recognised. A closed position needs no quantity, hence the optional one. */
const recognisedSchema = z.strictObject({
  ...fields,
  type: z.enum([...ORDER_TYPES, ...CONDITIONAL_TYPES]),
  quantity: decimal.optional(),
  stopPrice: decimal.optional(),
  workingType: z.enum(WORKING_TYPES).optional(),
  takeProfit: child.optional(),
  stopLoss: child.optional(),
});
type RecognisedOrder = z.infer<typeof recognisedSchema>;

export const batchSchema = z
  .strictObject({ orders: z.array(orderSchema).min(1).max(ORDERS_PER_BATCH_MAX) })
  .meta({ id: "BatchRequest" });

/** Only the outer shape: each order of a batch stands or falls alone. */
const batchShape = z.strictObject({
  orders: z.array(z.unknown()).min(1).max(ORDERS_PER_BATCH_MAX),
});

export const amendSchema = z
  .strictObject({ price: decimal.optional(), quantity: decimal.optional() })
  .meta({ id: "AmendRequest", description: "Price or quantity or both" });

/** A request, or why not: the problem and, for a 400, the refused fields. */
export type ParsedRequest<T> =
  | { readonly ok: true; readonly value: T }
  | {
      readonly ok: false;
      readonly problem: Problem;
      readonly errors?: readonly FieldError[];
    };

const invalid = (errors: readonly FieldError[]) =>
  ({ ok: false, problem: plainProblem("invalid_request" satisfies Code), errors }) as const;

export const parseOrder = (value: unknown): ParsedRequest<OrderRequest> => {
  const parsed = parseWith(recognisedSchema, value);
  if (!parsed.ok) return invalid(parsed.errors);
  const order = parsed.value;
  const { type, price, quantity } = order;
  const errors = ruleErrors(order);
  if (errors !== undefined) return invalid(errors);
  const unsupported = unsupportedFields(order);
  if (unsupported !== undefined || !isSupported(type) || quantity === undefined) {
    return notSupported(unsupported ?? ["type"], type);
  }
  return { ok: true, value: requestOf(order, type, price, quantity) };
};

const isSupported = (type: RecognisedOrder["type"]): type is OrderType =>
  (ORDER_TYPES as readonly string[]).includes(type);

/** The casts are the brands: the schema's patterns have been met. */
const requestOf = (
  order: RecognisedOrder,
  type: OrderType,
  price: string | undefined,
  quantity: string,
): OrderRequest =>
  ({
    clientOrderId: order.clientOrderId ?? randomId(),
    symbol: order.symbol,
    side: order.side,
    type,
    timeInForce: type === "MARKET" ? null : (order.timeInForce ?? "GTC"),
    goodTillDate: order.goodTillDate ?? null,
    price: price === undefined ? null : canonicalDecimal(price),
    quantity: canonicalDecimal(quantity),
    selfTradePrevention: order.selfTradePrevention ?? "NONE",
  }) as OrderRequest;

/**
 * Rules between fields. undefined when all hold, so that a good order allocates nothing here.
 * Those of conditional types come with them.
 */
const ruleErrors = (order: RecognisedOrder): FieldError[] | undefined => {
  let errors: FieldError[] | undefined;
  const add = (path: string, reason: string): void => {
    errors ??= [];
    errors.push({ path, reason });
  };
  if (order.quantity === undefined && order.closePosition !== true) add("quantity", "is required");
  if (order.type === "LIMIT") {
    if (order.price === undefined) add("price", "is required for LIMIT");
    if (order.timeInForce === "GTD" && order.goodTillDate === undefined) {
      add("goodTillDate", "is required for GTD");
    }
    if (order.timeInForce !== "GTD" && order.goodTillDate !== undefined) {
      add("goodTillDate", "goes with timeInForce GTD only");
    }
  } else if (order.type === "MARKET") {
    if (order.price !== undefined) add("price", "does not go with MARKET");
    if (order.timeInForce !== undefined) add("timeInForce", "does not go with MARKET");
    if (order.goodTillDate !== undefined) add("goodTillDate", "does not go with MARKET");
  }
  return errors;
};

/** Names of the fields that this version cannot honour; undefined when there is none. */
const unsupportedFields = (order: RecognisedOrder): readonly string[] | undefined => {
  let names: string[] | undefined;
  const add = (name: string): void => {
    names ??= [];
    names.push(name);
  };
  if (!isSupported(order.type)) add("type");
  if (order.stopPrice !== undefined) add("stopPrice");
  if (order.workingType !== undefined) add("workingType");
  if (order.takeProfit !== undefined) add("takeProfit");
  if (order.stopLoss !== undefined) add("stopLoss");
  if (order.reduceOnly === true) add("reduceOnly");
  if (order.closePosition === true) add("closePosition");
  if (order.positionSide === "LONG" || order.positionSide === "SHORT") add("positionSide");
  return names;
};

const notSupported = (fieldNames: readonly string[], type: string): ParsedRequest<never> => ({
  ok: false,
  problem: {
    code: "not_supported",
    detail:
      `This version does not support ${fieldNames.join(", ")} yet` +
      `${fieldNames.includes("type") ? ` (type ${type})` : ""}. Nothing was stored.`,
    context: { fields: fieldNames },
  },
});

export const parseBatch = (value: unknown): ParsedRequest<readonly unknown[]> => {
  const parsed = parseWith(batchShape, value);
  return parsed.ok ? { ok: true, value: parsed.value.orders } : invalid(parsed.errors);
};

export interface Amendment {
  /** null: stays as it is. */
  readonly price: CanonicalDecimal | null;
  readonly quantity: CanonicalDecimal | null;
}

export const parseAmendment = (value: unknown): ParsedRequest<Amendment> => {
  const parsed = parseWith(amendSchema, value);
  if (!parsed.ok) return invalid(parsed.errors);
  const { price, quantity } = parsed.value;
  if (price === undefined && quantity === undefined) {
    return invalid([{ path: "", reason: "give price or quantity" }]);
  }
  return {
    ok: true,
    value: {
      price: price === undefined ? null : canonicalDecimal(price),
      quantity: quantity === undefined ? null : canonicalDecimal(quantity),
    },
  };
};
