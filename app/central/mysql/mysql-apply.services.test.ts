import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { systemClock } from "../../../shards/process/clock.ts";
import type { CommittedRecord } from "../../../shards/protocol/record.ts";
import { CuttingProxy } from "../../../tests/support/cutting-proxy.ts";
import { TestDatabase, testLogger } from "../../../tests/support/mysql-central.ts";
import { until } from "../../../tests/support/until.ts";
import { renderOrderRow } from "../order-row.ts";
import type { Intake, PositionMove, Push, PushResult, QuarantinedRecord } from "../store.ts";
import { TestShard } from "../test-shard.ts";
import { type MysqlStore, openMysqlStore } from "./mysql-store.ts";
import { readQuarantine } from "./quarantine.ts";

const P = 4;

let database: TestDatabase;
let stores: MysqlStore[];
beforeAll(async () => {
  database = await TestDatabase.make();
});
afterAll(() => database.drop());
beforeEach(async () => {
  stores = await Promise.all([database.openStore(), database.openStore()]);
  await database.empty();
});
afterEach(async () => {
  await Promise.all(stores.map((store) => store.close()));
});
const first = (): MysqlStore => stores[0] as MysqlStore;

const moveOf = (partition: number, from: string, nextOffset: string): PositionMove => ({
  partition,
  from,
  nextOffset,
});

const intakeOf = (...pushes: readonly Push[]): Intake => ({
  pushes,
  positions: [],
  quarantined: [],
});
const quarantined = async (limit: number) => (await readQuarantine(database.url, limit)).records;
const claim = (shard: TestShard) =>
  first().claimEpoch({
    shard: shard.shard,
    shardIndex: Number(shard.shard.slice(5)),
    claimId: `claim of ${shard.shard}`,
    acceptLoss: false,
  });

/** Streams of two shards over the partitions, each with `count` orders to push. */
const pushesOver = async (partitions: readonly number[], count: number): Promise<Push[]> => {
  const pushes: Push[] = [];
  for (const shard of [new TestShard(1), new TestShard(2)]) {
    await claim(shard);
    for (const partition of partitions) {
      const start = shard.epochStarted(partition);
      pushes.push([start, ...Array.from({ length: count }, () => shard.accepted(partition))]);
    }
  }
  return pushes;
};

/** One claimed shard with an applied start at P. */
const started = async (): Promise<TestShard> => {
  const shard = new TestShard(1);
  await claim(shard);
  await first().apply(intakeOf([shard.epochStarted(P)]));
  return shard;
};

const sum = (results: readonly PushResult[], field: "applied" | "duplicates"): number =>
  results.reduce((total, result) => total + result[field], 0);

describe("two appliers with the same records", () => {
  test("apply each once, whatever of them comes first", async () => {
    const pushes = await pushesOver([0, 1, 2, 3], 20);
    const records = pushes.flat().length;
    const answers = await Promise.all([
      first().apply(intakeOf(...pushes)),
      (stores[1] as MysqlStore).apply(intakeOf(...pushes.toReversed())),
      ...pushes.map((push) => first().apply(intakeOf(push))),
    ]);
    const all = answers.flat();
    expect(sum(all, "applied")).toBe(records);
    expect(sum(all, "duplicates")).toBe(2 * records);
    expect(all.filter(({ stopped }) => stopped !== null)).toEqual([]);
    expect(await database.orders()).toHaveLength(records - pushes.length);
  });

  test("never wait for each other in a circle", async () => {
    const pushes = await pushesOver([0, 1, 2, 3, 4, 5], 10);
    const positions = [5, 3, 1, 0, 2, 4].map((partition) => moveOf(partition, "0", "11"));
    const rounds = Array.from({ length: 8 }, (_, i) => {
      const turned = [...pushes.slice(i), ...pushes.slice(0, i)];
      const store = stores[i % 2] as MysqlStore;
      const at = [...positions.slice(i % 6), ...positions.slice(0, i % 6)];
      return store.apply({ pushes: turned, positions: i % 3 === 0 ? [] : at, quarantined: [] });
    });
    const answers = await Promise.all(rounds);
    expect(sum(answers.flat(), "applied")).toBe(pushes.flat().length);
  });

  test("get one epoch for one claim and different ones for two", async () => {
    const shard = new TestShard(1);
    const claims = Array.from({ length: 6 }, (_, i) =>
      (stores[i % 2] as MysqlStore).claimEpoch({
        shard: shard.shard,
        shardIndex: 1,
        claimId: `claim-${i % 3}`,
        acceptLoss: true,
      }),
    );
    const grants = await Promise.all(claims);
    expect(grants.every(({ granted }) => granted)).toBe(true);
    const epochs = grants.map(({ epoch }) => epoch);
    expect(Math.max(...epochs)).toBeGreaterThanOrEqual(3);
    const [row] = await database.run<{ epoch: number }>("SELECT epoch FROM shard_epoch");
    expect(row?.epoch).toBe(Math.max(...epochs));
  });
});

