/**
 * Many clients that each send one request after the other over connections that are kept: new
 * orders, repeats of earlier ones, orders that are refused, cancels. Every answer is kept. What has
 * no certain answer is asked again with the same id, as a client of the exchange has to.
 */
import { type Client, clientOf, type HttpAnswer, type OrderFields } from "./client.ts";
import { type Random, randomOf, wholeOf } from "./random.ts";
import { until } from "./until.ts";

/** What is known of one client order id. */
export interface SentOrder {
  readonly account: number;
  readonly request: OrderFields;
  readonly symbol: string;
  /** 201 or 422: the status of its first certain answer. */
  readonly status: 201 | 422;
  /** Every answer, in the order of arrival; status 0 is a lost connection. */
  readonly answers: HttpAnswer[];
  cancel: "none" | "asked" | "done";
}

/** An answer that says nothing of the outcome: 503, 504, or a connection that was lost (0). */
export interface Interruption {
  readonly symbol: string;
  readonly status: number;
  readonly body: string;
}

export interface LoadOptions {
  readonly url: string;
  readonly seed: number;
  readonly connections: number;
  readonly symbols?: readonly LoadSymbol[];
  /** Of all requests, the part that are cancels. */
  readonly cancels?: number;
  /** Each client pauses so long after each of its requests; 0 when left out. */
  readonly pauseMs?: number;
}

export type LoadSymbol = keyof typeof MARKETS;

/** Prices on and off the tick; `n` makes each order another one. */
const MARKETS = {
  BTCUSDT: (n: number) => ({ good: `${50_000 + (n % 5000)}.${n % 10}0`, bad: "50000.15" }),
  ETHUSDT: (n: number) => ({ good: `${2500 + (n % 900)}.${10 + (n % 90)}`, bad: "2500.005" }),
  SOLUSDT: (n: number) => ({ good: `${140 + (n % 50)}.${10 + (n % 90)}00`, bad: "140.0050" }),
  BTCUSDC: (n: number) => ({ good: `${50_000 + (n % 5000)}.${n % 10}`, bad: "50000.15" }),
  ETHUSDC: (n: number) => ({ good: `${2500 + (n % 900)}.${10 + (n % 90)}`, bad: "2500.005" }),
  ADAUSDT: (n: number) => ({ good: `0.${4000 + (n % 900)}0`, bad: "0.40005" }),
  DOGEUSDT: (n: number) => ({ good: `0.1${1000 + (n % 900)}0`, bad: "0.110005" }),
  LTCUSDT: (n: number) => ({ good: `${80 + (n % 40)}.${10 + (n % 90)}`, bad: "80.005" }),
  XRPUSDT: (n: number) => ({ good: `0.${5000 + (n % 900)}`, bad: "0.50005" }),
} as const;
const QUANTITIES: Readonly<Record<LoadSymbol, string>> = {
  BTCUSDT: "0.010",
  ETHUSDT: "0.100",
  SOLUSDT: "3",
  BTCUSDC: "0.010",
  ETHUSDC: "0.100",
  ADAUSDT: "100",
  DOGEUSDT: "100",
  LTCUSDT: "1.000",
  XRPUSDT: "100.0",
};

export const SYMBOL_OF_SHARD = {
  shard1: "BTCUSDT",
  shard2: "ETHUSDT",
  shard3: "SOLUSDT",
} as const;

const ACCOUNTS = 8;
/** Of the lanes, one in so many goes from symbol to symbol. */
const ROAMING_EVERY = 4;
const REFUSED_PART = 0.1;
const REPEAT_PART = 0.15;
const CANCEL_PART = 0.15;
/** After this long without a certain answer the load gives an order up, which is a fault. */
const ORDER_MS_MAX = 60_000;
/** For some more answers, from a machine that is busy with the tests. */
const MORE_MS_MAX = 60_000;
const PAUSE_MS = 20;
const PAUSE_MS_MAX = 200;

export class Load {
  readonly orders: SentOrder[] = [];
  readonly interruptions: Interruption[] = [];
  /** Answers that must not be; a sentence each. */
  readonly faults: string[] = [];
  readonly #options: LoadOptions;
  readonly #symbols: readonly LoadSymbol[];
  readonly #ackedOf = new Map<string, number>();
  readonly #lanes: Promise<void>;
  #stopped = false;

  static async start(options: LoadOptions): Promise<Load> {
    const accounts = Array.from({ length: ACCOUNTS }, (_, i) => clientOf(options.url, i + 1));
    return new Load(options, await Promise.all(accounts));
  }

  private constructor(options: LoadOptions, clients: readonly Client[]) {
    this.#options = options;
    this.#symbols = options.symbols ?? ["BTCUSDT", "ETHUSDT", "SOLUSDT"];
    const lanes = Array.from({ length: options.connections }, (_, number) => {
      const client = clients[number % clients.length] as Client;
      return this.#run(number, client);
    });
    this.#lanes = Promise.all(lanes).then(() => {});
  }

