/** A parent and its children under kill -9: all or none; and what a price triggers, once. */
import { afterEach, describe, expect, test } from "bun:test";
import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { OrderBody } from "../../shards/domain/order-body.ts";
import { type ShardAtRest, shardAtRest } from "../support/margin-files.ts";
import { bracketDifferences, triggersIn } from "../support/margin-files-check.ts";
import { endAll, isAlive, makeFolder, ROOT, runProcess } from "../support/processes.ts";
import { printedSeed, randomOf, wholeOf } from "../support/random.ts";
import { ONE_SHARD } from "../support/sluice.ts";
import { Exchange, INSTRUMENTS, marketOf, type SentExecution } from "../support/trading.ts";
import { inLanes, until } from "../support/until.ts";
import { expectVerified } from "../support/verify.ts";

const IS_LONG = process.env.SLUICE_TEST_LONG === "1";
const TEST_MS_MAX = 180_000;
const SETTINGS = { SHARDING: ONE_SHARD };
/** No transaction has so many statements. */
const UNHARMED = 10_000;
const SYMBOL = "BTCUSDT";
const market = marketOf(SYMBOL);
const DEPOSIT_MINOR = 10n ** 14n;
/** Some batch is written long before. */
const WRITE_MS_MAX = 500;
/** The writer starts, and then decides on a price that came before. */
const TRIGGERED_MS_MAX = 60_000;

afterEach(() => endAll(), TEST_MS_MAX);

const atRest = (dataDir: string): ShardAtRest => shardAtRest(dataDir, "shard1", INSTRUMENTS);

/** A buy at the market's price with its take-profit above and its stop-loss below. */
const bracket = (clientOrderId: string, away: number, fields: object = {}) => ({
  clientOrderId,
  symbol: SYMBOL,
  side: "BUY",
  type: "LIMIT",
  price: market.price(0),
  quantity: market.quantity(market.quantityUnits(600)),
  takeProfit: { stopPrice: market.price(away) },
  stopLoss: { stopPrice: market.price(-away), workingType: "LAST_PRICE" },
  ...fields,
});

let executions = 0;
const execution = (
  { orderId, symbol }: Pick<OrderBody, "orderId" | "symbol">,
  kind: SentExecution["kind"],
  fields: Partial<SentExecution> = {},
): SentExecution => {
  executions += 1;
  return { executionId: `x-${executions}`, orderId, symbol, kind, at: Date.now(), ...fields };
};

const fillOf = (order: OrderBody, ticks: number, quantity = order.quantity): SentExecution =>
  execution(order, "FILL", { price: market.price(ticks), quantity, fee: "0" });

const startOne = async (): Promise<Exchange> => {
  const exchange = await Exchange.start(makeFolder(), { settings: SETTINGS });
  await exchange.mark(new Map([[SYMBOL, 0]]));
  return exchange;
};

/** Returns right after the file was written to: its writer is in the sync of a batch then. */
const awaitWrite = (file: string): void => {
  const before = statSync(file).mtimeMs;
  const giveUpAt = performance.now() + WRITE_MS_MAX;
  while (statSync(file).mtimeMs === before && performance.now() < giveUpAt);
};

/** Kills the writer, shows what it has left, and lets its supervisor start it again. */
const killAndLook = async (exchange: Exchange): Promise<ShardAtRest> => {
  const { dev } = exchange;
  const pid = await until("the writer lives", TEST_MS_MAX, () => dev.pidOf("shard1"));
  awaitWrite(join(exchange.dataDir, "shard1.sqlite-wal"));
  dev.process.kill("SIGSTOP");
  process.kill(pid, "SIGKILL");
  await until("the writer is dead", TEST_MS_MAX, () => !isAlive(pid));
  const file = atRest(exchange.dataDir);
  dev.process.kill("SIGCONT");
  return file;
};

