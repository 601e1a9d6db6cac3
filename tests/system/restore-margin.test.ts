/**
 * A lost shard that was the bank of some accounts: restored with the others at rest all money and
 * positions are there to the unit; restored alone it takes only what reduces, and says so.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Balance } from "../../app/http/account/balances.ts";
import type { AccountId } from "../../shards/domain/brands.ts";
import type { OrderBody } from "../../shards/domain/order-body.ts";
import { defaultSharding, parseShardMap } from "../../shards/domain/symbol-map.ts";
import { homeShardOf } from "../../shards/protocol/home-shard.ts";
import { lockShardFile } from "../../shards/store/open-shard.ts";
import { centralHasAll, clientOf } from "../support/client.ts";
import { type ShardAtRest, shardAtRest } from "../support/margin-files.ts";
import { moneyDifferences } from "../support/margin-files-check.ts";
import { allEnded, endAll, runProcess, SLUICE } from "../support/processes.ts";
import { printedSeed } from "../support/random.ts";
import { environmentOf, launchDev, type Settings, SHARDS } from "../support/sluice.ts";
import {
  Exchange,
  INSTRUMENTS,
  marketOf,
  minorOf,
  RISK_SETTINGS,
  tradingFolder,
} from "../support/trading.ts";
import { closeAll, expectConserved } from "../support/trading-close.ts";
import { Trading } from "../support/trading-load.ts";
import { until } from "../support/until.ts";
import { expectRestored, expectVerified, runRestore } from "../support/verify.ts";

const TEST_MS_MAX = 120_000;
const ACCOUNTS = 12;
const LANES = 12;
const STEPS = 800;
const UNIT = 10n ** 8n;
const SHOWN_MAX = 5;
/** All that is lost is margined in USDT: no fee in another asset is mixed up with a profit. */
const SHARDING =
  "{ enabled: true, shard1: { symbols: 'BTCUSDT,ADAUSDT,AAVEUSDT,AVAXUSDT,BCHUSDT,BNBUSDT," +
  "DOGEUSDT' }, shard2: { symbols: 'ETHUSDT,ETHBUSD,ETHUSDC,BTCBUSD,BTCUSDC,DOTUSDT,FTTUSDT," +
  "LINKUSDT,LTCUSDT' }, shard3: { symbols: '' } }";
/** Grants that nobody answers should not keep the test waiting for long. */
const SETTINGS: Settings = { ...RISK_SETTINGS, SHARDING, REQUEST_DEADLINE: "5s" };
const LOST = "shard1";
/** One of the lost shard, one of another. */
const [HERE, ELSEWHERE] = ["BTCUSDT", "ETHUSDT"] as const;

const MAP = parseShardMap(defaultSharding).shards;
let lastAccount = 1000;
/** A new one, whose bank is on that shard. */
const accountOf = (shard: string): number => {
  do lastAccount += 1;
  while (homeShardOf(lastAccount as AccountId, MAP).name !== shard);
  return lastAccount;
};

let lastId = 0;
const order = (symbol: string, worth: number, fields: object = {}): object => {
  lastId += 1;
  const market = marketOf(symbol);
  const quantity = market.quantity(market.quantityUnits(worth));
  const price = market.price(0);
  const clientOrderId = `o-${lastId}`;
  return { clientOrderId, symbol, side: "BUY", type: "LIMIT", price, quantity, ...fields };
};

let dataDir: string;
let exchange: Exchange;
let trading: Trading;

const start = async (): Promise<void> => {
  await exchange.start();
  // Marks are not replicated: a restored shard has none.
  await exchange.mark(new Map([HERE, ELSEWHERE].map((symbol) => [symbol, 0])));
};

const loseFile = (): void => {
  for (const end of ["", "-wal", "-shm"]) {
    rmSync(join(dataDir, `${LOST}.sqlite${end}`), { force: true });
  }
};

/** The restored file has no fills in its journal: there its total is believed. */
const filesOf = (): readonly ShardAtRest[] =>
  SHARDS.map((shard) => {
    const file = shardAtRest(dataDir, shard, INSTRUMENTS);
    if (shard !== LOST) return file;
    const totals = [...file.allotments].map(([key, one]) => [key, one.pnlTotalMinor] as const);
    return { ...file, realised: new Map(totals) };
  });

