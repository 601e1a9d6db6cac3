/** Against a real broker, with central in memory: what is applied, and from where it is read. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { type Admin, Kafka, logLevel, type Producer } from "kafkajs";
import { systemClock } from "../../../shards/process/clock.ts";
import type { KafkaSettings } from "../../../shards/process/kafka.ts";
import { createLogger } from "../../../shards/process/logger.ts";
import { createRegistry, type Registry } from "../../../shards/process/metrics.ts";
import type { CommittedRecord } from "../../../shards/protocol/record.ts";
import { encodeTopicRecord, eventIdOf } from "../../../shards/protocol/topic.ts";
import { freshTopic, servicesFromEnvironment } from "../../../tests/support/services.ts";
import { until } from "../../../tests/support/until.ts";
import { Applier } from "../applier.ts";
import { TestShard } from "../test-shard.ts";
import { MemoryTopicStore } from "./test-topic-store.ts";
import { TopicIntake } from "./topic-intake.ts";

const { kafkaBrokers: brokers } = servicesFromEnvironment();
const logger = createLogger("test", "silent");
const kafka = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING });
const admin: Admin = kafka.admin();
const producer: Producer = kafka.producer({ idempotent: true });
const topics: string[] = [];
const intakes: TopicIntake[] = [];
const WAIT_MS = 30_000;

beforeAll(async () => {
  await admin.connect();
  await producer.connect();
});
afterEach(async () => {
  await Promise.all(intakes.splice(0).map((intake) => intake.stop()));
});
afterAll(async () => {
  await admin.deleteTopics({ topics });
  await producer.disconnect();
  await admin.disconnect();
});

const makeTopic = async (partitions: number): Promise<KafkaSettings> => {
  const topic = freshTopic();
  await admin.createTopics({
    waitForLeaders: true,
    topics: [{ topic, numPartitions: partitions }],
  });
  topics.push(topic);
  return { brokers, topic, clientId: "test" };
};

const applierOn = (store: MemoryTopicStore, waitingBytesMax = 1 << 26): Applier =>
  new Applier({
    store,
    limits: { commitRecordsMax: 8192, waitingBytesMax, retryMsMin: 10, retryMsMax: 50 },
    observer: { committed: () => undefined, failed: () => undefined },
    clock: systemClock,
    logger,
  });

const startIntake = (
  settings: KafkaSettings,
  store: MemoryTopicStore,
  applier: Pick<Applier, "take"> = applierOn(store),
  registry: Registry = createRegistry({}),
): TopicIntake => {
  const { topic: groupId } = settings;
  const intake = new TopicIntake({ settings, groupId, store, applier, registry, logger });
  intake.start();
  intakes.push(intake);
  return intake;
};

const stop = async (intake: TopicIntake): Promise<void> => {
  intakes.splice(intakes.indexOf(intake), 1);
  await intake.stop();
};

const publish = async (
  { topic }: KafkaSettings,
  records: readonly CommittedRecord[],
): Promise<void> => {
  for (const partition of new Set(records.map((one) => one.partition))) {
    const own = records.filter((one) => one.partition === partition);
    const messages = own.map((one) => ({ ...encodeTopicRecord(one, 1), partition }));
    await producer.send({ topic, acks: -1, messages });
  }
};

/** The start of each partition's stream and `count` orders in each. */
const recordsOf = (shard: TestShard, partitions: readonly number[], count: number) => [
  ...partitions.flatMap((partition) =>
    shard.endOf(partition).seq === 0 ? [shard.epochStarted(partition)] : [],
  ),
  ...Array.from({ length: count }, () => partitions.map((one) => shard.accepted(one))).flat(),
];

const appliedOnce = (store: MemoryTopicStore, records: readonly CommittedRecord[]) =>
  until(
    () => `${records.length} records applied; ${store.applied.length} are: ${store.stops()}`,
    WAIT_MS,
    () => store.applied.length >= records.length,
  ).then(() => expect(store.applied.toSorted()).toEqual(records.map(eventIdOf).toSorted()));

const ready = (intake: TopicIntake, partitions: number) =>
  until(
    () => `${partitions} partitions; ${intake.assignment().length} are assigned`,
    WAIT_MS,
    () => intake.assignment().length === partitions,
  );

