import { describe, expect, test } from "bun:test";
import { truncateSync } from "node:fs";
import { join } from "node:path";
import { printedSeed, type Random, randomOf, wholeOf } from "../../tests/support/random.ts";
import {
  DAY_MS,
  openFile,
  type ShardFile,
  temporaryFolder,
} from "../../tests/support/shard-file.ts";
import {
  amend,
  cancel,
  faultsOf,
  first,
  idOf,
  limitRequest,
  marketRequest,
  named,
  PARTITIONS,
  place,
  START_AT,
  SYMBOLS,
} from "../../tests/support/shard-state.ts";
import type { AccountId, OrderId } from "../domain/brands.ts";
import type { Command } from "../domain/command.ts";
import { CommitError } from "../process/commit-error.ts";

describe("an answer's body", () => {
  const requests = [
    limitRequest({ clientOrderId: "limit" }),
    marketRequest({ clientOrderId: "market", symbol: "ETHUSDT" }),
    limitRequest({ clientOrderId: "ioc", timeInForce: "IOC", side: "SELL" }),
    limitRequest({ clientOrderId: "gtd", timeInForce: "GTD", goodTillDate: START_AT + DAY_MS }),
    limitRequest({ clientOrderId: "stp", selfTradePrevention: "EXPIRE_MAKER" }),
    limitRequest({ clientOrderId: "refused", price: "50000.15" }),
    limitRequest({ clientOrderId: "unknown", symbol: "NONE" }),
  ];
  const accountId = 42 as AccountId;
  const commands = requests.map((request): Command => ({ kind: "place", accountId, request }));

  test("is the same text at acceptance, in the journal, on a replay and after a restart", async () => {
    const folder = temporaryFolder();
    const path = join(folder.path, "shard1.sqlite");
    const file = await openFile(path);
    const answers = file.run(commands);
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201, 201, 201, 422, 422]);
    const values = file
      .chainedRecords()
      .slice(PARTITIONS)
      .map(({ type, value }) => (type === "order_refused" ? JSON.parse(value).answer : value));
    expect(values).toEqual(answers.map(({ body }) => body));
    const replays = answers.map(({ status, body }) => ({
      status: status === 201 ? 200 : status,
      kind: "replayed",
      body,
    }));
    // What becomes of an order changes nothing of its first answer.
    file.run([cancel(idOf(first(answers).body)), amend(4097 as OrderId, { price: "60000" })]);
    expect(file.run(commands)).toEqual(replays);
    file.close();
    const again = await openFile(path);
    expect(again.run(commands)).toEqual(replays);
    again.close();
  });

  test("belongs to its key also when every key has the same hash", async () => {
    const folder = temporaryFolder();
    const file = await openFile(join(folder.path, "shard1.sqlite"), { hashKey: () => 7 });
    const keys = Array.from({ length: 40 }, (_, i) =>
      place(
        { clientOrderId: `k${i % 5}`, symbol: SYMBOLS[i % 2] ?? "", quantity: `0.${10 + i}1` },
        (1 + (i % 4)) as AccountId,
      ),
    );
    const answers = file.run(keys);
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(20);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(20);
    const replays = file.run(keys.slice(0, 20));
    expect(replays.map(({ body }) => body)).toEqual(answers.slice(0, 20).map(({ body }) => body));
    file.close();
  });

  test("is forgotten after the retention: the id is new then", async () => {
    const folder = temporaryFolder();
    const options = { outcomeRetentionMs: 1_000 };
    const file = await openFile(join(folder.path, "shard1.sqlite"), options);
    const { body } = first(file.run([named("a")]));
    file.now = START_AT + 1_000;
    expect(file.run([named("a")])).toEqual([{ status: 200, kind: "replayed", body }]);
    file.now = START_AT + 1_001;
    expect(first(file.run([named("a")]))).toMatchObject({ status: 201 });
    file.now = START_AT + 1_500;
    expect(first(file.run([named("a")]))).toMatchObject({ status: 200 });
    expect(idOf(first(file.run([named("a")])).body)).not.toBe(idOf(body));
    file.close();
  });
});

/** A random batch; ids of orders that exist or do not. */
const randomBatch = (random: Random, n: number): Command[] =>
  Array.from({ length: wholeOf(random, 1, 12) }, (_, i): Command => {
    const orderId = (wholeOf(random, 1, 40) * 1024 + 1) as OrderId;
    const kind = wholeOf(random, 0, 5);
    if (kind === 0) return cancel(orderId);
    if (kind === 1) return amend(orderId, { price: String(50_000 + wholeOf(random, 0, 9)) });
    const price = kind === 2 ? "1" : "50000";
    return named(`${n}-${i}`, { price, symbol: SYMBOLS[wholeOf(random, 0, 2)] ?? "" });
  });

