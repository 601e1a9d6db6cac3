import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger } from "../../shards/process/logger.ts";
import { createRegistry } from "../../shards/process/metrics.ts";
import { encodeFrame } from "../../shards/protocol/frame.ts";
import { encodeRecords, RECORDS } from "../../shards/protocol/relay.ts";
import { centralFileOf } from "./embedded/own-file.ts";
import { type RunApplierOptions, runApplier } from "./run-applier.ts";
import { connectRelay } from "./test-relay.ts";
import { TestShard } from "./test-shard.ts";

const P = 4;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-central-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const options = (changes: Partial<RunApplierOptions> = {}): RunApplierOptions => ({
  place: { kind: "embedded", dataDir: folder },
  listen: { host: "127.0.0.1", port: 0 },
  clusterSecret: "",
  outcomeRetentionMs: 1e13,
  registry: createRegistry({ process: "applier" }),
  logger: createLogger("test", "silent"),
  ...changes,
});

/** A real applier process on the folder. */
const spawnApplier = async () => {
  const url = (file: string): string => JSON.stringify(join(import.meta.dir, file));
  const code = `
    const { runApplier } = await import(${url("run-applier.ts")});
    const { createLogger } = await import(${url("../../shards/process/logger.ts")});
    const { createRegistry } = await import(${url("../../shards/process/metrics.ts")});
    const { port } = await runApplier({
      place: { kind: "embedded", dataDir: ${JSON.stringify(folder)} }, listen: { host: "127.0.0.1", port: 0 },
      clusterSecret: "", outcomeRetentionMs: 1e13, registry: createRegistry({ process: "applier" }), logger: createLogger("applier", "warn") });
    Bun.gc(true);
    process.send(port);`;
  const ready = Promise.withResolvers<number>();
  const child = Bun.spawn([process.execPath, "-e", code], {
    ipc: (port) => ready.resolve(port as number),
    stdio: ["ignore", "ignore", "inherit"],
  });
  void child.exited.then(() => ready.reject(new Error("the applier has gone")));
  const port = await ready.promise;
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await child.exited;
  };
  return { port, pid: child.pid, kill };
};

const onFile = <T>(work: (database: Database) => T): T => {
  const database = new Database(centralFileOf(folder), { readwrite: true, strict: true });
  try {
    return work(database);
  } finally {
    database.close();
  }
};
const count = (table: "orders" | "outcomes"): number =>
  onFile((d) => d.query<{ n: number }, []>(`SELECT count(*) AS n FROM ${table}`).get()?.n ?? -1);

/** Resolves as soon as another connection holds the file's write lock. */
const untilInTransaction = async (): Promise<void> => {
  const busy = (database: Database): boolean => {
    try {
      database.run("BEGIN IMMEDIATE");
      database.run("ROLLBACK");
      return false;
    } catch {
      return true;
    }
  };
  const database = new Database(centralFileOf(folder), { readwrite: true });
  while (!busy(database)) await new Promise((done) => setImmediate(done));
  database.close();
};

/** An order whose insert never ends, so that the process can be killed in mid-transaction. */
const STALL = `CREATE TRIGGER stall AFTER INSERT ON orders WHEN new.client_order_id = 'stall' BEGIN
  SELECT count(*) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n);
END`;

test("an applier killed in mid-transaction has applied all or nothing of it, then each record once", async () => {
  const shard = new TestShard();
  const start = shard.epochStarted(P);
  const push = Array.from({ length: 50 }, () => shard.accepted(P));
  push.push(shard.accepted(P, { clientOrderId: "stall" as never }));
  const first = await spawnApplier();
  try {
    const relay = await connectRelay(first.port, shard.shard, "");
    await relay.claim();
    await relay.push([start]);
    onFile((database) => database.run(STALL));
    relay.send(encodeFrame(RECORDS, encodeRecords(push)));
    await untilInTransaction();
  } finally {
    await first.kill();
  }
  onFile((database) => database.run("DROP TRIGGER stall"));
  expect([count("orders"), count("outcomes")]).toEqual([0, 0]);

  const second = await spawnApplier();
  try {
    const relay = await connectRelay(second.port, shard.shard, "");
    expect(relay.welcome.cursors).toMatchObject([{ partition: P, epoch: 1, seq: 1 }]);
    expect((await relay.push(push)).applied?.seq).toBe(52);
    expect((await relay.push(push)).applied?.seq).toBe(52);
    relay.close();
  } finally {
    await second.kill();
  }
  expect([count("orders"), count("outcomes")]).toEqual([51, 0]);
}, 20_000);