describe("a connection that breaks", () => {
  const retryable = { code: "central_store_failed", retryable: true };

  test("after COMMIT was sent leaves the records applied, and the repeat finds that", async () => {
    const shard = await started();
    const proxy = new CuttingProxy(database.url);
    const store = await openMysqlStore(proxy.url, systemClock, testLogger);
    try {
      const push = [shard.accepted(P), shard.refused(P), shard.accepted(P)];
      const intake = { ...intakeOf(push), positions: [moveOf(P, "0", "4")] };
      proxy.loseAnswerTo("COMMIT");
      const lost = await store.apply(intake).catch((error: unknown) => error);
      expect(lost).toMatchObject(retryable);
      expect(proxy.cuts).toBe(1);
      const [again] = await store.apply(intake);
      expect(again).toMatchObject({
        applied: 0,
        duplicates: 3,
        cursor: { epoch: 1, seq: 4, hash: push.at(-1)?.hash },
      });
      expect(await store.positions()).toEqual([{ partition: P, nextOffset: "4" }]);
      expect(await database.orders()).toHaveLength(2);
    } finally {
      await store.close();
      proxy.close();
    }
  });

  test("or is killed on the server while it waits leaves nothing, and the repeat applies", async () => {
    const shard = await started();
    const push = [shard.accepted(P)];
    const release = await holdCursors(database);
    const waiting = first()
      .apply(intakeOf(push))
      .catch((error: unknown) => error);
    try {
      await killWaiting(database);
    } finally {
      await release();
    }
    expect(await waiting).toMatchObject(retryable);
    expect(await first().apply(intakeOf(push))).toMatchObject([{ applied: 1 }]);
  });

  test("or waits too long for a lock may be tried again", async () => {
    const shard = await started();
    const push = [shard.accepted(P)];
    const release = await holdCursors(database);
    const failure = await first()
      .apply(intakeOf(push))
      .catch((error: unknown) => error);
    await release();
    expect(failure).toMatchObject({ ...retryable, cause: { errno: 1205 } });
    expect(await first().apply(intakeOf(push))).toMatchObject([{ applied: 1 }]);
  });
});

/** Locks all cursors from outside; the answer lets go of them. */
const holdCursors = async (on: TestDatabase): Promise<() => Promise<void>> => {
  const holder = await on.connect();
  await holder.query("START TRANSACTION");
  await holder.query("SELECT * FROM stream_cursor FOR UPDATE");
  return async () => {
    await holder.query("ROLLBACK");
    await holder.end();
  };
};

/** Kills the connection that waits for a lock, as soon as one does. */
const killWaiting = (on: TestDatabase): Promise<boolean> =>
  until("a connection waits for a lock", 20_000, async () => {
    const [waiting] = await on.run<{ id: number }>(
      `SELECT t.processlist_id AS id FROM performance_schema.data_lock_waits w
       JOIN performance_schema.threads t ON t.thread_id = w.requesting_thread_id
       WHERE t.processlist_db = DATABASE()`,
    );
    if (waiting === undefined) return false;
    await on.run(`KILL ${waiting.id}`);
    return true;
  });

