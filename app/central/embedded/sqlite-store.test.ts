import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ShardName } from "../../../shards/domain/brands.ts";
import { renderOrder } from "../../../shards/domain/order-body.ts";
import { systemClock } from "../../../shards/process/clock.ts";
import type { CommittedRecord } from "../../../shards/protocol/record.ts";
import type { Grant } from "../../../shards/protocol/relay.ts";
import { type OrderRow, renderOrderRow } from "../order-row.ts";
import type { CentralStore, PushResult } from "../store.ts";
import { TestShard } from "../test-shard.ts";
import { openSqliteStore } from "./sqlite-store.ts";

const P = 4;
const CAMEL_ORDERS = `SELECT order_id orderId, account_id accountId, client_order_id clientOrderId,
  symbol, side, type, time_in_force timeInForce, good_till_date goodTillDate, price, quantity,
  executed_quantity executedQuantity, average_price averagePrice, status, reduce_only reduceOnly,
  position_side positionSide, self_trade_prevention selfTradePrevention, created_at createdAt,
  updated_at updatedAt, shard, epoch, commit_seq commitSeq, partition, seq, version
  FROM orders ORDER BY order_id`;

let folder: string;
let path: string;
let store: CentralStore;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-central-"));
  path = join(folder, "central.sqlite");
  store = openSqliteStore(path, systemClock);
});
afterEach(() => {
  store.close();
  rmSync(folder, { recursive: true });
});

const reopen = (): void => {
  store.close();
  store = openSqliteStore(path, systemClock);
};

/** Reads or changes the file by another connection, as it is after the last commit. */
const onFile = <T>(work: (database: Database) => T): T => {
  const database = new Database(path, { readwrite: true, strict: true });
  try {
    return work(database);
  } finally {
    database.close();
  }
};
const storedOrders = (): OrderRow[] =>
  onFile((database) => database.query<OrderRow, []>(CAMEL_ORDERS).all());
const storedOutcomes = (): { commit_seq: number; value: string }[] =>
  onFile((d) => d.query<{ commit_seq: number; value: string }, []>("SELECT * FROM outcomes").all());

let claims = 0;
const claim = (
  shard: TestShard,
  acceptLoss = false,
  claimId = `claim-${++claims}`,
): Promise<Grant> =>
  store.claimEpoch({
    shard: shard.shard,
    shardIndex: Number(shard.shard.slice("shard".length)),
    claimId,
    acceptLoss,
  });

const applyOne = async (...push: CommittedRecord[]): Promise<PushResult> => {
  const [result] = await store.apply([push]);
  if (result === undefined) throw new Error("no answer for the push");
  return result;
};

/** A shard with an epoch, its stream P started in central. */
const startedShard = async (index = 1): Promise<TestShard> => {
  const shard = new TestShard(index);
  await claim(shard);
  await applyOne(shard.epochStarted(P));
  return shard;
};

describe("an epoch", () => {
  test("is 1 for a shard that central doesn't know, with nothing to follow", async () => {
    expect(await claim(new TestShard())).toEqual({
      granted: true,
      centralId: store.centralId,
      epoch: 1,
      orderCounter: 0,
      cursors: [],
    });
  });

  test("is refused to a shard that had one, with the orders that central has of it", async () => {
    const shard = await startedShard();
    const other = await startedShard(2);
    await applyOne(shard.accepted(P), shard.accepted(P));
    await applyOne(other.accepted(P));
    expect(await claim(shard)).toEqual({ granted: false, epoch: 1, orders: 2 });
  });

  test("is given again to the file whose claim it was, because its answer may be lost", async () => {
    const shard = new TestShard(1);
    const first = await claim(shard, false, "the file's own");
    expect(await claim(shard, false, "the file's own")).toEqual(first);
    expect(await claim(shard, false, "another file's")).toMatchObject({ granted: false, epoch: 1 });
  });

  test("is the next when the loss is accepted, with the end of all streams", async () => {
    const shard = await startedShard();
    const other = await startedShard(2);
    await applyOne(shard.accepted(P), shard.accepted(P));
    await applyOne(shard.epochStarted(7));
    await applyOne(other.accepted(P), other.accepted(P), other.accepted(P));
    const grant = await claim(shard, true);
    expect(grant).toEqual({
      granted: true,
      centralId: store.centralId,
      epoch: 2,
      orderCounter: 2,
      cursors: [
        { partition: P, ...shard.endOf(P) },
        { partition: 7, ...shard.endOf(7) },
      ],
    });
  });

  test("fences the one before and is followed itself", async () => {
    const shard = await startedShard();
    const zombie = shard.accepted(P);
    await applyOne(zombie);
    await claim(shard, true);
    const late = shard.accepted(P);
    expect((await applyOne(late)).stopped?.code).toBe("old_epoch");
    const heir = new TestShard();
    heir.epochStarted(P);
    heir.accepted(P);
    heir.startEpoch(2);
    const [start, order] = [heir.epochStarted(P), heir.accepted(P)];
    const result = await applyOne(start, order);
    expect(result).toMatchObject({ applied: 2, stopped: null, cursor: { epoch: 2, seq: 2 } });
    expect((await applyOne(late)).stopped?.code).toBe("old_epoch");
    expect((await store.stoppedStreams()).map(({ epoch }) => epoch)).toEqual([1]);
  });
});

