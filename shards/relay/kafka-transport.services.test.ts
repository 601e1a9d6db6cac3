/** Against a real broker: what arrives in the topic, and in which order. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { type Admin, Kafka, logLevel } from "kafkajs";
import { freshTopic, servicesFromEnvironment } from "../../tests/support/services.ts";
import { until } from "../../tests/support/until.ts";
import type { KafkaSettings } from "../process/kafka.ts";
import { createLogger } from "../process/logger.ts";
import { type CommittedRecord, chainHash, ZERO_HASH } from "../protocol/record.ts";
import { decodeTopicRecord, type TopicRecord } from "../protocol/topic.ts";
import { KafkaTransport } from "./kafka-transport.ts";

const { kafkaBrokers: brokers } = servicesFromEnvironment();
const logger = createLogger("test", "silent");
const kafka = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING });
const admin: Admin = kafka.admin();
const topics: string[] = [];
const transports: KafkaTransport[] = [];

beforeAll(() => admin.connect());
afterEach(() => {
  for (const transport of transports.splice(0)) transport.close();
});
afterAll(async () => {
  await admin.deleteTopics({ topics });
  await admin.disconnect();
});

const makeTopic = async (
  partitions: number,
  config: Readonly<Record<string, string>> = {},
): Promise<string> => {
  const topic = freshTopic();
  const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
  await admin.createTopics({
    waitForLeaders: true,
    topics: [{ topic, numPartitions: partitions, configEntries }],
  });
  topics.push(topic);
  return topic;
};

interface Told {
  readonly transport: KafkaTransport;
  readonly states: string[];
}

const transportOf = (topic: string, changes: Partial<KafkaSettings> = {}): Told => {
  const states: string[] = [];
  const transport = new KafkaTransport({
    settings: { brokers, topic, clientId: "test", ...changes },
    logger,
    onState: (state, reason) => states.push(`${state}: ${reason}`),
  });
  transports.push(transport);
  return { transport, states };
};

/** `count` chained records after `from`. */
const recordsOf = (
  partition: number,
  count: number,
  { from = 0, value = (seq: number) => `{"seq":${seq},"text":"ü€📈"}` } = {},
): CommittedRecord[] => {
  let prevHash = ZERO_HASH;
  return Array.from({ length: from + count }, (_, index): CommittedRecord => {
    const seq = index + 1;
    const hash = chainHash(prevHash, value(seq));
    const at = 1790000000000 + seq;
    const place = { shard: "shard1", epoch: 1, partition, seq, commitSeq: seq, at };
    const record = { ...place, key: "BTCUSDT", value: value(seq), prevHash, hash };
    prevHash = hash;
    return { ...record, type: "order_accepted" };
  }).slice(from);
};

/** Reads all partitions until `count` records have come. */
const readAll = async (topic: string, count: number): Promise<TopicRecord[]> => {
  const consumer = kafka.consumer({ groupId: topic, maxWaitTimeInMs: 100 });
  const read: TopicRecord[] = [];
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ partition, message }) => {
      read.push(decodeTopicRecord(message, partition));
    },
  });
  try {
    await until(
      () => `${count} records, ${read.length} came`,
      60_000,
      () => read.length >= count,
    );
  } finally {
    await consumer.disconnect();
  }
  return read;
};

const highOffset = async (topic: string, partition: number): Promise<number> => {
  const offsets = await admin.fetchTopicOffsets(topic);
  return Number(offsets.find((one) => one.partition === partition)?.high);
};

