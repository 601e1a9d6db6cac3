/** Answers that several kinds of command have in common. */
import type { OrderId } from "../brands.ts";
import { CODES, type Context, type RefusalCode } from "../codes.ts";
import type { Order } from "../order.ts";
import type { Problem } from "../problem.ts";
import type { Decision } from "./types.ts";

/** A rule that an order breaks. */
export interface Refusal {
  readonly code: RefusalCode;
  readonly detail: string;
  readonly context: Context;
}

/** `detail` is the code's title where nothing more is to be said. */
export const refusal = (
  code: RefusalCode,
  context: Context,
  detail: string = `${CODES[code].title}.`,
): Refusal => ({ code, detail, context });

export const refused = (problem: Problem): Decision => ({ kind: "refused", problem });

export const orderNotFound = (orderId: OrderId): Decision =>
  refused({
    code: "order_not_found",
    detail: `The account has no order ${orderId}.`,
    context: { orderId: String(orderId) },
  });

export const orderNotOpen = (order: Order): Decision =>
  refused({
    code: "order_not_open",
    detail: `Order ${order.orderId} is ${order.status}.`,
    context: { orderId: String(order.orderId), status: order.status },
  });

export const unknownSymbol = (symbol: string): Refusal =>
  refusal("unknown_symbol", { symbol }, `There is no instrument ${symbol}.`);