const openOrdersOf = (file: ShardFile) =>
  [...file.state.allOpenOrders()].toSorted((a, b) => a.orderId - b.orderId);

/** What a start finds in the file, to compare with what the writer had in memory. */
const memoryOf = (file: ShardFile) => ({
  orderCounter: file.state.orderCounter,
  commitSeq: file.state.commitSeq,
  streams: Array.from({ length: PARTITIONS }, (_, partition) => file.state.streamEnd(partition)),
  openOrders: openOrdersOf(file),
});

const copyFile = (from: string, to: string): void => {
  // By another process: opening and closing the file here would drop SQLite's locks on it.
  for (const ending of ["", "-wal"]) Bun.spawnSync(["cp", `${from}${ending}`, `${to}${ending}`]);
};

describe("a crash", () => {
  test("leaves exactly the committed batches, whatever was copied back of the log", async () => {
    const folder = temporaryFolder();
    const random = randomOf(printedSeed("crash between commits"));
    const path = join(folder.path, "shard1.sqlite");
    const file = await openFile(path);
    for (let n = 0; n < 30; n++) {
      file.run(randomBatch(random, n));
      if (wholeOf(random, 0, 4) === 0) file.database.exec("PRAGMA wal_checkpoint(PASSIVE)");
      if (n % 3 !== 0) continue;
      const copy = join(folder.path, `copy${n}.sqlite`);
      copyFile(path, copy);
      const recovered = await openFile(copy);
      expect(memoryOf(recovered)).toEqual(memoryOf(file));
      expect(faultsOf(recovered.chainedRecords())).toEqual([]);
      expect(recovered.run([named("next")])).toMatchObject([{ status: 201 }]);
      recovered.close();
    }
    file.close();
  });

  test("in the middle of the log's tail leaves a prefix of the batches, each whole", async () => {
    const folder = temporaryFolder();
    const random = randomOf(printedSeed("crash in the log"));
    const path = join(folder.path, "shard1.sqlite");
    const file = await openFile(path);
    file.database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    const committed = new Map([[file.state.commitSeq, memoryOf(file)]]);
    for (let n = 0; n < 12; n++) {
      file.run(randomBatch(random, n));
      committed.set(file.state.commitSeq, memoryOf(file));
    }
    const walBytes = Bun.file(`${path}-wal`).size;
    const seen = new Set<number>();
    for (let n = 0; n < 12; n++) {
      const copy = join(folder.path, `torn${n}.sqlite`);
      copyFile(path, copy);
      truncateSync(`${copy}-wal`, wholeOf(random, 0, walBytes));
      const recovered = await openFile(copy);
      const { commitSeq } = recovered.state;
      expect<unknown>(memoryOf(recovered)).toEqual(committed.get(commitSeq));
      seen.add(commitSeq);
      recovered.close();
    }
    expect(seen.size).toBeGreaterThan(2);
    file.close();
  });
});

