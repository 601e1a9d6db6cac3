/** `sluice doctor` against real services, in health and in sickness. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Consumer, Kafka, logLevel } from "kafkajs";
import { createConnection } from "mysql2/promise";
import { openMysqlStore } from "../../app/central/mysql/mysql-store.ts";
import { systemClock } from "../../shards/process/clock.ts";
import { createLogger } from "../../shards/process/logger.ts";
import { operatorOf } from "../support/doctor.ts";
import { endAll, makeFolder } from "../support/processes.ts";
import {
  type FreshDatabase,
  freshDatabase,
  freshTopic,
  OwnServices,
  type Services,
  START_SERVICES_MS_MAX,
  servicesFromEnvironment,
} from "../support/services.ts";
import { until } from "../support/until.ts";

const shared = servicesFromEnvironment();
const { diagnose } = operatorOf(makeFolder());
const TEST_MS_MAX = 120_000;
/**
 * What is asked is given 3 s, the age of the lag 3 s more; the rest is the start of a process on a
 * machine that is busy. Without those limits a paused service is waited for much longer.
 */
const BOUND_MS = 30_000;

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
        // A broker that was away for long has to be let in again before it answers.
        await until(`${service} is well`, TEST_MS_MAX, async () => {
          return !(await diagnose(own)).codes.includes(code);
        });
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
