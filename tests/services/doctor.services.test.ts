/** `sluice doctor` and `sluice quarantine` against real services, in health and in sickness. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Consumer, Kafka, logLevel } from "kafkajs";
import { createConnection } from "mysql2/promise";
import { openMysqlStore } from "../../app/central/mysql/mysql-store.ts";
import type { QuarantinedRecord } from "../../app/central/store.ts";
import { systemClock } from "../../shards/process/clock.ts";
import { createLogger } from "../../shards/process/logger.ts";
import { endAll, makeFolder, runProcess, SLUICE } from "../support/processes.ts";
import {
  type FreshDatabase,
  freshDatabase,
  freshTopic,
  OwnServices,
  type Services,
  START_SERVICES_MS_MAX,
  servicesFromEnvironment,
} from "../support/services.ts";
import { type Dev, environmentOf, type Settings, startDev } from "../support/sluice.ts";
import { until } from "../support/until.ts";

const shared = servicesFromEnvironment();
const dataDir = makeFolder();
const TEST_MS_MAX = 60_000;
/** What is asked is given 3 s, the age of the lag 3 s more; the rest is the start of a process. */
const BOUND_MS = 12_000;

interface Diagnosis {
  readonly problems: number;
  readonly checks: readonly {
    readonly check: string;
    readonly status: string;
    readonly findings: readonly { readonly code: string; readonly what: string }[];
  }[];
  readonly lag: readonly {
    readonly partition: number;
    readonly records: number;
    readonly ms: number;
  }[];
}

const settingsOf = (topic: string): Settings => ({
  KAFKA_TOPIC: topic,
  KAFKA_GROUP_ID: topic,
  PARTITION_COUNT: "2",
});

const storesOf = ({ kafkaBrokers, mysqlUrl, redisUrl }: Services): Settings => ({
  KAFKA_BROKERS: kafkaBrokers.join(","),
  MYSQL_URL: mysqlUrl,
  REDIS_URL: redisUrl,
});

const sluice = (args: readonly string[], services: Services, topic = "none") =>
  runProcess([...SLUICE, ...args, "--data-dir", dataDir], {
    environment: environmentOf(settingsOf(topic), storesOf(services)),
  });

/** Where no api is. */
const NOBODY = "http://127.0.0.1:9";

/** Unless a url is given, beside a system of which nothing runs but its services. */
const diagnose = async (services: Services, topic?: string, url = NOBODY) => {
  const startedMs = performance.now();
  const { exitCode, stdout } = await sluice(["doctor", "--json", "--api", url], services, topic);
  const tookMs = performance.now() - startedMs;
  const diagnosis = JSON.parse(stdout) as Diagnosis;
  const findings = diagnosis.checks
    .flatMap((line) => line.findings)
    .filter(({ code }) => url !== NOBODY || code !== "api_unreachable");
  const statusOf = (check: string) => diagnosis.checks.find((line) => line.check === check)?.status;
  return {
    exitCode,
    diagnosis,
    findings,
    codes: findings.map(({ code }) => code),
    statusOf,
    tookMs,
  };
};

afterAll(() => endAll(), TEST_MS_MAX);

