/**
 * From one partition of the topic to ten and more while clients trade, with two appliers and with
 * another system that reads the topic as docs/TOPIC.md tells it to: intake goes on, central is
 * exact, and that reader sees every symbol's records in the order of their commits.
 */
import { Database } from "bun:sqlite";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { type Admin, AssignerProtocol, Kafka, logLevel } from "kafkajs";
import { RECORD_TYPES } from "../../shards/protocol/record.ts";
import { LiveReader } from "../support/live-reader.ts";
import { Load, type LoadSymbol } from "../support/load.ts";
import { endAll, runProcess, SLUICE } from "../support/processes.ts";
import { printedSeed, type Random, randomOf, wholeOf } from "../support/random.ts";
import { type Replicated, startReplicated } from "../support/replicated.ts";
import { START_SERVICES_MS_MAX, servicesFromEnvironment } from "../support/services.ts";
import { SHARDS } from "../support/sluice.ts";
import { type RawMessage, TopicReader } from "../support/topic-reader.ts";
import { until } from "../support/until.ts";

const TEST_MS_MAX = 240_000;
const COMMAND_MS_MAX = 60_000;
/** A group of two that forms again, on a busy machine; alone it takes about five seconds. */
const PICKED_UP_MS_MAX = 90_000;
const READ_MS_MAX = 90_000;
const CONNECTIONS = 24;
/** A few hundred requests a second. */
const PAUSE_OF_CLIENT_MS = 50;
const SOME = 400;
const REPLAYS = 5;
/** Three of each shard, or two; they spread over most of ten partitions. */
const SYMBOLS: readonly LoadSymbol[] = [
  "BTCUSDT",
  "ETHUSDT",
  "SOLUSDT",
  "BTCUSDC",
  "ETHUSDC",
  "ADAUSDT",
  "DOGEUSDT",
  "LTCUSDT",
  "XRPUSDT",
];
const OF_SHARD_2: readonly string[] = ["ETHUSDT", "ETHUSDC"];

const { kafkaBrokers, mysqlUrl } = servicesFromEnvironment();
const admin: Admin = new Kafka({
  brokers: [...kafkaBrokers],
  logLevel: logLevel.NOTHING,
}).admin();
const loads: Load[] = [];
let system: Replicated;
let live: LiveReader;

beforeAll(async () => {
  await admin.connect();
  system = await startReplicated({
    services: { kafkaBrokers, mysqlUrl, redisUrl: "" },
    settings: { PARTITION_COUNT: "1" },
    appliers: 2,
  });
  live = await LiveReader.start(kafkaBrokers, system.topic);
}, START_SERVICES_MS_MAX);

afterEach(async () => {
  await Promise.all(loads.map((load) => load.stop()));
}, TEST_MS_MAX);

afterAll(async () => {
  await endAll();
  await live?.stop();
  if (system !== undefined) {
    await admin.deleteTopics({ topics: [system.topic] });
    await system.database.drop();
  }
  await admin.disconnect();
}, TEST_MS_MAX);

const startLoad = async (what: string): Promise<Load> => {
  const load = await Load.start({
    url: system.url,
    seed: printedSeed(what),
    connections: CONNECTIONS,
    symbols: SYMBOLS,
    pauseMs: PAUSE_OF_CLIENT_MS,
  });
  loads.push(load);
  await load.moreAcked(SOME);
  return load;
};

const raise = (count: number, brokers?: string) =>
  runProcess(
    [...SLUICE, "partitions", "raise", `${count}`, "--api", system.url],
    {
      environment: {
        ...system.environment(),
        ...(brokers === undefined ? {} : { KAFKA_BROKERS: brokers }),
      },
    },
    COMMAND_MS_MAX,
  );

const raisedLines = (before: number, after: number, topicBefore = before): string =>
  [
    `${system.topic}: ${described(topicBefore, after)}`,
    ...SHARDS.map((shard) => `${shard}: ${described(before, after)}`),
    `Now set SLUICE_PARTITION_COUNT=${after}: new shard files begin with it.`,
    "",
  ].join("\n");

const described = (before: number, after: number): string =>
  before === after ? `has ${after} partitions already` : `raised from ${before} to ${after}`;

const topicPartitions = async (): Promise<number> => {
  const { topics } = await admin.fetchTopicMetadata({ topics: [system.topic] });
  return topics[0]?.partitions.length ?? 0;
};

const shardCounts = async (): Promise<readonly unknown[]> =>
  (await system.operator.shards()).map((shard) => [shard.partitionCount, shard.generation]);

/** What each applier reads of the topic, as the broker's group has it. */
const assignments = async (): Promise<readonly (readonly number[])[]> => {
  const { groups } = await admin.describeGroups([system.settings.KAFKA_GROUP_ID ?? ""]);
  return (groups[0]?.members ?? []).map(({ memberAssignment }) => {
    if (memberAssignment.length === 0) return [];
    const decoded = AssignerProtocol.MemberAssignment.decode(memberAssignment);
    return decoded?.assignment[system.topic] ?? [];
  });
};

