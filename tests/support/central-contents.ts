/** What a central store holds, read by tests in one way from the embedded file and from MySQL. */
import { Database } from "bun:sqlite";
import { join } from "node:path";
import { drizzle as drizzleSqlite } from "drizzle-orm/bun-sqlite";
import { drizzle as drizzleMysql } from "drizzle-orm/mysql2";
import { createConnection } from "mysql2/promise";
import { renderAcceptedRow } from "../../app/central/central-reader.ts";
import { fromMysqlRow } from "../../app/central/mysql/mysql-row.ts";
import * as mysql from "../../app/central/mysql/mysql-schema.ts";
import { type OrderRow, renderOrderRow } from "../../app/central/order-row.ts";
import * as sqlite from "../../app/central/schema.ts";

export interface CentralOrder {
  readonly orderId: string;
  /** The 201's body. */
  readonly accepted: string;
  /** The order with today's values. */
  readonly now: string;
}

export interface CentralContents {
  readonly orders: readonly CentralOrder[];
  /** The values of stored refusals. */
  readonly refusals: readonly string[];
}

const orderOf = (row: OrderRow): CentralOrder => ({
  orderId: String(row.orderId),
  accepted: renderAcceptedRow(row),
  now: renderOrderRow(row),
});

export const embeddedContents = (dataDir: string): CentralContents => {
  const database = new Database(join(dataDir, "central.sqlite"), { readonly: true });
  try {
    const tables = drizzleSqlite({ client: database });
    return {
      orders: tables.select().from(sqlite.orders).all().map(orderOf),
      refusals: tables
        .select()
        .from(sqlite.outcomes)
        .all()
        .map(({ value }) => value),
    };
  } finally {
    database.close();
  }
};

export const mysqlContents = async (url: string): Promise<CentralContents> => {
  const connection = await createConnection({ uri: url, supportBigNumbers: true });
  try {
    const tables = drizzleMysql({ client: connection });
    const rows = await tables.select().from(mysql.orders);
    const refusals = await tables.select().from(mysql.outcomes);
    return {
      orders: rows.map((row) => orderOf(fromMysqlRow(row))),
      refusals: refusals.map(({ value }) => value),
    };
  } finally {
    await connection.end();
  }
};