describe("a parent and its two children", () => {
  test(
    "are all there or none, whatever statement of their transaction the writer dies at",
    async () => {
      const folder = makeFolder();
      const script = join(ROOT, "tests/support/trading-torn-commit.ts");
      /** What it says, and checks what it leaves. */
      const dieAt = async (n: number): Promise<string> => {
        const dataDir = join(folder, `${n}`);
        mkdirSync(dataDir);
        const command = [process.execPath, script, join(dataDir, "shard1.sqlite"), `${n}`];
        const { exitCode, stdout, stderr } = await runProcess(command);
        const file = atRest(dataDir);
        const accepted = file.records.filter(({ type }) => type === "order_accepted");
        const count = exitCode === 0 ? 6 : 0;
        const found = { n, orders: file.orders.length, accepted: accepted.length, stderr };
        expect(found).toEqual({ n, orders: count, accepted: count, stderr: "" });
        expect(bracketDifferences(file)).toEqual([]);
        return stdout;
      };
      const [, statements = 0] = /(\d+) statements/.exec(await dieAt(UNHARMED)) ?? [];
      // BEGIN, parents, children, journal, keys, sequences, COMMIT at the least.
      expect(Number(statements)).toBeGreaterThan(7);
      const places = Array.from({ length: Number(statements) }, (_, index) => index + 1);
      const said = await inLanes(places, 2, dieAt);
      expect(said.join("")).toBe("");
    },
    TEST_MS_MAX,
  );

  test(
    "are all there or none, under load and killed in any commit",
    async () => {
      const LANES = 12;
      const KILLS = IS_LONG ? 60 : 6;
      const random = randomOf(printedSeed("brackets"));
      const exchange = await startOne();
      const accepted: OrderBody[] = [];
      let goesOn = true;
      const lanes = inLanes(
        Array.from({ length: LANES }, (_, lane) => 201 + lane),
        LANES,
        async (account) => {
          await exchange.transfer(account, "in", "USDT", DEPOSIT_MINOR);
          for (let n = 0; goesOn; n++) {
            const order = await exchange.placed(account, bracket(`b-${n}`, 100));
            expect(order.children.length).toBe(2);
            accepted.push(order);
            if (n % 3 === 0) await exchange.cancel(account, order.orderId);
          }
        },
      );
      let parents = 0;
      for (let kill = 0; kill < KILLS; kill++) {
        const goal = accepted.length + wholeOf(random, 20, 60);
        await Promise.race([lanes, until("brackets", TEST_MS_MAX, () => accepted.length >= goal)]);
        const file = await killAndLook(exchange);
        expect(bracketDifferences(file)).toEqual([]);
        parents = file.orders.filter(({ children }) => children.length === 2).length;
        expect(file.orders.length).toBe(3 * parents);
      }
      goesOn = false;
      await lanes;
      expect(parents).toBeGreaterThan(0);
      expect(await exchange.stop()).toBe(0);
      const { orders } = atRest(exchange.dataDir);
      expect(orders.length).toBe(3 * accepted.length);
      await expectVerified(exchange.dataDir, [], SETTINGS);
    },
    TEST_MS_MAX,
  );
});

describe("a price that is reached", () => {
  const BRACKETS = 6;
  const AWAY = 100;
  const HOW = ["take-profit by the mark", "stop-loss by the last price", "both at once"] as const;

  test(
    "triggers one child of each bracket, once, however often the writer is killed meanwhile",
    async () => {
      const ROUNDS = IS_LONG ? 30 : 6;
      const random = randomOf(printedSeed("triggers"));
      const exchange = await startOne();
      const owner = 301;
      const other = 302;
      for (const account of [owner, other]) {
        await exchange.transfer(account, "in", "USDT", DEPOSIT_MINOR);
      }
      for (let round = 0; round < ROUNDS; round++) {
        const how = HOW[round % HOW.length] as (typeof HOW)[number];
        // Of another account: a trade at a price is the last price.
        const bait = await exchange.placed(other, {
          ...bracket(`bait-${round}`, AWAY, { takeProfit: undefined, stopLoss: undefined }),
          quantity: market.quantity(3 * market.quantityUnits(600)),
        });
        const step = market.quantity(market.instrument.stepSizeUnits * 200);
        await exchange.mark(new Map([[SYMBOL, 0]]));
        await exchange.execute([fillOf(bait, 0, step)]);
        const parents: OrderBody[] = [];
        for (let n = 0; n < BRACKETS; n++) {
          parents.push(await exchange.placed(owner, bracket(`r${round}-${n}`, AWAY)));
        }
        await exchange.execute(parents.map((parent) => fillOf(parent, 0)));

        const crash = fillOf(bait, -AWAY - 5, step);
        const up = new Map([[SYMBOL, AWAY + 5]]);
        const reached = [
          ...(how === "stop-loss by the last price" ? [] : [exchange.mark(up)]),
          ...(how === "take-profit by the mark" ? [] : [exchange.execute([crash])]),
        ];
        await Bun.sleep(wholeOf(random, 0, 8));
        const file = await killAndLook(exchange);
        expect(bracketDifferences(file)).toEqual([]);
        await Promise.all(reached);
        for (const parent of parents) await expectOneTriggered(exchange, owner, parent, how);
      }
      expect(await exchange.stop()).toBe(0);
      const triggered = triggersIn(atRest(exchange.dataDir).records);
      expect(triggered.length).toBe(ROUNDS * BRACKETS);
      expect(new Set(triggered.map(({ parentOrderId }) => parentOrderId)).size).toBe(
        ROUNDS * BRACKETS,
      );
    },
    TEST_MS_MAX,
  );

  const expectOneTriggered = async (
    exchange: Exchange,
    account: number,
    parent: OrderBody,
    how: (typeof HOW)[number],
  ): Promise<void> => {
    const isExpected = (statuses: readonly string[]): boolean => {
      const [takeProfit] = statuses;
      const isOne = Bun.deepEquals(statuses.toSorted(), ["CANCELED", "NEW"]);
      if (how === "both at once") return isOne;
      return isOne && takeProfit === (how === "take-profit by the mark" ? "NEW" : "CANCELED");
    };
    let last: readonly string[] = [];
    // While the writer is away central answers, which may be behind.
    await until(
      () => `${how} of ${parent.orderId}: ${last}`,
      TRIGGERED_MS_MAX,
      async () => {
        const children = parent.children.map(({ orderId }) => exchange.order(account, orderId));
        last = (await Promise.all(children)).map(({ status }) => status);
        return isExpected(last);
      },
    );
  };
});

