/**
 * What a matching engine says is delivered at least once, and over symbols in any order: orders,
 * positions and wallets end the same as when it comes once, in order, to a system that nobody kills.
 */
import { afterEach, expect, test } from "bun:test";
import type { AccountId } from "../../shards/domain/brands.ts";
import type { OrderBody } from "../../shards/domain/order-body.ts";
import { defaultSharding, parseShardMap } from "../../shards/domain/symbol-map.ts";
import { homeShardOf } from "../../shards/protocol/home-shard.ts";
import { endAll } from "../support/processes.ts";
import { printedSeed, type Random, randomOf, wholeOf } from "../support/random.ts";
import type { Dev, Part } from "../support/sluice.ts";
import {
  Exchange,
  marketOf,
  minorOf,
  type SentExecution,
  tradingFolder,
} from "../support/trading.ts";
import { inLanes, until } from "../support/until.ts";

const TEST_MS_MAX = 120_000;
const WALLETS_MS_MAX = 60_000;
const DEPOSIT_MINOR = 10_000n * 10n ** 8n;
/** One on each shard. */
const SYMBOLS = ["BTCUSDT", "ETHUSDT", "SOLUSDT"] as const;
const SHARD_OF: Readonly<Record<string, Part>> = {
  BTCUSDT: "shard1",
  ETHUSDT: "shard2",
  SOLUSDT: "shard3",
};
const AT = 1_790_000_000_000;

/** The first account whose bank is on that shard. */
const accountAt = (shard: string): number => {
  const { shards } = parseShardMap(defaultSharding);
  for (let account = 1; ; account++) {
    if (homeShardOf(account as AccountId, shards).name === shard) return account;
  }
};

/** Of each symbol; every bank is elsewhere than the fills. */
const ACCOUNT_OF: Readonly<Record<string, number>> = {
  BTCUSDT: accountAt("shard2"),
  ETHUSDT: accountAt("shard1"),
  SOLUSDT: accountAt("shard2"),
};
const ACCOUNTS = [...new Set(Object.values(ACCOUNT_OF))];

afterEach(() => endAll(), TEST_MS_MAX);

/** The same orders in every run, so that they get the same ids. */
const placeAll = async (exchange: Exchange): Promise<readonly OrderBody[]> => {
  await exchange.mark(new Map(SYMBOLS.map((symbol) => [symbol, 0])));
  const orders: OrderBody[] = [];
  for (const account of ACCOUNTS) await exchange.transfer(account, "in", "USDT", DEPOSIT_MINOR);
  for (const symbol of SYMBOLS) {
    const market = marketOf(symbol);
    const units = market.quantityUnits(1000);
    const place = async (clientOrderId: string, fields: object, size = units): Promise<void> => {
      const quantity = market.quantity(size);
      const order = { clientOrderId, symbol, type: "LIMIT", quantity, ...fields };
      orders.push(await exchange.placed(ACCOUNT_OF[symbol] ?? 0, order));
    };
    const takeProfit = { stopPrice: market.price(400) };
    await place("open", { side: "BUY", price: market.price(0), takeProfit });
    await place("more", { side: "BUY", price: market.price(-10) });
    await place("turn", { side: "SELL", price: market.price(20) }, 3 * units);
    await place("gone", { side: "SELL", price: market.price(90) });
  }
  const gone = orders.filter(({ clientOrderId }) => clientOrderId === "gone");
  for (const { accountId, orderId } of gone) {
    expect((await exchange.cancel(Number(accountId), orderId)).status).toBe(200);
  }
  return orders;
};

/** Per symbol: partial and whole fills, profit and loss, a turn, an end, and one too much. */
const executionsFor = (orders: readonly OrderBody[]): readonly SentExecution[] =>
  SYMBOLS.flatMap((symbol) => {
    const market = marketOf(symbol);
    const step = market.instrument.stepSizeUnits;
    const order = (id: string): OrderBody =>
      orders.find((one) => one.symbol === symbol && one.clientOrderId === id) as OrderBody;
    const units = market.units(order("open").quantity);
    const part = step * Math.ceil(units / step / 3);
    const say = (n: number, id: string, kind: SentExecution["kind"], fields: object = {}) => ({
      executionId: `e-${n}`,
      ...{ orderId: order(id).orderId, symbol, kind, at: AT + n },
      ...fields,
    });
    const fill = (n: number, id: string, ticks: number, size: number, fee = "0.00000007") =>
      say(n, id, "FILL", { price: market.price(ticks), quantity: market.quantity(size), fee });
    return [
      fill(1, "open", 0, part),
      fill(2, "open", -3, units - part, "-0.01"),
      fill(3, "turn", 20, part),
      fill(OVERFILL, "more", -10, 9_000_000 * step),
      fill(5, "turn", 21, units, "0.5"),
      say(6, "gone", "CANCEL"),
      fill(7, "more", -13, step),
    ];
  });

