import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { getTableConfig as mysqlConfig } from "drizzle-orm/mysql-core";
import { getTableConfig as sqliteConfig } from "drizzle-orm/sqlite-core";
import { CENTRAL_TABLES } from "../schema.ts";
import { MYSQL_MIGRATIONS } from "./mysql-migrations.ts";
import { MYSQL_TABLES, SHARED_TABLES } from "./mysql-schema.ts";

/** What MySQL has more, with the reason in the migration. */
const EXTRA_COLUMNS: Readonly<Record<string, readonly string[]>> = {
  orders: ["price_scale", "quantity_scale", "average_price_scale"],
};
const EXTRA_TABLES = ["topic_position", "quarantine"];

describe("central's tables on MySQL", () => {
  test("are SQLite's, column by column, and the extras at the end", () => {
    const ofSqlite = Object.values(CENTRAL_TABLES).map((table) => {
      const { name, columns } = sqliteConfig(table);
      const shown = columns.map((column) => [column.name, column.notNull]);
      return [name, shown] as const;
    });
    const ofMysql = Object.values(SHARED_TABLES).map((table) => {
      const { name, columns } = mysqlConfig(table);
      const extra = EXTRA_COLUMNS[name] ?? [];
      const shared = columns.length - extra.length;
      expect(columns.slice(shared).map((column) => column.name)).toEqual([...extra]);
      const shown = columns.slice(0, shared).map((column) => [column.name, column.notNull]);
      return [name, shown] as const;
    });
    expect(ofMysql).toEqual(ofSqlite as never);
    const all = Object.values(MYSQL_TABLES).map((table) => mysqlConfig(table).name);
    expect(all.slice(ofMysql.length)).toEqual(EXTRA_TABLES);
  });

  test("come from every file of the folder, in order, which say whether they break", () => {
    const folder = join(import.meta.dir, "../../../migrations/central-mysql");
    const files = readdirSync(folder).sort();
    expect(MYSQL_MIGRATIONS.map(({ id }) => `${id}.sql`)).toEqual(files);
    for (const [i, { id, sql }] of MYSQL_MIGRATIONS.entries()) {
      expect(id).toStartWith(`${i + 1}_`.padStart(5, "0"));
      expect(sql).toBe(readFileSync(join(folder, `${id}.sql`), "utf8"));
      expect(sql.split("\n")[0]).toMatch(/^-- (Not breaking|Breaking): .+\.$/);
    }
  });
});
