/** Records of the topic are altered, removed and added by hand: found, named, stopped, healed. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import type { Message } from "kafkajs";
import { chainHash } from "../../shards/protocol/record.ts";
import { encodeTopicRecord, type TopicRecord } from "../../shards/protocol/topic.ts";
import { expectReplays } from "../support/ledger.ts";
import { Load } from "../support/load.ts";
import { endAll } from "../support/processes.ts";
import { printedSeed } from "../support/random.ts";
import { START_SERVICES_MS_MAX, servicesFromEnvironment } from "../support/services.ts";
import { TamperedSystem } from "../support/tampered.ts";
import { until } from "../support/until.ts";

const TEST_MS_MAX = 180_000;
const FOUND_MS_MAX = 60_000;
const CONNECTIONS = 30;
/** A few hundred requests a second. */
const PAUSE_OF_CLIENT_MS = 50;
const BEFORE = 300;
const AFTER = 300;
/** The symbol whose records are tampered with, and one of another stream. */
const SYMBOL = "BTCUSDT";
const OTHER = "ETHUSDT";

let system: TamperedSystem;
const loads: Load[] = [];

beforeAll(async () => {
  system = await TamperedSystem.start(servicesFromEnvironment());
}, START_SERVICES_MS_MAX);

afterEach(async () => {
  await Promise.all(loads.map((load) => load.stop()));
});

afterAll(async () => {
  await system?.end();
  await endAll();
}, START_SERVICES_MS_MAX);

const startLoad = async (what: string): Promise<Load> => {
  const load = await Load.start({
    url: system.url,
    seed: printedSeed(what),
    connections: CONNECTIONS,
    pauseMs: PAUSE_OF_CLIENT_MS,
  });
  loads.push(load);
  await load.moreAcked(BEFORE);
  return load;
};

/** Does it once, to the next accepted order of the symbol; gives that record. */
const tamperOnce = async (
  change: (record: TopicRecord) => readonly Message[],
): Promise<TopicRecord> => {
  const done = Promise.withResolvers<TopicRecord>();
  system.bridge.tamper = (record, message) => {
    if (record.key !== SYMBOL || record.type !== "order_accepted") return [message];
    system.bridge.tamper = (_record, next) => [next];
    done.resolve(record);
    return change(record);
  };
  return done.promise;
};

/** An order for ten times the price, still readable. */
const withOtherPrice = (value: string): string =>
  value.replace(/"price":"(\d+)\./, (_, whole) => `"price":"${whole}0.`);

/** The applier counts after its commit, which is seen before. */
const expectMetric = (stopped: number): Promise<unknown> =>
  until(`${stopped} stopped streams are counted`, FOUND_MS_MAX, async () => {
    return (await system.stoppedStreamsMetric()) === stopped;
  });

/** The stream stops before the record, for that reason, loudly; the others go on; `resend` heals it. */
const expectStoppedThenHealed = async (load: Load, record: TopicRecord, code: string) => {
  const { epoch, partition, seq } = record;
  const stop = { epoch, partition, code };
  await until("the stream is stopped", FOUND_MS_MAX, async () => {
    return (await system.stoppedStreams()).length > 0;
  });
  expect(await system.stoppedStreams()).toEqual([stop]);
  await expectMetric(1);
  expect((await system.quarantine()).at(-1)).toMatchObject(stop);

  const { passed } = system.bridge;
  const other = passed.findLast(({ key }) => key === OTHER)?.partition ?? 0;
  const before = (await system.cursorOf(other)).seq;
  await load.moreAcked(AFTER);
  await until("the other stream goes on", FOUND_MS_MAX, async () => {
    return (await system.cursorOf(other)).seq > before;
  });
  expect(await system.cursorOf(partition)).toEqual({ epoch, seq: seq - 1 });

  await system.resend();
  await load.moreAcked(AFTER);
  await load.stop();
  await system.expectExact(loads);
  expect(await system.stoppedStreams()).toEqual([]);
  await expectMetric(0);
};

describe("under load", () => {
  test(
    "a record that was altered stops its stream and is put aside; sent again, all is exact",
    async () => {
      const load = await startLoad("a record altered");
      const record = await tamperOnce((one) => {
        return [encodeTopicRecord({ ...one, value: withOtherPrice(one.value) }, one.generation)];
      });
      await expectStoppedThenHealed(load, record, "hash_mismatch");
      expect((await system.quarantine()).at(-1)).toMatchObject({
        seq: record.seq,
        value: withOtherPrice(record.value),
      });
    },
    TEST_MS_MAX,
  );

  test(
    "a record that was removed stops its stream; sent again, all is exact",
    async () => {
      const load = await startLoad("a record removed");
      const record = await tamperOnce(() => []);
      await expectStoppedThenHealed(load, record, "gap");
      expect((await system.quarantine()).at(-1)).toMatchObject({ seq: record.seq + 1 });
    },
    TEST_MS_MAX,
  );

  test(
    "records that changed places stop their stream; sent again, all is exact",
    async () => {
      const load = await startLoad("two records exchanged");
      const early = await tamperOnce(() => []);
      system.bridge.tamper = (record, message) => {
        if (record.partition !== early.partition) return [message];
        system.bridge.tamper = (_record, next) => [next];
        return [message, encodeTopicRecord(early, early.generation)];
      };
      await until("both have passed", FOUND_MS_MAX, () =>
        system.bridge.passed.some(({ commitSeq }) => commitSeq === early.commitSeq),
      );
      await load.stop();
      await system.resend();
      await system.expectExact(loads);
      const gap = { code: "gap", partition: early.partition, seq: early.seq + 1 };
      expect(await system.quarantine()).toContainEqual(expect.objectContaining(gap));
    },
    TEST_MS_MAX,
  );

  test(
    "a shard's disk is lost and restored: what its former life still sends is refused",
    async () => {
      const before = await startLoad("before the disk is lost");
      await before.stop();
      await system.expectExact(loads);
      const last = system.bridge.passed.findLast(({ key }) => key === SYMBOL);
      if (last === undefined) throw new Error("no record has passed");

      await system.loseDisk();
      const load = await startLoad("after the disk was restored");
      const { epoch, partition, seq, value, hash } = last;
      const late = { ...last, seq: seq + 1, commitSeq: last.commitSeq + 1000, prevHash: hash };
      const sent = { ...late, hash: chainHash(hash, value) };
      await system.bridge.add(partition, encodeTopicRecord(sent, last.generation));
      const finding = { epoch, partition, code: "old_epoch" };
      await until("it is put aside", FOUND_MS_MAX, async () => {
        return (await system.quarantine()).some(({ code }) => code === finding.code);
      });
      expect((await system.quarantine()).at(-1)).toMatchObject({ ...finding, seq: seq + 1, value });
      expect(await system.stoppedStreams()).toEqual([finding]);
      await expectMetric(1);

      await load.moreAcked(AFTER);
      await load.stop();
      expect((await system.cursorOf(partition)).epoch).toBe(epoch + 1);
      await system.expectExact(loads);
      await expectReplays(
        system.url,
        loads.flatMap(({ orders }) => orders),
      );
    },
    TEST_MS_MAX,
  );
});
