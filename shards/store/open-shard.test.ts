import { describe, expect, test } from "bun:test";
import { truncateSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CONFIG, FIRST_EPOCH, openFile, temporaryFolder } from "../../tests/support/shard-file.ts";
import { cancel, PARTITIONS, place, START_AT } from "../../tests/support/shard-state.ts";
import { counterOf, type OrderId } from "../domain/brands.ts";
import { UsageError } from "../process/failure.ts";
import { chainHash, ZERO_HASH } from "../protocol/record.ts";
import { readPinned } from "./cluster.ts";
import { JournalReader } from "./journal.ts";
import { openShardFile } from "./open-shard.ts";

const orders = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, i) => place({ clientOrderId: `${prefix}-${i}` }));

const copyFile = (from: string, to: string, endings = ["", "-wal"]): void => {
  // By another process: opening and closing the file here would drop SQLite's locks on it.
  for (const ending of endings) Bun.spawnSync(["cp", `${from}${ending}`, `${to}${ending}`]);
};

/** Opens and closes; the UsageError's text, or how many records the file has. */
const outcomeOfOpening = async (path: string): Promise<string | number> => {
  try {
    const file = await openFile(path);
    const { commitSeq } = file.loaded;
    file.close();
    return commitSeq;
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
};

const errorOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "no error",
    (error: unknown) => error,
  );