  /** Orders with a certain answer, of one symbol or of all. */
  acked(symbol?: string): number {
    if (symbol !== undefined) return this.#ackedOf.get(symbol) ?? 0;
    return [...this.#ackedOf.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Waits for that many more certain answers than there are now. */
  async moreAcked(count: number, symbol?: string, msMax = MORE_MS_MAX): Promise<void> {
    const goal = this.acked(symbol) + count;
    await until(`${count} more answers for ${symbol ?? "all"}`, msMax, () => {
      return this.acked(symbol) >= goal;
    });
  }

  /** Waits for that many more interruptions than there are now. */
  async moreInterrupted(count: number, symbol?: string, msMax = MORE_MS_MAX): Promise<void> {
    const interrupted = () =>
      this.interruptions.filter((one) => symbol === undefined || one.symbol === symbol).length;
    const goal = interrupted() + count;
    await until(`${count} more refusals for ${symbol ?? "all"}`, msMax, () => {
      return interrupted() >= goal;
    });
  }

  /** Each client finishes what it has begun; then every order has a certain answer. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#lanes;
  }

  async #run(lane: number, client: Client): Promise<void> {
    const random = randomOf(this.#options.seed + lane * 7919);
    const cancelPart = this.#options.cancels ?? CANCEL_PART;
    const { pauseMs = 0 } = this.#options;
    const own: SentOrder[] = [];
    for (let n = 0; !this.#stopped; n++) {
      if (pauseMs > 0) await Bun.sleep(pauseMs);
      const draw = random();
      const earlier = own[wholeOf(random, 0, own.length - 1)];
      if (earlier !== undefined && draw < REPEAT_PART) await this.#place(client, earlier);
      else if (earlier !== undefined && draw < REPEAT_PART + cancelPart) {
        await this.#cancel(client, earlier);
      } else {
        const order = this.#newOrder(client.account, lane, n, random);
        own.push(order);
        this.orders.push(order);
        await this.#place(client, order);
      }
    }
  }

  #newOrder(account: number, lane: number, n: number, random: Random): SentOrder {
    // Most lanes keep to one symbol: a shard that is away does not hold up the load on the others.
    const roams = lane % ROAMING_EVERY === 0;
    const place = roams ? wholeOf(random, 0, this.#symbols.length - 1) : lane;
    const symbol = this.#symbols[place % this.#symbols.length] as LoadSymbol;
    const price = MARKETS[symbol](wholeOf(random, 0, 1_000_000));
    const isRefused = random() < REFUSED_PART;
    const request = {
      clientOrderId: `${this.#options.seed.toString(36)}-${lane}-${n}`,
      symbol,
      side: random() < 0.5 ? "BUY" : "SELL",
      type: "LIMIT",
      price: isRefused ? price.bad : price.good,
      quantity: QUANTITIES[symbol],
    };
    const status = isRefused ? 422 : 201;
    return { account, request, symbol, status, answers: [], cancel: "none" };
  }

  /** Until the answer is certain. */
  async #place(client: Client, order: SentOrder): Promise<void> {
    const isFirst = order.answers.length === 0;
    const answer = await this.#certain(order.symbol, async () => {
      const one = await client.place(order.request).catch(lost);
      order.answers.push(one);
      return one;
    });
    if (answer === undefined) {
      this.faults.push(`no certain answer for ${order.request.clientOrderId}`);
      return;
    }
    const expected = order.status === 422 ? [422] : [200, 201];
    if (!expected.includes(answer.status)) {
      this.faults.push(`${order.request.clientOrderId}: ${answer.status} ${answer.body}`);
    }
    if (isFirst) this.#ackedOf.set(order.symbol, this.acked(order.symbol) + 1);
  }

  async #cancel(client: Client, order: SentOrder): Promise<void> {
    if (order.status !== 201) return;
    const body = order.answers.find(({ status }) => status === 201 || status === 200)?.body;
    if (body === undefined) return;
    const { orderId } = JSON.parse(body) as { orderId: string };
    if (order.cancel === "none") order.cancel = "asked";
    const answer = await this.#certain(order.symbol, () => client.cancel(orderId).catch(lost));
    if (answer?.status === 200 && answer.body.includes('"status":"CANCELED"')) {
      order.cancel = "done";
    } else {
      this.faults.push(`cancel of ${orderId}: ${answer?.status} ${answer?.body}`);
    }
  }

  async #certain(symbol: string, ask: () => Promise<HttpAnswer>): Promise<HttpAnswer | undefined> {
    const giveUpAt = performance.now() + ORDER_MS_MAX;
    for (let pauseMs = PAUSE_MS; performance.now() < giveUpAt; pauseMs *= 2) {
      const answer = await ask();
      const { status, body } = answer;
      if (status !== 503 && status !== 504 && status !== 0) return answer;
      this.interruptions.push({ symbol, status, body });
      await Bun.sleep(Math.min(pauseMs, PAUSE_MS_MAX));
    }
    return undefined;
  }
}

const lost = (error: unknown): HttpAnswer => ({ status: 0, body: String(error), replayed: false });
