/** Against a real broker, with central in memory: bad records, hanging stores, members that come and go. */
import { describe, expect, test } from "bun:test";
import type { KafkaSettings } from "../../../shards/process/kafka.ts";
import type { CommittedRecord } from "../../../shards/protocol/record.ts";
import {
  admin,
  appliedOnce,
  applierOn,
  brokers,
  intakeHooks,
  makeTopic,
  producer,
  publish,
  ready,
  recordsOf,
  startIntake,
  stop,
  topics,
  WAIT_MS,
} from "../../../tests/support/intake.ts";
import { freshTopic } from "../../../tests/support/services.ts";
import { until } from "../../../tests/support/until.ts";
import { TestShard } from "../test-shard.ts";
import { MemoryTopicStore } from "./test-topic-store.ts";

intakeHooks();

describe("an intake that meets trouble", () => {
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
