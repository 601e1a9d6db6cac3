/**
 * From one partition to ten while clients trade: no order is lost, doubled or refused, and each
 * symbol's records keep their order, in the journals and in central.
 */
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { partitionOf } from "../../shards/protocol/partition.ts";
import { type Client, centralHasAll, clientOf, type ShardView } from "../support/client.ts";
import { expectFiles, expectInCentral, expectKept } from "../support/ledger.ts";
import { Load, type SentOrder } from "../support/load.ts";
import { endAll, makeFolder, runProcess, SLUICE } from "../support/processes.ts";
import { printedSeed, randomOf, wholeOf } from "../support/random.ts";
import { type Dev, environmentOf, SHARDS, startDev } from "../support/sluice.ts";

const KILLS = process.env.SLUICE_TEST_LONG === "1" ? 12 : 2;
const CONNECTIONS = 100;
const BEFORE = 800;
const AFTER = 800;
const TEST_MS_MAX = 120_000;
/** A machine that is busy with the tests may let orders wait longer than a client likes. */
const SETTINGS = { SHARD_INTAKE_WAIT_MAX: "4s", PARTITION_COUNT: "1" };

/** `sluice partitions raise COUNT` against the api at `url`. */
const raise = async (url: string, dataDir: string, count: number) => {
  const command = ["partitions", "raise", `${count}`, "--api", url, "--data-dir", dataDir];
  const ended = await runProcess([...SLUICE, ...command], { environment: environmentOf({}) });
  return { code: ended.exitCode, output: ended.stdout + ended.stderr };
};

interface JournalRow {
  readonly commit_seq: number;
  readonly partition: number;
  readonly key: string;
}

/** Where each symbol's records are: the generation of each record gives its partition. */
const expectSpread = (dataDir: string, shard: string, counts: readonly number[]): void => {
  const database = new Database(join(dataDir, `${shard}.sqlite`), { readonly: true });
  try {
    const generations = database
      .query("SELECT partition_count, first_commit_seq FROM partition_generation ORDER BY 1")
      .values() as [number, number][];
    expect(generations.map(([count]) => count)).toEqual([...counts]);
    const rows = database
      .query<JournalRow, []>("SELECT commit_seq, partition, key FROM journal WHERE key <> ''")
      .all();
    const strays = rows.filter(({ commit_seq, partition, key }) => {
      const now = generations.findLast(([, first]) => first <= commit_seq)?.[0] ?? 0;
      return partition !== partitionOf(key, now);
    });
    expect(strays).toEqual([]);
    for (const [i, [, first]] of generations.entries()) {
      const next = generations[i + 1]?.[1] ?? Number.POSITIVE_INFINITY;
      const own = rows.filter(({ commit_seq: seq }) => seq >= first && seq < next);
      expect([shard, own.length > 0]).toEqual([shard, true]);
    }
  } finally {
    database.close();
  }
};

/** Central took every stream to its end, and has stopped none. */
const expectCursors = (dataDir: string): void => {
  const central = new Database(join(dataDir, "central.sqlite"), { readonly: true });
  try {
    expect(central.query("SELECT * FROM stopped_stream").all()).toEqual([]);
    const cursors = central
      .query("SELECT shard, partition, seq, hash FROM stream_cursor ORDER BY 1, 2")
      .all();
    const ends = SHARDS.flatMap((shard) => {
      const file = new Database(join(dataDir, `${shard}.sqlite`), { readonly: true });
      const sql = "SELECT ? AS shard, partition, seq, hash FROM stream ORDER BY 2";
      const streams = file.query(sql).all(shard);
      file.close();
      return streams;
    });
    expect(cursors).toEqual(ends);
  } finally {
    central.close();
  }
};

const countsOf = async (client: Client): Promise<readonly unknown[]> =>
  (await client.shards()).map(({ partitionCount, generation }: ShardView) => [
    partitionCount,
    generation,
  ]);

afterAll(() => endAll(), TEST_MS_MAX);

