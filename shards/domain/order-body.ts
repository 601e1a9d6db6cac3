/**
 * The order as clients and topic readers see it. The text is made once, at acceptance, and that
 * same text is the 201's body, the record of the topic and what a replay gives: nothing renders
 * it a second time, so it can't differ.
 */
import type { AccountId, CanonicalDecimal, ShardName } from "./brands.ts";
import { canonicalDecimal, formatUnits } from "./decimal.ts";
import type { ChangeReason } from "./event.ts";
import type { Order, OrderRequest, SelfTradePrevention, Side, TimeInForce } from "./order.ts";

const quoted = (text: string | null): string => (text === null ? "null" : `"${text}"`);

/** Everything but the closing brace. All text in an order is free of characters JSON escapes. */
const openBody = (order: Order, shard: ShardName): string => {
  const price =
    order.priceUnits === null ? "null" : `"${formatUnits(order.priceUnits, order.priceScale)}"`;
  const { receipt } = order;
  const goodTill = order.goodTillDate === null ? "" : `,"goodTillDate":${order.goodTillDate}`;
  const prevention =
    order.selfTradePrevention === "NONE"
      ? ""
      : `,"selfTradePrevention":"${order.selfTradePrevention}"`;
  return (
    `{"orderId":"${order.orderId}","clientOrderId":"${order.clientOrderId}",` +
    `"accountId":"${order.accountId}","symbol":"${order.symbol}","side":"${order.side}",` +
    `"type":"${order.type}","timeInForce":${quoted(order.timeInForce)}${goodTill},` +
    `"price":${price},"quantity":"${formatUnits(order.quantityUnits, order.quantityScale)}",` +
    `"executedQuantity":"${formatUnits(order.executedUnits, order.quantityScale)}",` +
    `"averagePrice":null,"status":"${order.status}","reduceOnly":false,"positionSide":"BOTH"` +
    `${prevention},"children":[],"createdAt":${order.createdAt},"updatedAt":${order.updatedAt},` +
    `"receipt":{"shard":"${shard}","epoch":${receipt.epoch},"commitSeq":${receipt.commitSeq},` +
    `"partition":${receipt.partition},"seq":${receipt.seq}}`
  );
};

/** The order's JSON text: the 201's body at acceptance, the GET's body ever after. */
export const renderOrder = (order: Order, shard: ShardName): string => `${openBody(order, shard)}}`;

/** The value of an `order_changed` record: the order as it now is, its version and why. */
export const renderOrderChange = (order: Order, shard: ShardName, reason: ChangeReason): string =>
  `${openBody(order, shard)},"version":${order.version},"reason":"${reason}"}`;

/** The fields of a rendered order, as JSON.parse gives them. */
export interface OrderBody {
  readonly orderId: string;
  readonly clientOrderId: string;
  readonly accountId: string;
  readonly symbol: string;
  readonly side: Side;
  readonly type: Order["type"];
  readonly timeInForce: TimeInForce | null;
  readonly goodTillDate?: number;
  readonly price: string | null;
  readonly quantity: string;
  readonly executedQuantity: string;
  readonly averagePrice: string | null;
  readonly status: Order["status"];
  readonly reduceOnly: boolean;
  readonly positionSide: "BOTH";
  readonly selfTradePrevention?: SelfTradePrevention;
  readonly children: readonly string[];
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly receipt: {
    readonly shard: string;
    readonly epoch: number;
    readonly commitSeq: number;
    readonly partition: number;
    readonly seq: number;
  };
}

/** The request that made this answer: what a repeated client order id is compared with. */
export const requestOfBody = (body: OrderBody): OrderRequest =>
  ({
    clientOrderId: body.clientOrderId,
    symbol: body.symbol,
    side: body.side,
    type: body.type,
    timeInForce: body.timeInForce,
    goodTillDate: body.goodTillDate ?? null,
    price: body.price === null ? null : canonicalDecimal(body.price),
    quantity: canonicalDecimal(body.quantity) as CanonicalDecimal,
    selfTradePrevention: body.selfTradePrevention ?? "NONE",
  }) as OrderRequest;

/** Names of the fields in which two requests with the same key differ, in the contract's order. */
export const differingFields = (a: OrderRequest, b: OrderRequest): readonly string[] =>
  REQUEST_FIELDS.filter((field) => a[field] !== b[field]);

const REQUEST_FIELDS = [
  "side",
  "type",
  "timeInForce",
  "goodTillDate",
  "price",
  "quantity",
  "selfTradePrevention",
] as const satisfies readonly (keyof OrderRequest)[];

/** The value of an `order_refused` record. `answer` is the body that every replay gives. */
export interface RefusalBody {
  readonly accountId: string;
  readonly at: number;
  readonly request: OrderRequest;
  readonly status: number;
  readonly code: string;
  readonly answer: string;
}

export const renderRefusal = (refusal: {
  readonly accountId: AccountId;
  readonly at: number;
  readonly request: OrderRequest;
  readonly status: number;
  readonly code: string;
  readonly answer: string;
}): string => JSON.stringify({ ...refusal, accountId: String(refusal.accountId) });
