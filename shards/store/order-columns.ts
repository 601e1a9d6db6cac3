/** The columns of `orders`, what an order has in them, and the order that a row is. */
import type { Order } from "../domain/order.ts";
import { exact, storable } from "./risk/money.ts";

type Value = string | number | bigint | null;

/** What every order has, and all that a plain one has. */
export const PLAIN_COLUMNS = [
  "order_id",
  "account_id",
  "client_order_id",
  "symbol",
  "side",
  "type",
  "time_in_force",
  "good_till_date",
  "price_units",
  "quantity_units",
  "executed_units",
  "price_scale",
  "quantity_scale",
  "self_trade_prevention",
  "status",
  "version",
  "created_at",
  "updated_at",
  "epoch",
  "commit_seq",
  "partition",
  "seq",
  "last_commit_seq",
  "margin_price_units",
  "open_loss_minor",
] as const;

export const plainValues = (o: Order, lastCommitSeq: number): Value[] => [
  o.orderId,
  o.accountId,
  o.clientOrderId,
  o.symbol,
  o.side,
  o.type,
  o.timeInForce,
  o.goodTillDate,
  o.priceUnits,
  o.quantityUnits,
  o.executedUnits,
  o.priceScale,
  o.quantityScale,
  o.selfTradePrevention,
  o.status,
  o.version,
  o.createdAt,
  o.updatedAt,
  o.receipt.epoch,
  o.receipt.commitSeq,
  o.receipt.partition,
  o.receipt.seq,
  lastCommitSeq,
  o.marginPriceUnits,
  storable(o.openLossMinor),
];

/** What attached children have beside that. */
export const CHILD_COLUMNS = [
  ...PLAIN_COLUMNS,
  "stop_price_units",
  "working_type",
  "reduce_only",
  "close_position",
  "position_side",
  "parent_id",
] as const;

export const childValues = (o: Order, lastCommitSeq: number): Value[] => [
  ...plainValues(o, lastCommitSeq),
  o.stopPriceUnits,
  o.workingType,
  Number(o.reduceOnly),
  Number(o.closePosition),
  o.positionSide === "BOTH" ? null : o.positionSide,
  o.parentId,
];

export const ALL_COLUMNS = [
  ...CHILD_COLUMNS,
  "children",
  "cost_units",
  "amend_price_units",
  "amend_quantity_units",
] as const;

/** For the column `cost_units`. */
export const costText = ({ costUnits }: Order): string | null =>
  costUnits === 0n ? null : String(costUnits);

export const allValues = (o: Order, lastCommitSeq: number): Value[] => [
  ...childValues(o, lastCommitSeq),
  o.children.length === 0 ? null : JSON.stringify(o.children),
  costText(o),
  o.amendment?.priceUnits ?? null,
  o.amendment?.quantityUnits ?? null,
];

/** Whether the columns that {@link CHILD_COLUMNS} lacks have their defaults. */
export const isBare = (o: Order): boolean =>
  o.children.length === 0 && o.amendment === null && o.costUnits === 0n;

export const isPlain = (o: Order): boolean =>
  isBare(o) &&
  o.stopPriceUnits === null &&
  !o.reduceOnly &&
  !o.closePosition &&
  o.positionSide === "BOTH" &&
  o.parentId === null;

export interface OrderRow {
  readonly order_id: number;
  readonly account_id: number;
  readonly client_order_id: string;
  readonly symbol: string;
  readonly side: string;
  readonly type: string;
  readonly time_in_force: string | null;
  readonly good_till_date: number | null;
  readonly price_units: number | null;
  readonly quantity_units: number;
  readonly executed_units: number;
  readonly price_scale: number;
  readonly quantity_scale: number;
  readonly self_trade_prevention: string;
  readonly status: string;
  readonly version: number;
  readonly created_at: number;
  readonly updated_at: number;
  readonly epoch: number;
  readonly commit_seq: number;
  readonly partition: number;
  readonly seq: number;
  readonly stop_price_units: number | null;
  readonly working_type: string | null;
  readonly reduce_only: number;
  readonly close_position: number;
  readonly position_side: string | null;
  readonly children: string | null;
  readonly parent_id: number | null;
  readonly cost_units: string | null;
  readonly margin_price_units: number;
  /** Text. */
  readonly open_loss_minor: string;
  readonly amend_price_units: number | null;
  readonly amend_quantity_units: number | null;
}

export const READ_COLUMNS = ALL_COLUMNS.map((column) =>
  column === "open_loss_minor" ? exact(column) : column,
).join(", ");

export const orderOf = (r: OrderRow): Order =>
  ({
    orderId: r.order_id,
    accountId: r.account_id,
    clientOrderId: r.client_order_id,
    symbol: r.symbol,
    side: r.side,
    type: r.type,
    timeInForce: r.time_in_force,
    goodTillDate: r.good_till_date,
    priceUnits: r.price_units,
    quantityUnits: r.quantity_units,
    executedUnits: r.executed_units,
    priceScale: r.price_scale,
    quantityScale: r.quantity_scale,
    selfTradePrevention: r.self_trade_prevention,
    stopPriceUnits: r.stop_price_units,
    workingType: r.working_type,
    reduceOnly: r.reduce_only === 1,
    closePosition: r.close_position === 1,
    positionSide: r.position_side ?? "BOTH",
    children: r.children === null ? [] : JSON.parse(r.children),
    parentId: r.parent_id,
    costUnits: r.cost_units === null ? 0n : BigInt(r.cost_units),
    marginPriceUnits: r.margin_price_units,
    openLossMinor: BigInt(r.open_loss_minor),
    amendment: amendmentOf(r),
    status: r.status,
    version: r.version,
    createdAt: r.created_at,
    updatedAt: r.updated_at,
    receipt: { epoch: r.epoch, commitSeq: r.commit_seq, partition: r.partition, seq: r.seq },
  }) as Order;

const amendmentOf = (row: OrderRow): Order["amendment"] =>
  row.amend_price_units === null || row.amend_quantity_units === null
    ? null
    : { priceUnits: row.amend_price_units, quantityUnits: row.amend_quantity_units };
