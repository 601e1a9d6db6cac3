/** `deploy/local/services` itself: what it starts serves clients, survives faults and goes away. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { Redis } from "ioredis";
import { type Admin, Kafka, logLevel } from "kafkajs";
import { createConnection } from "mysql2/promise";
import { isAlive } from "../support/processes.ts";
import {
  freshDatabase,
  freshTopic,
  OwnServices,
  type ServiceName,
  START_SERVICES_MS_MAX,
  servicesFromEnvironment,
} from "../support/services.ts";

const TEST_MS_MAX = 2 * START_SERVICES_MS_MAX;

const kafkaOf = (brokers: readonly string[]): Kafka =>
  new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING });

const withAdmin = async <T>(
  brokers: readonly string[],
  work: (admin: Admin) => Promise<T>,
): Promise<T> => {
  const admin = kafkaOf(brokers).admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
};

const query = async (url: string, statement: string): Promise<unknown> => {
  const connection = await createConnection(url);
  try {
    const [rows] = await connection.query(statement);
    return rows;
  } finally {
    await connection.end();
  }
};

const withRedis = async <T>(url: string, work: (redis: Redis) => Promise<T>): Promise<T> => {
  const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => null });
  redis.on("error", () => undefined);
  await redis.connect();
  try {
    return await work(redis);
  } finally {
    redis.disconnect();
  }
};

/** Name, state (`running`, `paused`, `stopped`) and pid of each service. */
const statesOf = async (own: OwnServices) =>
  (await own.status()).map((line) => {
    const [, name = "", state = "", pid] = /^(\w+) (\w+)(?: pid (\d+))?/.exec(line) ?? [];
    return { name, state, pid: Number(pid ?? 0) };
  });

const stateOf = async (own: OwnServices, name: ServiceName) => {
  const found = (await statesOf(own)).find((one) => one.name === name);
  if (found === undefined) throw new Error(`no status of ${name}`);
  return found;
};

/** The answer has to come after the resumption, however long both take. */
const expectSilentWhilePaused = async (
  own: OwnServices,
  name: ServiceName,
  ask: () => Promise<unknown>,
): Promise<void> => {
  await own.pause(name);
  const order: string[] = [];
  const answer = ask().then(() => order.push("answered"));
  expect((await stateOf(own, name)).state).toBe("paused");
  order.push("resumed");
  await own.resume(name);
  await answer;
  expect(order).toEqual(["resumed", "answered"]);
  expect((await stateOf(own, name)).state).toBe("running");
};

/** Local addresses, as hex digits, of the sockets that listen on one of the ports. */
const listeningOn = (ports: readonly number[]): readonly string[] =>
  ["/proc/net/tcp", "/proc/net/tcp6"]
    .filter((table) => existsSync(table))
    .flatMap((table) => readFileSync(table, "utf8").split("\n"))
    .flatMap((line) => {
      const [, address, port = "", state] = /: (\w+):(\w{4}) \w+:\w{4} (\w\w) /.exec(line) ?? [];
      const listens = state === "0A" && ports.includes(Number.parseInt(port, 16));
      return listens && address !== undefined ? [address] : [];
    });

const portOf = (address: string): number => Number(/:(\d+)(\/|$)/.exec(address)?.[1]);

