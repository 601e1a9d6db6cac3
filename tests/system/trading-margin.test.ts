/** Money of one account that lies on three shards: spent to the last unit, and never twice. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { AccountId } from "../../shards/domain/brands.ts";
import type { OrderBody } from "../../shards/domain/order-body.ts";
import { defaultSharding, parseShardMap } from "../../shards/domain/symbol-map.ts";
import { homeShardOf } from "../../shards/protocol/home-shard.ts";
import { shardAtRest } from "../support/margin-files.ts";
import { usedOn } from "../support/margin-files-check.ts";
import { endAll, isAlive } from "../support/processes.ts";
import { printedSeed, randomOf, wholeOf } from "../support/random.ts";
import { SHARDS } from "../support/sluice.ts";
import {
  Exchange,
  INSTRUMENTS,
  marketOf,
  minorOf,
  moneyOf,
  type SentExecution,
  tradingFolder,
} from "../support/trading.ts";
import { inLanes, until } from "../support/until.ts";

const IS_LONG = process.env.SLUICE_TEST_LONG === "1";
const TEST_MS_MAX = 120_000;
/** Finds a hang while the test's own time still lets its message out. */
const WAIT_MS_MAX = 60_000;
/** One on each shard, in the order of the shards. */
const SYMBOLS = ["BTCUSDT", "ETHUSDT", "SOLUSDT"] as const;
const UNIT = 10n ** 8n;

let exchange: Exchange;

beforeAll(async () => {
  // An order that waits for a bank that is away should not keep the test waiting for long.
  const settings = { REQUEST_DEADLINE: "3s", SHARD_INTAKE_WAIT_MAX: "2900ms" };
  exchange = await Exchange.start(tradingFolder(), { settings });
  await exchange.mark(new Map(SYMBOLS.map((symbol) => [symbol, 0])));
}, TEST_MS_MAX);

afterAll(() => endAll(), TEST_MS_MAX);

let lastAccount = 1000;
const freshAccount = (): number => {
  lastAccount += 1;
  return lastAccount;
};

const MAP = parseShardMap(defaultSharding).shards;
const homeOf = (account: number): number =>
  SHARDS.indexOf(homeShardOf(account as AccountId, MAP).name as (typeof SHARDS)[number]);

let lastId = 0;
/** A buy of that worth at the market's price; each is another one. */
const buy = (symbol: string, worth: number, fields: object = {}): object => {
  lastId += 1;
  const market = marketOf(symbol);
  return {
    clientOrderId: `o-${lastId}`,
    symbol,
    side: "BUY",
    type: "LIMIT",
    price: market.price(0),
    quantity: market.quantity(market.quantityUnits(worth)),
    ...fields,
  };
};

const execution = (
  order: OrderBody,
  kind: SentExecution["kind"],
  fields: Partial<SentExecution> = {},
): SentExecution => {
  lastId += 1;
  const { orderId, symbol } = order;
  return { executionId: `x-${lastId}`, orderId, symbol, kind, at: Date.now(), ...fields };
};

const taken = async (...executions: readonly SentExecution[]): Promise<void> => {
  const results = await exchange.execute(executions);
  expect(results.filter(({ status }) => status !== "applied")).toEqual([]);
};

const fill = (order: OrderBody, ticks: number, quantity = order.quantity): Promise<void> =>
  taken(
    execution(order, "FILL", { price: marketOf(order.symbol).price(ticks), quantity, fee: "0" }),
  );

/** What an order needs of its account's money, as the system itself reckons. */
const requiredFor = async (account: number, order: object): Promise<bigint> => {
  const { body } = await exchange.certain(account, "POST", "/v1/orders/check", order);
  return minorOf((JSON.parse(body) as { required: string }).required);
};

/** The account's money comes to lie unused on all three shards, and a part stays at its bank. */
const spread = async (account: number, minor: bigint): Promise<void> => {
  await exchange.transfer(account, "spread", "USDT", minor);
  for (const symbol of SYMBOLS) {
    const worth = Number(minor / UNIT) * 5;
    const order = await exchange.placed(account, buy(symbol, worth));
    await exchange.cancel(account, order.orderId);
    await taken(execution(order, "CANCEL"));
  }
  const { usedByOrders } = await exchange.balance(account);
  expect(usedByOrders).toBe(moneyOf(0n));
};