const fill = async ({ orderId, symbol, quantity, price }: OrderBody): Promise<void> => {
  lastId += 1;
  const traded = { price: price ?? marketOf(symbol).price(0), quantity, fee: "0.5" };
  const executionId = `x-${lastId}`;
  const one = { executionId, orderId, symbol, kind: "FILL", at: Date.now(), ...traded } as const;
  const results = await exchange.execute([one]);
  expect(results).toEqual([{ executionId, status: "applied" }]);
};

interface Held {
  readonly positions: readonly string[];
  readonly orders: readonly string[];
  readonly balances: readonly Pick<Balance, "asset" | "wallet" | "deposited" | "withdrawn">[];
}

/** What an account has, as far as it does not hang on marks; nothing is on its way. */
const heldBy = async (account: number): Promise<Held> => {
  const positions = (await exchange.positions(account)).map(
    ({ symbol, positionSide, quantity, averagePrice, realised, fees }) =>
      JSON.stringify({ symbol, positionSide, quantity, averagePrice, realised, fees }),
  );
  const orders = (await exchange.openOrders(account)).map((one) => JSON.stringify(one));
  const balances = (await exchange.balances(account)).map(
    ({ asset, wallet, deposited, withdrawn }) => ({ asset, wallet, deposited, withdrawn }),
  );
  return { positions: positions.toSorted(), orders: orders.toSorted(), balances };
};

const accounts = (): readonly number[] => [...new Set(trading.pairs.map(({ account }) => account))];
const heldByAll = async (): Promise<ReadonlyMap<number, Held>> =>
  new Map(await Promise.all(accounts().map(async (one) => [one, await heldBy(one)] as const)));

const nothingOnItsWay = async (): Promise<void> => {
  await until("every bank has heard of everything", TEST_MS_MAX, async () => {
    const { body } = await exchange.ask(1, "GET", "/metrics");
    const rows = [...body.matchAll(/^sluice_escrow_outbox_rows\{.*\} (\d+)$/gm)];
    return rows.length === SHARDS.length && rows.every(([, count]) => count === "0");
  });
  await centralHasAll(await clientOf(exchange.dev.url, 1));
};

const codeOf = (body: string): string => (JSON.parse(body) as { code: string }).code;

let before: ReadonlyMap<number, Held>;

beforeAll(async () => {
  dataDir = tradingFolder();
  exchange = await Exchange.start(dataDir, { settings: SETTINGS });
  const seed = printedSeed("trading before the loss");
  trading = new Trading({ exchange, seed, accounts: ACCOUNTS, lanes: LANES });
  await trading.open();
  trading.run(seed);
  await trading.moreSteps(STEPS, TEST_MS_MAX);
  await trading.stop();
  expect(trading.allFaults().slice(0, SHOWN_MAX)).toEqual([]);
}, TEST_MS_MAX);

afterAll(() => endAll(), TEST_MS_MAX);