describe("an acceptance", () => {
  /** As after the number of partitions was raised: the change comes by another one, and first. */
  const split = async () => {
    const shard = await started();
    const { order, record } = shard.place(P);
    const start = shard.epochStarted(7);
    const change = shard.changed(7, { ...order, status: "CANCELED", version: 2 });
    await first().apply(intakeOf([start, change]));
    return { shard, record, change };
  };

  test("that comes after a change of its order keeps the change", async () => {
    const { shard, record } = await split();
    const [before] = await database.orders();
    const others = [shard.accepted(P), shard.accepted(P)];
    const result = await first().apply(intakeOf([record, ...others]));
    expect(result).toMatchObject([{ applied: 3, stopped: null }]);
    const [row, ...rest] = await database.orders();
    expect(row).toEqual({ ...(before as object), acceptedStatus: "NEW" } as typeof row);
    expect(rest.map(renderOrderRow)).toEqual(others.map(({ value }) => value));
  });

  test("in one transaction with a change that stands before it keeps both", async () => {
    const shard = await started();
    const { order, record } = shard.place(P);
    const start = shard.epochStarted(7);
    const change = shard.changed(7, { ...order, status: "CANCELED", version: 2 });
    await first().apply(intakeOf([start, change], [record]));
    const [row] = await database.orders();
    expect(row).toMatchObject({ status: "CANCELED", version: 2, acceptedStatus: "NEW" });
  });

  test("of another order with the same id stops its stream, the same in one transaction", async () => {
    const shard = await started();
    const { order, record } = shard.place(P);
    const twin = shard.accepted(P, { orderId: order.orderId, clientOrderId: "other" as never });
    const [together] = await first().apply(intakeOf([record, twin]));
    expect(together).toMatchObject({ applied: 0, stopped: { code: "refused_by_store" } });
    expect(await first().apply(intakeOf([record]))).toMatchObject([{ applied: 1, stopped: null }]);
    const [apart] = await first().apply(intakeOf([twin]));
    expect(apart).toMatchObject({ applied: 0, stopped: { code: "refused_by_store" } });
    expect((await database.orders()).map(renderOrderRow)).toEqual([record.value]);
  });
});

