import { Database } from "bun:sqlite";
import { describe } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asc } from "drizzle-orm";
import { drizzle } from "drizzle-orm/bun-sqlite";
import { systemClock } from "../../../shards/process/clock.ts";
import { type CentralFixture, testCentralStore } from "../../../tests/support/central-suite.ts";
import { entities, orders, outcomes } from "../schema.ts";
import { openSqliteStore } from "./sqlite-store.ts";

const openFixture = async (): Promise<CentralFixture> => {
  const folder = mkdtempSync(join(tmpdir(), "sluice-central-"));
  const path = join(folder, "central.sqlite");
  let store = openSqliteStore(path, systemClock);
  /** Reads or changes the file by another connection, as it is after the last commit. */
  const onFile = <T>(work: (database: Database) => T): T => {
    const database = new Database(path, { readwrite: true, strict: true });
    try {
      return work(database);
    } finally {
      database.close();
    }
  };
  const run = async (sql: string): Promise<void> => {
    onFile((database) => database.run(sql));
  };
  return {
    get store() {
      return store;
    },
    reopen: async () => {
      store.close();
      store = openSqliteStore(path, systemClock);
    },
    orders: async () =>
      onFile((client) =>
        drizzle({ client }).select().from(orders).orderBy(asc(orders.orderId)).all(),
      ),
    outcomes: async () =>
      onFile((client) =>
        drizzle({ client }).select().from(outcomes).orderBy(asc(outcomes.at)).all(),
      ),
    entities: async () =>
      onFile((client) => {
        const { shard, type, entityKey } = entities;
        const rows = drizzle({ client }).select().from(entities);
        return rows.orderBy(asc(shard), asc(type), asc(entityKey)).all();
      }),
    refuse: (clientOrderId) =>
      run(`CREATE TRIGGER refuse BEFORE INSERT ON orders
        WHEN new.client_order_id = '${clientOrderId}' BEGIN SELECT RAISE(ABORT, 'refused'); END`),
    hideOutcomes: () => run("ALTER TABLE outcomes RENAME TO away"),
    showOutcomes: () => run("ALTER TABLE away RENAME TO outcomes"),
    end: async () => {
      store.close();
      rmSync(folder, { recursive: true });
    },
  };
};

describe("the embedded central store", () => testCentralStore(openFixture));
