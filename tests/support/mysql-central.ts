/** For tests: central stores on a database of their own, emptied before each test. */
import { asc } from "drizzle-orm";
import { drizzle } from "drizzle-orm/mysql2";
import { type Connection, createConnection, createPool, type Pool } from "mysql2/promise";
import type { EntityRow } from "../../app/central/entity-row.ts";
import { openMysqlHistory } from "../../app/central/mysql/mysql-history.ts";
import { fromMysqlRow } from "../../app/central/mysql/mysql-row.ts";
import { entities, orders, outcomes } from "../../app/central/mysql/mysql-schema.ts";
import { type MysqlStore, openMysqlStore } from "../../app/central/mysql/mysql-store.ts";
import type { OrderRow } from "../../app/central/order-row.ts";
import type { OrderId } from "../../shards/domain/brands.ts";
import { systemClock } from "../../shards/process/clock.ts";
import { createLogger } from "../../shards/process/logger.ts";
import type { CentralFixture } from "./central-suite.ts";
import type { HistoryFixture } from "./history-suite.ts";
import { type FreshDatabase, freshDatabase, servicesFromEnvironment } from "./services.ts";

export const testLogger = createLogger("test", "silent");

/** A database for one file of tests, and a connection beside the store's. */
export class TestDatabase {
  readonly url: string;
  readonly #fresh: FreshDatabase;
  readonly #pool: Pool;

  private constructor(fresh: FreshDatabase) {
    this.url = fresh.url;
    this.#fresh = fresh;
    this.#pool = createPool({ uri: fresh.url, supportBigNumbers: true, multipleStatements: true });
  }

  static async make(): Promise<TestDatabase> {
    return new TestDatabase(await freshDatabase(servicesFromEnvironment().mysqlUrl));
  }

  openStore(): Promise<MysqlStore> {
    return openMysqlStore(this.url, systemClock, testLogger);
  }

  async run<Row = unknown>(sql: string): Promise<Row[]> {
    const [rows] = await this.#pool.query(sql);
    return rows as Row[];
  }

  /** A connection for a test that needs one of its own; the test ends it. */
  connect(): Promise<Connection> {
    return createConnection({ uri: this.url });
  }

  async empty(): Promise<void> {
    const tables = ["orders", "outcomes", "stream_cursor", "stopped_stream", "shard_epoch"];
    const all = [...tables, "entities", "topic_position", "quarantine"];
    await this.run(all.map((table) => `DELETE FROM ${table}`).join(";"));
  }

  async orders(): Promise<OrderRow[]> {
    const rows = await drizzle({ client: this.#pool })
      .select()
      .from(orders)
      .orderBy(asc(orders.orderId));
    return rows.map(fromMysqlRow);
  }

  async outcomes() {
    return drizzle({ client: this.#pool }).select().from(outcomes).orderBy(asc(outcomes.at));
  }

  /** By shard, type and key. */
  async entities(): Promise<EntityRow[]> {
    const { shard, type, entityKey } = entities;
    return drizzle({ client: this.#pool })
      .select()
      .from(entities)
      .orderBy(asc(shard), asc(type), asc(entityKey));
  }

  async drop(): Promise<void> {
    await this.#pool.end();
    await this.#fresh.drop();
  }
}

export const centralFixture = async (database: TestDatabase): Promise<CentralFixture> => {
  let store = await database.openStore();
  await database.empty();
  let refused = false;
  return {
    get store() {
      return store;
    },
    reopen: async () => {
      await store.close();
      store = await database.openStore();
    },
    orders: () => database.orders(),
    outcomes: () => database.outcomes(),
    entities: () => database.entities(),
    refuse: async (clientOrderId) => {
      refused = true;
      await database.run(
        `ALTER TABLE orders ADD CONSTRAINT refused CHECK (client_order_id <> '${clientOrderId}')`,
      );
    },
    hideOutcomes: async () => {
      await database.run("RENAME TABLE outcomes TO away");
    },
    showOutcomes: async () => {
      await database.run("RENAME TABLE away TO outcomes");
    },
    end: async () => {
      if (refused) await database.run("ALTER TABLE orders DROP CONSTRAINT refused");
      await store.close();
    },
  };
};

export const historyFixture = async (database: TestDatabase): Promise<HistoryFixture> => {
  const store = await database.openStore();
  await database.empty();
  const history = openMysqlHistory(database.url);
  return {
    store,
    history,
    copies: (orderId, count) => copyOrder(database, orderId, count),
    end: async () => {
      await history.close();
      await store.close();
    },
  };
};

const copyOrder = async (
  database: TestDatabase,
  orderId: OrderId,
  count: number,
): Promise<void> => {
  const columns = await database.run<{ name: string }>(
    `SELECT column_name AS name FROM information_schema.columns
     WHERE table_schema = DATABASE() AND table_name = 'orders' ORDER BY ordinal_position`,
  );
  const names = columns.map(({ name }) => `\`${name}\``);
  const copied = names.map((name) => {
    if (name === "`order_id`") return "order_id + 1048576 * i";
    return name === "`created_at`" ? "created_at + i" : name;
  });
  const digits =
    "SELECT 0 d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9";
  await database.run(
    `INSERT INTO orders (${names.join(",")}) SELECT ${copied.join(",")} FROM orders JOIN
     (SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d + 1 AS i
      FROM (${digits}) a, (${digits}) b, (${digits}) c, (${digits}) e, (${digits}) f) n
     WHERE order_id = ${orderId} AND i <= ${count}`,
  );
};