describe("a bracket's life, its writer killed after each step", () => {
  test(
    "follows its parent's fills, and ends with the first child that is triggered",
    async () => {
      const exchange = await startOne();
      const account = 401;
      await exchange.transfer(account, "in", "USDT", DEPOSIT_MINOR);
      const parent = await exchange.placed(account, bracket("life", 100));
      const [takeProfit, stopLoss] = parent.children.map(({ orderId }) => orderId);
      const now = async (): Promise<readonly string[]> => {
        const { recovered } = exchange.dev.kill("shard1");
        await recovered();
        const orders = await Promise.all(
          [parent.orderId, takeProfit ?? "", stopLoss ?? ""].map((id) =>
            exchange.order(account, id),
          ),
        );
        return orders.map(({ status, quantity, executedQuantity }) =>
          [status, executedQuantity, quantity].join(" "),
        );
      };
      const units = market.units(parent.quantity);
      const part = market.quantity(Math.floor(units / 3));
      const more = market.quantity(2 * Math.floor(units / 3));
      const none = market.quantity(0);
      const all = parent.quantity;
      expect(await now()).toEqual([
        `NEW ${none} ${all}`,
        `PENDING ${none} ${all}`,
        `PENDING ${none} ${all}`,
      ]);
      await exchange.execute([fillOf(parent, 0, part)]);
      expect(await now()).toEqual([
        `PARTIALLY_FILLED ${part} ${all}`,
        `UNTRIGGERED ${none} ${part}`,
        `UNTRIGGERED ${none} ${part}`,
      ]);
      await exchange.execute([fillOf(parent, 0, part)]);
      await exchange.mark(new Map([[SYMBOL, 150]]));
      expect(await now()).toEqual([
        `PENDING_CANCEL ${more} ${all}`,
        `NEW ${none} ${more}`,
        `CANCELED ${none} ${more}`,
      ]);
      await exchange.execute([execution(parent, "CANCEL")]);
      const child = await exchange.order(account, takeProfit ?? "");
      await exchange.execute([fillOf(child, 100)]);
      expect(await now()).toEqual([
        `CANCELED ${more} ${all}`,
        `FILLED ${more} ${more}`,
        `CANCELED ${none} ${more}`,
      ]);
      expect(await exchange.positions(account)).toEqual([]);

      const unfilled = await exchange.placed(account, bracket("unfilled", 200));
      await exchange.cancel(account, unfilled.orderId);
      await exchange.execute([execution(unfilled, "CANCEL")]);
      const ids = [unfilled, ...unfilled.children].map(({ orderId }) => orderId);
      const ended = await Promise.all(ids.map((id) => exchange.order(account, id)));
      expect(ended.map(({ status }) => status)).toEqual(["CANCELED", "CANCELED", "CANCELED"]);
      expect(await exchange.stop()).toBe(0);
    },
    TEST_MS_MAX,
  );
});
