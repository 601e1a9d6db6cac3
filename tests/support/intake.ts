/** For tests of the topic's intake on the real broker: topics, appliers and readers of their own. */
import { afterAll, afterEach, beforeAll, expect } from "bun:test";
import { type Admin, Kafka, logLevel, type Producer } from "kafkajs";
import { Applier } from "../../app/central/applier.ts";
import type { TestShard } from "../../app/central/test-shard.ts";
import type { MemoryTopicStore } from "../../app/central/topic/test-topic-store.ts";
import { TopicIntake } from "../../app/central/topic/topic-intake.ts";
import { systemClock } from "../../shards/process/clock.ts";
import type { KafkaSettings } from "../../shards/process/kafka.ts";
import { createLogger } from "../../shards/process/logger.ts";
import { createRegistry, type Registry } from "../../shards/process/metrics.ts";
import type { CommittedRecord } from "../../shards/protocol/record.ts";
import { encodeTopicRecord, eventIdOf } from "../../shards/protocol/topic.ts";
import { freshTopic, servicesFromEnvironment } from "./services.ts";
import { until } from "./until.ts";

export const { kafkaBrokers: brokers } = servicesFromEnvironment();
const logger = createLogger("test", "silent");
/** Of the file that runs: a client remembers topics, and those of the file before are gone. */
export let admin: Admin;
export let producer: Producer;
export const topics: string[] = [];
const intakes: TopicIntake[] = [];
export const WAIT_MS = 50_000;

/** Connects before all tests of a file, ends what each began, removes its topics. */
export const intakeHooks = (): void => {
  beforeAll(async () => {
    const kafka = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING });
    admin = kafka.admin();
    producer = kafka.producer({ idempotent: true });
    await admin.connect();
    await producer.connect();
  });
  afterEach(async () => {
    await Promise.all(intakes.splice(0).map((intake) => intake.stop()));
  });
  afterAll(async () => {
    await admin.deleteTopics({ topics: topics.splice(0) });
    await producer.disconnect();
    await admin.disconnect();
  });
};

export const makeTopic = async (partitions: number): Promise<KafkaSettings> => {
  const topic = freshTopic();
  await admin.createTopics({
    waitForLeaders: true,
    topics: [{ topic, numPartitions: partitions }],
  });
  topics.push(topic);
  return { brokers, topic, clientId: "test" };
};

export const applierOn = (store: MemoryTopicStore, waitingBytesMax = 1 << 26): Applier =>
  new Applier({
    store,
    limits: { commitRecordsMax: 8192, waitingBytesMax, retryMsMin: 10, retryMsMax: 50 },
    observer: { committed: () => undefined, failed: () => undefined },
    clock: systemClock,
    logger,
  });

export const startIntake = (
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

export const stop = async (intake: TopicIntake): Promise<void> => {
  intakes.splice(intakes.indexOf(intake), 1);
  await intake.stop();
};

export const publish = async (
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
export const recordsOf = (shard: TestShard, partitions: readonly number[], count: number) => [
  ...partitions.flatMap((partition) =>
    shard.endOf(partition).seq === 0 ? [shard.epochStarted(partition)] : [],
  ),
  ...Array.from({ length: count }, () => partitions.map((one) => shard.accepted(one))).flat(),
];

export const appliedOnce = (store: MemoryTopicStore, records: readonly CommittedRecord[]) =>
  until(
    () => `${records.length} records applied; ${store.applied.length} are: ${store.stops()}`,
    WAIT_MS,
    () => store.applied.length >= records.length,
  ).then(() => expect(store.applied.toSorted()).toEqual(records.map(eventIdOf).toSorted()));

export const ready = (intake: TopicIntake, partitions: number) =>
  until(
    () => `${partitions} partitions; ${intake.assignment().length} are assigned`,
    WAIT_MS,
    () => intake.assignment().length === partitions,
  );
