/** Against a real broker, with central in memory: what is applied, and from where it is read. */
import { describe, expect, test } from "bun:test";
import { createRegistry } from "../../../shards/process/metrics.ts";
import { eventIdOf } from "../../../shards/protocol/topic.ts";
import {
  admin,
  appliedOnce,
  applierOn,
  intakeHooks,
  makeTopic,
  producer,
  publish,
  recordsOf,
  startIntake,
  stop,
  WAIT_MS,
} from "../../../tests/support/intake.ts";
import { until } from "../../../tests/support/until.ts";
import type { Applier } from "../applier.ts";
import { TestShard } from "../test-shard.ts";
import { MemoryTopicStore } from "./test-topic-store.ts";

intakeHooks();

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
});