describe("a lost shard that is the bank of some accounts", () => {
  /** Banks on the lost shard and on another; each has a position on the lost one. */
  const home = accountOf(LOST);
  const guest = accountOf("shard2");
  const resting = new Map<number, string>();

  test(
    "is not begun anew by --new-epoch, and central's epoch stays",
    async () => {
      for (const account of [home, guest]) {
        await exchange.transfer(account, "in", "USDT", 10_000n * UNIT);
        await fill(await exchange.placed(account, order(HERE, 5000)));
        await exchange.placed(account, order(ELSEWHERE, 2000));
        resting.set(account, (await exchange.placed(account, order(HERE, 1000))).orderId);
      }
      await nothingOnItsWay();
      before = await heldByAll();
      expect(await exchange.stop()).toBe(0);
      loseFile();
      const flags = ["--no-match", "--new-epoch", LOST];
      const refused = launchDev({ dataDir, settings: SETTINGS, flags });
      expect(await refused.ended()).toBe(2);
      for (const part of ["--new-epoch is refused", "SLUICE_RISK", "sluice restore --shard"]) {
        expect(refused.stderr()).toContain(part);
      }
      await allEnded(dataDir);
      loseFile();
    },
    TEST_MS_MAX,
  );

  test(
    "restored while another runs says so everywhere, and takes what reduces, and cancels",
    async () => {
      const lock = lockShardFile(join(dataDir, "shard2.lock"), Date.now());
      const restored = await runRestore(dataDir, LOST, [], SETTINGS);
      lock.release();
      expect([restored.exitCode, restored.stderr]).toEqual([0, ""]);
      expect(restored.stdout).toContain("epoch 2 after 1");
      expect(restored.stdout).toContain("TAKES NO NEW EXPOSURE");
      expect(restored.stdout).toContain("shard2 runs");
      await start();

      for (const account of [home, guest]) {
        const opening = await exchange.ask(account, "POST", "/v1/orders", order(HERE, 1000));
        expect([opening.status, codeOf(opening.body)]).toEqual([503, "bank_unavailable"]);
        expect(opening.body).toContain("was restored");
        const check = await exchange.ask(account, "POST", "/v1/orders/check", order(HERE, 1000));
        expect(JSON.parse(check.body)).toMatchObject({
          decision: "refused",
          code: "bank_unavailable",
        });
        const sell = { side: "SELL", reduceOnly: true, price: marketOf(HERE).price(5) };
        await fill(await exchange.placed(account, order(HERE, 1000, sell)));
        const cancel = await exchange.ask(account, "DELETE", `/v1/orders/${resting.get(account)}`);
        expect(cancel.status).toBe(200);
      }
      // Its account's money can be paid in, not out; nothing else is held up.
      expect(await exchange.transfer(home, "more", "USDT", UNIT)).toBe(true);
      const withdrawal = { transferId: "out", asset: "USDT", amount: "-1" };
      const path = `/admin/v1/accounts/${home}/transfers`;
      const out = await exchange.ask(1, "POST", path, withdrawal);
      expect([out.status, codeOf(out.body)]).toEqual([503, "bank_unavailable"]);
      const going = await exchange.ask(guest, "POST", "/v1/orders", order(ELSEWHERE, 1000));
      expect(going.status).toBe(201);

      const shards = await (await clientOf(exchange.dev.url, 1)).shards();
      const [lost] = shards.filter(({ shard }) => shard === LOST);
      expect(lost?.reason).toContain("restored without the other shards");
      expect(lost?.risk?.isReconciling).toBe(true);
      const metrics = await exchange.ask(1, "GET", "/metrics");
      expect(metrics.body).toContain(`sluice_escrow_reconciling{shard="${LOST}"} 1`);
      const log = exchange.dev.process.stderr();
      expect(log).toContain("restored without the other shards' files");
      const { exitCode, stdout } = await runProcess(
        [...SLUICE, "doctor", "--api", exchange.dev.url, "--data-dir", dataDir],
        { environment: environmentOf(SETTINGS) },
      );
      expect(exitCode).toBe(1);
      expect(stdout).toContain("shard_reconciling");
      await centralHasAll(await clientOf(exchange.dev.url, 1));
      expect(await exchange.stop()).toBe(0);
      await expectVerified(dataDir, [], SETTINGS);
    },
    TEST_MS_MAX,
  );

  test(
    "restored with the others at rest has everything to the unit, and goes on",
    async () => {
      loseFile();
      const restored = await expectRestored(dataDir, LOST, SETTINGS);
      expect(restored).toMatchObject({ epoch: 3, purses: { state: "LIVE", missing: [] } });
      expect(moneyDifferences(filesOf(), INSTRUMENTS).slice(0, SHOWN_MAX)).toEqual([]);
      await start();
      await nothingOnItsWay();
      expect(await heldByAll()).toEqual(before);
      for (const account of [home, guest]) {
        expect((await exchange.place(account, order(HERE, 1000))).status).toBe(201);
        expect((await exchange.place(account, order(ELSEWHERE, 1000))).status).toBe(201);
        expect(await exchange.transfer(account, "out-1", "USDT", -UNIT)).toBe(true);
      }
      // 0.5 for each of two fills, and what the second one earned while nobody heard of it.
      const { realised, deposited } = await exchange.balance(home);
      expect(minorOf(deposited)).toBe(10_001n * UNIT);
      const [position] = await exchange.positions(home);
      expect(minorOf(realised)).toBe(minorOf(position?.realised ?? "0") - UNIT);
      expect((await exchange.balance(guest)).realised).toBe(realised);
    },
    TEST_MS_MAX,
  );

  test(
    "pays out all of it once everything is closed, and central has the same",
    async () => {
      await closeAll(exchange, trading);
      await expectConserved(exchange, trading);
      expect(trading.allFaults().slice(0, SHOWN_MAX)).toEqual([]);
      await centralHasAll(await clientOf(exchange.dev.url, 1));
      expect(await exchange.stop()).toBe(0);
      await expectVerified(dataDir, [], SETTINGS);
    },
    TEST_MS_MAX,
  );
});