describe("apply", () => {
  test("stores an order with all its fields, as accepted and as it is, and no refusal", async () => {
    const shard = await startedShard();
    const { order, record } = shard.place(P, {
      timeInForce: "GTD",
      goodTillDate: 1_900_000_000_000,
    });
    const result = await applyOne(record);
    expect(result).toEqual({
      cursor: { partition: P, epoch: 1, seq: 2, hash: record.hash },
      applied: 1,
      duplicates: 0,
      stopped: null,
    });
    expect(storedOrders().map(renderOrderRow)).toEqual([renderOrder(order, shard.shard)]);
    expect(storedOutcomes()).toEqual([]);
  });

  test("stores a refusal's outcome and no order", async () => {
    const shard = await startedShard();
    const record = shard.refused(P);
    await applyOne(record);
    expect(storedOrders()).toEqual([]);
    expect(storedOutcomes()).toMatchObject([{ value: record.value }]);
  });

  test("answers each push of several shards and partitions in its place", async () => {
    const [one, two] = [await startedShard(1), await startedShard(2)];
    const pushes = [[one.accepted(P)], [two.accepted(P), two.accepted(P)], [one.epochStarted(0)]];
    const results = await store.apply(pushes);
    expect(results.map(({ cursor: { partition, seq } }) => [partition, seq])).toEqual([
      [P, 2],
      [P, 3],
      [0, 1],
    ]);
    expect(await store.cursors(one.shard)).toHaveLength(2);
    expect(await store.cursors("shard9" as ShardName)).toEqual([]);
  });

  test("takes two pushes of one stream in one transaction", async () => {
    const shard = await startedShard();
    const [a, b] = [shard.accepted(P), shard.accepted(P)];
    const results = await store.apply([[a], [a, b]]);
    expect(results).toMatchObject([{ applied: 1 }, { applied: 1, duplicates: 1 }]);
    expect(storedOrders()).toHaveLength(2);
  });

  test("drops what a push repeats after the answer was lost, also across a restart", async () => {
    const shard = await startedShard();
    const push = [shard.accepted(P), shard.refused(P), shard.accepted(P)];
    await store.apply([push]);
    const { centralId } = store;
    reopen();
    const [again] = await store.apply([[...push, shard.accepted(P)]]);
    expect(again).toMatchObject({ applied: 1, duplicates: 3, stopped: null });
    expect(storedOrders()).toHaveLength(3);
    expect(storedOutcomes()).toHaveLength(1);
    expect(store.centralId).toBe(centralId);
  });

  test("keeps what was accepted when the order changes", async () => {
    const shard = await startedShard();
    const { order, record } = shard.place(P);
    await applyOne(record, shard.changed(P, { ...order, version: 2, status: "CANCELED" }));
    const rows = onFile((d) => d.query("SELECT status, accepted_status FROM orders").values());
    expect(rows).toEqual([["CANCELED", "NEW"]]);
  });

  test("takes a change of an order and never an older version over a newer one", async () => {
    const shard = await startedShard();
    const { order, record } = shard.place(P);
    const amended = { ...order, priceUnits: 1, version: 3, updatedAt: order.updatedAt + 9 };
    const older = { ...order, status: "CANCELED" as const, version: 2 };
    await applyOne(record, shard.changed(P, amended, "AMENDED"), shard.changed(P, older));
    expect(storedOrders().map(renderOrderRow)).toEqual([renderOrder(amended, shard.shard)]);
    expect(storedOrders()[0]?.version).toBe(3);
    expect(storedOutcomes()).toEqual([]);
  });
});