describe("a topic's", () => {
  const aside = (changes: Partial<QuarantinedRecord>): QuarantinedRecord => ({
    partition: 2,
    offset: "9007199254740993",
    shard: null,
    epoch: null,
    seq: null,
    code: "unreadable",
    detail: "no header \\ 'type'",
    key: "K'",
    headers: '{"a":"\\u0000"}',
    value: "\u0000 ☃ \\' \n",
    ...changes,
  });

  test("positions move by each batch of an intake in turn, exact past 2^53", async () => {
    const positions = [
      moveOf(3, "0", "9007199254740993"),
      moveOf(1, "0", "5"),
      moveOf(3, "9007199254740993", "9007199254740995"),
    ];
    await first().apply({ pushes: [], positions, quarantined: [] });
    expect(await first().positions()).toEqual([
      { partition: 1, nextOffset: "5" },
      { partition: 3, nextOffset: "9007199254740995" },
    ]);
    // Back, as after the topic was made anew.
    await first().apply({ ...intakeOf(), positions: [moveOf(3, "9007199254740995", "1")] });
    expect((await first().positions())[1]).toEqual({ partition: 3, nextOffset: "1" });
  });

  test("position that is not where its reader knew it stays, and what was read is applied", async () => {
    const shard = await started();
    await first().apply({ ...intakeOf(), positions: [moveOf(P, "0", "50"), moveOf(2, "0", "5")] });
    await database.run(`UPDATE topic_position SET next_offset = 41 WHERE \`partition\` = ${P}`);
    const stale = [moveOf(P, "50", "60"), moveOf(P, "60", "70"), moveOf(2, "5", "6")];
    const push = [shard.accepted(P)];
    const results = await first().apply({ ...intakeOf(push), positions: stale });
    expect(results).toMatchObject([{ applied: 1 }]);
    const at = async () => (await first().positions()).map(({ nextOffset }) => nextOffset);
    expect(await at()).toEqual(["6", "41"]);
    await first().apply({ ...intakeOf(), positions: [moveOf(P, "41", "70")] });
    expect(await at()).toEqual(["6", "70"]);
  });

  test("records that belong to no stream are put aside once, as they came", async () => {
    const intake = { ...intakeOf(), quarantined: [aside({}), aside({ offset: "7", epoch: NaN })] };
    await first().apply(intake);
    await first().apply(intake);
    const listed = await quarantined(10);
    expect(listed).toMatchObject([aside({}), aside({ offset: "7" })]);
    expect(await quarantined(1)).toHaveLength(1);
  });

  test("record that stops its stream is put aside with its place, by each new stop once", async () => {
    const shard = await started();
    const [good, bad] = [shard.accepted(P), { ...shard.accepted(P), value: "{'" }];
    const later = shard.accepted(P);
    const intake = {
      ...intakeOf([good, bad, later]),
      positions: [moveOf(P, "0", "5")],
    };
    await first().apply(intake);
    await first().apply(intake);
    const { shard: name, epoch, seq, value, key } = bad;
    expect(await quarantined(10)).toMatchObject([
      { partition: P, offset: null, shard: name, epoch, seq, value, key, code: "unreadable" },
    ]);
    expect(await first().positions()).toEqual([{ partition: P, nextOffset: "5" }]);
  });

  test("position moves past content that is refused, when the others are applied", async () => {
    const shard = await started();
    const long = shard.accepted(P, { clientOrderId: "x".repeat(65) as never });
    const other = new TestShard(2);
    await claim(other);
    const intake: Intake = {
      pushes: [[long], [other.epochStarted(P), other.accepted(P)]],
      positions: [moveOf(P, "0", "3")],
      quarantined: [aside({})],
    };
    const results = await first().apply(intake);
    expect(results).toMatchObject([
      { applied: 0, isNewStop: true, stopped: { code: "refused_by_store" } },
      { applied: 2, stopped: null },
    ]);
    expect(await first().apply(intake)).toMatchObject([
      { applied: 0, isNewStop: false },
      { applied: 0, duplicates: 2 },
    ]);
    expect(await first().positions()).toEqual([{ partition: P, nextOffset: "3" }]);
    expect(await quarantined(9)).toHaveLength(2);
  });

  test("record of a shard whose name fits nowhere is put aside and stops nobody", async () => {
    const shard = await started();
    const strange: CommittedRecord = { ...shard.accepted(P), shard: "s".repeat(300) };
    const results = await first().apply(intakeOf([strange], [shard.accepted(7)]));
    expect(results[0]).toMatchObject({ skipped: 1, stopped: { code: "refused_by_store" } });
    expect(results[1]?.stopped?.code).toBe("unreadable");
    expect(await first().stoppedStreams()).toHaveLength(1);
    expect(await quarantined(9)).toHaveLength(2);
  });
});

test("a large intake leaves in several packets and one transaction", async () => {
  const shard = await started();
  const values = Array.from({ length: 30 }, () =>
    shard.append("order_refused", P, "BTCUSDT", () => bigRefusal(300_000)),
  );
  expect(await first().apply(intakeOf(values))).toMatchObject([{ applied: 30 }]);
  const [row] = await database.run<{ n: number }>(
    "SELECT count(*) AS n FROM outcomes WHERE length(value) > 300000",
  );
  expect(row?.n).toBe(30);
}, 30_000);

const bigRefusal = (length: number): string =>
  JSON.stringify({
    accountId: "1",
    at: 1,
    request: {},
    status: 422,
    code: "x",
    answer: "a".repeat(length),
  });