describe("a full disk", () => {
  /** No page beyond those that the file has. */
  const fill = (file: ShardFile): void => {
    const pages = file.number("PRAGMA page_count");
    file.database.exec(`PRAGMA max_page_count = ${pages}`);
  };
  const makeRoom = (file: ShardFile): void => {
    file.database.exec("PRAGMA max_page_count = 1000000");
  };
  const crowd = (name: string): Command[] =>
    Array.from({ length: 50 }, (_, i) => named(`${name}-${i}`));

  test("loses a batch for certain, and the next one goes once there is room", async () => {
    const folder = temporaryFolder();
    const path = join(folder.path, "shard1.sqlite");
    const file = await openFile(path);
    file.run(crowd("a"));
    fill(file);
    const before = memoryOf(file);
    let failure: unknown;
    for (let n = 0; n < 50 && failure === undefined; n++) {
      try {
        file.run(crowd(`b${n}`));
        Object.assign(before, memoryOf(file));
      } catch (error) {
        failure = error;
      }
    }
    expect(failure).toBeInstanceOf(CommitError);
    expect(failure).toMatchObject({ definite: true, cause: { code: "SQLITE_FULL" } });
    expect(memoryOf(file)).toEqual(before);
    expect(file.database.inTransaction).toBe(false);
    makeRoom(file);
    expect(file.run(crowd("c")).every(({ status }) => status === 201)).toBe(true);
    expect(faultsOf(file.chainedRecords())).toEqual([]);
    file.close();
    const again = await openFile(path);
    expect(again.loaded.commitSeq).toBe(before.commitSeq + 50);
    expect(again.run(crowd("c")).every(({ status }) => status === 200)).toBe(true);
    again.close();
  });

  test("that is met between two batches is waited for", async () => {
    const folder = temporaryFolder();
    const options = { outcomeGenerationSize: 4_000 };
    const file = await openFile(join(folder.path, "shard1.sqlite"), options);
    const maintain = file.store.maintain.bind(file.store);
    file.run(Array.from({ length: 4_000 }, (_, i) => named(`k-${i}`)));
    expect(file.number("SELECT count(*) FROM outcome_generation")).toBe(2);
    // These move the sealed generation, until only its filter has to be written.
    file.store.maintain = () => {};
    for (let n = 0; n < 10; n++) {
      file.run(Array.from({ length: 900 }, (_, i) => named(`m${n}-${i}`)));
    }
    expect(file.number("SELECT count(*) FROM outcome_index")).toBe(4_000);
    expect(file.number("PRAGMA freelist_count")).toBe(0);
    fill(file);
    const refused = expect.objectContaining({ code: "maintenance_failed", retryable: true });
    const indexed = "SELECT count(*) FROM outcome_generation WHERE filter IS NOT NULL";
    expect(() => maintain(file.now)).toThrow(refused);
    expect(file.number(indexed)).toBe(0);
    expect(file.run([named("k-0")])).toMatchObject([{ status: 200 }]);
    makeRoom(file);
    maintain(file.now);
    expect(file.number(indexed)).toBe(1);
    expect(file.run([named("k-0")])).toMatchObject([{ status: 200 }]);
    file.close();
  });
});

describe("a finished order's row", () => {
  test("goes once central has it and its retention is over; open ones never", async () => {
    const folder = temporaryFolder();
    const path = join(folder.path, "shard1.sqlite");
    const file = await openFile(path, { orderRetentionMs: 10_000 });
    const ids = (): number[] =>
      file.database
        .query("SELECT order_id FROM orders ORDER BY order_id")
        .values()
        .map(([id]) => (Number(id) - 1) / 1024);
    file.run(["a", "b", "c", "d"].map((name) => named(name)));
    file.run([cancel(1025 as OrderId), named("e", { timeInForce: "IOC" })]);
    const unapplied = file.state.commitSeq;
    file.run([cancel(2049 as OrderId)]);
    expect(ids()).toEqual([1, 2, 3, 4, 5]);

    // Old enough, but central has nothing.
    file.now += 20_000;
    file.run([named("f", { timeInForce: "IOC" })]);
    expect(ids()).toEqual([1, 2, 3, 4, 5, 6]);

    // Central has all but the cancel of 2, and the newest, which is young.
    file.applied(unapplied);
    file.now += 2_000;
    file.run([named("g")]);
    expect(ids()).toEqual([2, 3, 4, 6, 7]);

    file.applied();
    file.now += 20_000;
    file.run([named("h")]);
    expect(ids()).toEqual([3, 4, 7, 8]);
    expect(file.store.readOrder(2049 as OrderId)).toBeUndefined();
    expect(openOrdersOf(file).map(({ orderId }) => (orderId - 1) / 1024)).toEqual([3, 4, 7, 8]);
    file.close();
    const again = await openFile(path);
    expect(again.loaded.openOrders).toHaveLength(4);
    again.close();
  });

  test("goes with later batches when there are more than one batch may delete", async () => {
    const folder = temporaryFolder();
    const file = await openFile(join(folder.path, "shard1.sqlite"), { orderRetentionMs: 1_000 });
    file.run(Array.from({ length: 500 }, (_, i) => named(`n${i}`, { timeInForce: "IOC" })));
    file.run([named("open")]);
    file.applied();
    file.now += 2_000;
    for (let n = 0; n < 12; n++) {
      file.run([named(`later-${n}`)]);
      file.now += 1;
    }
    expect(file.number("SELECT count(*) FROM orders WHERE status = 'EXPIRED'")).toBe(0);
    expect(file.number("SELECT count(*) FROM orders")).toBe(13);
    file.close();
  });
});
