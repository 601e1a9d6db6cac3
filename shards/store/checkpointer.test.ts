import type { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { statSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "../../tests/support/shard-file.ts";
import { until } from "../../tests/support/until.ts";
import { THREAD_END_MS_MAX } from "../process/thread.ts";
import { Checkpointer } from "./checkpointer.ts";
import { openForReading, openForWriting } from "./open.ts";

const MIB = 1024 ** 2;
/** What one batch adds to the log: some 100 pages of 4 KiB. */
const BATCH_BYTES = 400 * 1024;
/** Some time into a copy that takes much longer. */
const COPY_BEGINS_MS = 20;

interface Bench {
  readonly database: Database;
  readonly checkpointer: Checkpointer;
  readonly pressures: boolean[];
  readonly path: string;
  /** Writes batches as the writer does, with a turn of the event loop between them. */
  write(batches: number): Promise<void>;
  walBytes(): number;
  walBytesSeen: number;
}

const unexpectedDeath = (reason: string): void => {
  throw new Error(`the checkpoint thread died: ${reason}`);
};

const benchOf = (path: string, walBytesMax: number): Bench => {
  const database = openForWriting(path);
  database.exec("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, data BLOB)");
  const pressures: boolean[] = [];
  const checkpointer = new Checkpointer(database, {
    path,
    walBytesMax,
    onPressure: (over) => pressures.push(over),
    onDied: unexpectedDeath,
  });
  // The same thousand rows again and again: the file stays small, the log is what grows.
  const insert = database.prepare("INSERT OR REPLACE INTO t VALUES (?, zeroblob(?))");
  let next = 0;
  const bench: Bench = {
    database,
    checkpointer,
    pressures,
    path,
    walBytesSeen: 0,
    walBytes: () => statSync(`${path}-wal`).size,
    write: async (batches) => {
      for (let n = 0; n < batches; n++) {
        database.transaction(() => insert.run(next++ % 100, BATCH_BYTES)).immediate();
        checkpointer.afterBatch();
        bench.walBytesSeen = Math.max(bench.walBytesSeen, bench.walBytes());
        await new Promise(setImmediate);
      }
    },
  };
  return bench;
};

const close = ({ checkpointer, database }: Bench): void => {
  void checkpointer.close();
  database.close();
};

describe("the write-ahead log", () => {
  test("stays bounded over many batches, with a reader beside them", async () => {
    const folder = temporaryFolder();
    const path = join(folder.path, "a.sqlite");
    const bench = benchOf(path, 64 * MIB);
    const reader = new Worker(URL.createObjectURL(new Blob([readerOf(path)])));
    try {
      await new Promise((resolve) => {
        reader.onmessage = resolve;
      });
      reader.postMessage("go");
      // 400 MB through the log.
      await bench.write(1_000);
      const reads = new Promise<MessageEvent<number>>((resolve) => {
        reader.onmessage = resolve;
      });
      reader.postMessage("stop");
      expect((await reads).data).toBeGreaterThan(10);
      expect(bench.walBytesSeen).toBeGreaterThan(20 * MIB);
      expect(bench.walBytesSeen).toBeLessThan(100 * MIB);
    } finally {
      reader.terminate();
      close(bench);
    }
    const again = benchOf(path, 64 * MIB);
    expect(again.database.query("SELECT count(*) FROM t").values()).toEqual([[100]]);
    expect(again.database.query("PRAGMA quick_check").values()).toEqual([["ok"]]);
    await again.write(10);
    close(again);
  }, 120_000);

  test("that a reader's snapshot holds up is told once, and once more when it is short again", async () => {
    const folder = temporaryFolder();
    const path = join(folder.path, "a.sqlite");
    const bench = benchOf(path, 30 * MIB);
    await bench.write(1);
    const reader = openForReading(path);
    reader.exec("BEGIN");
    reader.query("SELECT count(*) FROM t").values();
    await bench.write(150);
    expect(bench.pressures).toEqual([true]);
    reader.exec("COMMIT");
    for (let n = 0; n < 40 && bench.pressures.length < 2; n++) await bench.write(25);
    expect(bench.pressures.slice(0, 2)).toEqual([true, false]);
    reader.close();
    close(bench);
  }, 120_000);

  test("lets the relay go on when no further batch comes", async () => {
    const folder = temporaryFolder();
    const path = join(folder.path, "a.sqlite");
    const database = openForWriting(path);
    database.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, data BLOB)");
    const released = Promise.withResolvers<string>();
    let isOver = false;
    const checkpointer = new Checkpointer(database, {
      path,
      walBytesMax: 30 * MIB,
      onPressure: (over) => {
        isOver = over;
        if (!over) released.resolve("goes on");
      },
      onDied: unexpectedDeath,
    });
    const insert = database.prepare("INSERT INTO t (data) VALUES (zeroblob(?))");
    // In one turn of the event loop: the thread's answers come when all is over.
    for (let n = 0; n < 200 && !isOver; n++) {
      insert.run(BATCH_BYTES);
      checkpointer.afterBatch();
    }
    expect(isOver).toBe(true);
    const patience = setTimeout(() => released.resolve("is paused for ever"), 60_000);
    const end = await released.promise;
    clearTimeout(patience);
    await checkpointer.close();
    database.close();
    expect(end).toBe("goes on");
  }, 120_000);

  test("can be truncated once the checkpointer is closed, also in the middle of a copy", async () => {
    const folder = temporaryFolder();
    const path = join(folder.path, "a.sqlite");
    const bench = benchOf(path, 1024 * MIB);
    await bench.write(1);
    await Bun.sleep(COPY_BEGINS_MS);
    const insert = bench.database.prepare("INSERT INTO t (data) VALUES (zeroblob(?))");
    for (let n = 0; n < 5; n++) insert.run(10 * MIB);
    for (let n = 0; n < 8; n++) bench.checkpointer.afterBatch();
    await Bun.sleep(COPY_BEGINS_MS);
    const startedMs = performance.now();
    await bench.checkpointer.close();
    const waitedMs = performance.now() - startedMs;
    bench.database.run("PRAGMA busy_timeout = 0");
    const truncate = () => bench.database.query("PRAGMA wal_checkpoint(TRUNCATE)").values();
    // On a slow disk the copy may take longer than any thread is waited for.
    if (waitedMs >= THREAD_END_MS_MAX)
      await until("the copy is over", 60_000, () => truncate()[0]?.[0] === 0);
    expect(truncate()).toEqual([[0, 0, 0]]);
    expect(bench.walBytes()).toBe(0);
    bench.database.close();
  }, 120_000);

  test("whose thread cannot open the file is told: nothing would copy it", async () => {
    const folder = temporaryFolder();
    const database = openForWriting(join(folder.path, "a.sqlite"));
    const death = Promise.withResolvers<string>();
    const path = join(folder.path, "nowhere", "a.sqlite");
    const onDied = death.resolve;
    const checkpointer = new Checkpointer(database, {
      path,
      walBytesMax: MIB,
      onPressure: () => {},
      onDied,
    });
    expect(await death.promise).toContain("unable to open database file");
    await checkpointer.close();
    database.close();
  }, 120_000);
});

/** Short reads from another thread, as the relay's. */
const readerOf = (path: string): string => `
  import { openForReading } from ${JSON.stringify(join(import.meta.dir, "open.ts"))};
  const database = openForReading(${JSON.stringify(path)});
  const read = database.prepare("SELECT id, length(data) FROM t WHERE id > ? LIMIT 50");
  let reads = 0;
  let timer;
  postMessage(0);
  self.onmessage = ({ data }) => {
    if (data === "go") {
      timer = setInterval(() => {
        read.all(0);
        reads++;
      }, 1);
      return;
    }
    clearInterval(timer);
    read.finalize();
    database.close();
    postMessage(reads);
  };
`;