/** Two appliers share all partitions, evenly. */
const expectShared = async (count: number): Promise<void> => {
  const all = Array.from({ length: count }, (_, partition) => partition);
  const even = [Math.floor(count / 2), Math.ceil(count / 2)];
  const seen = await until(`two appliers share ${count} partitions`, PICKED_UP_MS_MAX, async () => {
    const shared = await assignments();
    const counts = shared.map(({ length }) => length).toSorted((a, b) => a - b);
    return Bun.deepEquals(counts, even) && shared;
  });
  expect(seen.flat().toSorted((a, b) => a - b)).toEqual(all);
};

interface Committed {
  readonly commitSeq: number;
  readonly symbol: string;
  readonly value: string;
}

/** All records of orders, in the order of their commits. */
const journalOf = (shard: string): readonly Committed[] => {
  const file = new Database(join(system.dataDir, `${shard}.sqlite`), { readonly: true });
  try {
    return file
      .query<Committed, [number]>(
        'SELECT commit_seq AS "commitSeq", key AS symbol, value FROM journal ' +
          "WHERE type <> ? ORDER BY commit_seq",
      )
      .all(RECORD_TYPES.indexOf("epoch_started"));
  } finally {
    file.close();
  }
};

const bySymbol = (records: readonly Committed[]): Readonly<Record<string, readonly string[]>> => {
  const lines: Record<string, string[]> = {};
  for (const { commitSeq, symbol, value } of records) {
    lines[symbol] ??= [];
    lines[symbol].push(`${commitSeq} ${value}`);
  }
  return lines;
};

/** Each symbol's records as its shard committed them. */
const committed = () => bySymbol(SHARDS.flatMap(journalOf));

/** Every record of every symbol, in the order of the commits, nothing twice. */
const expectSeenInOrder = async (): Promise<void> => {
  const expected = committed();
  const records = Object.values(expected).flat().length;
  await until("the reader has handled every record", READ_MS_MAX, () => {
    return live.reader.handled.length >= records;
  });
  expect(Object.keys(expected).toSorted()).toEqual([...SYMBOLS].toSorted());
  expect(bySymbol(live.reader.handled)).toEqual(expected);
  expect([live.reader.gaps, live.reader.waiting]).toEqual([[], 0]);
};

/** The partitions' messages in an order that some reader may meet them in. */
const interleaved = (random: Random): readonly (readonly [number, RawMessage])[] => {
  const left = [...live.messages].map(([partition, messages]): [number, RawMessage[]] => [
    partition,
    [...messages.values()],
  ]);
  const order: (readonly [number, RawMessage])[] = [];
  while (left.length > 0) {
    const at = wholeOf(random, 0, left.length - 1);
    const [partition, messages] = left[at] as [number, RawMessage[]];
    const some = messages.splice(0, wholeOf(random, 1, 200));
    order.push(...some.map((message) => [partition, message] as const));
    if (messages.length === 0) left.splice(at, 1);
  }
  return order;
};

const newestPartitionsFirst = (): readonly (readonly [number, RawMessage])[] =>
  [...live.messages]
    .toSorted(([a], [b]) => b - a)
    .flatMap(([partition, messages]) =>
      [...messages.values()].map((message) => [partition, message] as const),
    );

const readIn = (order: readonly (readonly [number, RawMessage])[]): TopicReader => {
  const reader = new TopicReader();
  for (const [partition, message] of order) reader.take(partition, message);
  return reader;
};