describe("a transport to a broker", () => {
  test("carries records as they are, each partition in order", async () => {
    const topic = await makeTopic(3);
    const { transport, states } = transportOf(topic);
    expect(await transport.connect()).toBeNull();
    const parts = [0, 1, 2].map((partition) => recordsOf(partition, 1700));
    for (const from of [0, 850]) {
      const results = await Promise.all(
        parts.map((records) => transport.send(records.slice(from, from + 850), 3)),
      );
      expect(results).toEqual(parts.map(() => ({ kind: "replicated" })));
    }
    const read = await readAll(topic, 5100);
    for (const records of parts) {
      const { partition } = records[0] as CommittedRecord;
      const own = read.filter((one) => one.partition === partition);
      expect(own).toEqual(records.map((record) => ({ ...record, generation: 3 })));
    }
    expect(states).toEqual([]);
  });

  test("gives a record of its partition, not of a key, no key", async () => {
    const topic = await makeTopic(1);
    const { transport } = transportOf(topic);
    await transport.connect();
    const [record] = recordsOf(0, 1) as [CommittedRecord];
    const started = { ...record, type: "epoch_started" as const, key: "" };
    await transport.send([started], 1);
    expect(await readAll(topic, 1)).toEqual([{ ...started, generation: 1 }]);
  });

  test("throws a passing error when nobody listens", async () => {
    const { transport } = transportOf("any", { brokers: ["127.0.0.1:1"] });
    const connected = transport.connect();
    expect(connected).rejects.toMatchObject({ code: "broker_unreachable", retryable: true });
    await connected.catch(() => undefined);
    expect(transport.send(recordsOf(0, 1), 1)).rejects.toMatchObject({ retryable: true });
  });

  test("waits for a topic that is not there, and says so", async () => {
    const topic = freshTopic();
    const { transport, states } = transportOf(topic);
    await transport.connect();
    const sent = transport.send(recordsOf(0, 1), 1);
    await until("the trouble is told", 60_000, () => states.length > 0);
    expect(states[0]).toBe(
      `connecting: UNKNOWN_TOPIC_OR_PARTITION: the broker has no partition 0 of topic ${topic}: ` +
        "create the topic, or raise its partitions; `sluice doctor` shows how many are needed.",
    );
    await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: 1 }] });
    topics.push(topic);
    expect(await sent).toEqual({ kind: "replicated" });
    // A topic that has just been made may have no leader yet, which is told too.
    expect(states.indexOf("running: null")).toBe(states.length - 1);
  });

  test("never takes a partition that the topic lacks for sent", async () => {
    const topic = await makeTopic(1);
    const { transport, states } = transportOf(topic);
    await transport.connect();
    const sent = transport.send(recordsOf(1, 5), 1);
    await until("the trouble is told", 60_000, () => states.length > 0);
    expect(states[0]).toContain(`${topic} has no partition 1`);
    expect(await transport.send(recordsOf(0, 5), 1)).toEqual({ kind: "replicated" });
    await admin.createPartitions({ topicPartitions: [{ topic, count: 2 }] });
    expect(await sent).toEqual({ kind: "replicated" });
    expect(await highOffset(topic, 1)).toBe(5);
  });

  test("finds a partition that was added a moment ago, and has nothing to tell", async () => {
    const topic = await makeTopic(1);
    const { transport, states } = transportOf(topic);
    await transport.connect();
    expect(await transport.send(recordsOf(0, 5), 1)).toEqual({ kind: "replicated" });
    await admin.createPartitions({ topicPartitions: [{ topic, count: 2 }] });
    expect(await transport.send(recordsOf(1, 5), 2)).toEqual({ kind: "replicated" });
    expect(await highOffset(topic, 1)).toBe(5);
    expect(states).toEqual([]);
  });

  test("tells of a record that is too large and goes on once it is not", async () => {
    const topic = await makeTopic(1, { "max.message.bytes": "2000" });
    const { transport, states } = transportOf(topic);
    await transport.connect();
    const large = recordsOf(0, 1, { value: () => `"${"x".repeat(3000)}"` });
    const sent = transport.send(large, 1);
    await until("the trouble is told", 60_000, () => states.length > 0);
    expect(states[0]).toBe(
      "connecting: MESSAGE_TOO_LARGE: a record of partition 0 is larger than topic " +
        `${topic} takes: raise its max.message.bytes.`,
    );
    const configEntries = [{ name: "max.message.bytes", value: "1000000" }];
    await admin.alterConfigs({
      validateOnly: false,
      resources: [{ type: 2, name: topic, configEntries }],
    });
    expect(await sent).toEqual({ kind: "replicated" });
    expect(states.slice(1)).toEqual(["running: null"]);
    expect(await highOffset(topic, 0)).toBe(1);
  });

  test("ends a send that waits when it is closed, and can connect anew", async () => {
    const topic = await makeTopic(1);
    const { transport, states } = transportOf(topic);
    await transport.connect();
    const sent = transport.send(recordsOf(1, 1), 1);
    await until("the trouble is told", 60_000, () => states.length > 0);
    transport.close();
    expect(sent).rejects.toMatchObject({ code: "broker_unreachable", retryable: true });
    await sent.catch(() => undefined);
    await transport.connect();
    expect(await transport.send(recordsOf(0, 1), 1)).toEqual({ kind: "replicated" });
  });
});
