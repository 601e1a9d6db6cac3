/**
 * What an operator sees of a stream that central has stopped, and does about it, with the commands
 * themselves: `doctor` names it, `quarantine list` says what to do, `resend` heals it. All other
 * streams go on, those of the same shard too.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { type Admin, Kafka, logLevel } from "kafkajs";
import { createConnection } from "mysql2/promise";
import { partitionOf } from "../../shards/protocol/partition.ts";
import { type CommittedRecord, chainHash } from "../../shards/protocol/record.ts";
import { encodeTopicRecord } from "../../shards/protocol/topic.ts";
import type { Diagnosis } from "../support/doctor.ts";
import { HandOrders } from "../support/hand-orders.ts";
import { bodyOf } from "../support/ledger.ts";
import { Load, type SentOrder } from "../support/load.ts";
import { endAll } from "../support/processes.ts";
import { printedSeed } from "../support/random.ts";
import { type Replicated, startReplicated } from "../support/replicated.ts";
import { START_SERVICES_MS_MAX, servicesFromEnvironment } from "../support/services.ts";
import { until } from "../support/until.ts";

const TEST_MS_MAX = 180_000;
/** The group may count on a dead member until its session is over. */
const FOUND_MS_MAX = 60_000;
const CONNECTIONS = 12;
const PAUSE_OF_CLIENT_MS = 50;
const SOME = 200;
const PARTITIONS = 10;
/** Only the test places orders for it. */
const SYMBOL = "BTCUSDT";
const PARTITION = partitionOf(SYMBOL, PARTITIONS);
const STREAM = `shard1, epoch 1, partition ${PARTITION}`;

const { kafkaBrokers, mysqlUrl } = servicesFromEnvironment();
const kafka = new Kafka({ brokers: [...kafkaBrokers], logLevel: logLevel.NOTHING });
const admin: Admin = kafka.admin();
let system: Replicated;
let byHand: HandOrders;
const loads: Load[] = [];

beforeAll(async () => {
  await admin.connect();
  system = await startReplicated({
    services: { kafkaBrokers, mysqlUrl, redisUrl: "" },
    settings: { PARTITION_COUNT: `${PARTITIONS}` },
  });
  byHand = new HandOrders(system.url);
  // The appliers' group has formed: central is in time from here on.
  await system.settled();
}, START_SERVICES_MS_MAX);

afterEach(async () => {
  await Promise.all(loads.map((load) => load.stop()));
}, TEST_MS_MAX);

afterAll(async () => {
  await endAll();
  if (system !== undefined) {
    await admin.deleteTopics({ topics: [system.topic] });
    await system.database.drop();
  }
  await admin.disconnect();
}, TEST_MS_MAX);

/** Every shard has orders; none of the symbol's stream. */
const startLoad = async (what: string): Promise<Load> => {
  const load = await Load.start({
    url: system.url,
    seed: printedSeed(what),
    connections: CONNECTIONS,
    symbols: ["BTCUSDC", "ETHUSDT", "SOLUSDT"],
    pauseMs: PAUSE_OF_CLIENT_MS,
  });
  loads.push(load);
  await load.moreAcked(SOME);
  return load;
};

/** What of an order is looked at here. */
interface OrderBody {
  readonly createdAt: number;
  readonly receipt: Pick<CommittedRecord, "shard" | "epoch" | "partition" | "seq" | "commitSeq">;
}

interface Cursor {
  readonly seq: number;
  readonly hash: string;
}

const cursorOf = async (partition: number): Promise<Cursor> => {
  const connection = await createConnection({ uri: system.mysqlUrl });
  try {
    const [rows] = await connection.query(
      "SELECT seq, hash FROM stream_cursor WHERE shard = 'shard1' AND `partition` = ?",
      [partition],
    );
    return (rows as Cursor[])[0] as Cursor;
  } finally {
    connection.destroy();
  }
};

const placed = async (clientOrderId: string, ack: "replicated" | "central") =>
  expect(await byHand.place(clientOrderId, ack)).toMatchObject({ status: 201, durability: ack });

const isStopped = (): Promise<number> => system.applierMetric("sluice_applier_stopped_streams");

/** `doctor` ends with 1 because of that stream, `quarantine list` tells the way out. */
const expectNamed = async (code: string, detail: string): Promise<void> => {
  const doctor = await system.run("doctor", "--json", "--api", system.url);
  expect(doctor.exitCode).toBe(1);
  const { checks } = JSON.parse(doctor.stdout) as Diagnosis;
  const findings = checks.flatMap((check) => check.findings);
  expect(findings.filter((one) => one.code === "stream_stopped")).toEqual([
    expect.objectContaining({ what: expect.stringContaining(`${STREAM}: ${code}, ${detail}`) }),
  ]);
  const listed = await system.run("quarantine", "list");
  expect([listed.exitCode, listed.stderr]).toEqual([0, ""]);
  expect(listed.stdout).toContain("Stopped streams: 1\n");
  expect(listed.stdout).toContain(`  ${STREAM}: ${code}, since `);
  expect(listed.stdout).toContain("    do    `sluice resend --shard shard1`: ");
};

