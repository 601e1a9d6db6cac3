/** Appliers are killed, join, leave and are too many, under load: each record is applied once. */
import { afterEach, describe, expect, test } from "bun:test";
import { Kafka, logLevel } from "kafkajs";
import { createConnection } from "mysql2/promise";
import { expectKept } from "../support/ledger.ts";
import { Load } from "../support/load.ts";
import { endAll } from "../support/processes.ts";
import { printedSeed, randomOf, wholeOf } from "../support/random.ts";
import { type Replicated, startReplicated } from "../support/replicated.ts";
import { servicesFromEnvironment } from "../support/services.ts";
import { inLanes, until } from "../support/until.ts";

const LONG = process.env.SLUICE_TEST_LONG === "1";
const TEST_MS_MAX = LONG ? 30 * 60_000 : 360_000;
const KILLS = LONG ? 20 : 2;
/** More are made while none has come between the two. */
const KILLS_MAX = 6 + KILLS;
const REBALANCES = LONG ? 12 : 2;
const CONNECTIONS = 30;
/** A few hundred requests a second. */
const PAUSE_OF_CLIENT_MS = 50;
const BEFORE = 300;
const BETWEEN = 100;
/** A dead member keeps its partitions for 10 s; then the next one goes on. */
const TAKEN_OVER_MS_MAX = 90_000;
const GROUP_MS_MAX = 120_000;
/** More would wait for the processor, not for the group. */
const STARTS_AT_ONCE = 2;
const FEW_CONNECTIONS = 8;

const systems: Replicated[] = [];
const loads: Load[] = [];

afterEach(async () => {
  await Promise.all(loads.splice(0).map((load) => load.stop()));
  await endAll();
  await Promise.all(systems.splice(0).map(({ database }) => database.drop()));
}, TEST_MS_MAX);

interface StartOptions {
  readonly appliers?: number;
  readonly partitions?: number;
  readonly connections?: number;
}

const start = async (what: string, options: StartOptions = {}) => {
  const { appliers = 1, partitions = 10, connections = CONNECTIONS } = options;
  const services = { ...servicesFromEnvironment(), redisUrl: "" };
  const settings = { PARTITION_COUNT: `${partitions}` };
  const system = await startReplicated({ services, settings, appliers });
  systems.push(system);
  const load = await Load.start({
    url: system.url,
    seed: printedSeed(what),
    connections,
    pauseMs: PAUSE_OF_CLIENT_MS,
  });
  loads.push(load);
  await load.moreAcked(BEFORE);
  return { system, load };
};

/** No client notices anything of it, and MySQL is exact. */
const endLoad = async (system: Replicated, load: Load): Promise<void> => {
  await load.moreAcked(BEFORE);
  await load.stop();
  expect(load.interruptions).toEqual([]);
  await system.expectExact(load);
  await expectKept(system.url, load.orders);
};

/** By partition: where central is, and how far the group has told the broker. */
const positionsOf = async ({ mysqlUrl, topic }: Replicated) => {
  const { kafkaBrokers } = servicesFromEnvironment();
  const admin = new Kafka({ brokers: [...kafkaBrokers], logLevel: logLevel.NOTHING }).admin();
  const connection = await createConnection({ uri: mysqlUrl });
  try {
    await admin.connect();
    const [rows] = await connection.query(
      "SELECT `partition`, next_offset AS position FROM topic_position",
    );
    const groups = await admin.fetchOffsets({ groupId: `group-${topic}`, topics: [topic] });
    const told = new Map(groups[0]?.partitions.map((p) => [p.partition, Number(p.offset)]));
    return (rows as { partition: number; position: number }[]).map(({ partition, position }) => ({
      position: Number(position),
      told: told.get(partition) ?? -1,
    }));
  } finally {
    connection.destroy();
    await admin.disconnect();
  }
};

const positionSum = async (system: Replicated): Promise<number> =>
  (await positionsOf(system)).reduce((sum, { position }) => sum + position, 0);

/** Somebody applies again. */
const awaitApplied = async (system: Replicated): Promise<void> => {
  const before = await positionSum(system);
  await until("central goes on", TAKEN_OVER_MS_MAX, async () => {
    return (await positionSum(system)) > before;
  });
};

/** Partitions of each member, the fewest first. */
const membersOf = async (system: Replicated): Promise<readonly number[]> => {
  const ports = [system.applierPort, ...system.appliers.map(({ port }) => port)];
  const counts = await Promise.all(
    ports.map(async (port) => {
      const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      return Number(/^sluice_applier_topic_partitions(?:\{.*\})? (\d+)$/m.exec(text)?.[1]);
    }),
  );
  return counts.toSorted((a, b) => a - b);
};

const awaitMembers = async (system: Replicated, expected: readonly number[]): Promise<void> => {
  let seen: readonly number[] = [];
  await until(
    () => `partitions by member are ${expected}; they are ${seen}`,
    GROUP_MS_MAX,
    async () => {
      seen = await membersOf(system);
      return Bun.deepEquals(seen, expected);
    },
  );
};

test(
  `an applier killed by -9 ${KILLS} times, between its commit in MySQL and its offset at the broker`,
  async () => {
    const { system, load } = await start("appliers killed");
    const random = randomOf(printedSeed("moments of the kills"));
    let between = 0;
    for (let kill = 0; kill < KILLS || (between === 0 && kill < KILLS_MAX); kill++) {
      await awaitApplied(system);
      await load.moreAcked(wholeOf(random, 1, BETWEEN));
      const killed = system.kill("applier");
      const positions = await positionsOf(system);
      if (positions.some(({ position, told }) => position > told)) between++;
      await killed.recovered();
    }
    // Offsets are told each second, positions stand with each commit.
    expect(between).toBeGreaterThan(0);
    await endLoad(system, load);
  },
  TEST_MS_MAX,
);

test(
  "two appliers that come and go: the group shares the partitions anew each time",
  async () => {
    const { system, load } = await start("rebalances");
    for (let round = 0; round < REBALANCES; round++) {
      const one = await system.addApplier();
      await awaitMembers(system, [5, 5]);
      await awaitApplied(system);
      await load.moreAcked(BETWEEN);
      // In order, and with partitions in its hand.
      await system.endApplier(one, round % 3 === 2 ? "SIGKILL" : "SIGTERM");
      await awaitMembers(system, [10]);
      await awaitApplied(system);
    }
    await endLoad(system, load);
  },
  TEST_MS_MAX,
);

describe("any number of appliers and partitions", () => {
  test(
    "3 appliers, then 15 for 10 partitions: five have none, and wait",
    async () => {
      const { system, load } = await start("3 and 15 appliers", {
        appliers: 3,
        connections: FEW_CONNECTIONS,
      });
      await awaitMembers(system, [3, 3, 4]);
      await awaitApplied(system);
      await inLanes(Array(12).fill(null), STARTS_AT_ONCE, () => system.addApplier());
      await awaitMembers(system, [...Array(5).fill(0), ...Array(10).fill(1)]);
      await awaitApplied(system);
      await endLoad(system, load);
    },
    TEST_MS_MAX,
  );

  test(
    "1 partition: one of two appliers has it, the other takes over",
    async () => {
      const { system, load } = await start("1 partition", { appliers: 2, partitions: 1 });
      await awaitMembers(system, [0, 1]);
      await awaitApplied(system);
      const [other] = system.appliers;
      if (other === undefined) throw new Error("there is a second applier");
      await system.endApplier(other);
      await awaitMembers(system, [1]);
      await endLoad(system, load);
    },
    TEST_MS_MAX,
  );
});
