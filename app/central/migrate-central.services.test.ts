import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AccountId } from "../../shards/domain/brands.ts";
import { systemClock } from "../../shards/process/clock.ts";
import { UsageError } from "../../shards/process/failure.ts";
import { TestDatabase } from "../../tests/support/mysql-central.ts";
import { CENTRAL_FILE, CENTRAL_LOCK, lockCentral } from "./embedded/sqlite-file.ts";
import { openSqliteStore } from "./embedded/sqlite-store.ts";
import { entityRowOf } from "./entity-row.ts";
import { type CopyResult, copyCentral } from "./migrate-central.ts";
import { openMysqlHistory } from "./mysql/mysql-history.ts";
import { TestShard } from "./test-shard.ts";

const P = 4;

let folder: string;
let database: TestDatabase;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-central-"));
  database = await TestDatabase.make();
});
afterEach(async () => {
  rmSync(folder, { recursive: true });
  await database.drop();
});

const copy = (seen: unknown[] = []): Promise<CopyResult> =>
  copyCentral({
    fromDataDir: folder,
    url: database.url,
    clock: systemClock,
    onProgress: (copied) => seen.push(copied),
  });
const failureOf = (result: Promise<unknown>): Promise<unknown> =>
  result.catch((error: unknown) => error);

/** 1,100 orders, 250 refusals, 250 positions, a change, a stopped stream. */
const fill = async () => {
  const store = openSqliteStore(join(folder, CENTRAL_FILE), systemClock);
  const shard = new TestShard(1);
  const claim = { shard: shard.shard, shardIndex: 1, claimId: "the file's", acceptLoss: false };
  await store.claimEpoch(claim);
  const start = shard.epochStarted(P);
  const { order, record } = shard.place(P);
  const change = shard.changed(P, { ...order, status: "CANCELED", version: 2 });
  const orders = Array.from({ length: 1099 }, () => shard.accepted(P));
  const refusals = Array.from({ length: 250 }, () => shard.refused(P));
  const positions = Array.from({ length: 250 }, (_, i) =>
    shard.positionChanged(P, { accountId: (i + 1) as AccountId }),
  );
  const push = [start, record, change, ...orders, ...refusals, ...positions];
  const lost = shard.epochStarted(5);
  const pushes = [push, [shard.accepted(5)]];
  await store.apply({ pushes, positions: [], quarantined: [] });
  const { centralId } = store;
  store.close();
  const rows = positions.map((record) => entityRowOf(record, "position_changed"));
  const byKey = rows.toSorted((a, b) => (a.entityKey < b.entityKey ? -1 : 1));
  return { centralId, shard, order, claim, lost, positions: byKey };
};
const COUNTS = { orders: 1100, outcomes: 250, entities: 250, epochs: 1, cursors: 1, stops: 1 };

describe("a copied central", () => {
  test("is the same central: rows, bytes, epochs, cursors, stops and id", async () => {
    const { centralId, shard, order, claim, lost, positions } = await fill();
    const seen: unknown[] = [];
    expect(await copy(seen)).toEqual({ centralId, wasDone: false, copied: COUNTS });
    expect(seen.at(-1)).toEqual({ orders: 1100, outcomes: 250, entities: 250 });
    expect(await database.entities()).toEqual(positions);

    const store = await database.openStore();
    const history = openMysqlHistory(database.url);
    try {
      expect(store.centralId).toBe(centralId);
      expect(await history.order(order.accountId, order.orderId)).toContain('"status":"CANCELED"');
      const [row] = await database.orders();
      expect(row).toMatchObject({ status: "CANCELED", acceptedStatus: "NEW", version: 2 });
      expect(await store.cursors(shard.shard)).toEqual([{ partition: P, ...shard.endOf(P) }]);
      expect(await store.claimEpoch(claim)).toMatchObject({ granted: true, epoch: 1 });
      expect(await store.stoppedStreams()).toMatchObject([{ partition: 5, code: "gap" }]);
      const next = shard.accepted(P);
      const pushes = [[next], [lost]];
      const results = await store.apply({ pushes, positions: [], quarantined: [] });
      expect(results).toMatchObject([{ applied: 1 }, { applied: 1, stopped: null }]);
    } finally {
      await history.close();
      await store.close();
    }
  });

  test("is copied no second time", async () => {
    const { centralId } = await fill();
    await copy();
    await database.run("UPDATE orders SET version = 9 WHERE order_id = 1025");
    expect(await copy()).toEqual({ centralId, wasDone: true, copied: COUNTS });
    expect((await database.orders())[0]?.version).toBe(9);
  });

  test("starts over after a copy that broke off", async () => {
    const { centralId } = await fill();
    await copy();
    await database.run(
      "DELETE FROM central; DELETE FROM stream_cursor; DELETE FROM orders LIMIT 50",
    );
    expect(await copy()).toEqual({ centralId, wasDone: false, copied: COUNTS });
  });
});

test("a central that an applier made before the copy, and no shard knows, is replaced", async () => {
  await fill();
  const early = await database.openStore();
  await early.close();
  const { centralId, wasDone } = await copy();
  expect([wasDone, centralId === early.centralId]).toEqual([false, false]);
  expect((await copy()).wasDone).toBe(true);
});

describe("a copy is refused", () => {
  test("into a database that is another central's, which a shard knows", async () => {
    await fill();
    const other = await database.openStore();
    await other.claimEpoch({ shard: "shard1", shardIndex: 1, claimId: "c", acceptLoss: false });
    await other.close();
    expect(await failureOf(copy())).toBeInstanceOf(UsageError);
    expect(await database.orders()).toEqual([]);
  });

  test("while the old applier runs", async () => {
    await fill();
    const lock = lockCentral(join(folder, CENTRAL_LOCK), 1);
    expect(await failureOf(copy())).toBeInstanceOf(UsageError);
    lock.release();
  });

  test("from a folder without a central store, and makes none there", async () => {
    expect(await failureOf(copy())).toBeInstanceOf(UsageError);
    expect(await Bun.file(join(folder, CENTRAL_FILE)).exists()).toBe(false);
  });
});
