import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { temporaryFolder } from "../../tests/support/shard-file.ts";
import { OperatingError, UsageError } from "./failure.ts";
import { applyMigrations, type Migration, type MigrationConnection } from "./sqlite-migrations.ts";

const FIRST: Migration = { id: "0001_initial", sql: "CREATE TABLE a (x INTEGER) STRICT;" };
const SECOND: Migration = {
  id: "0002_more",
  sql: "ALTER TABLE a ADD COLUMN y INTEGER; INSERT INTO a VALUES (1, 2);",
};

const connectionOf = (database: Database): MigrationConnection => ({
  exec: (sql) => database.run(sql),
  all: (sql, ...values) => database.query(sql).all(...values),
});

const schemaOf = (database: Database): unknown[] =>
  database.query("SELECT name, sql FROM sqlite_master ORDER BY name").all();

const errorOf = (run: () => unknown): unknown => {
  try {
    return run();
  } catch (error) {
    return error;
  }
};

describe("migrations", () => {
  const migrate = (database: Database, ...migrations: Migration[]) =>
    applyMigrations(connectionOf(database), migrations, "a.sqlite", 1_000);

  test("are applied once, in order, and only those that are missing", () => {
    const database = new Database(":memory:", { strict: true });
    expect(migrate(database, FIRST)).toEqual(["0001_initial"]);
    expect(migrate(database, FIRST)).toEqual([]);
    expect(migrate(database, FIRST, SECOND)).toEqual(["0002_more"]);
    const schema = schemaOf(database);
    expect(migrate(database, FIRST, SECOND)).toEqual([]);
    expect(schemaOf(database)).toEqual(schema);
    expect(database.query("SELECT x, y FROM a").values()).toEqual([[1, 2]]);
    expect(database.query("SELECT id, applied_at FROM schema_migration").values()).toEqual([
      ["0001_initial", 1_000],
      ["0002_more", 1_000],
    ]);
    database.close();
  });

  test("of which one fails leave the file as it was", () => {
    const database = new Database(":memory:", { strict: true });
    migrate(database, FIRST);
    const before = schemaOf(database);
    const broken = { id: "0003_broken", sql: "CREATE TABLE b (x); INSERT INTO absent VALUES (1);" };
    const error = errorOf(() => migrate(database, FIRST, SECOND, broken));
    expect(error).toBeInstanceOf(OperatingError);
    expect(error).toMatchObject({ code: "migration_failed", message: "migrate a.sqlite" });
    expect(String((error as Error).cause)).toContain("no such table: absent");
    expect(schemaOf(database)).toEqual(before);
    expect(migrate(database, FIRST, SECOND)).toEqual(["0002_more"]);
    database.close();
  });

  test("say that the disk is full when it is, although SQLite has rolled back by itself", () => {
    const database = new Database(":memory:", { strict: true });
    migrate(database, FIRST);
    database.run("PRAGMA max_page_count = 6");
    const many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 99999)";
    const filling = { id: "0002_filling", sql: `${many} INSERT INTO a SELECT i FROM n;` };
    const error = errorOf(() => migrate(database, FIRST, filling));
    expect(error).toBeInstanceOf(OperatingError);
    expect((error as Error).cause).toMatchObject({ code: "SQLITE_FULL" });
    expect(database.query("SELECT count(*) FROM a").values()).toEqual([[0]]);
    database.close();
  });

  test("of a newer version, or changed since, are refused", () => {
    const database = new Database(":memory:", { strict: true });
    migrate(database, FIRST, SECOND);
    const newer = errorOf(() => migrate(database, FIRST));
    expect(newer).toBeInstanceOf(UsageError);
    expect(String(newer)).toContain("was written by a newer version (0002_more)");
    const changed = errorOf(() => migrate(database, { ...FIRST, sql: `${FIRST.sql} ` }, SECOND));
    expect(changed).toBeInstanceOf(UsageError);
    expect(String(changed)).toContain("has another 0001_initial than this version");
    expect(database.inTransaction).toBe(false);
    database.close();
  });

  test("keep every other connection out before they read what was applied", () => {
    const path = join(temporaryFolder().path, "a.sqlite");
    const [one, other] = [0, 1].map(() => new Database(path, { create: true, strict: true }));
    if (one === undefined || other === undefined) throw new Error("two connections are needed");
    migrate(one, FIRST);
    let refused: unknown;
    const slow = connectionOf(one);
    const connection: MigrationConnection = {
      exec: slow.exec,
      all: (sql, ...values) => {
        refused ??= errorOf(() => migrate(other, FIRST, SECOND));
        return slow.all(sql, ...values);
      },
    };
    expect(applyMigrations(connection, [FIRST, SECOND], "a.sqlite", 1)).toEqual(["0002_more"]);
    expect(refused).toMatchObject({ code: "SQLITE_BUSY" });
    expect(migrate(other, FIRST, SECOND)).toEqual([]);
    one.close();
    other.close();
  });

  test.each([
    ["a new file", [], ["0001_initial", "0002_more"]],
    ["an older file", [FIRST], ["0002_more"]],
  ])("of %s, from twenty connections at once, are applied by one", async (_, before, ids) => {
    const path = join(temporaryFolder().path, "a.sqlite");
    const older = new Database(path, { create: true, strict: true });
    if (before.length > 0) migrate(older, ...before);
    older.close();
    const script = `
      import { Database } from "bun:sqlite";
      import { applyMigrations } from ${JSON.stringify(join(import.meta.dir, "sqlite-migrations.ts"))};
      const database = new Database(${JSON.stringify(path)}, { create: true, strict: true });
      database.run("PRAGMA busy_timeout = 10000");
      postMessage("ready");
      self.onmessage = () => {
        const connection = {
          exec: (sql) => database.run(sql),
          all: (sql, ...values) => database.query(sql).all(...values),
        };
        const migrations = ${JSON.stringify([FIRST, SECOND])};
        const done = applyMigrations(connection, migrations, "a.sqlite", 1);
        database.close();
        postMessage(done);
      };
    `;
    const source = URL.createObjectURL(new Blob([script], { type: "application/typescript" }));
    const threads = Array.from({ length: 20 }, () => new Worker(source));
    const next = (thread: Worker): Promise<unknown> =>
      new Promise((resolve, reject) => {
        thread.onmessage = ({ data }) => resolve(data);
        thread.onerror = ({ message }) => reject(new Error(message));
      });
    try {
      await Promise.all(threads.map(next));
      const results = threads.map(next);
      for (const thread of threads) thread.postMessage("go");
      const applied = (await Promise.all(results)) as string[][];
      expect(applied.filter((done) => done.length > 0)).toEqual([ids]);
    } finally {
      for (const thread of threads) thread.terminate();
      URL.revokeObjectURL(source);
    }
    const database = new Database(path);
    expect(database.query("SELECT x, y FROM a").values()).toEqual([[1, 2]]);
    database.close();
  });
});
