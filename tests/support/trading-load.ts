/**
 * Random trading of many accounts. A lane owns some (account, symbol) pairs and does one thing after
 * the other with them, as their client and as their matching engine, so that what must have become
 * of each pair is known; lanes run side by side, and most accounts are in several of them.
 */
import type { OrderBody } from "../../shards/domain/order-body.ts";
import type { HttpAnswer } from "./client.ts";
import { type Random, randomOf, wholeOf } from "./random.ts";
import { type Exchange, MARKETS, moneyOf } from "./trading.ts";
import { orderFor, type Pair, type PlacedOrder } from "./trading-orders.ts";
import { until } from "./until.ts";
import { isLive, isReducing, VenuePair } from "./venue.ts";

export interface TradingOptions {
  readonly exchange: Exchange;
  readonly seed: number;
  readonly accounts: number;
  readonly lanes: number;
}

/** Paid in at the start, of each margin asset. */
const RICH_MINOR = 1_000_000n * 10n ** 8n;
const POOR_MINOR = 150n * 10n ** 8n;
export const ASSETS: readonly string[] = [
  ...new Set(MARKETS.map(({ instrument }) => instrument.marginAsset)),
];

/** What an account with money enough may be refused for. */
const FAIR_REFUSALS = [
  "reduce_only_rejected",
  "would_trigger_immediately",
  "too_many_open_orders",
  "mark_price_stale",
];

interface Transfer {
  readonly account: number;
  readonly id: string;
  readonly asset: string;
  readonly minor: bigint;
  readonly paid: boolean;
}

export class Trading {
  readonly pairs: readonly Pair[];
  /** Deposits less withdrawals that were paid, by `account:asset`; minor units. */
  readonly paidIn = new Map<string, bigint>();
  readonly faults: string[] = [];
  readonly #options: TradingOptions;
  readonly #transfers: Transfer[] = [];
  #steps = 0;
  #count = 0;
  #stopped = false;
  #lanes: Promise<unknown> = Promise.resolve();

  constructor(options: TradingOptions) {
    this.#options = options;
    const { exchange, accounts } = options;
    const all: Pair[] = [];
    for (const account of accountIds(accounts)) {
      for (const market of MARKETS) {
        const venue = new VenuePair(exchange, account, market);
        const isHedged = account % 5 === 0;
        all.push({ account, market, venue, isHedged, placed: [] });
      }
    }
    this.pairs = all;
  }

  /** Half of them have more than they could ever use. */
  isRich(account: number): boolean {
    return account % 2 === 0;
  }

  /** Accounts get their money and their mode, symbols their first price. */
  async open(): Promise<void> {
    const { exchange, accounts } = this.#options;
    await this.#mark(randomOf(this.#options.seed));
    await Promise.all(
      accountIds(accounts).map(async (account) => {
        for (const asset of ASSETS) {
          await this.#transfer(account, asset, this.isRich(account) ? RICH_MINOR : POOR_MINOR);
        }
        if (account % 5 !== 0) return;
        const mode = { positionMode: "HEDGE" };
        const { status, body } = await exchange.certain(account, "PUT", "/v1/settings", mode);
        if (status !== 200) this.faults.push(`mode of ${account}: ${status} ${body}`);
      }),
    );
  }

