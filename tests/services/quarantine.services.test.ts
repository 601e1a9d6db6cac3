/** `sluice quarantine` on MySQL, alone and beside a running system. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Kafka, logLevel } from "kafkajs";
import { openMysqlStore } from "../../app/central/mysql/mysql-store.ts";
import type { QuarantinedRecord } from "../../app/central/store.ts";
import { systemClock } from "../../shards/process/clock.ts";
import { createLogger } from "../../shards/process/logger.ts";
import { operatorOf, settingsOf, storesOf } from "../support/doctor.ts";
import { endAll, makeFolder } from "../support/processes.ts";
import {
  type FreshDatabase,
  freshDatabase,
  freshTopic,
  type Services,
  servicesFromEnvironment,
} from "../support/services.ts";
import { type Dev, startDev } from "../support/sluice.ts";
import { until } from "../support/until.ts";

const shared = servicesFromEnvironment();
const dataDir = makeFolder();
const { sluice, diagnose } = operatorOf(dataDir);
const TEST_MS_MAX = 180_000;
/** Shorter than the time in which an applier notices a retry. */
const TRAFFIC_PERIOD_MS = 50;

interface Listed {
  readonly offset: string;
  readonly quarantinedAt: number;
}

const list = async (services: Services): Promise<readonly Listed[]> => {
  const { stdout } = await sluice(["quarantine", "list", "--json"], services);
  return (JSON.parse(stdout) as { records: readonly Listed[] }).records;
};

afterAll(() => endAll(), TEST_MS_MAX);

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
      positions: [{ partition: 3, from: "0", nextOffset: "150" }],
      quarantined: [recordAt("41"), recordAt("44", "shard2"), recordAt("47")],
    });
    positions = () => store.positions();
    close = async () => store.close();
  }, TEST_MS_MAX);

  afterAll(async () => {
    await close();
    await database.drop();
  }, TEST_MS_MAX);

  test(
    "is found, listed for people and for programs",
    async () => {
      const { codes } = await diagnose(services, topic);
      expect(codes).toContain("records_quarantined");
      const { stdout, exitCode } = await sluice(["quarantine", "list"], services);
      expect(exitCode).toBe(0);
      expect(stdout).toContain("partition 3, offset 44, of shard2, epoch 1, record 8: unreadable");
      expect(stdout).toContain("`sluice quarantine retry --partition 3`");
      const programs = await sluice(["quarantine", "list", "--json"], services);
      expect(JSON.parse(programs.stdout)).toMatchObject({
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
      expect(ofShard.stdout).toContain("again from offset 44 (it was at 150); 2 taken out");
      expect(ofShard.exitCode).toBe(0);
      expect(await positions()).toEqual([{ partition: 3, nextOffset: "44" }]);
      expect(await list(services)).toMatchObject([{ offset: "41" }]);

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
  const admin = kafka.admin();
  let database: FreshDatabase;
  let services: Services;
  let dev: Dev;

  beforeAll(async () => {
    database = await freshDatabase(shared.mysqlUrl);
    services = { ...shared, mysqlUrl: database.url };
    await admin.connect();
    dev = await startDev({ dataDir, settings: settingsOf(topic), stores: storesOf(services) });
  }, TEST_MS_MAX);

  afterAll(async () => {
    await dev.stop();
    await admin.deleteTopics({ topics: [topic] });
    await admin.disconnect();
    await database.drop();
  }, TEST_MS_MAX);

  /** That and nothing else: on a busy machine one of those asked may not answer in time. */
  const diagnosed = async (expected: readonly string[]) => {
    let codes: readonly string[] = [];
    return until(
      () => `doctor finds ${expected}; it finds ${codes}`,
      TEST_MS_MAX,
      async () => {
        const one = await diagnose(services, topic, dev.url);
        codes = one.codes;
        return Bun.deepEquals(codes, expected) && one.statusOf("consumers") === "ok" && one;
      },
    );
  };

  const membersOf = async (groupId: string): Promise<readonly string[]> => {
    const { groups } = await admin.describeGroups([groupId]);
    const [group] = groups;
    return group?.state === "Stable" ? group.members.map(({ memberId }) => memberId) : [];
  };

  test(
    "finds nothing but that there is one broker",
    async () => {
      const seen = await diagnosed(["single_broker"]);
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
        const records = await list(services);
        return records.length === 1 && records;
      });
      expect(first).toMatchObject({ partition: 1, shard: null, value: "not of ours" });
      const { exitCode } = await diagnosed(["single_broker", "records_quarantined"]);
      expect(exitCode).toBe(0);

      const retried = await sluice(["quarantine", "retry", "--partition", "1"], services);
      expect(retried.exitCode).toBe(0);
      const [again] = await until("it is put aside again", TEST_MS_MAX, async () => {
        const records = await list(services);
        return records.length === 1 && records;
      });
      expect(again?.offset).toBe(first?.offset ?? "");
      expect(again?.quarantinedAt).toBeGreaterThan(first?.quarantinedAt ?? 0);
    },
    TEST_MS_MAX,
  );

  test(
    "a retry is noticed too by an applier that has read nothing yet",
    async () => {
      const killed = await membersOf(topic);
      await dev.kill("applier").recovered();
      // The group counts on a dead member for a while.
      await until("another applier has the topic", TEST_MS_MAX, async () => {
        const members = await membersOf(topic);
        return members.length > 0 && members.every((member) => !killed.includes(member));
      });
      const [before] = await list(services);
      await sluice(["quarantine", "retry", "--partition", "1"], services);
      const [after] = await until("it is put aside again", TEST_MS_MAX, async () => {
        const records = await list(services);
        return records.length === 1 && records;
      });
      expect(after?.offset).toBe(before?.offset ?? "");
    },
    TEST_MS_MAX,
  );

  test(
    "a retry is not lost to the records that keep coming",
    async () => {
      const [before] = await list(services);
      const producer = kafka.producer();
      await producer.connect();
      const over = new AbortController();
      const coming = (async () => {
        while (!over.signal.aborted) {
          await producer.send({ topic, messages: [{ partition: 1, key: "k", value: "traffic" }] });
          await Bun.sleep(TRAFFIC_PERIOD_MS);
        }
      })();
      await until(
        "the traffic is read",
        TEST_MS_MAX,
        async () => (await list(services)).length > 1,
      );
      await sluice(["quarantine", "retry", "--partition", "1"], services);
      const isAgain = ({ offset, quarantinedAt }: Listed): boolean =>
        offset === before?.offset && quarantinedAt > before.quarantinedAt;
      await until("the first is put aside again", TEST_MS_MAX, async () =>
        (await list(services)).some(isAgain),
      );
      over.abort();
      await coming;
      await producer.disconnect();
    },
    TEST_MS_MAX,
  );
});
