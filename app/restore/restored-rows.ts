/** What central's rows are in a shard's own terms. */
import { parseUnits } from "../../shards/domain/decimal.ts";
import type { Order } from "../../shards/domain/order.ts";
import { type RefusalBody, renderOrder } from "../../shards/domain/order-body.ts";
import { invariant } from "../../shards/process/failure.ts";
import { partitionOf } from "../../shards/protocol/partition.ts";
import type { RestoredOutcome } from "../../shards/store/restored-file.ts";
import { type OutcomeRow, renderAcceptedRow } from "../central/central-reader.ts";
import { type OrderRow, renderOrderRow } from "../central/order-row.ts";

/** The open order; its text is the same afterwards, or the row is none that a shard made. */
export const orderOfRow = (row: OrderRow): Order => {
  const priceScale = row.price === null ? 0 : scaleOf(row.price);
  const quantityScale = scaleOf(row.quantity);
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
    executedUnits: parseUnits(row.executedQuantity, quantityScale),
    priceScale,
    quantityScale,
    selfTradePrevention: row.selfTradePrevention,
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
