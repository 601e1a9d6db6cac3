import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { temporaryFolder } from "../../tests/support/shard-file.ts";
import { START_AT } from "../../tests/support/shard-state.ts";
import { ODD, openStored, storedOrder } from "../../tests/support/stored-risk.ts";
import type { Order } from "../domain/order.ts";
import { applyMigrations } from "../process/sqlite-migrations.ts";
import { loadShard } from "./load-shard.ts";
import { migrateShardFile, SHARD_MIGRATIONS } from "./migrate.ts";
import { OrderRows } from "./order-rows.ts";

const IDS = SHARD_MIGRATIONS.map(({ id }) => id);
const BEFORE_RISK = SHARD_MIGRATIONS.slice(0, 2);

/** The columns that an order had before there was risk. */
const OLD_COLUMNS =
  "order_id, account_id, client_order_id, symbol, side, type, time_in_force, good_till_date, " +
  "price_units, quantity_units, executed_units, price_scale, quantity_scale, " +
  "self_trade_prevention, status, version, created_at, updated_at, epoch, commit_seq, partition, " +
  "seq, last_commit_seq";

const ORDERS: readonly Order[] = [
  storedOrder(1),
  storedOrder(2, { type: "MARKET", priceUnits: null, timeInForce: null, status: "EXPIRED" }),
  storedOrder(3, { timeInForce: "GTD", goodTillDate: START_AT + 9, selfTradePrevention: "NONE" }),
];

/** A file with everything of a new one that a version before risk has written. */
const olderFile = async (path: string): Promise<void> => {
  const newest = await openStored(`${path}.new`);
  newest.store.close();
  const database = new Database(path, { create: true, strict: true });
  const connection = {
    exec: (sql: string) => database.run(sql),
    all: (sql: string, ...values: (string | number)[]) => database.query(sql).all(...values),
  };
  applyMigrations(connection, BEFORE_RISK, path, 1_000);
  database.run("ATTACH ? AS newest", [`${path}.new`]);
  for (const table of ["cluster", "sequence", "stream", "partition_generation"]) {
    database.run(`INSERT INTO ${table} SELECT * FROM newest.${table}`);
  }
  const insert = database.query(
    `INSERT INTO orders VALUES (${OLD_COLUMNS.replaceAll(/[a-z_]+/g, "?")})`,
  );
  for (const order of ORDERS) {
    const { receipt } = order;
    insert.run(
      order.orderId,
      order.accountId,
      order.clientOrderId,
      order.symbol,
      order.side,
      order.type,
      order.timeInForce,
      order.goodTillDate,
      order.priceUnits,
      order.quantityUnits,
      order.executedUnits,
      order.priceScale,
      order.quantityScale,
      order.selfTradePrevention,
      order.status,
      order.version,
      order.createdAt,
      order.updatedAt,
      receipt.epoch,
      receipt.commitSeq,
      receipt.partition,
      receipt.seq,
      receipt.commitSeq,
    );
  }
  database.close();
};

describe("the migrations of a shard's file", () => {
  test("are applied once, and leave every table the way the statements expect", () => {
    const database = new Database(":memory:", { strict: true });
    expect(migrateShardFile(database, "a.sqlite", START_AT)).toEqual(IDS);
    expect(migrateShardFile(database, "a.sqlite", START_AT)).toEqual([]);
    const tables = database
      .query("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
      .values()
      .flat();
    expect(tables).toEqual(expect.arrayContaining(["journal", "outcome_generation", "position"]));
    database.close();
  });

  test("leave the orders of an older file as they were, with nothing of what is new", async () => {
    const path = join(temporaryFolder().path, "shard1.sqlite");
    await olderFile(path);
    const older = new Database(path, { strict: true });
    expect(migrateShardFile(older, path, START_AT)).toEqual(IDS.slice(2));
    expect(migrateShardFile(older, path, START_AT)).toEqual([]);
    older.close();
    const opened = await openStored(path);
    for (const order of ORDERS) expect(opened.store.readOrder(order.orderId)).toEqual(order);
    const { openOrders, risk, isReconciling } = loadShard(opened.database);
    expect(openOrders).toEqual(ORDERS.filter(({ status }) => status === "NEW"));
    expect(Object.values(risk).flat()).toEqual([]);
    expect(isReconciling).toBe(false);
    const changed = storedOrder(1, {
      openLossMinor: ODD,
      amendment: { priceUnits: 1, quantityUnits: 2 },
    });
    opened.commit(opened.batchOf(null, [{ order: changed, isNew: false, lastCommitSeq: 9 }]));
    expect(opened.store.readOrder(changed.orderId)).toEqual(changed);
    opened.close();
  });

  test("of an older file, from twenty connections at once, are applied by one", async () => {
    const path = join(temporaryFolder().path, "shard1.sqlite");
    await olderFile(path);
    const script = `
      import { Database } from "bun:sqlite";
      import { migrateShardFile } from ${JSON.stringify(join(import.meta.dir, "migrate.ts"))};
      const database = new Database(${JSON.stringify(path)}, { strict: true });
      database.run("PRAGMA busy_timeout = 20000");
      postMessage("ready");
      self.onmessage = () => {
        const done = migrateShardFile(database, "shard1.sqlite", 1);
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
      expect(applied.filter((done) => done.length > 0)).toEqual([IDS.slice(2)]);
    } finally {
      for (const thread of threads) thread.terminate();
      URL.revokeObjectURL(source);
    }
    const database = new Database(path, { strict: true });
    expect(new OrderRows(database).loadOpen()).toHaveLength(2);
    database.close();
  });
});
