import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Admin, Kafka, logLevel } from "kafkajs";
import { OperatingError, UsageError } from "../../../shards/process/failure.ts";
import type { KafkaSettings } from "../../../shards/process/kafka.ts";
import { createLogger } from "../../../shards/process/logger.ts";
import { freshTopic, servicesFromEnvironment } from "../../../tests/support/services.ts";
import { until } from "../../../tests/support/until.ts";
import { ensureTopic, raiseTopicPartitions, topicFacts, topicOffsets } from "./topic-admin.ts";

const { kafkaBrokers: brokers } = servicesFromEnvironment();
const logger = createLogger("test", "silent");
const kafka = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING });
const admin: Admin = kafka.admin();
const topics: string[] = [];
const RETENTION_MS = 14 * 24 * 3_600_000;

beforeAll(() => admin.connect());
afterAll(async () => {
  await admin.deleteTopics({ topics });
  await admin.disconnect();
});

const settingsOf = (): KafkaSettings => {
  const topic = freshTopic();
  topics.push(topic);
  return { brokers, topic, clientId: "test" };
};
const shape = { partitions: 3, replicationFactor: null, retentionMs: RETENTION_MS };

describe("the topic", () => {
  test("is made once, whoever is first", async () => {
    const settings = settingsOf();
    const made = Array.from({ length: 8 }, () => ensureTopic(settings, shape, logger));
    expect(await Promise.all(made)).toEqual(made.map(() => 3));
    const facts = await topicFacts(settings, "nobody", logger);
    expect(facts).toMatchObject({
      retentionMs: 1_209_600_000,
      minInsyncReplicas: facts?.brokers === 1 ? 1 : expect.any(Number),
      group: { state: "Dead", members: [] },
    });
    expect(facts?.partitions.map(({ partition }) => partition)).toEqual([0, 1, 2]);
    expect(facts?.partitions[0]).toMatchObject({ lowOffset: 0n, highOffset: 0n });
  });

  test("may have more partitions than are asked for, not fewer", async () => {
    const settings = settingsOf();
    expect(await ensureTopic(settings, shape, logger)).toBe(3);
    expect(await ensureTopic(settings, { ...shape, partitions: 2 }, logger)).toBe(3);
    const tooMany = ensureTopic(settings, { ...shape, partitions: 4 }, logger);
    expect(tooMany).rejects.toThrow(UsageError);
    await tooMany.catch(() => undefined);
    expect(await raiseTopicPartitions(settings, 4, logger)).toBe(3);
    expect(await raiseTopicPartitions(settings, 4, logger)).toBe(4);
    expect(await ensureTopic(settings, { ...shape, partitions: 4 }, logger)).toBe(4);
    const fewer = raiseTopicPartitions(settings, 2, logger);
    expect(fewer).rejects.toThrow("has 4 partitions: 2 would be fewer");
    await fewer.catch(() => undefined);
  });

  test("is refused when there are too few brokers for its copies", async () => {
    const settings: KafkaSettings = { ...settingsOf() };
    const made = ensureTopic(settings, { ...shape, replicationFactor: 99 }, logger);
    expect(made).rejects.toThrow("fewer brokers than copies asked for");
    await made.catch(() => undefined);
    expect(await topicFacts(settings, "nobody", logger)).toBeNull();
    topics.pop();
  });

  test("shows who reads what, idle members too", async () => {
    const settings = settingsOf();
    const { topic } = settings;
    await ensureTopic(settings, { ...shape, partitions: 1 }, logger);
    const members = ["busy", "idle"].map((clientId) =>
      new Kafka({ brokers: [...brokers], clientId, logLevel: logLevel.NOTHING }).consumer({
        groupId: topic,
        maxWaitTimeInMs: 100,
      }),
    );
    try {
      for (const member of members) {
        await member.connect();
        await member.subscribe({ topic });
        await member.run({ eachMessage: async () => undefined });
      }
      const group = await until("both are in the group", 50_000, async () => {
        const facts = await topicFacts(settings, topic, logger);
        return facts?.group.state === "Stable" && facts.group.members.length === 2 && facts.group;
      });
      const shared = group.members.map(({ partitions }) => partitions.length).toSorted();
      expect(shared).toEqual([0, 1]);
      expect(group.members.map(({ clientId }) => clientId).toSorted()).toEqual(["busy", "idle"]);
    } finally {
      await Promise.all(members.map((member) => member.disconnect()));
    }
  });

  test("tells the ends of its partitions", async () => {
    const settings = settingsOf();
    await ensureTopic(settings, shape, logger);
    const producer = kafka.producer();
    await producer.connect();
    const messages = [{ partition: 1, value: "x" }];
    await producer.send({ topic: settings.topic, messages });
    await producer.disconnect();
    expect((await topicOffsets(settings, logger)).get(1)).toEqual({ low: 0n, high: 1n });
  });

  test("of a broker that is away is a passing error", async () => {
    const away = { ...settingsOf(), brokers: ["127.0.0.1:1"] };
    topics.pop();
    const made = ensureTopic(away, shape, logger);
    expect(made).rejects.toThrow(OperatingError);
    await made.catch((error) => expect(error).toMatchObject({ retryable: true }));
  });
});
