/** `sluice restore`: a lost shard's file comes back as far as central had it, and says what is lost. */
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { centralHasAll, clientOf } from "../support/client.ts";
import { bodyOf, expectKept, expectReplays } from "../support/ledger.ts";
import { Load, type SentOrder } from "../support/load.ts";
import { allEnded, endAll, makeFolder } from "../support/processes.ts";
import { printedSeed } from "../support/random.ts";
import { type Dev, launchDev, SHARDS, startDev } from "../support/sluice.ts";
import { expectRestored, expectVerified, runRestore } from "../support/verify.ts";

const TEST_MS_MAX = 120_000;
/** Small generations: outcomes of a restore fill several. */
const SETTINGS = { SHARD_INTAKE_WAIT_MAX: "4s", SHARD_OUTCOME_GENERATION_SIZE: "1000" };
const SYMBOLS = ["BTCUSDT"] as const;
const NEW_ORDER = { symbol: "BTCUSDT", side: "BUY", type: "LIMIT", price: "50000.10" };

describe("a shard whose disk is lost", () => {
  let dataDir: string;
  let dev: Dev;
  let orders: readonly SentOrder[] = [];
  /** Acknowledged, and never in central. */
  let tail: readonly SentOrder[] = [];

  beforeAll(async () => {
    dataDir = makeFolder();
    dev = await startDev({ dataDir, settings: SETTINGS });
  }, TEST_MS_MAX);

  afterAll(() => endAll(), TEST_MS_MAX);

  const loadUntil = async (what: string, count: number): Promise<readonly SentOrder[]> => {
    const seed = printedSeed(what);
    const load = await Load.start({ url: dev.url, seed, connections: 64, symbols: SYMBOLS });
    await load.moreAcked(count);
    await load.stop();
    expect(load.faults).toEqual([]);
    return load.orders;
  };
  const removeFile = (): void => {
    for (const ending of ["", "-wal", "-shm"]) {
      rmSync(join(dataDir, `shard1.sqlite${ending}`), { force: true });
    }
  };
  const killAll = async (): Promise<void> => {
    const pids = (["api", "applier", ...SHARDS] as const).map((part) => dev.pidOf(part));
    dev.process.kill("SIGKILL");
    for (const pid of pids) if (pid !== undefined) process.kill(pid, "SIGKILL");
    await dev.process.ended();
    await allEnded(dataDir);
  };
  const knownInCentral = (): ReadonlySet<string> => {
    const database = new Database(join(dataDir, "central.sqlite"), { readonly: true });
    const ids = database.query("SELECT client_order_id FROM orders").values();
    const read = "SELECT json_extract(value, '$.request.clientOrderId') FROM outcomes";
    const refused = database.query(read).values();
    database.close();
    return new Set([...ids, ...refused].map(([id]) => String(id)));
  };
  const isOpenStill = ({ status, cancel }: SentOrder): boolean =>
    status === 201 && cancel === "none";
  const orderIdOf = (order: SentOrder): number => Number(JSON.parse(bodyOf(order)).orderId);

  test(
    "is refused a start and a restore that would overwrite; nothing of central is needed for that",
    async () => {
      orders = await loadUntil("before the loss", 2500);
      await centralHasAll(await clientOf(dev.url, 1));
      const { exitCode, stderr } = await runRestore(dataDir, "shard1");
      expect(exitCode).toBe(2);
      expect(stderr).toContain("shard1.sqlite is there");

      // What central does not get any more: it is stopped, the shard goes on.
      process.kill(dev.pidOf("applier") as number, "SIGSTOP");
      tail = await loadUntil("the tail", 60);
      await killAll();
      removeFile();
      const refused = launchDev({ dataDir, settings: SETTINGS });
      expect(await refused.ended()).not.toBe(0);
      expect(refused.stderr()).toContain("shard1.sqlite is missing");
      await allEnded(dataDir);
    },
    TEST_MS_MAX,
  );

  test(
    "is restored as far as central had it: ids go on, repeats get the first bytes, open orders are open",
    async () => {
      const known = knownInCentral();
      const kept = [...orders, ...tail].filter(({ request }) =>
        known.has(`${request.clientOrderId}`),
      );
      const lost = tail.filter(({ request }) => !known.has(`${request.clientOrderId}`));
      expect(lost.length).toBeGreaterThan(30);
      expect(kept.length).toBeGreaterThanOrEqual(orders.length);

      const restored = await expectRestored(dataDir, "shard1", SETTINGS);
      const accepted = kept.filter(({ status }) => status === 201);
      expect(restored).toMatchObject({
        previousEpoch: 1,
        epoch: 2,
        accepted: accepted.length,
        refused: kept.length - accepted.length,
      });
      expect(restored.lastKnown.length).toBe(10);
      expect(readdirSync(dataDir).filter((name) => name.includes("restoring"))).toEqual([]);

      await expectVerified(dataDir, [], SETTINGS);
      dev = await startDev({ dataDir, settings: SETTINGS });
      await expectReplays(dev.url, kept);
      await expectKept(dev.url, orders.filter(isOpenStill));

      const highest = Math.max(...[...orders, ...tail].filter(isOpenStill).map(orderIdOf));
      const client = await clientOf(dev.url, lost[0]?.account ?? 1);
      const mine = lost.filter(
        ({ account, status }) => account === client.account && status === 201,
      );
      expect(mine.length).toBeGreaterThan(0);
      for (const order of mine) {
        const answer = await client.place(order.request);
        expect(answer).toMatchObject({ status: 201, replayed: false });
        expect(Number(JSON.parse(answer.body).orderId)).toBeGreaterThan(highest);
      }
      await centralHasAll(client);
      await expectVerified(dataDir, [], SETTINGS);
    },
    TEST_MS_MAX,
  );

  test(
    "goes on: restored orders are cancelled, repeats may wait for central, new ones come",
    async () => {
      const open = orders.filter(isOpenStill).slice(0, 50);
      expect(open.length).toBe(50);
      for (const order of open) {
        const client = await clientOf(dev.url, order.account);
        const { status, body } = await client.cancel(String(orderIdOf(order)));
        expect({ status, isCancelled: body.includes('"status":"CANCELED"') }).toEqual({
          status: 200,
          isCancelled: true,
        });
        order.cancel = "done";
      }
      const [one] = open as [SentOrder];
      const client = await clientOf(dev.url, one.account);
      const waited = await client.send("POST", "/v1/orders?ack=central", one.request);
      expect({ status: waited.status, body: waited.body }).toEqual({
        status: 200,
        body: bodyOf(one),
      });
      const other = await client.place({ ...one.request, quantity: "0.999" });
      expect(other.status).toBe(409);
      const more = await loadUntil("after the restore", 500);
      await expectKept(dev.url, more);
      orders = [...orders, ...more];
      await centralHasAll(client);
      await expectVerified(dataDir, [], SETTINGS);
    },
    TEST_MS_MAX,
  );

  test(
    "is restored once more, with the outcomes of both epochs, and starts again with its file",
    async () => {
      expect(await dev.stop()).toBe(0);
      removeFile();
      const known = knownInCentral();
      const restored = await expectRestored(dataDir, "shard1", SETTINGS);
      expect(restored).toMatchObject({ previousEpoch: 2, epoch: 3 });
      for (let start = 0; start < 2; start++) {
        dev = await startDev({ dataDir, settings: SETTINGS });
        await expectReplays(
          dev.url,
          orders.filter(({ request }) => known.has(`${request.clientOrderId}`)),
        );
        const client = await clientOf(dev.url, 3);
        const clientOrderId = `after-${start}`;
        const placed = await client.place({ ...NEW_ORDER, clientOrderId, quantity: "0.010" });
        expect(JSON.parse(placed.body).receipt.epoch).toBe(3);
        await centralHasAll(client);
        await expectVerified(dataDir, [], SETTINGS);
        expect(await dev.stop()).toBe(0);
      }
    },
    TEST_MS_MAX,
  );

  test(
    "that central never knew is refused, and leaves no file",
    async () => {
      const sharding = '{ enabled: true, shard1: { symbols: "BTCUSDT" }, shard9: { symbols: "" } }';
      const { exitCode, stderr } = await runRestore(dataDir, "shard9", [], { SHARDING: sharding });
      expect(exitCode).toBe(2);
      expect(stderr).toContain("does not know shard9");
      expect(existsSync(join(dataDir, "shard9.sqlite"))).toBe(false);
    },
    TEST_MS_MAX,
  );

  test(
    "says for people what cannot be known",
    async () => {
      removeFile();
      const { exitCode, stdout } = await runRestore(dataDir, "shard1", [], SETTINGS);
      expect(exitCode).toBe(0);
      for (const part of ["cannot be known", "ack=local", "partition 0: seq", "epoch 4 after 3"]) {
        expect(stdout).toContain(part);
      }
    },
    TEST_MS_MAX,
  );
});
