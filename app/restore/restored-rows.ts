/** What central's rows are in a shard's own terms. */

import type { ClientOrderId, OrderId } from "../../shards/domain/brands.ts";
import { parseUnits } from "../../shards/domain/decimal.ts";
import type { Order } from "../../shards/domain/order.ts";
import { type ChildBody, type RefusalBody, renderOrder } from "../../shards/domain/order-body.ts";
import { invariant } from "../../shards/process/failure.ts";
import { partitionOf } from "../../shards/protocol/partition.ts";
import type { RestoredOutcome } from "../../shards/store/restored-file.ts";
import { type OutcomeRow, renderAcceptedRow } from "../central/central-reader.ts";
import { type OrderRow, renderOrderRow } from "../central/order-row.ts";

/**
 * The open order without what it is held at; its text is the same afterwards, or the row is none
 * that a shard made. `knownScale` is the decimals of its symbol's prices, for an order that shows
 * none. What its fills cost is known from their average only, which is rounded down.
 */
export const orderOfRow = (row: OrderRow, knownScale: number | undefined): Order => {
  const shownPrice = row.price ?? row.stopPrice ?? row.averagePrice;
  const priceScale = shownPrice === null ? (knownScale ?? 0) : scaleOf(shownPrice);
  const quantityScale = scaleOf(row.quantity);
  const executedUnits = parseUnits(row.executedQuantity, quantityScale);
  const averageUnits = row.averagePrice === null ? 0 : parseUnits(row.averagePrice, priceScale);
  const { amendmentPrice, amendmentQuantity } = row;
  const order = {
    orderId: row.orderId,
    accountId: row.accountId,
    clientOrderId: row.clientOrderId,
    symbol: row.symbol,
    side: row.side,
    type: row.type,
    timeInForce: row.timeInForce,
    goodTillDate: row.goodTillDate,
    priceUnits: row.price === null ? null : parseUnits(row.price, priceScale),
    quantityUnits: parseUnits(row.quantity, quantityScale),
    executedUnits,
    priceScale,
    quantityScale,
    selfTradePrevention: row.selfTradePrevention,
    stopPriceUnits: row.stopPrice === null ? null : parseUnits(row.stopPrice, priceScale),
    workingType: row.workingType,
    reduceOnly: row.reduceOnly === 1,
    closePosition: row.closePosition === 1,
    positionSide: row.positionSide,
    children: childrenOf(row),
    parentId: row.parentOrderId,
    costUnits: BigInt(averageUnits) * BigInt(executedUnits),
    marginPriceUnits: 0,
    openLossMinor: 0n,
    amendment:
      amendmentPrice === null || amendmentQuantity === null
        ? null
        : {
            priceUnits: parseUnits(amendmentPrice, priceScale),
            quantityUnits: parseUnits(amendmentQuantity, quantityScale),
          },
    status: row.status,
    version: row.version,
    createdAt: row.createdAt,
    updatedAt: row.updatedAt,
    receipt: { epoch: row.epoch, commitSeq: row.commitSeq, partition: row.partition, seq: row.seq },
  } as Order;
  const text = renderOrder(order, row.shard as Parameters<typeof renderOrder>[1]);
  invariant(text === renderOrderRow(row), `central's order ${row.orderId} is one of a shard`);
  return order;
};

const childrenOf = ({ children }: OrderRow): Order["children"] => {
  if (children === "") return [];
  const bodies: readonly ChildBody[] = JSON.parse(children);
  return bodies.map((body) => ({
    ...body,
    orderId: Number(body.orderId) as OrderId,
    clientOrderId: body.clientOrderId as ClientOrderId,
  }));
};

const scaleOf = (text: string): number => {
  const point = text.indexOf(".");
  return point === -1 ? 0 : text.length - point - 1;
};

export const acceptanceOfRow = (row: OrderRow, partitionCount: number): RestoredOutcome => ({
  type: "order_accepted",
  partition: partitionOf(row.symbol, partitionCount),
  at: row.createdAt,
  accountId: String(row.accountId),
  symbol: row.symbol,
  clientOrderId: row.clientOrderId,
  value: renderAcceptedRow(row),
});

export const refusalOfRow = (
  { at, value }: OutcomeRow,
  partitionCount: number,
): RestoredOutcome => {
  const { accountId, request }: RefusalBody = JSON.parse(value);
  const { symbol, clientOrderId } = request;
  const partition = partitionOf(symbol, partitionCount);
  return { type: "order_refused", partition, at, accountId, symbol, clientOrderId, value };
};