  run(seed: number): void {
    const { lanes } = this.#options;
    this.#stopped = false;
    const own = Map.groupBy(this.pairs, (pair) => laneOf(pair, lanes));
    this.#lanes = Promise.all([
      this.#keepMarks(randomOf(seed)),
      ...[...own].map(([lane, pairs]) => this.#lane(randomOf(seed + 7919 * (lane + 1)), pairs)),
    ]);
    // Whoever waits for them comes later; until then one lane's failure ends the others.
    this.#lanes.catch(() => {
      this.#stopped = true;
    });
  }

  /** Each lane finishes what it has begun. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#lanes;
  }

  /** Until so many more steps are done; a lane that failed ends the wait. */
  async moreSteps(count: number, msMax: number): Promise<void> {
    const goal = this.#steps + count;
    await Promise.race([
      until(
        () => `${goal} steps; ${this.#steps} are done`,
        msMax,
        () => this.#steps >= goal,
      ),
      this.#lanes,
    ]);
  }

  /** Of every lane and every matching engine. */
  allFaults(): readonly string[] {
    return [...this.faults, ...this.pairs.flatMap(({ venue }) => venue.faults)];
  }

  async #lane(random: Random, pairs: readonly Pair[]): Promise<void> {
    while (!this.#stopped) {
      // Some pairs more than others: where nothing is open yet little can go wrong.
      const pair = pairs[Math.floor(random() * random() * pairs.length)] as Pair;
      for (let n = wholeOf(random, 3, 8); n > 0 && !this.#stopped; n--) {
        await this.#step(random, pair);
        this.#steps += 1;
      }
      await pair.venue.flush();
    }
  }

  async #keepMarks(random: Random): Promise<void> {
    while (!this.#stopped) {
      await this.#mark(random);
      await Bun.sleep(MARK_PAUSE_MS);
    }
  }

  async #mark(random: Random): Promise<void> {
    const ticks = MARKETS.map(({ symbol }) => [symbol, wholeOf(random, -MARK_TICKS, MARK_TICKS)]);
    await this.#options.exchange.mark(new Map(ticks as [string, number][]));
  }

  async #step(random: Random, pair: Pair): Promise<void> {
    const draw = random();
    const earlier = pair.placed[wholeOf(random, 0, pair.placed.length - 1)];
    if (earlier === undefined || draw < 0.42) await this.#place(random, pair);
    else if (draw < 0.48) await this.#placeAgain(pair, earlier);
    else if (draw < 0.55) await this.#cancel(pair, earlier);
    else if (draw < 0.6) await this.#amend(random, pair);
    else if (draw < 0.63) await this.#lever(random, pair);
    else if (draw < 0.66) await this.#moveMoney(random, pair.account);
    else if (draw < 0.68) await this.#repeatExecution(random, pair);
    else if (draw < 0.69) await this.#lie(random, pair, earlier);
    else await this.#match(random, pair);
  }

  /** Of an order that nobody knows, or more than any order has. */
  #lie(random: Random, { venue }: Pair, order: PlacedOrder): Promise<void> {
    const isKnown = order.answer.status !== 422 && random() < 0.5;
    return venue.lie(isKnown ? bodyOf(order).orderId : UNKNOWN_ORDER, TOO_MANY_STEPS);
  }

  async #place(random: Random, pair: Pair): Promise<void> {
    const { account, market } = pair;
    this.#count += 1;
    const clientOrderId = `t${this.#options.seed.toString(36)}-${this.#count}`;
    const request = { clientOrderId, ...orderFor(random, pair) };
    const answer = await this.#options.exchange.place(account, request);
    pair.placed.push({ account, symbol: market.symbol, request, answer });
    if (answer.status === 201 || answer.status === 200) return;
    const { code } = JSON.parse(answer.body) as { code: string };
    const isFair =
      FAIR_REFUSALS.includes(code) || (code === "margin_insufficient" && !this.isRich(account));
    if (answer.status !== 422 || !isFair) {
      this.faults.push(`${JSON.stringify(request)} of ${account}: ${answer.status} ${answer.body}`);
    }
  }

  async #placeAgain({ account }: Pair, { request, answer }: PlacedOrder): Promise<void> {
    const again = await this.#options.exchange.place(account, request);
    const status = answer.status === 422 ? 422 : 200;
    if (again.status === status && again.replayed && again.body === answer.body) return;
    this.faults.push(`again ${JSON.stringify(request)}: ${JSON.stringify(again)}`);
  }

  async #cancel({ account }: Pair, order: PlacedOrder): Promise<void> {
    if (order.answer.status === 422) return;
    const answer = await this.#options.exchange.cancel(account, bodyOf(order).orderId);
    this.#expectOf(account, `cancel of ${bodyOf(order).orderId}`, answer, [200, 409]);
  }

  /** Of the newest limit order: one that is older has mostly ended. */
  async #amend(random: Random, { account, market, placed }: Pair): Promise<void> {
    const taken = placed.filter(({ answer }) => answer.status !== 422).map(bodyOf);
    const body = taken.findLast(({ type }) => type === "LIMIT");
    if (body === undefined) return;
    const ticks = wholeOf(random, -150, 150);
    const units = market.units(body.quantity);
    const more = wholeOf(random, 1, 2);
    const wish = { price: market.price(ticks), quantity: market.quantity(units * more) };
    const path = `/v1/orders/${body.orderId}`;
    const answer = await this.#options.exchange.certain(account, "PATCH", path, wish);
    this.#expectOf(account, `amendment of ${body.orderId}`, answer, [200, 409, 422]);
  }

  async #lever(random: Random, { account, market }: Pair): Promise<void> {
    const { leverageBrackets } = market.instrument;
    const leverage = wholeOf(random, 5, Math.min(50, leverageBrackets[0]?.initialLeverage ?? 20));
    const path = `/v1/settings/${market.symbol}`;
    const answer = await this.#options.exchange.certain(account, "PUT", path, { leverage });
    this.#expectOf(account, `leverage ${leverage} of ${account}`, answer, [200, 422]);
  }

  /** Who has money enough is never short of it. */
  #expectOf(
    account: number,
    what: string,
    { status, body }: HttpAnswer,
    expected: readonly number[],
  ): void {
    const isShort = body.includes("margin_insufficient") && this.isRich(account);
    if (isShort || !expected.includes(status)) this.faults.push(`${what}: ${status} ${body}`);
  }

  async #moveMoney(random: Random, account: number): Promise<void> {
    const earlier = this.#transfers[wholeOf(random, 0, this.#transfers.length - 1)];
    if (random() < 0.2 && earlier !== undefined) {
      const { account: owner, id, asset, minor, paid } = earlier;
      const again = await this.#options.exchange.transfer(owner, id, asset, minor);
      if (again !== paid) this.faults.push(`transfer ${id} was paid: ${paid}, then: ${again}`);
      return;
    }
    const asset = ASSETS[wholeOf(random, 0, ASSETS.length - 1)] as string;
    const minor = BigInt(wholeOf(random, 1, 6_000_000_000));
    await this.#transfer(account, asset, random() < 0.6 ? -minor : minor);
  }

  async #transfer(account: number, asset: string, minor: bigint): Promise<void> {
    this.#count += 1;
    const id = `m${this.#options.seed.toString(36)}-${this.#count}`;
    const paid = await this.#options.exchange.transfer(account, id, asset, minor);
    this.#transfers.push({ account, id, asset, minor, paid });
    const key = `${account}:${asset}`;
    if (paid) this.paidIn.set(key, (this.paidIn.get(key) ?? 0n) + minor);
    else if (this.isRich(account)) this.faults.push(`${moneyOf(minor)} ${asset} refused to ${key}`);
  }

  async #repeatExecution(random: Random, { venue }: Pair): Promise<void> {
    const earlier = venue.taken[wholeOf(random, 0, venue.taken.length - 1)];
    if (earlier !== undefined) await venue.repeat(earlier);
  }

  /** The engine looks at the pair's book, and tells at once, later, or twice what it did. */
  async #match(random: Random, pair: Pair): Promise<void> {
    const { venue, market, account } = pair;
    await venue.flush();
    const open = await this.#options.exchange.openOrders(account, market.symbol);
    let reduces = false;
    for (const order of open.filter(isLive)) {
      if (random() < 0.3) continue;
      if (isReducing(order)) reduces = decideReducing(random, pair, order, open) || reduces;
      else decidePlain(random, pair, order);
    }
    // What takes from the position was judged by the orders that are there now.
    if (reduces || random() < 0.7) await venue.flush(random() < 0.2 ? 2 : 1);
  }
}