describe("a shard's file", () => {
  /** A file with 400 records in itself and 400 more in its log, as a kill leaves it. */
  const killed = async (folder: string): Promise<{ path: string; commitSeq: number }> => {
    const source = join(folder, "source.sqlite");
    const file = await openFile(source);
    file.run(orders("a", 400));
    file.database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    file.run(orders("b", 400));
    const path = join(folder, "shard1.sqlite");
    copyFile(source, path);
    const { commitSeq } = file.state;
    file.close();
    return { path, commitSeq };
  };
  const bytesOf = (path: string): number => Bun.file(path).size;
  const PAGE = 4096;

  test("that a kill left is opened with everything in its log", async () => {
    const folder = temporaryFolder();
    const { path, commitSeq } = await killed(folder.path);
    expect(await outcomeOfOpening(path)).toBe(commitSeq);
  });

  test("whose log has a torn tail is opened with what is whole", async () => {
    const folder = temporaryFolder();
    const { path, commitSeq } = await killed(folder.path);
    truncateSync(`${path}-wal`, bytesOf(`${path}-wal`) - 100);
    expect(await outcomeOfOpening(path)).toBe(commitSeq - 400);
  });

  test("that is empty, all of it still in the log, is opened", async () => {
    const folder = temporaryFolder();
    const source = join(folder.path, "source.sqlite");
    const file = await openFile(source);
    file.run(orders("a", 10));
    const path = join(folder.path, "shard1.sqlite");
    copyFile(source, path);
    expect(bytesOf(path)).toBeLessThanOrEqual(PAGE);
    expect(await outcomeOfOpening(path)).toBe(file.state.commitSeq);
    file.close();
  });

  test("that an interrupted checkpoint left short is opened: the log has the rest", async () => {
    const folder = temporaryFolder();
    const source = join(folder.path, "source.sqlite");
    const file = await openFile(source);
    file.database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    const before = bytesOf(source);
    file.run(orders("a", 400));
    file.database.exec("PRAGMA wal_checkpoint(PASSIVE)");
    const path = join(folder.path, "shard1.sqlite");
    copyFile(source, path);
    // The header, written first, counts pages that the crash kept from being written.
    expect(bytesOf(path)).toBeGreaterThan(before);
    truncateSync(path, before);
    expect(await outcomeOfOpening(path)).toBe(file.state.commitSeq);
    file.close();
  });

  test.each<[string, (path: string) => void, RegExp]>([
    [
      "cut off in its middle",
      (path) => {
        truncateSync(path, bytesOf(path) - 3 * PAGE);
        truncateSync(`${path}-wal`, 0);
      },
      /is damaged: it has \d+ bytes and should have \d+\. It is not served\. .*sluice restore/,
    ],
    ["cut off below its header", (path) => truncateSync(path, 50), /is damaged: its header/],
    [
      "overwritten at its beginning",
      (path) => {
        Bun.spawnSync(["dd", "if=/dev/zero", `of=${path}`, "bs=1", "count=32", "conv=notrunc"]);
      },
      /is damaged: its header is not that of a SQLite file/,
    ],
    ["something else", (path) => writeFileSync(path, "not a database".repeat(100)), /is damaged/],
    [
      "overwritten in its pages",
      (path) => {
        truncateSync(`${path}-wal`, 0);
        const pages = bytesOf(path) / PAGE - 1;
        const to = `of=${path}`;
        Bun.spawnSync([
          "dd",
          "if=/dev/zero",
          to,
          `bs=${PAGE}`,
          "seek=1",
          `count=${pages}`,
          "conv=notrunc",
        ]);
      },
      /cannot be read \(SQLITE_CORRUPT[A-Z_]*\): it is damaged and is not served/,
    ],
  ])("that is %s is refused", async (_, damage, message) => {
    const folder = temporaryFolder();
    const { path } = await killed(folder.path);
    damage(path);
    expect(String(await outcomeOfOpening(path))).toMatch(message);
  });

  test.each([
    ["missing", (path: string) => unlinkSync(path)],
    ["empty", (path: string) => truncateSync(path, 0)],
  ])("that is %s beside its log is refused, and the log is kept", async (what, lose) => {
    const folder = temporaryFolder();
    const { path, commitSeq } = await killed(folder.path);
    const kept = join(folder.path, "kept.sqlite");
    copyFile(path, kept, [""]);
    const walBytes = bytesOf(`${path}-wal`);
    lose(path);
    expect(String(await outcomeOfOpening(path))).toMatch(
      new RegExp(
        `is damaged: it is ${what}, but shard1.sqlite-wal is there.* put shard1.sqlite back beside its`,
      ),
    );
    expect(bytesOf(`${path}-wal`)).toBe(walBytes);
    copyFile(kept, path, [""]);
    expect(await outcomeOfOpening(path)).toBe(commitSeq);
  });

  test("that is missing beside a rollback journal is refused", async () => {
    const folder = temporaryFolder();
    const path = join(folder.path, "shard1.sqlite");
    writeFileSync(`${path}-journal`, "a journal");
    expect(String(await outcomeOfOpening(path))).toContain("shard1.sqlite-journal is there");
  });

  test.each(["-wal", "-journal"])(
    "that a first start left empty, with a %s that holds no commit, is made anew",
    async (ending) => {
      const folder = temporaryFolder();
      const path = join(folder.path, "shard1.sqlite");
      writeFileSync(path, "");
      writeFileSync(`${path}${ending}`, new Uint8Array(512));
      expect(await outcomeOfOpening(path)).toBe(PARTITIONS);
    },
  );

  test("is not made whole by frames of an older log", async () => {
    const folder = temporaryFolder();
    const source = join(folder.path, "source.sqlite");
    const file = await openFile(source);
    file.run(orders("a", 400));
    file.database.exec("PRAGMA wal_checkpoint(RESTART)");
    // The log begins again: one short transaction, behind it the frames of the old one.
    file.run(orders("b", 1));
    const path = join(folder.path, "shard1.sqlite");
    copyFile(source, path);
    expect(await outcomeOfOpening(path)).toBe(file.state.commitSeq);
    copyFile(source, path);
    expect(bytesOf(`${path}-wal`)).toBeGreaterThan(50 * PAGE);
    truncateSync(path, bytesOf(path) - 20 * PAGE);
    expect(String(await outcomeOfOpening(path))).toMatch(/is damaged: it has/);
    file.close();
  });
});