describe("one of each", () => {
  let own: OwnServices;
  beforeAll(async () => {
    own = await OwnServices.start({ kafka: 1, mysql: true, redis: true });
  }, START_SERVICES_MS_MAX);
  afterAll(() => own.stop(), START_SERVICES_MS_MAX);

  test("runs and listens on loopback only", async () => {
    expect((await statesOf(own)).map(({ name, state }) => [name, state])).toEqual([
      ["kafka1", "running"],
      ["mysql", "running"],
      ["redis", "running"],
    ]);
    const [kafka = 0, ...others] = [...own.kafkaBrokers, own.mysqlUrl, own.redisUrl].map(portOf);
    const loopback = "0100007F";
    expect(listeningOn([kafka, kafka + 1, ...others])).toEqual(new Array(4).fill(loopback));
  });

  test(
    "starting what runs changes nothing",
    async () => {
      const { kafkaBrokers, mysqlUrl, redisUrl } = own;
      const before = await statesOf(own);
      await own.up("kafka");
      await own.up("mysql");
      await own.up("redis");
      expect(await statesOf(own)).toEqual(before);
      expect(own).toMatchObject({ kafkaBrokers, mysqlUrl, redisUrl });
    },
    TEST_MS_MAX,
  );

  test(
    "Kafka keeps a topic over a kill, and is silent while paused",
    async () => {
      const topic = freshTopic();
      await withAdmin(own.kafkaBrokers, (admin) =>
        admin.createTopics({ topics: [{ topic, numPartitions: 2 }] }),
      );
      const { pid } = await stateOf(own, "kafka1");
      await own.kill("kafka");
      expect(isAlive(pid)).toBe(false);
      expect((await stateOf(own, "kafka1")).state).toBe("stopped");
      expect(listeningOn(own.kafkaBrokers.map(portOf))).toEqual([]);

      await own.up("kafka");
      await withAdmin(own.kafkaBrokers, async (admin) => {
        expect(await admin.listTopics()).toContain(topic);
        await expectSilentWhilePaused(own, "kafka1", () => admin.describeCluster());
      });
    },
    TEST_MS_MAX,
  );

  test(
    "MySQL keeps a row over a kill, and is silent while paused",
    async () => {
      await query(own.mysqlUrl, "CREATE TABLE kept (id INT PRIMARY KEY)");
      await query(own.mysqlUrl, "INSERT INTO kept VALUES (7)");
      await own.kill("mysql");
      const refused = await query(own.mysqlUrl, "SELECT 1").catch((error) => error.code);
      expect(refused).toBe("ECONNREFUSED");

      await own.up("mysql");
      expect(await query(own.mysqlUrl, "SELECT id FROM kept")).toEqual([{ id: 7 }]);
      const connection = await createConnection(own.mysqlUrl);
      await expectSilentWhilePaused(own, "mysql", () => connection.query("SELECT 1"));
      await connection.end();
    },
    TEST_MS_MAX,
  );

  test(
    "Redis keeps a key over an ordered stop, and is silent while paused",
    async () => {
      await withRedis(own.redisUrl, (redis) => redis.set("kept", "7"));
      await own.down("redis");
      expect((await stateOf(own, "redis")).state).toBe("stopped");

      await own.up("redis");
      await withRedis(own.redisUrl, async (redis) => {
        expect(await redis.get("kept")).toBe("7");
        await expectSilentWhilePaused(own, "redis", () => redis.ping());
      });
    },
    TEST_MS_MAX,
  );

  test("refuses what cannot be done, and says why", async () => {
    await own.kill("redis");
    expect(await own.kill("redis").catch(String)).toContain("redis does not run");
    expect(await own.pause("redis").catch(String)).toContain("redis does not run");
    expect(await own.up("kafka2").catch(String)).toContain(
      "there is no kafka2: KAFKA_BROKERS_COUNT is 1",
    );
  });
});

// Three brokers under a system are tests/services/faults-leader.
if (process.env.SLUICE_TEST_LONG === "1") {
  test(
    "of three brokers one may be lost, and catches up before it counts as started",
    async () => {
      const own = await OwnServices.start({ kafka: 3 });
      try {
        const { kafkaBrokers } = own;
        expect(kafkaBrokers).toHaveLength(3);
        const topic = freshTopic();
        await withAdmin(kafkaBrokers, (admin) => admin.createTopics({ topics: [{ topic }] }));
        // Connected before the kill: connecting an idempotent producer does not retry a lost broker.
        const producer = kafkaOf(kafkaBrokers).producer({ idempotent: true });
        await producer.connect();
        await own.kill("kafka2");
        await producer.send({ topic, acks: -1, messages: [{ value: "kept" }] });
        await producer.disconnect();

        await own.up("kafka2");
        const { topics } = await withAdmin(kafkaBrokers, (admin) =>
          admin.fetchTopicMetadata({ topics: [topic] }),
        );
        expect(topics[0]?.partitions[0]?.isr.toSorted()).toEqual([1, 2, 3]);
      } finally {
        await own.stop();
      }
    },
    TEST_MS_MAX,
  );
}

test(
  "a stopped set leaves no process",
  async () => {
    const own = await OwnServices.start({ redis: true });
    const { pid } = await stateOf(own, "redis");
    expect(isAlive(pid)).toBe(true);
    await own.stop();
    expect(isAlive(pid)).toBe(false);
    expect(listeningOn([portOf(own.redisUrl)])).toEqual([]);
  },
  TEST_MS_MAX,
);

test("the services of the environment are there, and a fresh database goes away", async () => {
  const { kafkaBrokers, mysqlUrl, redisUrl } = servicesFromEnvironment();
  await withAdmin(kafkaBrokers, async (admin) => {
    expect((await admin.describeCluster()).brokers).toHaveLength(kafkaBrokers.length);
  });
  expect(await withRedis(redisUrl, (redis) => redis.ping())).toBe("PONG");

  const { url, name, drop } = await freshDatabase(mysqlUrl);
  expect(await query(url, "SELECT DATABASE() AS name")).toEqual([{ name }]);
  await drop();
  const unknown = await query(url, "SELECT 1").catch((error) => error.code);
  expect(unknown).toBe("ER_BAD_DB_ERROR");
});