/** Other symbols, of the same shard and of others, reach central meanwhile. */
const expectOthersGoOn = async (load: Load): Promise<void> => {
  const other = partitionOf("BTCUSDC", PARTITIONS);
  const { seq } = await cursorOf(other);
  await load.moreAcked(SOME);
  await until("another stream of the shard goes on", FOUND_MS_MAX, async () => {
    return (await cursorOf(other)).seq > seq;
  });
  expect(load.interruptions).toEqual([]);
};

const expectHealed = async (load: Load): Promise<void> => {
  await until("no stream is stopped", FOUND_MS_MAX, async () => (await isStopped()) === 0);
  await load.stop();
  await system.expectExact([...loads, byHand]);
  const listed = await system.run("quarantine", "list");
  expect(listed.stdout).toContain("Stopped streams: 0\n");
  expect(listed.stdout).toContain("    do    Nothing: its stream has gone on since.");
  const doctor = await system.run("doctor", "--json", "--api", system.url);
  const { checks } = JSON.parse(doctor.stdout) as Diagnosis;
  const codes = checks.flatMap(({ findings }) => findings.map(({ code }) => code));
  expect({ exitCode: doctor.exitCode, codes }).toEqual({ exitCode: 0, codes: ["single_broker"] });
};

/** Somebody else's copy of the record that comes next, with another price under its hash. */
const produceAltered = async (): Promise<void> => {
  const { seq: lastSeq, hash: prevHash } = await cursorOf(PARTITION);
  const order = JSON.parse(bodyOf(byHand.orders.at(-1) as SentOrder)) as OrderBody;
  const place = { ...order.receipt, commitSeq: 1_000_000, seq: lastSeq + 1 };
  const value = JSON.stringify({ ...order, receipt: place });
  const record = {
    ...place,
    at: order.createdAt,
    key: SYMBOL,
    value: value.replace('"50000.10"', '"60000.10"'),
    prevHash,
    hash: chainHash(prevHash, value),
  };
  const message = encodeTopicRecord({ ...record, type: "order_accepted" }, 1);
  const producer = kafka.producer();
  await producer.connect();
  const messages = [{ ...message, partition: PARTITION }];
  await producer.send({ topic: system.topic, messages });
  await producer.disconnect();
};

describe("under load", () => {
  test(
    "an altered copy stops the stream; it goes on by itself with the true record",
    async () => {
      await placed("before", "central");
      const load = await startLoad("an altered copy");
      await produceAltered();
      await until("the stream is stopped", FOUND_MS_MAX, async () => (await isStopped()) === 1);
      const { seq } = await cursorOf(PARTITION);
      await expectNamed("hash_mismatch", `record ${seq + 1} is not what its hash was made of`);
      await expectOthersGoOn(load);
      expect(await isStopped()).toBe(1);
      await placed("after", "central");
      await expectHealed(load);
    },
    TEST_MS_MAX,
  );

  test(
    "a record that the broker lost stops the stream at the next one; `resend` heals it",
    async () => {
      const load = await startLoad("a lost record");
      await placed("known", "central");
      const { seq } = await cursorOf(PARTITION);
      // The port is asked of the running process: a killed one has none.
      expect(system.applierPort).toBeGreaterThan(0);
      process.kill(system.dev.pidOf("applier") ?? 0, "SIGSTOP");
      await placed("lost", "replicated");
      const ends = await admin.fetchTopicOffsets(system.topic);
      const { high = "0" } = ends.find(({ partition }) => partition === PARTITION) ?? {};
      const partitions = [{ partition: PARTITION, offset: high }];
      await admin.deleteTopicRecords({ topic: system.topic, partitions });
      await system.kill("applier").recovered();
      await placed("next", "replicated");
      await until("the stream is stopped", FOUND_MS_MAX, async () => (await isStopped()) === 1);
      await expectNamed("gap", `record ${seq + 2} came, ${seq + 1} is the next`);
      await expectOthersGoOn(load);
      expect(await cursorOf(PARTITION)).toMatchObject({ seq });

      const { exitCode, stdout, stderr } = await system.run(
        "resend",
        "--shard",
        "shard1",
        "--api",
        system.url,
      );
      expect({ exitCode, stdout, stderr }).toEqual({
        exitCode: 0,
        stdout:
          "shard1: sends everything again that central lacks. `sluice doctor` shows the lag.\n",
        stderr: "",
      });
      await expectHealed(load);
    },
    TEST_MS_MAX,
  );
});