const OVERFILL = 4;

interface EndState {
  readonly orders: readonly object[];
  readonly positions: readonly object[];
  readonly wallets: readonly object[];
}

/** All that clients see, without the times at which it came about and without the order's place. */
const endStateOf = async (exchange: Exchange, orders: readonly OrderBody[]): Promise<EndState> => {
  const states = [];
  for (const { accountId, orderId } of orders) {
    const account = Number(accountId);
    const now = await exchange.order(account, orderId);
    const children = now.children.map((child) => exchange.order(account, child.orderId));
    states.push(now, ...(await Promise.all(children)));
  }
  const positions = [];
  const wallets = [];
  for (const account of ACCOUNTS) {
    positions.push(...(await exchange.positions(account)));
    const { wallet, usedByOrders, usedByPositions, realised } = await exchange.settled(account);
    wallets.push({ account, wallet, usedByOrders, usedByPositions, realised });
  }
  const timeless = (one: object): object => ({ ...one, ...NO_TIMES });
  return { orders: states.map(timeless), positions: positions.map(timeless), wallets };
};

const NO_TIMES = { createdAt: 0, updatedAt: 0, receipt: {} };

const inOrder = async (): Promise<EndState> => {
  const exchange = await Exchange.start(tradingFolder());
  const orders = await placeAll(exchange);
  const results = await exchange.execute(executionsFor(orders));
  const aside = results.filter(({ status }) => status !== "applied");
  const overfill = { executionId: `e-${OVERFILL}`, status: "quarantined", reason: "overfill" };
  expect(aside).toEqual(SYMBOLS.map(() => overfill) as typeof aside);
  for (const account of ACCOUNTS) {
    let made = 0n;
    for (const { realised, fees } of await exchange.positions(account)) {
      made += minorOf(realised) - minorOf(fees);
    }
    await until("the bank has heard of every fill", WALLETS_MS_MAX, async () => {
      return minorOf((await exchange.settled(account)).realised) === made;
    });
  }
  const state = await endStateOf(exchange, orders);
  expect(await exchange.stop()).toBe(0);
  return state;
};

/** A writer that is on its way back is killed again as soon as it lives. */
const killed = async (dev: Dev, part: Part): Promise<void> => {
  await until(`${part} lives`, TEST_MS_MAX, () => dev.pidOf(part) !== undefined);
  dev.kill(part);
};

const sendTwice = async (
  exchange: Exchange,
  random: Random,
  execution: SentExecution,
): Promise<void> => {
  const sent = exchange.execute([execution]);
  // Sometimes before the writer can have taken it, sometimes in its commit, sometimes after.
  if (random() < 0.5) await sent;
  else await Bun.sleep(wholeOf(random, 0, 5));
  await killed(exchange.dev, SHARD_OF[execution.symbol] as Part);
  const [first] = await sent;
  const [again] = await exchange.execute([execution]);
  expect(["applied", "duplicate", "quarantined"]).toContain(first?.status as string);
  expect(again?.status).toBe("duplicate");
};

test(
  "twice, mixed over symbols and with the writer killed after each: the same end",
  async () => {
    const expected = await inOrder();
    const random = randomOf(printedSeed("executions"));
    const exchange = await Exchange.start(tradingFolder());
    const orders = await placeAll(exchange);
    // Each symbol keeps its own order; which symbol comes when is left to the kills.
    await inLanes(SYMBOLS, SYMBOLS.length, async (symbol) => {
      const own = executionsFor(orders).filter((one) => one.symbol === symbol);
      for (const execution of own) await sendTwice(exchange, random, execution);
    });
    // A profit is on its way to the bank without being anybody's right meanwhile.
    await until("the banks have heard of every fill", WALLETS_MS_MAX, async () => {
      const { wallets } = await endStateOf(exchange, orders);
      return Bun.deepEquals(wallets, expected.wallets);
    }).catch(() => {});
    const state = await endStateOf(exchange, orders);
    expect(state).toEqual(expected);
    expect(state.positions.length).toBe(SYMBOLS.length);
    expect(await exchange.stop()).toBe(0);
  },
  TEST_MS_MAX,
);