describe("a raise under load", () => {
  test(
    "from 1 to 10 refuses nothing; both appliers take their part of the new partitions",
    async () => {
      expect([await topicPartitions(), await shardCounts()]).toEqual([1, SHARDS.map(() => [1, 1])]);
      const load = await startLoad("raise");
      const { exitCode, stdout, stderr } = await raise(10);
      expect({ exitCode, stdout, stderr }).toEqual({
        exitCode: 0,
        stdout: raisedLines(1, 10),
        stderr: "",
      });
      expect([await topicPartitions(), await shardCounts()]).toEqual([
        10,
        SHARDS.map(() => [10, 2]),
      ]);
      await expectShared(10);
      await load.moreAcked(SOME);
      await load.stop();
      expect(load.interruptions).toEqual([]);
      await system.expectExact(loads);
      await expectSeenInOrder();
      // No shard took the new partitions for missing: nobody has to be warned.
      expect(system.dev.process.stderr()).not.toContain("has no partition");
    },
    TEST_MS_MAX,
  );

  test(
    "to 13 with a shard that hangs and is killed says what is left, and a repeat finishes it",
    async () => {
      const load = await startLoad("raise with a kill");
      const pid = system.dev.pidOf("shard2") ?? 0;
      process.kill(pid, "SIGSTOP");
      const raising = raise(13);
      await until("shard1 is raised", COMMAND_MS_MAX, () => partitionCountIn("shard1") === 13);
      const kill = system.kill("shard2");
      const broken = await raising;
      await kill.recovered();
      const repeated = await raise(13);
      expect([repeated.exitCode, repeated.stderr]).toEqual([0, ""]);
      if (broken.exitCode === 1) {
        expect(broken.stdout).toContain("shard2: not raised: ");
        expect(broken.stdout).toContain("1 of 3 shards are left: repeat the command.");
      } else {
        // The new process was asked again in time.
        expect(broken).toMatchObject({ exitCode: 0, stdout: raisedLines(10, 13) });
      }
      expect([await topicPartitions(), await shardCounts()]).toEqual([
        13,
        SHARDS.map(() => [13, 3]),
      ]);
      await expectShared(13);
      await load.moreAcked(SOME);
      await load.stop();
      const elsewhere = load.interruptions.filter(({ symbol }) => !OF_SHARD_2.includes(symbol));
      expect(elsewhere).toEqual([]);
      await system.expectExact(loads);
      await expectSeenInOrder();
    },
    TEST_MS_MAX,
  );
});

/** Of the file's last commit. */
const partitionCountIn = (shard: string): number => {
  const file = new Database(join(system.dataDir, `${shard}.sqlite`), { readonly: true });
  try {
    const row = file.query("SELECT partition_count FROM cluster").get();
    return (row as { readonly partition_count: number }).partition_count;
  } finally {
    file.close();
  }
};

describe("the command", () => {
  test(
    "repeated does nothing, and never lowers",
    async () => {
      const again = await raise(13);
      expect([again.exitCode, again.stdout]).toEqual([0, raisedLines(13, 13)]);
      const fewer = await raise(4);
      expect([fewer.exitCode, fewer.stderr]).toEqual([
        2,
        expect.stringContaining("partitions raise 4: shard1 has 13 partitions"),
      ]);
      expect([await topicPartitions(), await shardCounts()]).toEqual([
        13,
        SHARDS.map(() => [13, 3]),
      ]);
    },
    TEST_MS_MAX,
  );

  test(
    "says that no broker answers and has raised nothing; broken off after the topic, it goes on",
    async () => {
      const { exitCode, stderr, stdout } = await raise(14, "127.0.0.1:1");
      expect([exitCode, stdout]).toEqual([1, ""]);
      expect(stderr).toContain("KAFKA_BROKERS (127.0.0.1:1) does not answer");
      expect([await topicPartitions(), await shardCounts()]).toEqual([
        13,
        SHARDS.map(() => [13, 3]),
      ]);
      await admin.createPartitions({ topicPartitions: [{ topic: system.topic, count: 14 }] });
      const resumed = await raise(14);
      expect([resumed.exitCode, resumed.stdout]).toEqual([0, raisedLines(13, 14, 14)]);
      expect(await shardCounts()).toEqual(SHARDS.map(() => [14, 4]));
    },
    TEST_MS_MAX,
  );
});

describe("afterwards", () => {
  test(
    "a restart with the old setting warns and goes on with the files' count",
    async () => {
      await system.down();
      await system.up();
      const { stdout, stderr } = system.dev.process;
      const warning = "has 14 partitions, SLUICE_PARTITION_COUNT says 1: the file's count holds";
      await until("it is told", READ_MS_MAX, () => (stdout() + stderr()).includes(warning));
      const load = await startLoad("after the restart");
      await load.stop();
      expect(await shardCounts()).toEqual(SHARDS.map(() => [14, 4]));
      await system.expectExact(loads);
      await expectSeenInOrder();
    },
    TEST_MS_MAX,
  );

  test(
    "readers that are slower in some partitions than in others see the same",
    () => {
      const expected = committed();
      const worst = newestPartitionsFirst();
      // Whoever does not wait sees symbols' later records first: the rule is needed here.
      const arrived = worst.map(([, { key, value, headers }]) => ({
        commitSeq: Number(headers?.commitSeq),
        symbol: key?.toString() ?? "",
        value: value?.toString() ?? "",
      }));
      const careless = bySymbol(arrived.filter(({ symbol }) => symbol !== ""));
      expect(careless).not.toEqual(expected);
      expect(bySymbol(readIn(worst).handled)).toEqual(expected);

      const random = randomOf(printedSeed("other readers"));
      for (let replay = 0; replay < REPLAYS; replay++) {
        const reader = readIn(interleaved(random));
        expect(bySymbol(reader.handled)).toEqual(expected);
        expect([reader.gaps, reader.waiting]).toEqual([[], 0]);
      }
    },
    TEST_MS_MAX,
  );
});