describe("a bad record", () => {
  test("stops its own stream for good, the others go on", async () => {
    const shard = await startedShard();
    await applyOne(shard.epochStarted(5));
    const [good, bad, later] = [shard.accepted(P), shard.accepted(P), shard.accepted(P)];
    const results = await store.apply([[good, { ...bad, value: "{" }, later], [shard.accepted(5)]]);
    expect(results).toMatchObject([
      { applied: 1, cursor: { seq: 2 }, stopped: { partition: P, code: "unreadable" } },
      { applied: 1, stopped: null },
    ]);
    reopen();
    // Even what would be sound by now waits for somebody to look.
    expect(await applyOne(bad, later)).toMatchObject({
      applied: 0,
      cursor: { seq: 2 },
      stopped: { partition: P, code: "unreadable" },
    });
    expect(await store.stoppedStreams()).toMatchObject([
      { shard: "shard1", epoch: 1, partition: P, code: "unreadable" },
    ]);
    expect((await applyOne(shard.accepted(5))).applied).toBe(1);
  });

  test("that only the file refuses stops its own stream, the others go on", async () => {
    const shard = await startedShard();
    await applyOne(shard.epochStarted(5));
    onFile((database) =>
      database.run(`CREATE TRIGGER refuse BEFORE INSERT ON orders WHEN new.client_order_id = 'bad'
        BEGIN SELECT RAISE(ABORT, 'no such thing here'); END`),
    );
    const pushes = [
      [shard.accepted(P), shard.accepted(P, { clientOrderId: "bad" as never })],
      [shard.accepted(5)],
      [shard.accepted(P)],
    ];
    const results = await store.apply(pushes);
    expect(results).toMatchObject([
      { applied: 0, cursor: { seq: 1 }, stopped: { code: "refused_by_store" } },
      { applied: 1, stopped: null },
      { applied: 0, stopped: { code: "refused_by_store" } },
    ]);
    expect(results[0]?.stopped?.detail).toContain("no such thing here");
    expect(storedOrders().map(({ partition }) => partition)).toEqual([5]);
  });

  test("that takes another order's id is not lost in silence", async () => {
    const shard = await startedShard();
    const { order, record } = shard.place(P);
    await applyOne(record);
    const result = await applyOne(shard.accepted(P, { orderId: order.orderId }));
    expect(result.stopped?.code).toBe("refused_by_store");
    expect(storedOrders()).toHaveLength(1);
  });
});

describe("a file that fails in mid-transaction", () => {
  test("keeps nothing of it, and takes the same push when it is well again", async () => {
    const shard = await startedShard();
    const push = [shard.accepted(P), shard.refused(P)];
    onFile((database) => database.run("ALTER TABLE outcomes RENAME TO away"));
    expect(await store.apply([push]).catch((error: unknown) => error)).toMatchObject({
      code: "central_store_failed",
    });
    expect(storedOrders()).toEqual([]);
    onFile((database) => database.run("ALTER TABLE away RENAME TO outcomes"));
    expect(await applyOne(...push)).toMatchObject({ applied: 2, cursor: { seq: 3 } });
  });
});

describe("retention", () => {
  test("deletes what is too old, oldest first and no more than its bound", async () => {
    const [one, two] = [await startedShard(1), await startedShard(2)];
    for (const shard of [one, two]) {
      await applyOne(...Array.from({ length: 10 }, () => shard.refused(P)), shard.accepted(P));
    }
    const before = storedAt()[0] as number;
    expect(await store.deleteOutcomes(before, 100)).toBe(0);
    // Of each shard, five are older than this.
    const cut = before + 5;
    expect(await store.deleteOutcomes(cut, 7)).toBe(7);
    expect(await store.deleteOutcomes(cut, 7)).toBe(3);
    expect(await store.deleteOutcomes(cut, 7)).toBe(0);
    expect(storedAt()).toHaveLength(10);
    expect(Math.min(...storedAt())).toBe(cut);
    expect(storedOrders()).toHaveLength(2);
  });

  test("goes through the epochs of a shard", async () => {
    const shard = await startedShard();
    await applyOne(shard.refused(P), shard.refused(P));
    await claim(shard, true);
    shard.startEpoch(2);
    await applyOne(shard.epochStarted(P), shard.refused(P), shard.refused(P));
    const newest = Math.max(...storedAt());
    expect(await store.deleteOutcomes(newest, 100)).toBe(3);
    expect(storedAt()).toEqual([newest]);
  });
});

const storedAt = (): number[] =>
  onFile((d) => d.query<{ at: number }, []>("SELECT at FROM outcomes ORDER BY at").all()).map(
    ({ at }) => at,
  );