describe("the intake of a topic", () => {
  test("applies each record once, and remembers where it is", async () => {
    const settings = await makeTopic(3);
    const store = new MemoryTopicStore();
    const [one, two] = [new TestShard(1), new TestShard(2)];
    const first = [...recordsOf(one, [0, 1, 2], 200), ...recordsOf(two, [0, 2], 100)];
    await publish(settings, first);
    const registry = createRegistry({});
    const intake = startIntake(settings, store, applierOn(store), registry);
    await appliedOnce(store, first);
    const second = recordsOf(one, [1], 50);
    await publish(settings, second);
    await appliedOnce(store, [...first, ...second]);
    await until("everything read", WAIT_MS, () =>
      intake.assignment().every(({ nextOffset, highOffset }) => nextOffset === highOffset),
    );
    const metrics = await registry.metrics();
    expect(metrics).toContain("sluice_applier_topic_partitions 3");
    expect(metrics).toContain("sluice_applier_topic_records_total 855");
    expect(metrics).toContain('sluice_applier_topic_lag_records{partition="1"} 0');
    await stop(intake);
    expect((await store.positions()).toSorted((a, b) => a.partition - b.partition)).toEqual([
      { partition: 0, nextOffset: "302" },
      { partition: 1, nextOffset: "251" },
      { partition: 2, nextOffset: "302" },
    ]);
    const offsets = await admin.fetchOffsets({ groupId: settings.topic, topics: [settings.topic] });
    const told = offsets[0]?.partitions.toSorted((a, b) => a.partition - b.partition);
    expect(told?.map(({ offset }) => offset)).toEqual(["302", "251", "302"]);
    expect(store.duplicates).toBe(0);
    expect(store.stops()).toEqual([]);
  });

  test("goes on from central's position, whatever the broker remembers", async () => {
    const settings = await makeTopic(1);
    const store = new MemoryTopicStore();
    const shard = new TestShard();
    const records = recordsOf(shard, [0], 20);
    await publish(settings, records);
    const intake = startIntake(settings, store);
    await appliedOnce(store, records);
    await stop(intake);
    const { topic } = settings;
    const partitions = [{ partition: 0, offset: "3" }];
    await admin.setOffsets({ groupId: topic, topic, partitions });
    const more = recordsOf(shard, [0], 5);
    await publish(settings, more);
    startIntake(settings, store);
    await appliedOnce(store, [...records, ...more]);
    expect(store.duplicates).toBe(0);
  });

  test("reads again what a central put back from a backup has lost", async () => {
    const settings = await makeTopic(2);
    const store = new MemoryTopicStore();
    const shard = new TestShard();
    const before = recordsOf(shard, [0, 1], 20);
    await publish(settings, before);
    const intake = startIntake(settings, store);
    await appliedOnce(store, before);
    const restore = store.backUp();
    const after = recordsOf(shard, [0, 1], 20);
    await publish(settings, after);
    await appliedOnce(store, [...before, ...after]);
    await stop(intake);
    restore();
    expect(store.applied).toHaveLength(before.length);
    startIntake(settings, store);
    await appliedOnce(store, [...before, ...after]);
    expect(store.stops()).toEqual([]);
  });

  test("notices while it runs that central went back, by its positions", async () => {
    const settings = await makeTopic(1);
    const store = new MemoryTopicStore();
    const shard = new TestShard();
    const before = recordsOf(shard, [0], 20);
    await publish(settings, before);
    startIntake(settings, store);
    await appliedOnce(store, before);
    const restore = store.backUp();
    const after = recordsOf(shard, [0], 20);
    await publish(settings, after);
    await appliedOnce(store, [...before, ...after]);
    restore();
    await appliedOnce(store, [...before, ...after]);
    expect(store.stops()).toEqual([]);
  });

  test("notices by a stream's cursor when new records hide central's older position", async () => {
    const settings = await makeTopic(1);
    const store = new MemoryTopicStore();
    const shard = new TestShard();
    const before = recordsOf(shard, [0], 20);
    await publish(settings, before);
    startIntake(settings, store);
    await appliedOnce(store, before);
    const restore = store.backUp();
    const lost = recordsOf(shard, [0], 20);
    await publish(settings, lost);
    await appliedOnce(store, [...before, ...lost]);
    const hang = Promise.withResolvers<void>();
    store.hang = hang.promise;
    const after = recordsOf(shard, [0], 20);
    await publish(settings, after);
    restore();
    hang.resolve();
    await appliedOnce(store, [...before, ...lost, ...after]);
    expect(store.stops()).toEqual([]);
  });

  test("reads again from a position that somebody sets back while records come in", async () => {
    const settings = await makeTopic(1);
    const { topic } = settings;
    const store = new MemoryTopicStore();
    const shard = new TestShard();
    await publish(settings, recordsOf(shard, [0], 5));
    await producer.send({ topic, messages: [{ key: "k", value: "not of ours" }] });
    const intake = startIntake(settings, store);
    await until("a record is put aside", WAIT_MS, () => store.quarantine.length === 1);
    store.setPosition(0, "6");
    await until("it is put aside again", WAIT_MS, async () => {
      await publish(settings, recordsOf(shard, [0], 1));
      return store.quarantine.length === 2;
    });
    expect(store.quarantine.map(({ offset }) => offset)).toEqual(["6", "6"]);
    const more = recordsOf(shard, [0], 1);
    await publish(settings, more);
    const last = more.map(eventIdOf)[0] as string;
    await until("all of them are read", WAIT_MS, () => store.applied.includes(last));
    await stop(intake);
    const [end] = await admin.fetchTopicOffsets(topic);
    expect(await store.positions()).toEqual([{ partition: 0, nextOffset: end?.high ?? "" }]);
    expect(store.stops()).toEqual([]);
  });

  test("a member that was left behind does not write its position over a newer one", async () => {
    const settings = await makeTopic(1);
    const store = new MemoryTopicStore();
    const shard = new TestShard();
    const records = recordsOf(shard, [0], 20);
    await publish(settings, records);
    const held = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    let late: Promise<unknown> = Promise.resolve();
    const slow: Pick<Applier, "take"> = {
      take: (intake) => {
        const taking = gate.promise.then(() => applierOn(store).take(intake));
        late = taking;
        held.resolve();
        return taking;
      },
    };
    const one = startIntake(settings, store, slow);
    await held.promise;
    await stop(one);
    startIntake(settings, store);
    await appliedOnce(store, records);
    const more = recordsOf(shard, [0], 20);
    await publish(settings, more);
    await appliedOnce(store, [...records, ...more]);
    gate.resolve();
    await late;
    expect(store.duplicates).toBe(records.length);
    expect(await store.positions()).toEqual([{ partition: 0, nextOffset: "41" }]);
  });

  test("reads a topic that ends before central's position from its beginning", async () => {
    const settings = await makeTopic(1);
    const store = new MemoryTopicStore();
    const records = recordsOf(new TestShard(), [0], 20);
    await publish(settings, records);
    store.setPosition(0, "500");
    const registry = createRegistry({});
    startIntake(settings, store, applierOn(store), registry);
    await appliedOnce(store, records);
    expect(await registry.metrics()).toContain("sluice_applier_topic_findings_total 1");
  });

  test("begins at the oldest record when those at central's position are gone", async () => {
    const settings = await makeTopic(1);
    const { topic } = settings;
    const store = new MemoryTopicStore();
    const shard = new TestShard();
    await publish(settings, recordsOf(shard, [0], 20));
    await until("the admin client knows the leader", WAIT_MS, () =>
      admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: "10" }] }).then(
        () => true,
        () => false,
      ),
    );
    store.setPosition(0, "5");
    const registry = createRegistry({});
    startIntake(settings, store, applierOn(store), registry);
    await until("the chain sees the gap", WAIT_MS, () => store.stops().includes("0 gap"));
    expect(await registry.metrics()).toContain("sluice_applier_topic_findings_total 1");
  });

  test("puts aside what it cannot read and takes the rest", async () => {
    const settings = await makeTopic(1);
    const { topic } = settings;
    const store = new MemoryTopicStore();
    const shard = new TestShard();
    const records = recordsOf(shard, [0], 5);
    await publish(settings, records);
    const value = Buffer.from([0x22, 0xe9, 0x22]);
    await producer.send({ topic, messages: [{ key: "A", value, headers: { type: "x" } }] });
    const more = recordsOf(shard, [0], 5);
    await publish(settings, more);
    startIntake(settings, store);
    await appliedOnce(store, [...records, ...more]);
    expect(store.quarantine).toEqual([
      {
        partition: 0,
        offset: "6",
        shard: null,
        epoch: null,
        seq: null,
        code: "unreadable",
        detail: "header version is missing",
        key: "A",
        headers: '{"type":"x"}',
        value: `base64:${value.toString("base64")}`,
      },
    ]);
  });

  test("stops one stream only, and goes on with it when the lost record comes", async () => {
    const settings = await makeTopic(1);
    const store = new MemoryTopicStore();
    const [one, two] = [new TestShard(1), new TestShard(2)];
    const own = recordsOf(one, [0], 9);
    const other = recordsOf(two, [0], 9);
    const lost = own[4] as CommittedRecord;
    await publish(settings, [...own.filter((record) => record !== lost), ...other]);
    startIntake(settings, store);
    await appliedOnce(store, [...own.slice(0, 4), ...other]);
    expect(store.stops()).toEqual(["0 gap"]);
    await publish(settings, own.slice(4));
    await appliedOnce(store, [...own, ...other]);
    expect(store.stops()).toEqual([]);
  });

  test("keeps its partitions while central hangs, and waits when the applier is full", async () => {
    const settings = await makeTopic(2);
    const store = new MemoryTopicStore();
    const shard = new TestShard();
    const intake = startIntake(settings, store, applierOn(store, 100));
    await ready(intake, 2);
    const hang = Promise.withResolvers<void>();
    const before = intake.assignment();
    store.hang = hang.promise;
    const records = recordsOf(shard, [0, 1], 20);
    await publish(settings, records);
    // Longer than the broker waits for a member that is silent.
    await Bun.sleep(13_000);
    const group = await admin.describeGroups([settings.topic]);
    expect(group.groups[0]?.state).toBe("Stable");
    expect(intake.assignment()).toEqual(before);
    hang.resolve();
    await appliedOnce(store, records);
    expect(store.duplicates).toBe(0);
  });

  test("shares partitions with a second member, and takes them back when that is gone", async () => {
    const settings = await makeTopic(4);
    const store = new MemoryTopicStore();
    const shard = new TestShard();
    const records: CommittedRecord[] = [];
    const publishMore = async (): Promise<void> => {
      const more = recordsOf(shard, [0, 1, 2, 3], 25);
      records.push(...more);
      await publish(settings, more);
    };
    const one = startIntake(settings, store);
    await ready(one, 4);
    await publishMore();
    const two = startIntake(settings, store);
    await publishMore();
    await Promise.all([ready(one, 2), ready(two, 2)]);
    await publishMore();
    await appliedOnce(store, records);
    await stop(one);
    await publishMore();
    await ready(two, 4);
    await appliedOnce(store, records);
    expect(store.stops()).toEqual([]);
  });

  test("reads partitions that are added while it runs", async () => {
    const settings = await makeTopic(1);
    const { topic } = settings;
    const store = new MemoryTopicStore();
    const shard = new TestShard();
    const intake = startIntake(settings, store);
    await ready(intake, 1);
    await admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] });
    const records = recordsOf(shard, [0, 1, 2], 10);
    await until("the producer knows them", WAIT_MS, () =>
      publish(settings, records.slice(0, 3)).then(
        () => true,
        () => false,
      ),
    );
    await publish(settings, records.slice(3));
    await ready(intake, 3);
    await appliedOnce(store, records);
  });

  test("waits for a topic that is not there yet", async () => {
    const topic = freshTopic();
    const settings: KafkaSettings = { brokers, topic, clientId: "test" };
    const store = new MemoryTopicStore();
    startIntake(settings, store);
    await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: 1 }] });
    topics.push(topic);
    const records = recordsOf(new TestShard(), [0], 3);
    await publish(settings, records);
    await appliedOnce(store, records);
  });
});
