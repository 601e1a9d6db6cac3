/** Two-phase insert: the order, then all of its children in one more statement. */
import type { Database, SqlValue, Transaction } from "./database.ts";
import type { OrderRequest } from "./order-request.ts";
import type { Stopwatch } from "./profiler.ts";

/** An order that has passed every check. */
export interface CheckedOrder {
  readonly accountId: number;
  readonly request: OrderRequest;
  readonly asset: string;
  /** Decimal text. */
  readonly margin: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** A row that its consumer has not seen is PENDING; it is open from the first moment on. */
const COLUMNS =
  "account_id, client_order_id, parent_order_id, symbol, side, type, time_in_force, price, " +
  "stop_price, quantity, asset, margin, is_open, status, created_at, updated_at";
const ROW = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 'PENDING', ?, ?)";

const insertOf = (rows: number): string =>
  `INSERT INTO orders (${COLUMNS}) VALUES ${Array.from({ length: rows }, () => ROW).join(", ")}`;

const parentRow = ({ accountId, request, asset, margin, at }: CheckedOrder): SqlValue[] => [
  accountId,
  request.clientOrderId,
  null,
  request.symbol,
  request.side,
  request.type,
  request.timeInForce,
  request.price,
  null,
  request.quantity,
  asset,
  margin,
  at,
  at,
];

const childRow = (
  { accountId, request, asset, at }: CheckedOrder,
  parentId: number,
  type: "TAKE_PROFIT_MARKET" | "STOP_MARKET",
  stopPrice: string,
): SqlValue[] => [
  accountId,
  `${parentId}:${type}`,
  parentId,
  request.symbol,
  request.side === "BUY" ? "SELL" : "BUY",
  type,
  null,
  null,
  stopPrice,
  request.quantity,
  asset,
  "0",
  at,
  at,
];

const childRows = (order: CheckedOrder, parentId: number): readonly SqlValue[][] => {
  const { takeProfit, stopLoss } = order.request;
  return [
    ...(takeProfit === undefined
      ? []
      : [childRow(order, parentId, "TAKE_PROFIT_MARKET", takeProfit.stopPrice)]),
    ...(stopLoss === undefined
      ? []
      : [childRow(order, parentId, "STOP_MARKET", stopLoss.stopPrice)]),
  ];
};

/** The ids of an order's rows, the order's own first. */
export type OrderIds = readonly [number, ...number[]];

/** An order without children is a transaction of its own. */
export const insertOrder = async (
  database: Database,
  order: CheckedOrder,
  watch: Stopwatch,
): Promise<OrderIds> => {
  const insertParent = async (on: Database | Transaction): Promise<number> => {
    const { insertId } = await on.insert(insertOf(1), parentRow(order));
    watch.lap("insert order");
    return insertId;
  };
  const { takeProfit, stopLoss } = order.request;
  if (takeProfit === undefined && stopLoss === undefined) return [await insertParent(database)];
  const ids = await database.transaction(async (transaction): Promise<OrderIds> => {
    const parentId = await insertParent(transaction);
    const children = childRows(order, parentId);
    // MySQL gives the rows of one INSERT … VALUES consecutive ids and reports the first.
    const { insertId } = await transaction.insert(insertOf(children.length), children.flat());
    return [parentId, ...children.map((_, i) => insertId + i)];
  });
  watch.lap("insert TP/SL");
  return ids;
};
