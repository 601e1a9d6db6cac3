/** What is thought safe is lost: the end of the topic, the newest state of a shard's file. */
import { Database } from "bun:sqlite";
import { afterEach, describe, expect, test } from "bun:test";
import { copyFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Admin, Kafka, logLevel } from "kafkajs";
import { pickPorts } from "../../app/supervisor/ports.ts";
import { HandOrders } from "../support/hand-orders.ts";
import { Load } from "../support/load.ts";
import { endAll, SLUICE, startProcess } from "../support/processes.ts";
import { printedSeed } from "../support/random.ts";
import { type Replicated, startReplicated } from "../support/replicated.ts";
import { servicesFromEnvironment } from "../support/services.ts";
import { launchDev, SHARDS } from "../support/sluice.ts";
import { until } from "../support/until.ts";

const TEST_MS_MAX = 180_000;
const STEP_MS_MAX = 60_000;
const CONNECTIONS = 24;
const PAUSE_OF_CLIENT_MS = 60;
const SOME = 300;
const PARTITIONS = 10;

const services = servicesFromEnvironment();
const systems: Replicated[] = [];

const start = async (): Promise<Replicated> => {
  const { kafkaBrokers, mysqlUrl } = services;
  const system = await startReplicated({ services: { kafkaBrokers, mysqlUrl, redisUrl: "" } });
  systems.push(system);
  return system;
};

afterEach(async () => {
  await endAll();
  for (const { topic, database } of systems.splice(0)) {
    await database.drop();
    await withAdmin((admin) => admin.deleteTopics({ topics: [topic] }));
  }
}, TEST_MS_MAX);

const withAdmin = async <T>(work: (admin: Admin) => Promise<T>): Promise<T> => {
  const brokers = [...services.kafkaBrokers];
  const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
};

/** The topic as a broker has it that has lost everything: its name, and no record. */
const emptyTopic = async (topic: string): Promise<void> => {
  await withAdmin(async (admin) => {
    await admin.deleteTopics({ topics: [topic] });
    // Refused while the old one is being deleted. Its leaders are waited for by themselves: an
    // attempt that failed for them would have made the topic.
    await until("the topic is made again", STEP_MS_MAX, () =>
      admin.createTopics({ topics: [{ topic, numPartitions: PARTITIONS }] }).catch(() => false),
    );
    await until("its partitions have leaders", STEP_MS_MAX, () =>
      admin.fetchTopicOffsets(topic).then(
        ({ length }) => length === PARTITIONS,
        () => false,
      ),
    );
  });
};

test(
  "a topic that lost acknowledged records is noticed, and sending them again heals it",
  async () => {
    const system = await start();
    const seed = printedSeed("topic emptied");
    const load = await Load.start({
      url: system.url,
      seed,
      connections: CONNECTIONS,
      pauseMs: PAUSE_OF_CLIENT_MS,
    });
    await load.moreAcked(SOME);
    await system.settled();
    expect(system.applierPort).toBeGreaterThan(0);
    process.kill(system.dev.pidOf("applier") ?? 0, "SIGSTOP");
    const byHand = new HandOrders(system.url);
    const kept = await byHand.place("in-the-lost-end", "replicated");
    expect(kept).toMatchObject({ status: 201, durability: "replicated" });
    await load.moreAcked(SOME);
    await emptyTopic(system.topic);
    const restarted = system.kill("applier");
    await restarted.recovered();

    await until("the loss is found", STEP_MS_MAX, async () => {
      return (await system.applierMetric("sluice_applier_topic_findings_total")) > 0;
    });
    await load.moreAcked(SOME);
    await load.stop();
    await until("streams with a gap are stopped", STEP_MS_MAX, async () => {
      return (await system.applierMetric("sluice_applier_stopped_streams")) > 0;
    });
    const doctor = await system.run("doctor", "--api", system.url);
    expect(doctor.exitCode).toBe(1);
    const before = await system.operator.shards();
    expect(before.some(({ central }) => (central?.lagRecords ?? 0) > 0)).toBe(true);
    for (const shard of SHARDS) {
      const { status } = await system.operator.send("POST", `/admin/v1/shards/${shard}/resend`);
      expect(status).toBe(202);
    }
    await system.expectExact([load, byHand]);
    expect(await system.applierMetric("sluice_applier_stopped_streams")).toBe(0);
    expect(load.interruptions).toEqual([]);
  },
  TEST_MS_MAX,
);

/** Everything in one file. */
const emptyLog = (file: string): void => {
  const database = new Database(file);
  database.run("PRAGMA wal_checkpoint(TRUNCATE)");
  database.close();
};

const COPY_ENDS = ["-wal", "-shm"] as const;

/**
 * Two orders, the second one only in the newer of the two files. After each start the appliers'
 * group has to form before central is in time.
 */
const systemWithCopy = async () => {
  const system = await start();
  const file = join(system.dataDir, "shard1.sqlite");
  const copies = { old: join(system.dataDir, "old"), newest: join(system.dataDir, "newest") };
  const orders = new HandOrders(system.url);
  await system.settled();
  expect(await orders.place("in-the-copy", "central")).toMatchObject({ status: 201 });
  await system.down();
  emptyLog(file);
  copyFileSync(file, copies.old);
  await system.up();
  const later = new HandOrders(system.url);
  await system.settled();
  expect(await later.place("not-in-the-copy", "central")).toMatchObject({ status: 201 });
  await system.expectExact([orders, later]);
  await system.down();
  emptyLog(file);
  copyFileSync(file, copies.newest);
  const put = (copy: string): void => {
    for (const end of COPY_ENDS) rmSync(`${file}${end}`, { force: true });
    copyFileSync(copy, file);
  };
  /** The newest file serves, and nothing that the old one did has arrived. */
  const expectNewestServes = async (): Promise<void> => {
    put(copies.newest);
    await system.up();
    const last = new HandOrders(system.url);
    await system.settled();
    expect(await last.place("afterwards", "central")).toMatchObject({ status: 201 });
    await system.expectExact([orders, later, last]);
    await system.down();
  };
  put(copies.old);
  return { system, expectNewestServes };
};

describe("a shard's file put back from an older copy", () => {
  test(
    "is refused at the start",
    async () => {
      const { system, expectNewestServes } = await systemWithCopy();
      const { dataDir, settings, stores } = system;
      const dev = launchDev({ dataDir, settings, stores });
      expect(await dev.ended()).toBe(2);
      expect(dev.stderr()).toContain("is not the newest file");
      await expectNewestServes();
    },
    TEST_MS_MAX,
  );

  test(
    "that served while central was silent ends its shard as soon as central tells",
    async () => {
      const { system, expectNewestServes } = await systemWithCopy();
      const [port = 0] = pickPorts(1);
      const shard = startProcess([...SLUICE, "shard", "--shard", "shard1"], {
        environment: system.environment({
          SHARD_LISTEN: "127.0.0.1:0",
          APPLIER_URL: `ws://127.0.0.1:${port}`,
        }),
      });
      await shard.says(/serves on/, STEP_MS_MAX);
      const one = await system.addApplier(port);
      expect(await shard.ended(STEP_MS_MAX)).toBe(2);
      expect(shard.stderr()).toContain("not the newest");
      await system.endApplier(one);
      await expectNewestServes();
    },
    TEST_MS_MAX,
  );
});
