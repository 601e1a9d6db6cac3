import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AccountId, OrderId } from "../../../shards/domain/brands.ts";
import { systemClock } from "../../../shards/process/clock.ts";
import { type HistoryFixture, testOrderHistory } from "../../../tests/support/history-suite.ts";
import type { HistoryQuery } from "../history.ts";
import { TestShard } from "../test-shard.ts";
import { openSqliteHistory } from "./sqlite-history.ts";
import { openSqliteStore } from "./sqlite-store.ts";

const ACCOUNT = 42 as AccountId;

const inFolder = (): { readonly path: string; remove(): void } => {
  const folder = mkdtempSync(join(tmpdir(), "sluice-central-"));
  return {
    path: join(folder, "central.sqlite"),
    remove: () => rmSync(folder, { recursive: true }),
  };
};

const copyOrder = (path: string, orderId: OrderId, count: number): void => {
  const database = new Database(path, { readwrite: true, strict: true });
  const columns = database
    .query<{ name: string }, []>("SELECT name FROM pragma_table_info('orders')")
    .all()
    .map(({ name }) => name);
  const copied = columns.map((name) => {
    if (name === "order_id") return "order_id + 1048576 * i";
    return name === "created_at" ? "created_at + i" : name;
  });
  database.run(
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
     INSERT INTO orders (${columns.join(", ")})
     SELECT ${copied.join(", ")} FROM n, orders WHERE order_id = ${orderId}`,
  );
  database.close();
};

const openFixture = async (): Promise<HistoryFixture> => {
  const { path, remove } = inFolder();
  const store = openSqliteStore(path, systemClock);
  const history = openSqliteHistory(path);
  return {
    store,
    history,
    copies: async (orderId, count) => copyOrder(path, orderId, count),
    end: async () => {
      history.close();
      store.close();
      remove();
    },
  };
};

describe("the embedded history", () => testOrderHistory(openFixture));

describe("a central store that is not there", () => {
  const unavailable = { code: "central_unavailable", retryable: true };
  const query: HistoryQuery = {
    accountId: ACCOUNT,
    symbol: null,
    from: null,
    to: null,
    limit: 100,
    after: null,
  };

  test("is a failure that passes, until the applier has made the file", async () => {
    const { path, remove } = inFolder();
    const reader = openSqliteHistory(path);
    expect(await reader.page(query).catch((error: unknown) => error)).toMatchObject(unavailable);
    expect(
      await reader.order(ACCOUNT, 1025 as OrderId).catch((error: unknown) => error),
    ).toMatchObject(unavailable);
    await Bun.write(path, "");
    expect(await reader.page(query).catch((error: unknown) => error)).toMatchObject(unavailable);
    const made = openSqliteStore(path, systemClock);
    expect(await reader.page(query)).toEqual({ bodies: [], next: null });
    made.close();
    reader.close();
    remove();
  });

  test("can still be read when the applier has gone", async () => {
    const { path, remove } = inFolder();
    const store = openSqliteStore(path, systemClock);
    const shard = new TestShard();
    await store.claimEpoch({ shard: shard.shard, shardIndex: 1, claimId: "c", acceptLoss: false });
    const start = shard.epochStarted(4);
    const { order, record } = shard.place(4);
    await store.apply({ pushes: [[start, record]], positions: [], quarantined: [] });
    const history = openSqliteHistory(path);
    expect(await history.order(ACCOUNT, order.orderId)).toBe(record.value);
    store.close();
    expect(await history.order(ACCOUNT, order.orderId)).toBe(record.value);
    history.close();
    expect(await history.order(ACCOUNT, order.orderId)).toBe(record.value);
    history.close();
    remove();
  });
});
