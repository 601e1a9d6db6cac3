/**
 * Random trading with kill -9 of writers, the api and everything: no order ever stands on money that
 * is not there, and in the end every unit is accounted for.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { OrderBody } from "../../shards/domain/order-body.ts";
import { type ShardAtRest, shardAtRest } from "../support/margin-files.ts";
import { bracketDifferences, moneyDifferences } from "../support/margin-files-check.ts";
import { endAll } from "../support/processes.ts";
import { printedSeed, type Random, randomOf, wholeOf } from "../support/random.ts";
import { SHARDS } from "../support/sluice.ts";
import { contentsOf, ON_SERVICES } from "../support/stores.ts";
import { Exchange, INSTRUMENTS, TEN_EACH, tradingFolder } from "../support/trading.ts";
import { closeAll, expectConserved } from "../support/trading-close.ts";
import { Trading } from "../support/trading-load.ts";
import { expectVerified } from "../support/verify.ts";

const IS_LONG = process.env.SLUICE_TEST_LONG === "1";
const SHORT_ROUNDS = ON_SERVICES ? 1 : 3;
const ROUNDS = IS_LONG ? 20 : SHORT_ROUNDS;
const KILLS_A_ROUND = 3;
const ACCOUNTS = 50;
const LANES = 40;
/** Steps between two kills. */
const STEPS_MIN = 150;
const STEPS_MAX = 400;
const ROUND_MS_MAX = 180_000;
/** Differences shown: the first ones tell what is wrong. */
const SHOWN_MAX = 5;

const SETTINGS = { ...TEN_EACH, SHARD_INTAKE_WAIT_MAX: "4s" };
/** Whoever is killed; of the writers each is the bank of a third of the accounts. */
const VICTIMS = ["shard1", "shard2", "shard3", "shard1", "shard2", "shard3", "api"] as const;

const filesOf = (dataDir: string): readonly ShardAtRest[] =>
  SHARDS.map((shard) => shardAtRest(dataDir, shard, INSTRUMENTS));

const expectSound = (shards: readonly ShardAtRest[]): void => {
  expect(moneyDifferences(shards, INSTRUMENTS).slice(0, SHOWN_MAX)).toEqual([]);
  expect(shards.flatMap(bracketDifferences).slice(0, SHOWN_MAX)).toEqual([]);
};

describe("fifty accounts on thirty symbols over three shards", () => {
  let seed: number;
  let random: Random;
  let dataDir: string;
  let exchange: Exchange;
  let trading: Trading;

  beforeAll(async () => {
    seed = printedSeed("random trading");
    random = randomOf(seed);
    dataDir = tradingFolder();
    exchange = await Exchange.start(dataDir, { settings: SETTINGS });
    trading = new Trading({ exchange, seed, accounts: ACCOUNTS, lanes: LANES });
    await trading.open();
  }, ROUND_MS_MAX);

  afterAll(() => endAll(), ROUND_MS_MAX);

  for (let round = 1; round <= ROUNDS; round++) {
    test(
      `round ${round}: with ${KILLS_A_ROUND} kills and a kill of all, the files hold`,
      async () => {
        trading.run(seed + round);
        const steps = () => trading.moreSteps(wholeOf(random, STEPS_MIN, STEPS_MAX), ROUND_MS_MAX);
        for (let kill = 0; kill < KILLS_A_ROUND; kill++) {
          await steps();
          const victim = VICTIMS[wholeOf(random, 0, VICTIMS.length - 1)] ?? "api";
          await exchange.dev.kill(victim).recovered();
        }
        await steps();
        await exchange.killAll();
        const files = filesOf(dataDir);
        await exchange.start();
        await trading.stop();
        expectSound(files);
        expect(trading.allFaults().slice(0, SHOWN_MAX)).toEqual([]);
        expect(exchange.interruptions).toBeGreaterThan(0);
      },
      ROUND_MS_MAX,
    );
  }

  test(
    "what happened was worth the name",
    () => {
      const [files, all] = [filesOf(dataDir), trading.pairs.flatMap(({ placed }) => placed)];
      const codes = all.map(({ answer: { status, body } }) =>
        status === 422 ? (JSON.parse(body) as { code: string }).code : `${status}`,
      );
      expect(codes).toContain("margin_insufficient");
      expect(trading.pairs.flatMap(({ venue }) => venue.fills).length).toBeGreaterThan(100);
      const records = files.flatMap((file) => file.records);
      for (const reason of ["TRIGGERED", "ACTIVATED", "CANCEL_REQUESTED", "AMENDED", "REJECTED"]) {
        expect({ reason, is: records.some(({ value }) => value.includes(`"${reason}"`)) }).toEqual({
          reason,
          is: true,
        });
      }
    },
    ROUND_MS_MAX,
  );

  test(
    "once all is closed nothing is lost, made or stranded",
    async () => {
      await closeAll(exchange, trading);
      await expectConserved(exchange, trading);
      expect(trading.allFaults().slice(0, SHOWN_MAX)).toEqual([]);
    },
    ROUND_MS_MAX,
  );

  test(
    "after a drain central has it all, and the files hold",
    async () => {
      expect(await exchange.stop()).toBe(0);
      expectSound(filesOf(dataDir));
      const shards = await expectVerified(dataDir, [], SETTINGS);
      expect(shards.map(({ shard }) => shard).toSorted()).toEqual([...SHARDS]);
      const { orders, refusals } = await contentsOf(dataDir);
      const accepted = new Map(orders.map((order) => [order.orderId, order.accepted]));
      const refused = new Set(
        refusals.map((text) => (JSON.parse(text) as { answer: string }).answer),
      );
      const missing = trading.pairs
        .flatMap(({ placed }) => placed)
        .filter(({ answer: { status, body } }) =>
          status === 422
            ? !refused.has(body)
            : accepted.get((JSON.parse(body) as OrderBody).orderId) !== body,
        );
      expect(missing.slice(0, SHOWN_MAX)).toEqual([]);
    },
    ROUND_MS_MAX,
  );
});