describe("a second applier on the same folder", () => {
  test("is refused with the pid of the first, and let in once that was killed", async () => {
    const first = await spawnApplier();
    try {
      expect(await runApplier(options()).catch((error: unknown) => error)).toMatchObject({
        name: "UsageError",
        message: expect.stringContaining(`process ${first.pid}`),
      });
    } finally {
      await first.kill();
    }
    const heir = await runApplier(options());
    await heir.drain();
  }, 20_000);

  test("is let in once the first has drained, and is the same central", async () => {
    const first = await runApplier(options());
    const before = await connectRelay(first.port, "shard1", "");
    await first.drain();
    const second = await runApplier(options());
    const after = await connectRelay(second.port, "shard1", "");
    await second.drain();
    expect(after.welcome.centralId).toBe(before.welcome.centralId);
  });
});

describe("an applier does not start", () => {
  test("on a port that is taken, and names the setting", async () => {
    const other = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
    const listen = { host: "127.0.0.1", port: other.port ?? 0 };
    expect(await runApplier(options({ listen })).catch((error: unknown) => error)).toMatchObject({
      name: "UsageError",
      message: expect.stringMatching(
        new RegExp(`SLUICE_APPLIER_LISTEN: port ${other.port} .*taken`),
      ),
    });
    await other.stop(true);
    const free = await runApplier(options());
    await free.drain();
  });

  test("in a place where no folder can be, and names the setting", async () => {
    const file = join(folder, "file");
    writeFileSync(file, "");
    const dataDir = join(file, "data");
    const refusal = await runApplier(options({ place: { kind: "embedded", dataDir } })).catch(
      (error: unknown) => error,
    );
    expect(refusal).toMatchObject({
      name: "UsageError",
      message: expect.stringContaining(`SLUICE_DATA_DIR=${dataDir}`),
    });
  });

  test("on a file that is no database", async () => {
    writeFileSync(centralFileOf(folder), "not a database, and longer than a header is".repeat(99));
    expect(await runApplier(options()).catch((error: unknown) => error)).toMatchObject({
      name: "UsageError",
    });
  });
});

test("a draining applier closes its connections", async () => {
  const shard = new TestShard();
  const applier = await runApplier(options());
  const relay = await connectRelay(applier.port, shard.shard, "");
  await relay.claim();
  await relay.push([shard.epochStarted(P)]);
  await applier.drain();
  expect((await relay.closed).code).toBeGreaterThan(0);
  expect(
    await connectRelay(applier.port, shard.shard, "").catch((error: unknown) => error),
  ).toBeInstanceOf(Error);
});

test("outcomes past their retention leave by themselves, orders stay", async () => {
  const shard = new TestShard();
  const applier = await runApplier(options({ outcomeRetentionMs: 1 }));
  const relay = await connectRelay(applier.port, shard.shard, "");
  await relay.claim();
  shard.now = 1000;
  await relay.push([shard.epochStarted(P), shard.accepted(P), shard.refused(P)]);
  const deleted = async (): Promise<boolean> => {
    const text = await (await fetch(`http://127.0.0.1:${applier.port}/metrics`)).text();
    return /^sluice_applier_outcomes_deleted_total\{.*\} 1$/m.test(text);
  };
  while (!(await deleted())) await new Promise((done) => setImmediate(done));
  expect([count("orders"), count("outcomes")]).toEqual([1, 0]);
  relay.close();
  await applier.drain();
});