describe("an account's whole money, spread over the shards by earlier orders", () => {
  test.each([0, 1, 2, 3, 4, 5])(
    "is enough for an order that needs exactly that, and one unit less is not (%#)",
    async (n) => {
      const account = freshAccount();
      await spread(account, 300n * UNIT);
      const order = buy(SYMBOLS[n % 3] ?? "", 12_000);
      const needMinor = await requiredFor(account, order);
      const before = await exchange.settled(account);
      const holding = before.shards.filter(({ rights }) => minorOf(rights) > 0n);
      expect(holding.map(({ shard }) => shard).toSorted()).toEqual([...SHARDS]);
      const missing = needMinor - minorOf(before.available);
      expect(missing).toBeGreaterThan(1n);
      await exchange.transfer(account, "all-but-one", "USDT", missing - 1n);

      const short = await exchange.place(account, order);
      expect(short.status).toBe(422);
      expect(JSON.parse(short.body)).toMatchObject({
        code: "margin_insufficient",
        context: { asset: "USDT", required: moneyOf(needMinor) },
      });
      const { available } = await exchange.balance(account);
      expect(available).toBe(moneyOf(needMinor - 1n));
      const check = await exchange.certain(account, "POST", "/v1/orders/check", {
        ...order,
        clientOrderId: `check-${n}`,
      });
      expect(JSON.parse(check.body)).toMatchObject({
        decision: "refused",
        code: "margin_insufficient",
        context: { required: moneyOf(needMinor), available: moneyOf(needMinor - 1n) },
      });

      await exchange.transfer(account, "the-one", "USDT", 1n);
      const again = { ...order, clientOrderId: `enough-${n}` };
      expect((await exchange.place(account, again)).status).toBe(201);
      const after = await exchange.settled(account);
      expect([after.usedByOrders, after.available]).toEqual([moneyOf(needMinor), moneyOf(0n)]);
      // The first answer stands, whatever the account has by now.
      expect(await exchange.place(account, order)).toMatchObject({ status: 422, replayed: true });
    },
    TEST_MS_MAX,
  );
});

describe("two orders on two shards at the same moment, each of which alone fits", () => {
  const REPEATS = IS_LONG ? 1000 : 60;
  const PAIRS = [
    ["BTCUSDT", "ETHUSDT"],
    ["BTCUSDT", "SOLUSDT"],
    ["ETHUSDT", "SOLUSDT"],
  ] as const;

  test(
    "are never both taken when their sum is too much, and always when it is not",
    async () => {
      const random = randomOf(printedSeed("two orders at once"));
      const accepted: string[] = [];
      await inLanes(
        Array.from({ length: REPEATS }, () => freshAccount()),
        6,
        async (account, n) => {
          const [first, second] = PAIRS[n % PAIRS.length] as (typeof PAIRS)[number];
          const [one, other] = [buy(first, 4000), buy(second, 4000)];
          const needs = await Promise.all([one, other].map((order) => requiredFor(account, order)));
          const sum = (needs[0] ?? 0n) + (needs[1] ?? 0n);
          const fits = n % 4 === 0;
          if (random() < 0.5) await spread(account, 100n * UNIT);
          else await exchange.transfer(account, "spread", "USDT", 100n * UNIT);
          const rest = sum - (fits ? 0n : BigInt(wholeOf(random, 1, 100))) - 100n * UNIT;
          await exchange.transfer(account, "rest", "USDT", rest);
          const answers = await Promise.all([
            exchange.place(account, one),
            exchange.place(account, other),
          ]);
          const statuses = answers.map(({ status }) => status).toSorted();
          expect(statuses).toEqual(fits ? [201, 201] : [201, 422]);
          accepted.push(answers[0]?.status === 201 ? "one" : "other");
        },
      );
      expect(new Set(accepted)).toEqual(new Set(["one", "other"]));
    },
    TEST_MS_MAX,
  );
});

describe("a reduce-only fill that takes the position on which another order counts", () => {
  test(
    "uses more than the rights by exactly what that order opens now, until it is gone",
    async () => {
      const account = freshAccount();
      const market = marketOf("BTCUSDT");
      await exchange.transfer(account, "in", "USDT", 1_000n * UNIT);
      const position = await exchange.placed(account, buy("BTCUSDT", 10_000));
      await fill(position, 0);
      const against = buy("BTCUSDT", 10_000, { side: "SELL", price: market.price(100) });
      const counted = await exchange.placed(account, against);
      const reducing = await exchange.placed(
        account,
        buy("BTCUSDT", 10_000, { side: "SELL", price: market.price(90), reduceOnly: true }),
      );
      // All that is left goes out, so that what is missing then is missing on this shard.
      const left = await exchange.settled(account);
      expect(await exchange.transfer(account, "out", "USDT", -minorOf(left.available))).toBe(true);
      await fill(reducing, 0);

      const now = await exchange.settled(account);
      // Flat now: the sell opens the whole of it, a twentieth of its worth at its own price.
      const opens = BigInt(market.priceUnits(100)) * BigInt(market.units(counted.quantity)) * 1000n;
      const margin = opens / 20n;
      const fees = opens / 2000n;
      expect(now.usedByPositions).toBe(moneyOf(0n));
      expect(minorOf(now.usedByOrders)).toBe(margin + fees);
      const held = now.shards.find(({ shard }) => shard === "shard1");
      // Before, the position and the fee of the sell were held.
      const before =
        (BigInt(market.priceUnits(0)) * BigInt(market.units(position.quantity)) * 1000n) / 20n;
      expect(minorOf(held?.used ?? "0") - minorOf(held?.rights ?? "0")).toBe(margin - before);
      expect((await exchange.place(account, buy("BTCUSDT", 1000))).status).toBe(422);

      await exchange.cancel(account, counted.orderId);
      await taken(execution(counted, "CANCEL"));
      const free = await exchange.settled(account);
      expect([free.usedByOrders, free.available]).toEqual([moneyOf(0n), free.wallet]);
    },
    TEST_MS_MAX,
  );
});