describe("the topic, as doctor sees it", () => {
  const kafka = new Kafka({ brokers: [...shared.kafkaBrokers], logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  const topics: string[] = [];
  const consumers: Consumer[] = [];
  let database: FreshDatabase;
  let services: Services;

  const makeTopic = async (
    partitions: number,
    config: Readonly<Record<string, string>> = {},
  ): Promise<string> => {
    const topic = freshTopic("test-doctor");
    topics.push(topic);
    const configEntries = Object.entries({ "retention.ms": "1209600000", ...config }).map(
      ([name, value]) => ({ name, value }),
    );
    await admin.createTopics({
      topics: [{ topic, numPartitions: partitions, configEntries }],
      waitForLeaders: true,
    });
    return topic;
  };

  const join = async (topic: string): Promise<void> => {
    const consumer = kafka.consumer({ groupId: topic, maxWaitTimeInMs: 100 });
    consumers.push(consumer);
    const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve));
    await consumer.connect();
    await consumer.subscribe({ topic });
    await consumer.run({ eachMessage: async () => undefined });
    await joined;
  };

  beforeAll(async () => {
    await admin.connect();
    database = await freshDatabase(shared.mysqlUrl);
    services = { ...shared, mysqlUrl: database.url };
    const store = await openMysqlStore(database.url, systemClock, createLogger("test", "silent"));
    await store.close();
  }, TEST_MS_MAX);

  afterAll(async () => {
    await Promise.all(consumers.map((consumer) => consumer.disconnect()));
    await admin.deleteTopics({ topics });
    await admin.disconnect();
    await database.drop();
  }, TEST_MS_MAX);

  test(
    "that is missing",
    async () => {
      const { exitCode, codes } = await diagnose(services, freshTopic());
      expect(codes).toEqual(["topic_missing"]);
      expect(exitCode).toBe(1);
    },
    TEST_MS_MAX,
  );

  test(
    "with fewer partitions than the shards number, and nobody who reads it",
    async () => {
      const { codes } = await diagnose(services, await makeTopic(1));
      expect(codes).toEqual(["topic_partitions_fewer", "single_broker", "no_consumers"]);
    },
    TEST_MS_MAX,
  );

  test(
    "with more, settings that lose records, and an applier without a partition",
    async () => {
      const topic = await makeTopic(3, {
        "min.insync.replicas": "2",
        "cleanup.policy": "compact",
        "unclean.leader.election.enable": "true",
        "retention.ms": "3600000",
      });
      for (let member = 0; member < 4; member++) await join(topic);
      const seen = await until("the group is stable", TEST_MS_MAX, async () => {
        const one = await diagnose(services, topic);
        return !one.codes.includes("group_rebalancing") && one;
      });
      expect(seen.codes).toEqual([
        "topic_partitions_more",
        "single_broker",
        "min_insync_too_high",
        "unclean_election",
        "topic_compacted",
        "retention_short",
        "consumer_idle",
      ]);
      const { groups } = await admin.describeGroups([topic]);
      const idle = seen.findings.find(({ code }) => code === "consumer_idle")?.what ?? "";
      const ids = (groups[0]?.members ?? []).map(({ memberId }) => memberId);
      expect(ids.filter((id) => idle.startsWith(id))).toHaveLength(1);
    },
    TEST_MS_MAX * 2,
  );

  test(
    "with records that wait, each partition's number and age",
    async () => {
      const topic = await makeTopic(2);
      const producer = kafka.producer();
      await producer.connect();
      const hourAgo = Date.now() - 3_600_000;
      const messages = [
        { partition: 0, value: "read", timestamp: `${hourAgo - 5_000_000}` },
        { partition: 0, value: "waits", timestamp: `${hourAgo}` },
        { partition: 0, value: "waits", timestamp: `${hourAgo + 1_800_000}` },
        { partition: 1, value: "read" },
      ];
      await producer.send({ topic, messages });
      await producer.disconnect();
      const connection = await createConnection(database.url);
      try {
        await connection.query("REPLACE INTO topic_position VALUES (0, 1), (1, 1)");
        const late = await diagnose(services, topic);
        expect(late.diagnosis.lag).toMatchObject([
          { partition: 0, records: 2 },
          { partition: 1, records: 0, ms: 0 },
        ]);
        const [first] = late.diagnosis.lag;
        expect(Math.abs((first?.ms ?? 0) - 3_600_000)).toBeLessThan(3_600_000 * 0.06);
        expect(late.codes).toContain("central_lags");

        await connection.query("REPLACE INTO topic_position VALUES (0, 4)");
        expect((await diagnose(services, topic)).codes).toContain("topic_tail_lost");

        await connection.query("REPLACE INTO topic_position VALUES (0, 1)");
        // The library deletes of topics only that it has looked at.
        await admin.fetchTopicOffsets(topic);
        await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: "2" }] });
        expect((await diagnose(services, topic)).codes).toContain("records_expired");
      } finally {
        await connection.query("DELETE FROM topic_position");
        await connection.end();
      }
    },
    TEST_MS_MAX,
  );
});

