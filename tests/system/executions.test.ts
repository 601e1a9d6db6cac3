/**
 * What a matching engine says is delivered at least once, and over symbols in any order: orders,
 * positions and wallets end the same as when it comes once, in order, to a system that nobody kills.
 */
import { afterEach, expect, test } from "bun:test";
import type { OrderBody } from "../../shards/domain/order-body.ts";
import { endAll } from "../support/processes.ts";
import { printedSeed, type Random, randomOf, wholeOf } from "../support/random.ts";
import type { Part } from "../support/sluice.ts";
import { Exchange, marketOf, type SentExecution, tradingFolder } from "../support/trading.ts";

const TEST_MS_MAX = 120_000;
const ACCOUNTS = [7, 8] as const;
const DEPOSIT_MINOR = 10_000n * 10n ** 8n;
/** One on each shard. */
const SYMBOLS = ["BTCUSDT", "ETHUSDT", "SOLUSDT"] as const;
const SHARD_OF: Readonly<Record<string, Part>> = {
  BTCUSDT: "shard1",
  ETHUSDT: "shard2",
  SOLUSDT: "shard3",
};
const AT = 1_790_000_000_000;

afterEach(() => endAll(), TEST_MS_MAX);

/** The same orders in every run, so that they get the same ids. */
const placeAll = async (exchange: Exchange): Promise<readonly OrderBody[]> => {
  await exchange.mark(new Map(SYMBOLS.map((symbol) => [symbol, 0])));
  const orders: OrderBody[] = [];
  for (const account of ACCOUNTS) {
    await exchange.transfer(account, "in", "USDT", DEPOSIT_MINOR);
    for (const symbol of SYMBOLS) {
      const market = marketOf(symbol);
      const units = market.quantityUnits(1000);
      const place = async (id: string, fields: object): Promise<void> => {
        const quantity = market.quantity(units);
        const order = { clientOrderId: id, symbol, type: "LIMIT", quantity, ...fields };
        orders.push(await exchange.placed(account, order));
      };
      const far = { stopPrice: market.price(400) };
      await place("open", { side: "BUY", price: market.price(0), takeProfit: far });
      await place("more", { side: "BUY", price: market.price(-10) });
      await place("turn", {
        side: "SELL",
        price: market.price(20),
        quantity: market.quantity(3 * units),
      });
      await place("gone", { side: "SELL", price: market.price(90) });
    }
  }
  const gone = orders.filter(({ clientOrderId }) => clientOrderId === "gone");
  for (const { accountId, orderId } of gone) {
    expect((await exchange.cancel(Number(accountId), orderId)).status).toBe(200);
  }
  return orders;
};

/** Per symbol: partial and whole fills, a loss, a profit, a turn, an end, a rest, one too much. */
const executionsFor = (orders: readonly OrderBody[]): readonly SentExecution[] =>
  SYMBOLS.flatMap((symbol) => {
    const market = marketOf(symbol);
    return ACCOUNTS.flatMap((account) => {
      const order = (id: string): OrderBody =>
        orders.find(
          (one) =>
            one.accountId === `${account}` && one.symbol === symbol && one.clientOrderId === id,
        ) as OrderBody;
      const step = market.instrument.stepSizeUnits;
      const part = step * Math.ceil(market.units(order("open").quantity) / step / 3);
      const say = (n: number, id: string, kind: SentExecution["kind"], fields: object = {}) => ({
        executionId: `${account}-${n}`,
        ...{ orderId: order(id).orderId, symbol, kind, at: AT + n },
        ...fields,
      });
      const fill = (n: number, id: string, ticks: number, units: number, fee = "0.00000007") =>
        say(n, id, "FILL", { price: market.price(ticks), quantity: market.quantity(units), fee });
      const rest = market.units(order("open").quantity) - part;
      return [
        fill(1, "open", 0, part),
        fill(2, "open", -3, rest, "-0.01"),
        fill(3, "turn", 20, part),
        fill(4, "more", -10, part),
        fill(5, "more", -10, 9_000_000 * step),
        fill(6, "turn", 21, rest + part, "0.5"),
        say(7, "gone", "CANCEL"),
        say(8, "more", "EXPIRE"),
        fill(9, "turn", 33, step),
      ];
    });
  });

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

/** Any order that keeps each symbol's own. */
const shuffledOverSymbols = (
  random: Random,
  executions: readonly SentExecution[],
): readonly SentExecution[] => {
  const lines = SYMBOLS.map((symbol) => executions.filter((one) => one.symbol === symbol));
  const mixed: SentExecution[] = [];
  for (let left = lines.filter((line) => line.length > 0); left.length > 0; ) {
    const line = left[wholeOf(random, 0, left.length - 1)] as SentExecution[];
    mixed.push(line.shift() as SentExecution);
    left = left.filter((one) => one.length > 0);
  }
  return mixed;
};

const inOrder = async (): Promise<EndState> => {
  const exchange = await Exchange.start(tradingFolder());
  const orders = await placeAll(exchange);
  const results = await exchange.execute(executionsFor(orders));
  expect(results.filter(({ status }) => status !== "applied").map((one) => one.reason)).toEqual(
    results.filter((_, index) => index % 9 === 4).map(() => "overfill"),
  );
  const state = await endStateOf(exchange, orders);
  expect(await exchange.stop()).toBe(0);
  return state;
};

test(
  "twice, mixed over symbols and with the writer killed after each: the same end",
  async () => {
    const expected = await inOrder();
    const random = randomOf(printedSeed("executions"));
    const exchange = await Exchange.start(tradingFolder());
    const orders = await placeAll(exchange);
    for (const execution of shuffledOverSymbols(random, executionsFor(orders))) {
      const first = exchange.execute([execution]);
      // Sometimes before the writer can have taken it, sometimes in its commit, sometimes after.
      if (random() < 0.5) await first;
      else await Bun.sleep(wholeOf(random, 0, 5));
      const killed = exchange.dev.kill(SHARD_OF[execution.symbol] as Part);
      const [taken] = await first;
      const [again] = await exchange.execute([execution]);
      expect(["applied", "duplicate", "quarantined"]).toContain(taken?.status as string);
      expect(again?.status).toBe("duplicate");
      await killed.recovered();
    }
    expect(await endStateOf(exchange, orders)).toEqual(expected);
    expect(await exchange.stop()).toBe(0);
  },
  TEST_MS_MAX,
);
