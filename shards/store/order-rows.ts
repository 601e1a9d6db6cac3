import type { Database } from "bun:sqlite";
import type { OrderId } from "../domain/brands.ts";
import { isOpen, type Order } from "../domain/order.ts";

/** In the order of the table's columns. */
const valuesOf = (o: Order, lastCommitSeq: number): (string | number | null)[] => [
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
];

const COLUMN_COUNT = 23;

interface OrderRow {
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
}

const orderOf = (r: OrderRow): Order =>
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
    status: r.status,
    version: r.version,
    createdAt: r.created_at,
    updatedAt: r.updated_at,
    receipt: { epoch: r.epoch, commitSeq: r.commit_seq, partition: r.partition, seq: r.seq },
  }) as Order;

/** The `orders` table. Raw prepared statements: an insert runs once per order. */
export class OrderRows {
  readonly #insert;
  readonly #update;
  readonly #read;
  readonly #sweep;
  readonly #delete;
  readonly #database: Database;
  #sweptTo = 0;

  constructor(database: Database) {
    this.#database = database;
    const places = Array(COLUMN_COUNT).fill("?").join(", ");
    this.#insert = database.prepare(`INSERT INTO orders VALUES (${places})`);
    this.#update = database.prepare(
      "UPDATE orders SET price_units = ?, quantity_units = ?, executed_units = ?, status = ?, " +
        "version = ?, updated_at = ?, last_commit_seq = ? WHERE order_id = ?",
    );
    this.#read = database.prepare("SELECT * FROM orders WHERE order_id = ?");
    this.#sweep = database.prepare(
      "SELECT order_id, status, created_at, updated_at, last_commit_seq FROM orders " +
        "WHERE order_id > ? ORDER BY order_id LIMIT ?",
    );
    this.#delete = database.prepare("DELETE FROM orders WHERE order_id = ?");
  }

  insert(order: Order, lastCommitSeq: number): void {
    this.#insert.run(...valuesOf(order, lastCommitSeq));
  }

  update(order: Order, lastCommitSeq: number): void {
    this.#update.run(
      order.priceUnits,
      order.quantityUnits,
      order.executedUnits,
      order.status,
      order.version,
      order.updatedAt,
      lastCommitSeq,
      order.orderId,
    );
  }

  read(orderId: OrderId): Order | undefined {
    const row = this.#read.get(orderId) as OrderRow | null;
    return row === null ? undefined : orderOf(row);
  }

  /** Every open order, oldest first, through the partial index. */
  loadOpen(): Order[] {
    const rows = this.#database
      .query(
        "SELECT * FROM orders INDEXED BY orders_open WHERE status IN " +
          "('PENDING', 'UNTRIGGERED', 'NEW', 'PARTIALLY_FILLED', 'PENDING_CANCEL') ORDER BY order_id",
      )
      .all() as OrderRow[];
    return rows.map(orderOf);
  }

  /**
   * Part of a batch's transaction: of the next `most` rows, deletes terminal orders that central
   * has and that are older than `before`. Ids grow with time, so the walk is over, and starts again
   * at the oldest, once it meets an order that is too young. Gives whether it is over.
   */
  sweep(before: number, appliedCommitSeq: number, most: number): boolean {
    const rows = this.#sweep.all(this.#sweptTo, most) as SweptRow[];
    for (const row of rows) {
      if (row.created_at > before) return this.#sweepAgain();
      this.#sweptTo = row.order_id;
      if (isOpen(row.status) || row.updated_at > before) continue;
      if (row.last_commit_seq <= appliedCommitSeq) this.#delete.run(row.order_id);
    }
    return rows.length < most ? this.#sweepAgain() : false;
  }

  #sweepAgain(): boolean {
    this.#sweptTo = 0;
    return true;
  }
}

interface SweptRow {
  readonly order_id: number;
  readonly status: Order["status"];
  readonly created_at: number;
  readonly updated_at: number;
  readonly last_commit_seq: number;
}
