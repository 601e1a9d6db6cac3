/** History from the embedded central: a read-only connection of its own on the applier's file. */
import type { Database } from "bun:sqlite";
import { and, desc, eq, gte, lt, type SQL, sql } from "drizzle-orm";
import { type BunSQLiteDatabase, drizzle } from "drizzle-orm/bun-sqlite";
import type {
  AccountId,
  ClientOrderId,
  InstrumentSymbol,
  OrderId,
} from "../../../shards/domain/brands.ts";
import { OperatingError, reasonOf } from "../../../shards/process/failure.ts";
import type { HistoryPage, HistoryPlace, HistoryQuery, OrderHistory } from "../history.ts";
import { renderOrderRow } from "../order-row.ts";
import { orders } from "../schema.ts";
import { openForReading } from "./sqlite-file.ts";

/** Opens the file at the first question, since the applier may not have made it yet. */
export const openSqliteHistory = (path: string): OrderHistory & { close(): void } =>
  new SqliteHistory(path);

/** Rows that a search by client id looks at in one go: about 5 ms. */
const FIND_SLICE = 500;

/** Entries of the index that a page of one symbol walks over in one go: about 3 ms. */
const PAGE_SLICE = 10_000;

type OrderRow = typeof orders.$inferSelect;

class SqliteHistory implements OrderHistory {
  readonly #path: string;
  #open: { readonly connection: Database; readonly tables: BunSQLiteDatabase } | null = null;

  constructor(path: string) {
    this.#path = path;
  }

  async order(accountId: AccountId, orderId: OrderId): Promise<string | undefined> {
    const [body] = this.#read(
      and(eq(orders.orderId, orderId), eq(orders.accountId, accountId)),
      1,
    ).map(renderOrderRow);
    return body;
  }

  async find(
    accountId: AccountId,
    symbol: InstrumentSymbol,
    clientOrderId: ClientOrderId,
  ): Promise<string | undefined> {
    // No index has the client's ids: they are random, and the dearest thing central could keep. So
    // this walks the account, newest first, in slices between which the process serves others.
    for (let after: HistoryPlace | null = null; ; ) {
      const rows = this.#read(
        and(eq(orders.accountId, accountId), after === null ? undefined : isAfter(after)),
        FIND_SLICE,
      );
      const found = rows.find((r) => r.clientOrderId === clientOrderId && r.symbol === symbol);
      if (found !== undefined) return renderOrderRow(found);
      const last = rows.at(-1);
      if (last === undefined || rows.length < FIND_SLICE) return undefined;
      after = { createdAt: last.createdAt, orderId: last.orderId };
      await othersTurn();
    }
  }

  async page(query: HistoryQuery): Promise<HistoryPage> {
    const { symbol, limit } = query;
    const rows: OrderRow[] = [];
    // The index has no order by symbol: a rare one may be looked for through the whole account.
    for (let { after } = query; ; ) {
      const walked = and(inQuery(query), after === null ? undefined : isAfter(after));
      const end = symbol === null ? undefined : this.#lastOfSlice(walked);
      const wanted = and(
        walked,
        symbol === null ? undefined : eq(orders.symbol, symbol),
        end === undefined ? undefined : isNotAfter(end),
      );
      rows.push(...this.#read(wanted, limit + 1 - rows.length));
      if (end === undefined || rows.length > limit) break;
      after = end;
      await othersTurn();
    }
    const shown = rows.slice(0, limit);
    const last = shown.at(-1);
    const more = rows.length > limit && last !== undefined;
    return {
      bodies: shown.map(renderOrderRow),
      next: more ? { createdAt: last.createdAt, orderId: last.orderId } : null,
    };
  }

  close(): void {
    this.#open?.connection.close();
    this.#open = null;
  }

  /** One short statement, all rows at once: an open cursor would keep the log from starting over. */
  #read(where: SQL | undefined, limit: number): OrderRow[] {
    return this.#ask((tables) =>
      tables
        .select()
        .from(orders)
        .where(where)
        .orderBy(...NEWEST_FIRST)
        .limit(limit)
        .all(),
    );
  }

  /** From the index alone; undefined when what is left is less than a slice. */
  #lastOfSlice(where: SQL | undefined): HistoryPlace | undefined {
    const { createdAt, orderId } = orders;
    return this.#ask((tables) =>
      tables
        .select({ createdAt, orderId })
        .from(orders)
        .where(where)
        .orderBy(...NEWEST_FIRST)
        .limit(1)
        .offset(PAGE_SLICE - 1)
        .get(),
    );
  }

  #ask<T>(statement: (tables: BunSQLiteDatabase) => T): T {
    try {
      this.#open ??= open(this.#path);
      return statement(this.#open.tables);
    } catch (error) {
      throw new OperatingError(
        "central_unavailable",
        `read ${this.#path}: ${reasonOf(error)}; the applier makes and fills this file`,
        { retryable: true, cause: error },
      );
    }
  }
}

const open = (path: string) => {
  const connection = openForReading(path);
  return { connection, tables: drizzle({ client: connection }) };
};

const NEWEST_FIRST = [desc(orders.createdAt), desc(orders.orderId)] as const;

const othersTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** What the index can tell of a query. */
const inQuery = ({ accountId, from, to }: HistoryQuery): SQL | undefined =>
  and(
    eq(orders.accountId, accountId),
    from === null ? undefined : gte(orders.createdAt, from),
    to === null ? undefined : lt(orders.createdAt, to),
  );

const isNotAfter = ({ createdAt, orderId }: HistoryPlace): SQL =>
  sql`(${orders.createdAt}, ${orders.orderId}) >= (${createdAt}, ${orderId})`;

/** Older than that place, in the order of the index. */
const isAfter = ({ createdAt, orderId }: HistoryPlace): SQL =>
  sql`(${orders.createdAt}, ${orders.orderId}) < (${createdAt}, ${orderId})`;
