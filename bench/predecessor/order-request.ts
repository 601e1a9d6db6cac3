/** The part of an order's request that the scenario has: LIMIT orders, with children or without. */
export interface ChildRequest {
  readonly stopPrice: string;
}

export interface OrderRequest {
  readonly clientOrderId: string;
  readonly symbol: string;
  readonly side: "BUY" | "SELL";
  readonly type: "LIMIT";
  readonly timeInForce: "GTC";
  readonly price: string;
  readonly quantity: string;
  readonly takeProfit?: ChildRequest;
  readonly stopLoss?: ChildRequest;
}

/** Why an order is not taken; the text of the answer. */
export class OrderRefused extends Error {
  override readonly name = "OrderRefused";
}

const DECIMAL = /^(0|[1-9]\d{0,15})(\.\d{1,18})?$/;
const CLIENT_ID = /^[.A-Z:/a-z0-9_-]{1,36}$/;

const isDecimal = (value: unknown): boolean => typeof value === "string" && DECIMAL.test(value);

const isChild = (child: ChildRequest | undefined): boolean =>
  child === undefined || isDecimal(child.stopPrice);

/** Throws {@link OrderRefused}. */
export const parseOrder = (body: unknown): OrderRequest => {
  const order = body as OrderRequest;
  const isWell =
    CLIENT_ID.test(order.clientOrderId) &&
    typeof order.symbol === "string" &&
    (order.side === "BUY" || order.side === "SELL") &&
    order.type === "LIMIT" &&
    order.timeInForce === "GTC" &&
    isDecimal(order.price) &&
    isDecimal(order.quantity) &&
    isChild(order.takeProfit) &&
    isChild(order.stopLoss);
  if (!isWell) throw new OrderRefused("invalid_request");
  return order;
};