describe("what was put aside", () => {
  const topic = freshTopic("test-aside");
  let database: FreshDatabase;
  let services: Services;
  let positions: () => Promise<unknown>;
  let close: () => Promise<void>;

  const recordAt = (offset: string, shard: string | null = null): QuarantinedRecord => ({
    partition: 3,
    offset,
    shard,
    epoch: shard === null ? null : 1,
    seq: shard === null ? null : 8,
    code: "unreadable",
    detail: "no header version",
    key: "BTCUSDT",
    headers: "{}",
    value: "not json",
  });

  beforeAll(async () => {
    database = await freshDatabase(shared.mysqlUrl);
    services = { ...shared, mysqlUrl: database.url };
    const store = await openMysqlStore(database.url, systemClock, createLogger("test", "silent"));
    await store.apply({
      pushes: [],
      positions: [{ partition: 3, nextOffset: "50" }],
      quarantined: [recordAt("41"), recordAt("44", "shard2"), recordAt("47")],
    });
    positions = () => store.positions();
    close = async () => store.close();
  }, TEST_MS_MAX);

  afterAll(async () => {
    await close();
    await database.drop();
  }, TEST_MS_MAX);

  const list = async () =>
    JSON.parse((await sluice(["quarantine", "list", "--json"], services)).stdout);

  test(
    "is found, listed for people and for programs",
    async () => {
      const { codes } = await diagnose(services, topic);
      expect(codes).toContain("records_quarantined");
      const { stdout, exitCode } = await sluice(["quarantine", "list"], services);
      expect(exitCode).toBe(0);
      expect(stdout).toContain("partition 3, offset 44, of shard2, epoch 1, record 8: unreadable");
      expect(stdout).toContain("`sluice quarantine retry --partition 3`");
      expect(await list()).toMatchObject({
        schema: 1,
        stopped: [],
        records: [
          { partition: 3, offset: "41", key: "BTCUSDT", headers: "{}", value: "not json" },
          { offset: "44", shard: "shard2" },
          { offset: "47" },
        ],
      });
    },
    TEST_MS_MAX,
  );

  test(
    "is read again from the first of a shard, then of all, then there is nothing",
    async () => {
      const retry = (...flags: string[]) =>
        sluice(["quarantine", "retry", "--partition", "3", ...flags], services);
      const ofShard = await retry("--shard", "shard2");
      expect(ofShard.stdout).toContain("again from offset 44 (it was at 50); 2 taken out");
      expect(ofShard.exitCode).toBe(0);
      expect(await positions()).toEqual([{ partition: 3, nextOffset: "44" }]);
      expect((await list()).records).toMatchObject([{ offset: "41" }]);

      expect((await retry()).stdout).toContain("again from offset 41 (it was at 44)");
      expect(await positions()).toEqual([{ partition: 3, nextOffset: "41" }]);

      const again = await retry();
      expect(again.exitCode).toBe(1);
      expect(again.stdout).toContain("No such record of partition 3");
      expect(await positions()).toEqual([{ partition: 3, nextOffset: "41" }]);
    },
    TEST_MS_MAX,
  );
});

