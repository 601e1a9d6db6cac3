import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { getTableConfig } from "drizzle-orm/mysql-core";
import { UsageError } from "../../../shards/process/failure.ts";
import { TestDatabase } from "../../../tests/support/mysql-central.ts";
import { MYSQL_MIGRATIONS } from "./mysql-migrations.ts";
import { MYSQL_TABLES } from "./mysql-schema.ts";

let database: TestDatabase;
beforeEach(async () => {
  database = await TestDatabase.make();
});
afterEach(() => database.drop());

const open = async (): Promise<string> => {
  const store = await database.openStore();
  await store.close();
  return store.centralId;
};

interface ColumnInfo {
  readonly tableName: string;
  readonly name: string;
  readonly type: string;
  readonly nullable: string;
  readonly isKey: number;
}

describe("the migrations of MySQL", () => {
  test("end in the tables that the code knows", async () => {
    await open();
    const stored = await database.run<ColumnInfo>(
      `SELECT table_name AS tableName, column_name AS name, column_type AS type,
       is_nullable AS nullable, column_key = 'PRI' AS isKey FROM information_schema.columns
       WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position`,
    );
    const actual = stored.map(({ tableName, name, type, nullable }) =>
      [tableName, name, type, nullable === "NO"].join(" "),
    );
    const expected = Object.values(MYSQL_TABLES)
      .map((table) => getTableConfig(table))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .flatMap(({ name, columns }) =>
        columns.map((column) =>
          [name, column.name, column.getSQLType().replace(", ", ","), column.notNull].join(" "),
        ),
      );
    expect(actual).toEqual(expected);
  });

  test("have the indexes that history asks", async () => {
    await open();
    const planOf = async (index: string, where: string): Promise<unknown> => {
      const [plan] = await database.run<{ key: string; key_len: string; Extra: string }>(
        `EXPLAIN FORMAT=TRADITIONAL SELECT * FROM orders FORCE INDEX (${index})
         WHERE ${where} ORDER BY created_at DESC, order_id DESC LIMIT 9`,
      );
      return { key: plan?.key, bytes: Number(plan?.key_len), sorts: plan?.Extra.includes("sort") };
    };
    const page = "account_id = 1 AND symbol = 'A' AND created_at <= 5";
    expect(await planOf("orders_history", page)).toEqual({
      key: "orders_history",
      bytes: 16,
      sorts: false,
    });
    const found = "account_id = 1 AND CRC32(client_order_id) = 7";
    expect(await planOf("orders_client", found)).toMatchObject({ key: "orders_client", bytes: 12 });
  });

  test("are applied once, also when one broke off, and keep central's id", async () => {
    const id = await open();
    expect(await open()).toBe(id);
    await database.run("DELETE FROM schema_migration; DROP TABLE quarantine");
    expect(await open()).toBe(id);
    const rows = await database.run("SELECT id FROM schema_migration");
    expect(rows).toHaveLength(MYSQL_MIGRATIONS.length);
  });

  test("are not started on a newer version's database, or after one has changed", async () => {
    await open();
    await database.run("INSERT INTO schema_migration VALUES ('9999_later', 'x', 1)");
    expect(await open().catch((error: unknown) => error)).toBeInstanceOf(UsageError);
    await database.run("DELETE FROM schema_migration WHERE id = '9999_later'");
    await database.run("UPDATE schema_migration SET checksum = 'x'");
    expect(await open().catch((error: unknown) => error)).toBeInstanceOf(UsageError);
  });

  test("by twenty processes at once make one central, also the database", async () => {
    await database.run(`DROP DATABASE ${new URL(database.url).pathname.slice(1)}`);
    const path = (name: string): string => JSON.stringify(join(import.meta.dir, name));
    const code = `
      const { openMysqlStore } = await import(${path("mysql-store.ts")});
      const { systemClock } = await import(${path("../../../shards/process/clock.ts")});
      const { createLogger } = await import(${path("../../../shards/process/logger.ts")});
      const logger = createLogger("test", "silent");
      const store = await openMysqlStore(${JSON.stringify(database.url)}, systemClock, logger);
      console.log(store.centralId);
      await store.close();`;
    const children = Array.from({ length: 20 }, () =>
      Bun.spawn([process.execPath, "-e", code], { stdout: "pipe", stderr: "pipe" }),
    );
    const ends = await Promise.all(
      children.map(async (child) => ({
        id: await new Response(child.stdout).text(),
        error: await new Response(child.stderr).text(),
        code: await child.exited,
      })),
    );
    expect(ends.filter(({ code: exit }) => exit !== 0)).toEqual([]);
    expect(new Set(ends.map(({ id }) => id)).size).toBe(1);
  }, 60_000);
});