describe("a raise from 1 to 10 partitions under load", () => {
  const orders: SentOrder[] = [];
  let dataDir: string;
  let dev: Dev;
  let client: Client;

  beforeAll(async () => {
    dataDir = makeFolder();
    dev = await startDev({ dataDir, settings: SETTINGS });
    client = await clientOf(dev.url, 1);
  }, TEST_MS_MAX);

  test(
    "refuses, loses and doubles nothing, and says what to set",
    async () => {
      expect(await countsOf(client)).toEqual(SHARDS.map(() => [1, 1]));
      const seed = printedSeed("raise");
      const load = await Load.start({ url: dev.url, seed, connections: CONNECTIONS });
      await load.moreAcked(BEFORE);
      const { code, output } = await raise(dev.url, dataDir, 10);
      expect([code, output]).toEqual([
        0,
        [
          ...SHARDS.map((shard) => `${shard}: raised from 1 to 10\n`),
          "Now set SLUICE_PARTITION_COUNT=10: new shard files begin with it.\n",
        ].join(""),
      ]);
      await load.moreAcked(AFTER);
      await load.stop();
      orders.push(...load.orders);
      expect([load.faults, load.interruptions]).toEqual([[], []]);
      expect(await countsOf(client)).toEqual(SHARDS.map(() => [10, 2]));
      await expectKept(dev.url, load.orders);
      await expectInCentral(dev.url, orders);
    },
    TEST_MS_MAX,
  );

  test(
    "can be repeated, and is never undone",
    async () => {
      const again = await raise(dev.url, dataDir, 10);
      expect([again.code, again.output]).toEqual([
        0,
        expect.stringContaining("shard3: has 10 partitions already\n"),
      ]);
      const fewer = await raise(dev.url, dataDir, 4);
      expect([fewer.code, fewer.output]).toEqual([
        2,
        expect.stringContaining("partitions raise 4: shard1 has 10 partitions"),
      ]);
      expect(await countsOf(client)).toEqual(SHARDS.map(() => [10, 2]));
    },
    TEST_MS_MAX,
  );

  test(
    "holds over a kill -9 of a writer right after it, whatever the setting says",
    async () => {
      const seed = printedSeed("raise, then kill");
      const load = await Load.start({ url: dev.url, seed, connections: CONNECTIONS });
      await load.moreAcked(BEFORE / 2);
      const path = "/admin/v1/shards/shard1/partitions";
      const { status, body } = await client.send("POST", path, { partitionCount: 13 });
      const kill = dev.kill("shard1");
      expect([status, body]).toEqual([
        200,
        '{"shard":"shard1","partitionCount":13,"generation":3}',
      ]);
      await kill.recovered();
      await load.moreAcked(AFTER / 2, "BTCUSDT");
      await load.stop();
      orders.push(...load.orders);
      expect(load.faults).toEqual([]);
      expect(await countsOf(client)).toEqual([
        [13, 3],
        [10, 2],
        [10, 2],
      ]);
      await expectKept(dev.url, load.orders);
      await expectInCentral(dev.url, orders);
    },
    TEST_MS_MAX,
  );

  test.each(Array.from({ length: KILLS }, (_, i) => 14 + i))(
    "to %d, with a kill -9 at some moment of it, has happened or not, and a repeat finishes it",
    async (partitionCount) => {
      const seed = printedSeed(`kill during the raise to ${partitionCount}`);
      const load = await Load.start({ url: dev.url, seed, connections: CONNECTIONS });
      await load.moreAcked(BEFORE / 2);
      const ask = () =>
        client.send("POST", "/admin/v1/shards/shard1/partitions", { partitionCount });
      const asked = ask();
      // Any moment will do: the request takes a few milliseconds.
      await Bun.sleep(wholeOf(randomOf(seed), 0, 6));
      const kill = dev.kill("shard1");
      // 200 when it was answered before; else the api asks the new process, or gives up.
      expect([200, 503, 504]).toContain((await asked).status);
      await kill.recovered();
      expect((await ask()).status).toBe(200);
      await load.moreAcked(AFTER / 2, "BTCUSDT");
      await load.stop();
      orders.push(...load.orders);
      expect(load.faults).toEqual([]);
      await expectKept(dev.url, load.orders);
      await expectInCentral(dev.url, orders);
    },
    TEST_MS_MAX,
  );

  test(
    "leaves files and central with the same streams, each record in its generation's partition",
    async () => {
      await centralHasAll(client);
      expect(await dev.stop()).toBe(0);
      await expectFiles(dataDir, orders);
      const later = Array.from({ length: KILLS }, (_, i) => 14 + i);
      expectSpread(dataDir, "shard1", [1, 10, 13, ...later]);
      for (const shard of ["shard2", "shard3"]) expectSpread(dataDir, shard, [1, 10]);
      expectCursors(dataDir);
    },
    TEST_MS_MAX,
  );
});