const MARK_PAUSE_MS = 150;
/** Never so far that a market order trades beyond what was held back for it. */
const MARK_TICKS = 60;
const UNKNOWN_ORDER = "4503599627370495";
const TOO_MANY_STEPS = 100_000_000;

/** Not those that are given money by others at the start. */
const ACCOUNTS_FROM = 101;
const accountIds = (count: number): readonly number[] =>
  Array.from({ length: count }, (_, index) => ACCOUNTS_FROM + index);

/** Symbols of an account are in different lanes, and so are the accounts of a symbol. */
const laneOf = ({ account, market }: Pair, lanes: number): number =>
  (account * 3 + MARKETS.indexOf(market)) % lanes;

export const bodyOf = ({ answer }: PlacedOrder): OrderBody => JSON.parse(answer.body) as OrderBody;

const leftOf = ({ market }: Pair, { quantity, executedQuantity, amendment }: OrderBody): number => {
  const wished = market.units(amendment?.quantity ?? quantity);
  return Math.min(market.units(quantity), wished) - market.units(executedQuantity);
};

/** A part of what is left, on the step. */
const partOf = (random: Random, { market }: Pair, units: number): number => {
  const { stepSizeUnits } = market.instrument;
  const steps = Math.floor(units / stepSizeUnits);
  return steps < 2 ? units : wholeOf(random, 1, steps - 1) * stepSizeUnits;
};

