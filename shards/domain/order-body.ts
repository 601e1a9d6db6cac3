/**
 * The order as clients and topic readers see it. The text is made once, at acceptance, and that
 * same text is the 201's body, the record of the topic and what a replay gives: nothing renders
 * it a second time, so it can't differ.
 */
import type { AccountId, ClientOrderId, OrderId, ShardName } from "./brands.ts";
import { canonicalDecimal, formatUnits } from "./decimal.ts";
import type { ChangeReason } from "./event.ts";
import {
  type ChildRequest,
  childClientOrderId,
  type Order,
  type OrderChild,
  type OrderRequest,
  type OrderType,
  type PositionSide,
  type SelfTradePrevention,
  type Side,
  type TimeInForce,
  type WorkingType,
} from "./order.ts";

const quoted = (text: string | null): string => (text === null ? "null" : `"${text}"`);

/** Fields that only some orders have, in this order; each with a leading comma. */
const rareFields = (order: Order): string => {
  let text = "";
  if (order.stopPriceUnits !== null) {
    text += `,"stopPrice":"${formatUnits(order.stopPriceUnits, order.priceScale)}"`;
    text += `,"workingType":"${order.workingType}"`;
  }
  if (order.closePosition) text += ',"closePosition":true';
  if (order.parentId !== null) text += `,"parentOrderId":"${order.parentId}"`;
  if (order.selfTradePrevention !== "NONE") {
    text += `,"selfTradePrevention":"${order.selfTradePrevention}"`;
  }
  if (order.amendment !== null) {
    const { priceUnits, quantityUnits } = order.amendment;
    text +=
      `,"amendment":{"price":"${formatUnits(priceUnits, order.priceScale)}",` +
      `"quantity":"${formatUnits(quantityUnits, order.quantityScale)}","state":"PENDING"}`;
  }
  return text;
};

/** What the fills cost on average, rounded down to the instrument's decimals. */
const averagePrice = ({ costUnits, executedUnits, priceScale }: Order): string =>
  executedUnits === 0 ? "null" : `"${formatUnits(costUnits / BigInt(executedUnits), priceScale)}"`;

export const renderChild = (child: OrderChild): string =>
  `{"orderId":"${child.orderId}","clientOrderId":"${child.clientOrderId}","type":"${child.type}",` +
  `"stopPrice":"${child.stopPrice}","price":${quoted(child.price)},` +
  `"workingType":"${child.workingType}"}`;

const NO_CHILDREN = "[]";
const renderChildren = (children: readonly OrderChild[]): string =>
  children.length === 0 ? NO_CHILDREN : `[${children.map(renderChild).join(",")}]`;

/** Everything but the closing brace. All text in an order is free of characters JSON escapes. */
const openBody = (order: Order, shard: ShardName): string => {
  const price =
    order.priceUnits === null ? "null" : `"${formatUnits(order.priceUnits, order.priceScale)}"`;
  const { receipt } = order;
  const goodTill = order.goodTillDate === null ? "" : `,"goodTillDate":${order.goodTillDate}`;
  return (
    `{"orderId":"${order.orderId}","clientOrderId":"${order.clientOrderId}",` +
    `"accountId":"${order.accountId}","symbol":"${order.symbol}","side":"${order.side}",` +
    `"type":"${order.type}","timeInForce":${quoted(order.timeInForce)}${goodTill},` +
    `"price":${price},"quantity":"${formatUnits(order.quantityUnits, order.quantityScale)}",` +
    `"executedQuantity":"${formatUnits(order.executedUnits, order.quantityScale)}",` +
    `"averagePrice":${averagePrice(order)},"status":"${order.status}",` +
    `"reduceOnly":${order.reduceOnly},"positionSide":"${order.positionSide}"${rareFields(order)},` +
    `"children":${renderChildren(order.children)},` +
    `"createdAt":${order.createdAt},"updatedAt":${order.updatedAt},` +
    `"receipt":{"shard":"${shard}","epoch":${receipt.epoch},"commitSeq":${receipt.commitSeq},` +
    `"partition":${receipt.partition},"seq":${receipt.seq}}`
  );
};

/** The order's JSON text: the 201's body at acceptance, the GET's body ever after. */
export const renderOrder = (order: Order, shard: ShardName): string => `${openBody(order, shard)}}`;

/** The value of an `order_changed` record: the order as it now is, its version and why. */
export const renderOrderChange = (order: Order, shard: ShardName, reason: ChangeReason): string =>
  `${openBody(order, shard)},"version":${order.version},"reason":"${reason}"}`;

/** An attached child in its parent's body. */
export interface ChildBody {
  readonly orderId: string;
  readonly clientOrderId: string;
  readonly type: OrderType;
  readonly stopPrice: string;
  readonly price: string | null;
  readonly workingType: WorkingType;
}

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
  readonly positionSide: PositionSide;
  readonly stopPrice?: string;
  readonly workingType?: WorkingType;
  readonly closePosition?: true;
  readonly parentOrderId?: string;
  readonly selfTradePrevention?: SelfTradePrevention;
  readonly amendment?: {
    readonly price: string;
    readonly quantity: string;
    readonly state: "PENDING";
  };
  readonly children: readonly ChildBody[];
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
    quantity: body.closePosition === true ? null : canonicalDecimal(body.quantity),
    stopPrice: body.stopPrice === undefined ? null : canonicalDecimal(body.stopPrice),
    workingType: body.workingType ?? null,
    reduceOnly: body.reduceOnly,
    closePosition: body.closePosition ?? false,
    positionSide: body.positionSide,
    selfTradePrevention: body.selfTradePrevention ?? "NONE",
    takeProfit: childRequestOf(body, "tp"),
    stopLoss: childRequestOf(body, "sl"),
  }) as OrderRequest;

/** The type tells which child it is; an id that the shard made counts as none given. */
const childRequestOf = (body: OrderBody, kind: "tp" | "sl"): ChildRequest | null => {
  const isTakeProfit = kind === "tp";
  const child = body.children.find(({ type }) => type.startsWith("TAKE_PROFIT") === isTakeProfit);
  if (child === undefined) return null;
  const made = childClientOrderId(kind, Number(body.orderId) as OrderId);
  return {
    clientOrderId: child.clientOrderId === made ? null : (child.clientOrderId as ClientOrderId),
    stopPrice: canonicalDecimal(child.stopPrice),
    price: child.price === null ? null : canonicalDecimal(child.price),
    workingType: child.workingType,
  };
};

/** Names of the fields in which two requests with the same key differ, in the contract's order. */
export const differingFields = (a: OrderRequest, b: OrderRequest): readonly string[] =>
  REQUEST_FIELDS.filter((field) => !isSame(a[field], b[field]));

const isSame = (
  a: OrderRequest[keyof OrderRequest],
  b: OrderRequest[keyof OrderRequest],
): boolean => {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  return (
    a.clientOrderId === b.clientOrderId &&
    a.stopPrice === b.stopPrice &&
    a.price === b.price &&
    a.workingType === b.workingType
  );
};

const REQUEST_FIELDS = [
  "side",
  "type",
  "timeInForce",
  "goodTillDate",
  "price",
  "quantity",
  "stopPrice",
  "workingType",
  "reduceOnly",
  "closePosition",
  "positionSide",
  "selfTradePrevention",
  "takeProfit",
  "stopLoss",
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