describe("beside a running system", () => {
  const topic = freshTopic("test-system");
  const kafka = new Kafka({ brokers: [...shared.kafkaBrokers], logLevel: logLevel.NOTHING });
  let database: FreshDatabase;
  let services: Services;
  let dev: Dev;

  beforeAll(async () => {
    database = await freshDatabase(shared.mysqlUrl);
    services = { ...shared, mysqlUrl: database.url };
    dev = await startDev({ dataDir, settings: settingsOf(topic), stores: storesOf(services) });
  }, TEST_MS_MAX);

  afterAll(async () => {
    await dev.stop();
    const admin = kafka.admin();
    await admin.connect();
    await admin.deleteTopics({ topics: [topic] });
    await admin.disconnect();
    await database.drop();
  }, TEST_MS_MAX);

  const list = async () =>
    JSON.parse((await sluice(["quarantine", "list", "--json"], services)).stdout);

  test(
    "finds nothing but that there is one broker",
    async () => {
      const seen = await until("the applier reads the topic", TEST_MS_MAX, async () => {
        const one = await diagnose(services, topic, dev.url);
        return one.statusOf("consumers") === "ok" && one;
      });
      expect(seen.codes).toEqual(["single_broker"]);
      expect(seen.exitCode).toBe(0);
      expect(seen.diagnosis.checks.filter(({ status }) => status === "skipped")).toEqual([]);
    },
    TEST_MS_MAX,
  );

  test(
    "finds a stranger's record, which a retry makes the appliers read again",
    async () => {
      const producer = kafka.producer();
      await producer.connect();
      await producer.send({ topic, messages: [{ partition: 1, key: "k", value: "not of ours" }] });
      await producer.disconnect();
      const [first] = await until("it is put aside", TEST_MS_MAX, async () => {
        const { records } = await list();
        return records.length === 1 && records;
      });
      expect(first).toMatchObject({ partition: 1, shard: null, value: "not of ours" });
      const { codes, exitCode } = await diagnose(services, topic, dev.url);
      expect(codes).toEqual(["single_broker", "records_quarantined"]);
      expect(exitCode).toBe(0);

      const retried = await sluice(["quarantine", "retry", "--partition", "1"], services);
      expect(retried.exitCode).toBe(0);
      const [again] = await until("it is put aside again", TEST_MS_MAX, async () => {
        const { records } = await list();
        return records.length === 1 && records;
      });
      expect(again.offset).toBe(first.offset);
      expect(again.quarantinedAt).toBeGreaterThan(first.quarantinedAt);
    },
    TEST_MS_MAX,
  );

  test(
    "a retry is noticed too by an applier that has read nothing yet",
    async () => {
      await dev.kill("applier").recovered();
      await until("the applier reads the topic", TEST_MS_MAX, async () => {
        return (await diagnose(services, topic, dev.url)).statusOf("consumers") === "ok";
      });
      const [before] = (await list()).records;
      await sluice(["quarantine", "retry", "--partition", "1"], services);
      const [after] = await until("it is put aside again", 20_000, async () => {
        const { records } = await list();
        return records.length === 1 && records;
      });
      expect(after.offset).toBe(before.offset);
    },
    TEST_MS_MAX,
  );
});

describe("services in sickness", () => {
  let own: OwnServices;

  beforeAll(async () => {
    own = await OwnServices.start({ kafka: 1, mysql: true, redis: true });
  }, START_SERVICES_MS_MAX);

  afterAll(() => own.stop(), START_SERVICES_MS_MAX);

  test(
    "a database that no applier has started on",
    async () => {
      const { codes } = await diagnose(own);
      expect(codes).toEqual(["topic_missing", "central_missing"]);
    },
    TEST_MS_MAX,
  );

  test(
    "MySQL that may lose commits, or takes none",
    async () => {
      const url = new URL(own.mysqlUrl);
      url.pathname = "/";
      const connection = await createConnection(url.href);
      await connection.query("SET GLOBAL sync_binlog = 0");
      await connection.query("SET GLOBAL innodb_flush_log_at_trx_commit = 2");
      await connection.query("SET GLOBAL read_only = ON");
      const { codes, exitCode } = await diagnose(own);
      await connection.query("SET GLOBAL sync_binlog = 1");
      await connection.query("SET GLOBAL innodb_flush_log_at_trx_commit = 1");
      await connection.query("SET GLOBAL read_only = OFF");
      await connection.end();
      expect(codes).toEqual([
        "topic_missing",
        "mysql_read_only",
        "mysql_flush",
        "mysql_sync_binlog",
        "central_missing",
      ]);
      expect(exitCode).toBe(1);
      expect((await diagnose(own)).statusOf("MySQL")).toBe("ok");
    },
    TEST_MS_MAX,
  );

  test.each([
    ["mysql", "mysql_unreachable", ["topic_missing"]],
    ["kafka", "broker_unreachable", ["central_missing"]],
    ["redis", "redis_unreachable", ["topic_missing", "central_missing"]],
  ] as const)(
    "%s that is paused is named in bounded time, and hides nothing of the others",
    async (service, code, others) => {
      await own.pause(service);
      try {
        const { codes, tookMs } = await diagnose(own);
        expect(codes.toSorted()).toEqual([code, ...others].toSorted());
        expect(tookMs).toBeLessThan(BOUND_MS);
      } finally {
        await own.resume(service);
      }
    },
    TEST_MS_MAX,
  );

  test(
    "everything killed",
    async () => {
      for (const service of ["kafka", "mysql", "redis"] as const) await own.kill(service);
      const { codes, tookMs, exitCode } = await diagnose(own);
      expect(codes).toEqual(["broker_unreachable", "mysql_unreachable", "redis_unreachable"]);
      expect(exitCode).toBe(1);
      expect(tookMs).toBeLessThan(BOUND_MS);
    },
    TEST_MS_MAX,
  );
});
