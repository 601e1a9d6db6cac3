/** The `orders` table. Raw prepared statements: an insert runs once per order. */
import type { Database, Statement } from "bun:sqlite";
import type { OrderId } from "../domain/brands.ts";
import { isOpen, type Order } from "../domain/order.ts";
import type { OrderWrite } from "../writer/store-port.ts";
import {
  ALL_COLUMNS,
  allValues,
  CHILD_COLUMNS,
  childValues,
  costText,
  isBare,
  isPlain,
  type OrderRow,
  orderOf,
  PLAIN_COLUMNS,
  plainValues,
  READ_COLUMNS,
} from "./order-columns.ts";
import { storable } from "./risk/money.ts";

/** Children of one statement: SQLite binds 32,766 values at most. */
const CHILDREN_MAX = 1024;

const insertOf = (columns: readonly string[]): string =>
  `INSERT INTO orders (${columns.join(", ")}) `;
const placesOf = (columns: readonly string[]): string => `(${columns.map(() => "?").join(", ")})`;

export class OrderRows {
  readonly #insertPlain;
  readonly #insertAny;
  readonly #update;
  readonly #read;
  readonly #sweep;
  readonly #delete;
  readonly #database: Database;
  /** By the power of two of their rows. */
  readonly #insertChildren: (Statement | undefined)[] = [];
  #sweptTo = 0;

  constructor(database: Database) {
    this.#database = database;
    const insert = (columns: readonly string[]) =>
      database.prepare(`${insertOf(columns)} VALUES ${placesOf(columns)}`);
    this.#insertPlain = insert(PLAIN_COLUMNS);
    this.#insertAny = insert(ALL_COLUMNS);
    this.#update = database.prepare(
      "UPDATE orders SET price_units = ?, quantity_units = ?, executed_units = ?, status = ?, " +
        "version = ?, updated_at = ?, cost_units = ?, margin_price_units = ?, " +
        "open_loss_minor = ?, amend_price_units = ?, amend_quantity_units = ?, " +
        "last_commit_seq = ? WHERE order_id = ?",
    );
    this.#read = database.prepare(`SELECT ${READ_COLUMNS} FROM orders WHERE order_id = ?`);
    this.#sweep = database.prepare(
      "SELECT order_id, status, created_at, updated_at, last_commit_seq FROM orders " +
        "WHERE order_id > ? ORDER BY order_id LIMIT ?",
    );
    this.#delete = database.prepare("DELETE FROM orders WHERE order_id = ?");
  }

  /** Parents and lone orders first, each on its own; then all new children in one statement. */
  write(writes: readonly OrderWrite[]): void {
    let children: OrderWrite[] | undefined;
    for (const write of writes) {
      const { order, isNew, lastCommitSeq } = write;
      if (!isNew) {
        this.#updateOne(order, lastCommitSeq);
      } else if (isPlain(order)) {
        this.#insertPlain.run(...plainValues(order, lastCommitSeq));
      } else if (order.parentId === null || !isBare(order)) {
        this.#insertAny.run(...allValues(order, lastCommitSeq));
      } else {
        children ??= [];
        children.push(write);
      }
    }
    if (children !== undefined) this.#insertMany(children);
  }

  /**
   * A statement has room for 2^n rows, so that few are ever prepared; rows without an order are
   * left out.
   */
  #insertMany(children: readonly OrderWrite[]): void {
    for (let at = 0; at < children.length; at += CHILDREN_MAX) {
      const part = children.slice(at, at + CHILDREN_MAX);
      const doublings = Math.ceil(Math.log2(part.length));
      const values = part.flatMap(({ order, lastCommitSeq }) => childValues(order, lastCommitSeq));
      const empty = 2 ** doublings * CHILD_COLUMNS.length - values.length;
      this.#childrenStatement(doublings).run(...values, ...Array<null>(empty).fill(null));
    }
  }

  #childrenStatement(doublings: number): Statement {
    let statement = this.#insertChildren[doublings];
    if (statement === undefined) {
      const rows = Array(2 ** doublings)
        .fill(placesOf(CHILD_COLUMNS))
        .join(", ");
      statement = this.#database.prepare(
        `${insertOf(CHILD_COLUMNS)} SELECT * FROM (VALUES ${rows}) WHERE column1 IS NOT NULL`,
      );
      this.#insertChildren[doublings] = statement;
    }
    return statement;
  }

  #updateOne(order: Order, lastCommitSeq: number): void {
    this.#update.run(
      order.priceUnits,
      order.quantityUnits,
      order.executedUnits,
      order.status,
      order.version,
      order.updatedAt,
      costText(order),
      order.marginPriceUnits,
      storable(order.openLossMinor),
      order.amendment?.priceUnits ?? null,
      order.amendment?.quantityUnits ?? null,
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
        `SELECT ${READ_COLUMNS} FROM orders INDEXED BY orders_open WHERE status IN ` +
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
