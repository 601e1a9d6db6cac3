/** An order as clients send it, parsed once: its fields, then the rules between them. */
import { z } from "zod";
import type { CanonicalDecimal } from "../../../shards/domain/brands.ts";
import type { Code } from "../../../shards/domain/codes.ts";
import { canonicalDecimal } from "../../../shards/domain/decimal.ts";
import { type ChildRequest, isMarket, type OrderRequest } from "../../../shards/domain/order.ts";
import type { FieldError, Problem } from "../../../shards/domain/problem.ts";
import { randomId } from "../../../shards/process/ids.ts";
import { parseWith } from "../fields.ts";
import { plainProblem } from "../reply.ts";
import { ruleErrors } from "./order-rules.ts";
import {
  amendSchema,
  ORDERS_PER_BATCH_MAX,
  orderSchema,
  type SentOrder,
  WORKING_TYPE_DEFAULT,
} from "./order-schema.ts";

/** Only the outer shape: each order of a batch stands or falls alone. */
const batchShape = z.strictObject({
  orders: z.array(z.unknown()).min(1).max(ORDERS_PER_BATCH_MAX),
});

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
  const parsed = parseWith(orderSchema, value);
  if (!parsed.ok) return invalid(parsed.errors);
  const errors = ruleErrors(parsed.value);
  if (errors !== undefined) return invalid(errors);
  return { ok: true, value: requestOf(parsed.value) };
};

/** The casts are the brands: the schema's patterns have been met. */
const requestOf = (order: SentOrder): OrderRequest =>
  ({
    clientOrderId: order.clientOrderId ?? randomId(),
    symbol: order.symbol,
    side: order.side,
    type: order.type,
    timeInForce: isMarket(order.type) ? null : (order.timeInForce ?? "GTC"),
    goodTillDate: order.goodTillDate ?? null,
    price: canonicalOrNull(order.price),
    quantity: canonicalOrNull(order.quantity),
    stopPrice: canonicalOrNull(order.stopPrice),
    workingType: order.stopPrice === undefined ? null : (order.workingType ?? WORKING_TYPE_DEFAULT),
    // Whoever closes a position only makes it smaller.
    reduceOnly: order.closePosition === true || order.reduceOnly === true,
    closePosition: order.closePosition ?? false,
    positionSide: order.positionSide ?? "BOTH",
    selfTradePrevention: order.selfTradePrevention ?? "NONE",
    takeProfit: childOf(order.takeProfit),
    stopLoss: childOf(order.stopLoss),
  }) as OrderRequest;

const canonicalOrNull = (text: string | undefined): CanonicalDecimal | null =>
  text === undefined ? null : canonicalDecimal(text);

const childOf = (sent: SentOrder["takeProfit"]): ChildRequest | null =>
  sent === undefined
    ? null
    : ({
        clientOrderId: sent.clientOrderId ?? null,
        stopPrice: canonicalDecimal(sent.stopPrice),
        price: canonicalOrNull(sent.price),
        workingType: sent.workingType ?? WORKING_TYPE_DEFAULT,
      } as ChildRequest);

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
      price: canonicalOrNull(price),
      quantity: canonicalOrNull(quantity),
    },
  };
};
