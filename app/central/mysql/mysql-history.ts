/** History from the central MySQL. Whatever walks many orders walks them on the server. */
import { and, DrizzleQueryError, desc, eq, gte, lt, lte, or, type SQL, sql } from "drizzle-orm";
import { drizzle, type MySqlRemoteDatabase } from "drizzle-orm/mysql-proxy";
import { createPool, type Pool } from "mysql2/promise";
import type {
  AccountId,
  ClientOrderId,
  InstrumentSymbol,
  OrderId,
} from "../../../shards/domain/brands.ts";
import { OperatingError } from "../../../shards/process/failure.ts";
import type { HistoryPage, HistoryPlace, HistoryQuery, OrderHistory } from "../history.ts";
import { renderOrderRow } from "../order-row.ts";
import { type MysqlAddress, readMysqlUrl } from "./mysql-connection.ts";
import { describe } from "./mysql-failure.ts";
import { fromMysqlRow } from "./mysql-row.ts";
import { orders } from "./mysql-schema.ts";

/** Questions that are asked at once; further ones wait for their turn. */
const CONNECTIONS_MAX = 8;

/** A question that takes longer fails: the api's own deadline is near. */
const QUERY_MS_MAX = 4000;

/**
 * Connects at the first question, since the server may not be there yet. Throws UsageError naming
 * MYSQL_URL when that is no URL.
 */
export const openMysqlHistory = (url: string): OrderHistory & { close(): Promise<void> } =>
  new MysqlHistory(readMysqlUrl(url));

class MysqlHistory implements OrderHistory {
  readonly #pool: Pool;
  readonly #tables: MySqlRemoteDatabase;
  readonly #shown: string;

  constructor({ options, shown }: MysqlAddress) {
    this.#shown = shown;
    this.#pool = createPool({
      ...options,
      multipleStatements: false,
      connectionLimit: CONNECTIONS_MAX,
    });
    this.#tables = drizzle(async (statement, values) => ({
      rows: await this.#ask(statement, values),
    }));
  }

  async order(accountId: AccountId, orderId: OrderId): Promise<string | undefined> {
    const [body] = await this.#bodies(
      and(eq(orders.orderId, orderId), eq(orders.accountId, accountId)),
      "PRIMARY",
      1,
    );
    return body?.text;
  }

  async find(
    accountId: AccountId,
    symbol: InstrumentSymbol,
    clientOrderId: ClientOrderId,
  ): Promise<string | undefined> {
    const [body] = await this.#bodies(
      and(
        eq(orders.accountId, accountId),
        sql`CRC32(${orders.clientOrderId}) = ${Bun.hash.crc32(clientOrderId)}`,
        eq(orders.clientOrderId, clientOrderId),
        eq(orders.symbol, symbol),
      ),
      "orders_client",
      1,
    );
    return body?.text;
  }

  async page(query: HistoryQuery): Promise<HistoryPage> {
    const { symbol, limit, after } = query;
    const found = await this.#bodies(
      and(
        inQuery(query),
        symbol === null ? undefined : eq(orders.symbol, symbol),
        after === null ? undefined : isAfter(after),
      ),
      "orders_history",
      limit + 1,
    );
    const shown = found.slice(0, limit);
    const last = shown.at(-1);
    return {
      bodies: shown.map(({ text }) => text),
      next: found.length > limit && last !== undefined ? last.place : null,
    };
  }

  close(): Promise<void> {
    return this.#pool.end();
  }

  /** Newest first; by that index, since the server's guess changes with its statistics. */
  async #bodies(where: SQL | undefined, forceIndex: string, limit: number) {
    const rows = await this.#tables
      .select()
      .from(orders, { forceIndex })
      .where(where)
      .orderBy(desc(orders.createdAt), desc(orders.orderId))
      .limit(limit)
      .catch((error: unknown) => this.#fail(error));
    return rows.map((row) => ({
      text: renderOrderRow(fromMysqlRow(row)),
      place: { createdAt: row.createdAt, orderId: row.orderId },
    }));
  }

  async #ask(statement: string, values: unknown[]): Promise<unknown[]> {
    const [rows] = await this.#pool.query({
      sql: statement,
      values,
      rowsAsArray: true,
      timeout: QUERY_MS_MAX,
    });
    return rows as unknown[];
  }

  /** drizzle hides the reason behind the whole statement. */
  #fail(error: unknown): never {
    const cause = error instanceof DrizzleQueryError ? error.cause : error;
    throw new OperatingError(
      "central_unavailable",
      `read ${this.#shown}: ${describe(cause)}; the applier makes and fills its tables`,
      { retryable: true, cause },
    );
  }
}

/** What the index can tell of a query. */
const inQuery = ({ accountId, from, to }: HistoryQuery): SQL | undefined =>
  and(
    eq(orders.accountId, accountId),
    from === null ? undefined : gte(orders.createdAt, from),
    to === null ? undefined : lt(orders.createdAt, to),
  );

/** Older than that place; MySQL finds no range in a comparison of pairs, so the time says one. */
const isAfter = ({ createdAt, orderId }: HistoryPlace): SQL | undefined =>
  and(
    lte(orders.createdAt, createdAt),
    or(lt(orders.createdAt, createdAt), lt(orders.orderId, orderId)),
  );
