/** No space left: nothing acknowledged is lost, and everything goes on when there is space. */
import { afterEach, describe, expect, test } from "bun:test";
import { statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { centralHasAll, clientOf } from "../support/client.ts";
import { expectFiles, expectInCentral, expectKept } from "../support/ledger.ts";
import { Load, SYMBOL_OF_SHARD } from "../support/load.ts";
import { endAll, makeFolder } from "../support/processes.ts";
import { printedSeed } from "../support/random.ts";
import { type Dev, ONE_SHARD, type Settings, startDev } from "../support/sluice.ts";
import { limitFiles, mountSmallDisk, type SmallDisk } from "../support/small-disk.ts";
import { until } from "../support/until.ts";

const TEST_MS_MAX = 120_000;
const KIB = 1024;
const MIB = 1024 * KIB;
/** The load makes the log long enough for another checkpoint within a second or two. */
const COPY_MS_MAX = 60_000;
const CONNECTIONS = 100;
const SYMBOLS = Object.values(SYMBOL_OF_SHARD);
/** So small that the disk itself says no first. */
const NO_FLOOR: Settings = { SHARD_FREE_SPACE_FLOOR: "0B", SHARD_INTAKE_WAIT_MAX: "4s" };

const ORDER = {
  symbol: "BTCUSDT",
  side: "BUY",
  type: "LIMIT",
  price: "50000.10",
  quantity: "0.010",
};

let disk: SmallDisk | undefined;

afterEach(async () => {
  disk?.unmount();
  disk = undefined;
  await endAll();
}, TEST_MS_MAX);

const startLoad = async (dev: Dev, symbols = SYMBOLS): Promise<Load> => {
  const seed = printedSeed("load on a disk that fills");
  const load = await Load.start({ url: dev.url, seed, connections: CONNECTIONS, symbols });
  for (const symbol of symbols) await load.moreAcked(50, symbol);
  return load;
};

const statusesOf = (load: Load): number[] => [
  ...new Set(load.interruptions.map(({ status }) => status)),
];

/** After space has returned: all orders are taken, and nothing is lost or there twice. */
const expectGoesOn = async (dev: Dev, load: Load, dataDir: string): Promise<void> => {
  for (const symbol of SYMBOLS) await load.moreAcked(100, symbol);
  await load.stop();
  expect(load.faults).toEqual([]);
  await expectKept(dev.url, load.orders);
  await expectInCentral(dev.url, load.orders);
  expect(await dev.stop()).toBe(0);
  await expectFiles(dataDir, load.orders);
};

const onMountedDisk = (mounted: SmallDisk): void => {
  mounted.unmount();

  const mount = (): SmallDisk => {
    disk = mountSmallDisk(64);
    if (disk === undefined) throw new Error("this user may no longer mount");
    return disk;
  };

  test(
    "with shards and central on it, every refusal is a definite 503 and all of it goes on",
    async () => {
      const { folder, fill, makeRoom } = mount();
      const dev = await startDev({ dataDir: folder, settings: NO_FLOOR });
      const load = await startLoad(dev);
      fill(2 * MIB);
      for (const symbol of SYMBOLS) await load.moreInterrupted(50, symbol);
      expect(statusesOf(load)).toEqual([503]);
      expect(dev.pidOf("applier")).toBeDefined();
      makeRoom();
      await expectGoesOn(dev, load, folder);
    },
    TEST_MS_MAX,
  );

  test(
    "a writer and the applier that die while it is full come back when there is space",
    async () => {
      const { folder, fill, makeRoom } = mount();
      const dev = await startDev({ dataDir: folder, settings: NO_FLOOR });
      const load = await startLoad(dev);
      fill(0);
      await load.moreInterrupted(50, "BTCUSDT");
      const kills = [dev.kill("shard1"), dev.kill("applier")];
      await until("both have tried to start", TEST_MS_MAX, () =>
        ["shard1.lock", "central.lock"].every((lock) =>
          dev.process.stderr().includes(`lock ${join(folder, lock)}`),
        ),
      );
      makeRoom();
      for (const kill of kills) await kill.recovered();
      await expectGoesOn(dev, load, folder);
    },
    TEST_MS_MAX,
  );

  test(
    "with central elsewhere, the floor refuses first, cancels still commit and central goes on",
    async () => {
      const { folder, fill, makeRoom } = mount();
      symlinkSync(join(makeFolder(), "central.sqlite"), join(folder, "central.sqlite"));
      const settings = { ...NO_FLOOR, SHARD_FREE_SPACE_FLOOR: "16MiB" };
      const dev = await startDev({ dataDir: folder, settings });
      const client = await clientOf(dev.url, 42);
      const { orderId } = JSON.parse((await client.place(ORDER)).body) as { orderId: string };
      const load = await startLoad(dev);
      fill(15 * MIB);
      for (const symbol of SYMBOLS) await load.moreInterrupted(50, symbol);
      expect(statusesOf(load)).toEqual([503]);
      const refused = await client.place(ORDER);
      expect(refused.status).toBe(503);
      expect(refused.body).toContain(`below the floor of ${16 * MIB}`);
      const cancelled = await client.cancel(orderId);
      expect(cancelled.status).toBe(200);
      expect(cancelled.body).toContain('"status":"CANCELED"');
      makeRoom();
      for (const symbol of SYMBOLS) await load.moreAcked(100, symbol);
      await load.stop();
      expect(load.faults).toEqual([]);
      await expectKept(dev.url, load.orders);
      await expectInCentral(dev.url, load.orders);
      expect((await client.history()).map((order) => order.status)).toEqual(["CANCELED"]);
      expect(await dev.stop()).toBe(0);
    },
    TEST_MS_MAX,
  );

  test(
    "a checkpoint that met the full disk is made again when there is space",
    async () => {
      const { folder, fill, makeRoom } = mount();
      symlinkSync(join(makeFolder(), "central.sqlite"), join(folder, "central.sqlite"));
      const settings = { ...NO_FLOOR, SHARDING: ONE_SHARD };
      const dev = await startDev({ dataDir: folder, settings });
      const load = await startLoad(dev);
      const bytes = (file: string): number => statSync(join(folder, file)).size;
      await until("the log is long", TEST_MS_MAX, () => bytes("shard1.sqlite-wal") > 7000 * KIB);
      fill(1500 * KIB);
      await load.moreInterrupted(50);
      const before = bytes("shard1.sqlite");
      makeRoom();
      await until("the log is copied into the file", COPY_MS_MAX, () => {
        return bytes("shard1.sqlite") > before + 4 * MIB;
      });
      await load.stop();
      expect(load.faults).toEqual([]);
      await centralHasAll(await clientOf(dev.url, 1));
      expect(await dev.stop()).toBe(0);
    },
    TEST_MS_MAX,
  );
};

/** Without the right to mount: a floor that no disk has. */
const onNoDisk = (): void => {
  test(
    "below the floor new orders are refused with 503, cancels still commit",
    async () => {
      const dataDir = makeFolder();
      const before = await startDev({ dataDir });
      const { body } = await (await clientOf(before.url, 42)).place(ORDER);
      const { orderId } = JSON.parse(body) as { orderId: string };
      await before.stop();
      const settings = { SHARD_FREE_SPACE_FLOOR: "999999GiB" };
      const dev = await startDev({ dataDir, settings });
      const client = await clientOf(dev.url, 42);
      expect((await client.place(ORDER)).status).toBe(503);
      expect((await client.cancel(orderId)).status).toBe(200);
      await dev.stop();
      const after = await startDev({ dataDir });
      expect((await (await clientOf(after.url, 42)).place(ORDER)).status).toBe(201);
      expect(await after.stop()).toBe(0);
    },
    TEST_MS_MAX,
  );
};

describe("a full disk under load", () => {
  const probe = mountSmallDisk(1);
  if (probe === undefined) onNoDisk();
  else onMountedDisk(probe);
});

describe("a disk that fails in the middle of a write", () => {
  test(
    "ends the writer, whose restart knows what is stored; the other shards never notice",
    async () => {
      const dataDir = makeFolder();
      const dev = await startDev({ dataDir, settings: NO_FLOOR });
      const load = await startLoad(dev);
      const writer = dev.pidOf("shard1") as number;
      const limit = statSync(join(dataDir, "shard1.sqlite-wal")).size + 200 * KIB;
      limitFiles(dev.process.pid, limit);
      limitFiles(writer, limit);
      await load.moreInterrupted(100, "BTCUSDT");
      const next = await until("the supervisor starts another", TEST_MS_MAX, () => {
        const pid = dev.pidOf("shard1");
        return pid !== undefined && pid !== writer && pid;
      });
      await until("its end is told", TEST_MS_MAX, () =>
        dev.process.stderr().includes("disk I/O error"),
      );
      limitFiles(dev.process.pid, "unlimited");
      // That one may have met the limit, too, and be gone.
      for (const pid of [next, dev.pidOf("shard1")]) {
        if (pid !== undefined && pid === dev.pidOf("shard1")) limitFiles(pid, "unlimited");
      }
      await expectGoesOn(dev, load, dataDir);
      expect(load.interruptions.filter(({ symbol }) => symbol !== "BTCUSDT")).toEqual([]);
    },
    TEST_MS_MAX,
  );
});
