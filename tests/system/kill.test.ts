/** kill -9 in the middle of load: nothing acknowledged is lost, nothing is there twice. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { statSync } from "node:fs";
import { join } from "node:path";
import { expectFiles, expectInCentral, expectKept } from "../support/ledger.ts";
import { Load, type SentOrder } from "../support/load.ts";
import { endAll, makeFolder } from "../support/processes.ts";
import { printedSeed, randomOf, wholeOf } from "../support/random.ts";
import { type Dev, type Part, startDev } from "../support/sluice.ts";
import { ON_SERVICES } from "../support/stores.ts";

const SHORT_ROUNDS = ON_SERVICES ? 1 : 3;
const ROUNDS = process.env.SLUICE_TEST_LONG === "1" ? 12 : SHORT_ROUNDS;
const CONNECTIONS = 200;
const ROUND_MS_MAX = 120_000;
/** Answers before the kill: some, and a number that differs from round to round. */
const BEFORE_MIN = 300;
const BEFORE_MAX = 2500;
const AFTER = 300;
/** Some batch is written long before. */
const WRITE_MS_MAX = 500;

/** A machine that is busy with the tests may let orders wait longer than a client likes. */
const SETTINGS = { SHARD_INTAKE_WAIT_MAX: "4s" };

interface Case {
  readonly name: string;
  readonly killed: readonly Part[];
  /** Of these symbols no order may meet a 503, a 504 or a lost connection. */
  readonly untouched: readonly string[];
}

const cases: readonly Case[] = [
  { name: "one writer", killed: ["shard1"], untouched: ["ETHUSDT", "SOLUSDT"] },
  { name: "the api", killed: ["api"], untouched: [] },
  { name: "a writer and the api", killed: ["shard1", "api"], untouched: [] },
  { name: "the applier", killed: ["applier"], untouched: ["BTCUSDT", "ETHUSDT", "SOLUSDT"] },
];

/**
 * Returns right after the file was written to. Its writer is then in the sync of a batch: killed
 * there, a batch is stored that nobody has been told of. Without a pause, which would come too late.
 */
const awaitWrite = (file: string): void => {
  const before = statSync(file).mtimeMs;
  const giveUpAt = performance.now() + WRITE_MS_MAX;
  while (statSync(file).mtimeMs === before && performance.now() < giveUpAt);
};

describe.each([...cases])("under 200 connections, with $name killed by -9", (one) => {
  const orders: SentOrder[] = [];
  let dataDir: string;
  let dev: Dev;

  beforeAll(async () => {
    dataDir = makeFolder();
    dev = await startDev({ dataDir, settings: SETTINGS });
  }, ROUND_MS_MAX);

  afterAll(() => endAll(), ROUND_MS_MAX);

  for (let round = 1; round <= ROUNDS; round++) {
    test(
      `round ${round}: every answer holds, in shard and central, once`,
      async () => {
        const seed = printedSeed(`${one.name} killed, round ${round}`);
        const load = await Load.start({ url: dev.url, seed, connections: CONNECTIONS });
        await load.moreAcked(wholeOf(randomOf(seed), BEFORE_MIN, BEFORE_MAX));
        awaitWrite(join(dataDir, "shard1.sqlite-wal"));
        const kills = one.killed.map((part) => dev.kill(part));
        for (const kill of kills) await kill.recovered();
        await load.moreAcked(AFTER, "BTCUSDT");
        await load.moreAcked(AFTER);
        await load.stop();
        orders.push(...load.orders);

        expect(load.faults).toEqual([]);
        expect(load.interruptions.filter(({ symbol }) => one.untouched.includes(symbol))).toEqual(
          [],
        );
        if (one.untouched.length < 3) expect(load.interruptions.length).toBeGreaterThan(0);
        await expectKept(dev.url, load.orders);
        await expectInCentral(dev.url, orders);
      },
      ROUND_MS_MAX,
    );
  }

  test(
    "after the end the files have exactly what was answered",
    async () => {
      expect(await dev.stop()).toBe(0);
      await expectFiles(dataDir, orders);
    },
    ROUND_MS_MAX,
  );
});