/** An order that may open something: filled at its own price, or a buy below it. */
const decidePlain = (random: Random, pair: Pair, order: OrderBody): void => {
  const { venue, market } = pair;
  if (order.amendment !== undefined && random() < 0.6) {
    const isPossible =
      market.units(order.amendment.quantity) > market.units(order.executedQuantity);
    if (!isPossible || random() < 0.3) venue.say(order, "AMEND_REJECTED");
    else {
      const { price, quantity } = order.amendment;
      venue.say(order, "AMENDED", { price, quantity });
    }
    return;
  }
  const left = leftOf(pair, order);
  const draw = random();
  if (order.status === "PENDING_CANCEL" && draw < 0.6) {
    venue.say(order, "CANCEL");
    return;
  }
  if (draw > 0.92 || left <= 0) {
    if (order.amendment === undefined) venue.say(order, draw > 0.96 ? "EXPIRE" : "REJECT");
    return;
  }
  const wish = { priceUnits: tradePrice(random, pair, order), ...feeOf(random) };
  const quantityUnits = draw < 0.75 ? left : partOf(random, pair, left);
  venue.fill(order, { ...wish, quantityUnits });
  if (quantityUnits === left || !isMarketType(order)) return;
  venue.say(order, "EXPIRE");
};

const isMarketType = ({ price }: OrderBody): boolean => price === null;

/** At most what the shard held for it: above that a sell would open more than was reckoned with. */
const tradePrice = (random: Random, { market }: Pair, order: OrderBody): number => {
  if (order.price === null) {
    return order.stopPrice === undefined
      ? market.priceUnits(0)
      : market.unitsOfPrice(order.stopPrice);
  }
  const limit = market.unitsOfPrice(order.price);
  return order.side === "SELL"
    ? limit
    : limit - wholeOf(random, 0, 40) * market.instrument.tickSizeUnits;
};

/** Mostly the taker's; now and then a rebate, or in another asset. */
const feeOf = (random: Random): { feeMinor?: bigint; feeAsset?: string } => {
  const draw = random();
  if (draw < 0.1) return { feeMinor: BigInt(-wholeOf(random, 1, 100_000)) };
  if (draw < 0.2) return { feeMinor: BigInt(wholeOf(random, 1, 100_000)), feeAsset: "BUSD" };
  return {};
};

/**
 * An order that only closes, at any price, as far as the position goes; true when something was
 * filled. Left alone where an order that could open something counts on the same position.
 */
const decideReducing = (
  random: Random,
  pair: Pair,
  order: OrderBody,
  open: readonly OrderBody[],
): boolean => {
  const { venue, market } = pair;
  if (order.amendment !== undefined) {
    venue.say(order, "AMEND_REJECTED");
    return false;
  }
  if (order.status === "PENDING_CANCEL" && random() < 0.5) {
    venue.say(order, "CANCEL");
    return false;
  }
  const counted = open.some(
    (other) =>
      !isReducing(other) && other.positionSide === order.positionSide && other.side === order.side,
  );
  const units = Math.min(leftOf(pair, order), venue.closableUnits(order));
  if (counted || units <= 0) return false;
  venue.fill(order, {
    priceUnits: market.priceUnits(wholeOf(random, -200, 200)),
    quantityUnits: random() < 0.7 ? units : partOf(random, pair, units),
    ...feeOf(random),
  });
  return true;
};