describe("a new file", () => {
  test("begins its epoch with one record in each partition, chained to the epoch before", async () => {
    const folder = temporaryFolder();
    const hash = "ab".repeat(32);
    const grant = {
      epoch: 3,
      centralId: "central-9",
      orderCounter: 5_000,
      cursors: [{ partition: 2, epoch: 2, seq: 77, hash }],
    };
    const file = await openFile(join(folder.path, "shard1.sqlite"), { grant });
    expect(readPinned(file.database)).toEqual({ epoch: 3, centralId: "central-9" });
    const records = new JournalReader(file.database, "shard1", 3).read(0, 100);
    expect(
      records.map(({ commitSeq, partition, seq, type }) => [commitSeq, partition, seq, type]),
    ).toEqual([0, 1, 2, 3].map((p) => [p + 1, p, 1, "epoch_started"]));
    for (const { partition, value, hash: own } of records) {
      const before = partition === 2 ? { epoch: 2, seq: 77, hash } : null;
      expect(JSON.parse(value)).toEqual({
        previousEpoch: before?.epoch ?? 0,
        previousSeq: before?.seq ?? 0,
        previousHash: before?.hash ?? ZERO_HASH,
      });
      expect(own).toBe(chainHash(before?.hash ?? ZERO_HASH, value));
    }
    file.run([place()]);
    // Above what central knows, the backlog (1,000 here) and a million.
    const [order] = [...file.state.allOpenOrders()];
    expect(counterOf(order?.orderId as OrderId)).toBe(5_000 + 1_000 + 1_000_000 + 1);
    expect(order?.receipt).toMatchObject({ epoch: 3, commitSeq: PARTITIONS + 1, seq: 2 });
    file.close();
  });

  test("has every partition that central knows of the epoch before", async () => {
    const folder = temporaryFolder();
    const hash = "ab".repeat(32);
    const cursors = [{ partition: 9, epoch: 1, seq: 77, hash }];
    const grant = { epoch: 2, centralId: "central-1", orderCounter: 0, cursors };
    const file = await openFile(join(folder.path, "shard1.sqlite"), { grant });
    expect(file.loaded).toMatchObject({ partitionCount: 10, generation: 1 });
    expect(file.number("SELECT partition_count FROM cluster")).toBe(10);
    const records = new JournalReader(file.database, "shard1", 2).read(0, 100);
    expect(JSON.parse(records.at(-1)?.value ?? "")).toMatchObject({ previousSeq: 77 });
    file.close();
  });

  test("that central never granted is asked for again, with the same claim", async () => {
    const folder = temporaryFolder();
    const path = join(folder.path, "shard1.sqlite");
    const claims: string[] = [];
    const open = (claimEpoch: (claimId: string) => Promise<typeof FIRST_EPOCH>) =>
      openShardFile({
        path,
        config: CONFIG,
        instruments: [],
        backlogRecordsMax: 1,
        now: START_AT,
        claimEpoch,
      });
    const failing = open(async (claimId) => {
      claims.push(claimId);
      throw new Error("central is not there");
    });
    expect(String(await errorOf(failing))).toContain("central is not there");
    const opened = await open(async (claimId) => {
      claims.push(claimId);
      return FIRST_EPOCH;
    });
    expect(claims[0]).toHaveLength(36);
    expect(claims[1]).toBe(claims[0] ?? "");
    opened.database.close();
  });

  test("keeps the instruments that it knows as they are", async () => {
    const folder = temporaryFolder();
    const path = join(folder.path, "shard1.sqlite");
    const file = await openFile(path);
    file.database.exec(
      "UPDATE instrument SET definition = json_set(definition, '$.status', 'HALTED')",
    );
    file.close();
    const again = await openFile(path);
    expect(again.loaded.instruments.map(({ status }) => status)).toEqual(
      Array(3).fill("HALTED") as "HALTED"[],
    );
    again.close();
  });

  test("comes back with its open orders, and only those", async () => {
    const folder = temporaryFolder();
    const path = join(folder.path, "shard1.sqlite");
    const file = await openFile(path);
    file.run(orders("a", 5));
    file.run([cancel(2049 as OrderId)]);
    const open = [...file.state.allOpenOrders()];
    file.close();
    const again = await openFile(path);
    expect([...again.loaded.openOrders]).toEqual(open);
    expect(open).toHaveLength(4);
    again.close();
  });
});
