/** From the transport to central, over a broker that is killed, and one that hangs. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { systemClock } from "../../../shards/process/clock.ts";
import type { KafkaSettings } from "../../../shards/process/kafka.ts";
import { createLogger } from "../../../shards/process/logger.ts";
import { createRegistry } from "../../../shards/process/metrics.ts";
import type { CommittedRecord } from "../../../shards/protocol/record.ts";
import { eventIdOf } from "../../../shards/protocol/topic.ts";
import { KafkaTransport } from "../../../shards/relay/kafka-transport.ts";
import { freshTopic, OwnServices, START_SERVICES_MS_MAX } from "../../../tests/support/services.ts";
import { until } from "../../../tests/support/until.ts";
import { Applier } from "../applier.ts";
import { TestShard } from "../test-shard.ts";
import { MemoryTopicStore } from "./test-topic-store.ts";
import { ensureTopic } from "./topic-admin.ts";
import { TopicIntake } from "./topic-intake.ts";

const logger = createLogger("test", "silent");
const PARTITIONS = [0, 1, 2];
const BATCH = 20;
/** Batches of each partition; the fault comes when so many are applied. */
const BATCHES = 60;
const FAULT_AFTER_RECORDS = 300;

let own: OwnServices;
beforeAll(async () => {
  own = await OwnServices.start({ kafka: 1 });
}, START_SERVICES_MS_MAX);
afterAll(() => own.stop(), START_SERVICES_MS_MAX);

/** The start of the stream, then orders, in batches. */
const batchesOf = (shard: TestShard, partition: number): CommittedRecord[][] =>
  Array.from({ length: BATCHES }, (_, batch) =>
    Array.from({ length: BATCH }, (__, index) =>
      batch === 0 && index === 0 ? shard.epochStarted(partition) : shard.accepted(partition),
    ),
  );

const runOver = async (fault: () => Promise<void>) => {
  const settings: KafkaSettings = {
    brokers: own.kafkaBrokers,
    topic: freshTopic(),
    clientId: "test",
  };
  const shape = { partitions: 3, replicationFactor: 1, retentionMs: 3_600_000 };
  await until("the topic is made", START_SERVICES_MS_MAX, () =>
    ensureTopic(settings, shape, logger).catch(() => false as const),
  );
  const store = new MemoryTopicStore();
  const applier = new Applier({
    store,
    limits: { commitRecordsMax: 8192, waitingBytesMax: 1 << 26, retryMsMin: 10, retryMsMax: 50 },
    observer: { committed: () => undefined, failed: () => undefined },
    clock: systemClock,
    logger,
  });
  const registry = createRegistry({});
  const groupId = settings.topic;
  const intake = new TopicIntake({ settings, groupId, store, applier, registry, logger });
  intake.start();
  const states: string[] = [];
  const transport = new KafkaTransport({
    settings,
    logger,
    onState: (state) => states.push(state),
  });
  await transport.connect();
  const shard = new TestShard();
  const streams = PARTITIONS.map((partition) => batchesOf(shard, partition));
  const sent = Promise.all(
    streams.map(async (batches) => {
      for (const batch of batches) await transport.send(batch, 1);
    }),
  );
  await until("the fault's time", 60_000, () => store.applied.length >= FAULT_AFTER_RECORDS);
  await fault();
  await sent;
  const expected = streams.flat(2).map(eventIdOf).toSorted();
  await until(
    () => `${expected.length} applied; ${store.applied.length} are; ${store.stops()}`,
    120_000,
    () => store.applied.length >= expected.length,
  );
  transport.close();
  await intake.stop();
  return { store, expected, states };
};

const LONG = process.env.SLUICE_TEST_LONG === "1";

describe("every record is applied once and in order", () => {
  test(
    "when the broker is killed and comes back",
    async () => {
      const { store, expected, states } = await runOver(async () => {
        await own.kill("kafka");
        await own.up("kafka");
      });
      expect(store.applied.toSorted()).toEqual(expected);
      expect(store.stops()).toEqual([]);
      expect(store.quarantine).toEqual([]);
      expect(states.length % 2).toBe(0);
    },
    2 * START_SERVICES_MS_MAX,
  );

  // The whole system under the same is tests/services/faults-broker.
  if (LONG) {
    test(
      "when the broker hangs for longer than a request may take",
      async () => {
        const { store, expected, states } = await runOver(async () => {
          await own.pause("kafka");
          await Bun.sleep(8000);
          await own.resume("kafka");
        });
        expect(store.applied.toSorted()).toEqual(expected);
        expect(store.stops()).toEqual([]);
        expect(states.length % 2).toBe(0);
      },
      2 * START_SERVICES_MS_MAX,
    );
  }
});