/** An answer that says nothing of the outcome is asked for again; no other may come. */
const refusedForItsBank = async (account: number, order: object): Promise<void> => {
  let last = "";
  await until(
    () => `bank_unavailable, not ${last}`,
    WAIT_MS_MAX,
    async () => {
      const { status, body } = await exchange.ask(account, "POST", "/v1/orders", order);
      last = `${status} ${body}`;
      expect([0, 503, 504]).toContain(status);
      return status === 503 && (JSON.parse(body) as { code: string }).code === "bank_unavailable";
    },
  );
};

describe("with an account's bank away", () => {
  const pids: number[] = [];
  afterAll(() => {
    for (const pid of pids.filter(isAlive)) process.kill(pid, "SIGCONT");
  });

  test(
    "orders inside the rights, reduce-only ones and cancels are taken elsewhere; more is 503",
    async () => {
      let account = freshAccount();
      while (homeOf(account) !== 2) account = freshAccount();
      await exchange.transfer(account, "in", "USDT", 1_000n * UNIT);
      const held = await exchange.placed(account, buy("BTCUSDT", 8000));
      await fill(held, 0);
      const resting = await exchange.placed(account, buy("BTCUSDT", 4000));
      await exchange.cancel(account, resting.orderId);
      await taken(execution(resting, "CANCEL"));
      await exchange.settled(account);

      const bank = exchange.dev.pidOf("shard3") as number;
      pids.push(bank);
      process.kill(bank, "SIGSTOP");
      const inside = await exchange.placed(account, buy("BTCUSDT", 3500));
      const beyond = buy("BTCUSDT", 8000);
      const elsewhere = buy("ETHUSDT", 4000);
      await Promise.all([beyond, elsewhere].map((order) => refusedForItsBank(account, order)));
      const reduce = buy("BTCUSDT", 4000, {
        side: "SELL",
        reduceOnly: true,
        price: marketOf("BTCUSDT").price(50),
      });
      const reducing = await exchange.placed(account, reduce);
      expect((await exchange.cancel(account, inside.orderId)).status).toBe(200);
      await fill(reducing, 60);
      const away = await exchange.ask(account, "GET", "/v1/account");
      expect([away.status, away.body]).toEqual([503, expect.stringContaining("shard3")]);

      process.kill(bank, "SIGCONT");
      // The same ids: nothing was stored of the refusals.
      expect((await exchange.place(account, beyond)).status).toBe(201);
      expect((await exchange.place(account, elsewhere)).status).toBe(201);
      const market = marketOf("BTCUSDT");
      const profit = BigInt(60 * market.instrument.tickSizeUnits);
      const units = BigInt(market.units(reducing.quantity));
      await until("the bank hears of the profit", WAIT_MS_MAX, async () => {
        const { realised } = await exchange.balance(account);
        return minorOf(realised) === profit * units * 1000n;
      });
    },
    TEST_MS_MAX,
  );
});

test(
  "what is used and what is shown of it are the same numbers as the files have",
  async () => {
    const account = freshAccount();
    await exchange.transfer(account, "in", "USDT", 1_000n * UNIT);
    for (const symbol of SYMBOLS) {
      const order = await exchange.placed(account, buy(symbol, 2000));
      await fill(order, -7, marketOf(symbol).quantity(marketOf(symbol).units(order.quantity) / 2));
    }
    const { shards } = await exchange.settled(account);
    await exchange.killAll();
    for (const { shard, used } of shards) {
      const file = shardAtRest(exchange.dataDir, shard, INSTRUMENTS);
      expect([shard, usedOn(file, INSTRUMENTS).get(`${account}:USDT`)]).toEqual([
        shard,
        minorOf(used),
      ]);
    }
  },
  TEST_MS_MAX,
);
