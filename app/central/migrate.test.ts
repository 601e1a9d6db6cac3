import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getTableConfig } from "drizzle-orm/sqlite-core";
import { UsageError } from "../../shards/process/failure.ts";
import { openForWriting } from "./embedded/sqlite-file.ts";
import { CENTRAL_MIGRATIONS, migrateCentralFile } from "./migrate.ts";
import { CENTRAL_TABLES } from "./schema.ts";

const MIGRATIONS = join(import.meta.dir, "../../migrations/central");

let folder: string;
let path: string;
let database: Database;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-central-"));
  path = join(folder, "central.sqlite");
  database = openForWriting(path);
});
afterEach(() => {
  database.close();
  rmSync(folder, { recursive: true });
});

interface ColumnInfo {
  readonly name: string;
  readonly type: string;
  readonly notnull: number;
  readonly pk: number;
}

describe("central's migrations", () => {
  test("are every file of the folder, in order, and say whether they break", () => {
    const files = readdirSync(MIGRATIONS).sort();
    expect(CENTRAL_MIGRATIONS.map(({ id }) => `${id}.sql`)).toEqual(files);
    for (const [i, { id, sql }] of CENTRAL_MIGRATIONS.entries()) {
      expect(id).toStartWith(`${i + 1}_`.padStart(5, "0"));
      expect(sql).toBe(readFileSync(join(MIGRATIONS, `${id}.sql`), "utf8"));
      expect(sql.split("\n")[0]).toMatch(/^-- (Not breaking|Breaking): .+\.$/);
    }
  });

  test("end in the tables that the code knows", () => {
    migrateCentralFile(database, path, 1);
    const stored = database
      .query<{ name: string }, []>("SELECT name FROM sqlite_schema WHERE type = 'table'")
      .all();
    const known = Object.values(CENTRAL_TABLES).map((table) => getTableConfig(table));
    expect(stored.map(({ name }) => name).sort()).toEqual(known.map(({ name }) => name).sort());
    for (const { name, columns, primaryKeys } of known) {
      const keyed = primaryKeys.flatMap((key) => key.columns.map((column) => column.name));
      const expected = columns.map((column) => ({
        name: column.name,
        type: column.getSQLType().toUpperCase(),
        notNull: column.notNull,
        key: column.primary || keyed.includes(column.name),
      }));
      const actual = database
        .query<ColumnInfo, [string]>("SELECT * FROM pragma_table_info(?)")
        .all(name)
        .map((column) => ({
          name: column.name,
          type: column.type,
          notNull: column.notnull === 1 || column.pk > 0,
          key: column.pk > 0,
        }));
      expect(actual).toEqual(expected);
    }
  });

  test("have the index that history's pages walk", () => {
    migrateCentralFile(database, path, 1);
    const plan = database
      .query<{ detail: string }, []>(
        `EXPLAIN QUERY PLAN SELECT * FROM orders WHERE account_id = 1 AND symbol = 'A'
         AND (created_at, order_id) < (5, 6) ORDER BY created_at DESC, order_id DESC LIMIT 9`,
      )
      .all();
    expect(plan.map(({ detail }) => detail)).toEqual([
      "SEARCH orders USING INDEX orders_history (account_id=? AND created_at<?)",
    ]);
  });

  test("are applied once, however often", () => {
    expect(migrateCentralFile(database, path, 1)).toEqual(["0001_initial", "0002_risk"]);
    expect(migrateCentralFile(database, path, 2)).toEqual([]);
  });

  test("are not started on a newer version's file, or after a file has changed", () => {
    migrateCentralFile(database, path, 1);
    database.run("INSERT INTO schema_migration VALUES ('9999_later', 'x', 1)");
    expect(() => migrateCentralFile(database, path, 2)).toThrow(UsageError);
    database.run("DELETE FROM schema_migration WHERE id = '9999_later'");
    database.run("UPDATE schema_migration SET checksum = 'x'");
    expect(() => migrateCentralFile(database, path, 2)).toThrow(UsageError);
  });
});

test("twenty processes at once make one central", async () => {
  const rest = join(folder, "twenty.sqlite");
  const store = JSON.stringify(join(import.meta.dir, "embedded/sqlite-store.ts"));
  const clock = JSON.stringify(join(import.meta.dir, "../../shards/process/clock.ts"));
  const code = `
    const { openSqliteStore } = await import(${store});
    const { systemClock } = await import(${clock});
    const store = openSqliteStore(${JSON.stringify(rest)}, systemClock);
    console.log(store.centralId);
    store.close();`;
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
  const made = new Database(rest, { readonly: true });
  expect(made.query("SELECT count(*) AS n FROM schema_migration").get()).toEqual({
    n: CENTRAL_MIGRATIONS.length,
  });
  made.close();
}, 30_000);
