/** A lost disk, with broker and MySQL: verified under load, restored, and verified again. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Restored } from "../../app/restore/restore-shard.ts";
import { expectReplays } from "../support/ledger.ts";
import { Load, type SentOrder } from "../support/load.ts";
import { allEnded, endAll } from "../support/processes.ts";
import { printedSeed } from "../support/random.ts";
import { Replicated } from "../support/replicated.ts";
import { servicesFromEnvironment } from "../support/services.ts";
import { launchDev, SHARDS } from "../support/sluice.ts";

const TEST_MS_MAX = 180_000;
const ORDER = {
  symbol: "BTCUSDT",
  side: "BUY",
  type: "LIMIT",
  price: "50000.10",
  quantity: "0.010",
};
const FILES = ["shard1.sqlite", "shard1.sqlite-wal", "shard1.sqlite-shm"];
/** What a copy needs: until a checkpoint the commits are in the log alone. */
const COPIED = FILES.slice(0, 2);

describe("a shard whose disk is lost, with broker and MySQL", () => {
  let system: Replicated;
  let orders: readonly SentOrder[] = [];

  beforeAll(async () => {
    system = await Replicated.start({ services: servicesFromEnvironment() });
  }, TEST_MS_MAX);

  afterAll(async () => {
    await endAll();
    await system.database.drop();
  }, TEST_MS_MAX);

  const startLoad = (what: string) =>
    Load.start({ url: system.url, seed: printedSeed(what), connections: 48, cancels: 0.3 });
  const inFolder = (name: string): string => join(system.dataDir, name);

  test(
    "is found the same under load, and after kills of writer and applier",
    async () => {
      const load = await startLoad("before the loss");
      await load.moreAcked(400);
      await system.expectVerified();
      const kills = [system.kill("shard1"), system.kill("applier")];
      await system.expectVerified();
      for (const kill of kills) await kill.recovered();
      await load.moreAcked(400);
      await system.expectVerified();
      await load.stop();
      await system.expectExact(load);
      orders = load.orders;
    },
    TEST_MS_MAX,
  );

  test(
    "is restored from MySQL and what the topic still holds: all that was replicated is there",
    async () => {
      mkdirSync(inFolder("old"));
      // Nobody applies any more; what is committed now is in the topic alone.
      const applier = system.dev.pidOf("applier") as number;
      process.kill(applier, "SIGSTOP");
      const load = await startLoad("while nobody applies");
      await load.moreAcked(300);
      await load.stop();
      // The broker has one more order of the shard's only symbol, hence all that came before.
      const { status } = await system.operator.send("POST", "/v1/orders?ack=replicated", {
        ...ORDER,
        clientOrderId: "the-last",
      });
      expect(status).toBe(201);
      const pids = (["api", "applier", ...SHARDS] as const).map((part) => system.dev.pidOf(part));
      system.dev.process.kill("SIGKILL");
      for (const pid of pids) if (pid !== undefined) process.kill(pid, "SIGKILL");
      await system.dev.process.ended();
      await allEnded(system.dataDir);
      for (const file of COPIED) copyFileSync(inFolder(file), inFolder(join("old", file)));
      for (const file of FILES) rmSync(inFolder(file), { force: true });

      const { exitCode, stdout, stderr } = await system.run(
        "restore",
        "--shard",
        "shard1",
        "--json",
      );
      expect({ exitCode, stdout, stderr }).toMatchObject({ exitCode: 0 });
      const restored = JSON.parse(stdout) as Restored;
      expect(restored).toMatchObject({ previousEpoch: 1, epoch: 2 });
      expect(restored.openOrders).toBeGreaterThan(0);
      await system.up();
      orders = [...orders, ...load.orders];
      await expectReplays(system.url, orders);
      await system.settled();
      await system.expectVerified();
    },
    TEST_MS_MAX,
  );

  test(
    "goes on, and its old file is refused when it comes back",
    async () => {
      const load = await startLoad("after the restore");
      await load.moreAcked(400);
      await system.expectVerified();
      await load.stop();
      await system.settled();
      await system.expectVerified();
      await system.down();
      for (const file of FILES) rmSync(inFolder(file), { force: true });
      for (const file of COPIED) copyFileSync(inFolder(join("old", file)), inFolder(file));
      const { dataDir, settings, stores } = system;
      const refused = launchDev({ dataDir, settings, stores });
      expect(await refused.ended()).not.toBe(0);
      expect(refused.stderr()).toContain("is not the newest file of this shard");
    },
    TEST_MS_MAX,
  );
});
