/**
 * The exchange as the risk tests see it: markets with prices of their own, and requests that are
 * repeated until their answer is certain, across kills of any process and of all of them.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Balance } from "../../app/http/account/balances.ts";
import { defaultInstruments } from "../../app/instruments/default-set.ts";
import { renderInstrumentFile } from "../../app/instruments/instrument-file.ts";
import type { InstrumentSymbol } from "../../shards/domain/brands.ts";
import { formatUnits, parseUnits } from "../../shards/domain/decimal.ts";
import type { Instrument } from "../../shards/domain/instrument.ts";
import type { OrderBody } from "../../shards/domain/order-body.ts";
import { type HttpAnswer, tokenOf } from "./client.ts";
import { allEnded, makeFolder, processesOf } from "./processes.ts";
import { type Dev, type DevOptions, type Settings, startDev } from "./sluice.ts";
import { until } from "./until.ts";

/** With accounts and a matching engine behind, which the tests play themselves. */
export const RISK_SETTINGS: Settings = { RISK: "margin", VENUE: "external" };

/** Ten symbols on each of three shards. */
export const TEN_EACH: Settings = {
  SHARDING:
    "{ enabled: true, shard1: { symbols: 'BTCUSDT,BTCBUSD,BTCUSDC,ADAUSDT,AAVEUSDT,AVAXUSDT," +
    "BCHUSDT,BNBUSDC,BNBUSDT,DOGEUSDT' }, shard2: { symbols: 'ETHUSDT,ETHBUSD,ETHUSDC,DOTUSDT," +
    "FTTUSDT,LINKUSDT,LTCUSDT,MKRUSDT,NEARUSDT,SOLUSDC' }, shard3: { symbols: '' } }",
};

/** Beside the default set, so that there are thirty. */
const MORE_SYMBOLS = ["ONEUSDT", "TWOUSDT"] as const;
const LIKE: string = "SOLUSDT";

const likeSol = defaultInstruments.find(({ symbol }) => symbol === LIKE) as Instrument;
/** All of them trade, those too that their exchange has ended since, and in any quantity. */
export const INSTRUMENTS: readonly Instrument[] = [
  ...defaultInstruments.map(
    (one): Instrument => ({
      ...one,
      status: "TRADING",
      marketMaxQuantityUnits: one.maxQuantityUnits,
    }),
  ),
  ...MORE_SYMBOLS.map((symbol) => ({ ...likeSol, symbol: symbol as InstrumentSymbol })),
];

/** A data folder whose first start knows all {@link INSTRUMENTS}. */
export const tradingFolder = (): string => {
  const dataDir = makeFolder();
  writeFileSync(join(dataDir, "instruments.json"), renderInstrumentFile(INSTRUMENTS));
  return dataDir;
};

/** What every market here is worth, in ticks: a hundredth of a percent is one tick. */
export const BASE_TICKS = 10_000;

export class Market {
  readonly instrument: Instrument;

  constructor(instrument: Instrument) {
    this.instrument = instrument;
  }

  get symbol(): InstrumentSymbol {
    return this.instrument.symbol;
  }

  /** Units of the price so many ticks from what the market is worth. */
  priceUnits(ticks: number): number {
    return (BASE_TICKS + ticks) * this.instrument.tickSizeUnits;
  }

  price(ticks: number): string {
    return this.textOfPrice(this.priceUnits(ticks));
  }

  textOfPrice(units: number): string {
    return formatUnits(units, this.instrument.priceScale);
  }

  /** The smallest quantity worth at least so much of the quote asset, three times over the minimum. */
  quantityUnits(worth: number): number {
    const { stepSizeUnits, minQuantityUnits, priceScale, quantityScale } = this.instrument;
    const { minNotionalUnits } = this.instrument;
    const stepWorth = this.priceUnits(0) * stepSizeUnits;
    const wanted = Math.max(worth * 10 ** (priceScale + quantityScale), 3 * minNotionalUnits);
    return Math.max(Math.ceil(wanted / stepWorth) * stepSizeUnits, minQuantityUnits);
  }

  quantity(units: number): string {
    return formatUnits(units, this.instrument.quantityScale);
  }

  /** Of an order's quantity as it stands in its body. */
  units(quantity: string): number {
    return unitsOf(quantity, this.instrument.quantityScale);
  }

  unitsOfPrice(price: string): number {
    return unitsOf(price, this.instrument.priceScale);
  }
}

const unitsOf = (text: string, scale: number): number => {
  const units = parseUnits(text, scale);
  if (typeof units !== "number") throw new Error(`${text} has not ${scale} decimals`);
  return units;
};

export const MARKETS: readonly Market[] = INSTRUMENTS.map((one) => new Market(one));
export const marketOf = (symbol: string): Market => {
  const market = MARKETS.find((one) => one.symbol === symbol);
  if (market === undefined) throw new Error(`there is no market ${symbol}`);
  return market;
};

export const MONEY_SCALE = 8;
/** Minor units of money as answers have it: 8 decimals. */
export const minorOf = (money: string): bigint => BigInt(money.replace(".", ""));
export const moneyOf = (minor: bigint): string => formatUnits(minor, MONEY_SCALE);

type TradingMethod = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

const ANSWER_MS_MAX = 20_000;
/** Until a request must have had a certain answer: longer than any process is away. */
const CERTAIN_MS_MAX = 60_000;
const PAUSE_MS = 10;
const PAUSE_MS_MAX = 300;

/** What `POST /admin/v1/executions` takes. */
export interface SentExecution {
  readonly executionId: string;
  readonly orderId: string;
  readonly symbol: string;
  readonly kind: "FILL" | "CANCEL" | "EXPIRE" | "REJECT" | "AMENDED" | "AMEND_REJECTED";
  readonly price?: string;
  readonly quantity?: string;
  readonly fee?: string;
  readonly feeAsset?: string;
  readonly at: number;
}

export interface TakenExecution {
  readonly executionId: string;
  readonly status: "applied" | "duplicate" | "quarantined" | "unknown";
  readonly reason?: string;
}

/** One system that may be killed whole and started again; requests wait while there is none. */
export class Exchange {
  readonly dataDir: string;
  /** Answers that said nothing of the outcome. */
  interruptions = 0;
  /** Answers that were certain. */
  answers = 0;
  readonly #options: Omit<DevOptions, "dataDir">;
  readonly #tokens = new Map<number, Promise<string>>();
  #dev: Dev | undefined;
  #serving = Promise.withResolvers<void>();

  constructor(dataDir: string, options: Omit<DevOptions, "dataDir"> = {}) {
    this.dataDir = dataDir;
    const settings = { ...RISK_SETTINGS, ...options.settings };
    this.#options = { ...options, settings, flags: ["--no-match", ...(options.flags ?? [])] };
  }

  static async start(dataDir: string, options: Omit<DevOptions, "dataDir"> = {}) {
    const exchange = new Exchange(dataDir, options);
    await exchange.start();
    return exchange;
  }

  get dev(): Dev {
    if (this.#dev === undefined) throw new Error("the exchange does not run");
    return this.#dev;
  }

  async start(): Promise<void> {
    this.#dev = await startDev({ ...this.#options, dataDir: this.dataDir });
    this.#serving.resolve();
  }

  /** kill -9 of every process at once. Requests under way are lost, later ones wait for `start`. */
  async killAll(): Promise<void> {
    this.#serving = Promise.withResolvers<void>();
    // The supervisor first: it would start the others again.
    this.dev.process.kill("SIGKILL");
    for (const pid of processesOf(this.dataDir)) process.kill(pid, "SIGKILL");
    await this.dev.process.ended();
    await allEnded(this.dataDir);
    this.#dev = undefined;
  }

  async stop(): Promise<number> {
    const exitCode = await this.dev.stop();
    this.#dev = undefined;
    return exitCode;
  }

  /** Asks once; status 0 is a lost connection. */
  async ask(
    account: number,
    method: TradingMethod,
    path: string,
    body?: object,
  ): Promise<HttpAnswer> {
    await this.#serving.promise;
    const token = this.#tokens.get(account) ?? tokenOf(account);
    this.#tokens.set(account, token);
    try {
      const response = await fetch(`${this.dev.url}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${await token}`,
          "content-type": "application/json",
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(ANSWER_MS_MAX),
      });
      return {
        status: response.status,
        body: await response.text(),
        replayed: response.headers.get("idempotency-replayed") === "true",
      };
    } catch (error) {
      return { status: 0, body: String(error), replayed: false };
    }
  }

  /** Asks the same again until the answer says what happened. */
  async certain(
    account: number,
    method: TradingMethod,
    path: string,
    body?: object,
    isCertain: (answer: HttpAnswer) => boolean = () => true,
  ): Promise<HttpAnswer> {
    const giveUpAt = performance.now() + CERTAIN_MS_MAX;
    for (let pauseMs = PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, PAUSE_MS_MAX)) {
      const answer = await this.ask(account, method, path, body);
      const { status } = answer;
      if (status !== 0 && status !== 503 && status !== 504 && isCertain(answer)) {
        this.answers += 1;
        return answer;
      }
      this.interruptions += 1;
      if (performance.now() > giveUpAt) {
        throw new Error(
          `no certain answer to ${account}'s ${method} ${path} ${JSON.stringify(body)}: ${status} ${answer.body}`,
        );
      }
      await Bun.sleep(pauseMs);
    }
  }

  place(account: number, order: object): Promise<HttpAnswer> {
    return this.certain(account, "POST", "/v1/orders", order);
  }

  /** Places what must be accepted. */
  async placed(account: number, order: object): Promise<OrderBody> {
    const { status, body } = await this.place(account, order);
    if (status !== 201 && status !== 200) {
      throw new Error(`${JSON.stringify(order)} was answered ${status} ${body}`);
    }
    return JSON.parse(body) as OrderBody;
  }

  async order(account: number, orderId: string): Promise<OrderBody> {
    return read<OrderBody>(await this.certain(account, "GET", `/v1/orders/${orderId}`));
  }

  async openOrders(account: number, symbol?: string): Promise<readonly OrderBody[]> {
    const inSymbol = symbol === undefined ? "" : `&symbol=${symbol}`;
    const path = `/v1/orders?status=open${inSymbol}`;
    const list = read<{ items: OrderBody[] }>(await this.certain(account, "GET", path));
    return list.items;
  }

  cancel(account: number, orderId: string): Promise<HttpAnswer> {
    return this.certain(account, "DELETE", `/v1/orders/${orderId}`);
  }

  /** All of the account's orders, on every shard. */
  async cancelAll(account: number): Promise<void> {
    await this.certain(account, "DELETE", "/v1/orders", undefined, ({ body }) =>
      (JSON.parse(body) as { results: { status: number }[] }).results.every(
        ({ status }) => status === 200,
      ),
    );
  }

  /** In their order; one that no shard has spoken of is sent again, with all the others. */
  async execute(executions: readonly SentExecution[]): Promise<readonly TakenExecution[]> {
    if (executions.length === 0) return [];
    const answer = await this.certain(
      ADMIN_ACCOUNT,
      "POST",
      "/admin/v1/executions",
      { executions },
      ({ status, body }) => status !== 200 || !body.includes('"unknown"'),
    );
    return read<{ results: TakenExecution[] }>(answer).results;
  }

  /** Each symbol's price, so many ticks from its base. */
  async mark(ticks: ReadonlyMap<string, number>, at = Date.now()): Promise<void> {
    const prices = [...ticks].map(([symbol, offset]) => ({
      symbol,
      markPrice: marketOf(symbol).price(offset),
      at,
    }));
    await this.certain(ADMIN_ACCOUNT, "POST", "/admin/v1/mark-prices", { prices }, ({ body }) => {
      return !body.includes('"unknown"');
    });
  }

  /** Above zero a deposit, below a withdrawal; gives whether it was paid. */
  async transfer(
    account: number,
    transferId: string,
    asset: string,
    minor: bigint,
  ): Promise<boolean> {
    const answer = await this.certain(
      ADMIN_ACCOUNT,
      "POST",
      `/admin/v1/accounts/${account}/transfers`,
      { transferId, asset, amount: moneyOf(minor) },
    );
    if (answer.status === 422 && answer.body.includes("insufficient_funds")) return false;
    if (answer.status === 200 || answer.status === 201) return true;
    throw new Error(`transfer ${transferId} of ${moneyOf(minor)}: ${answer.status} ${answer.body}`);
  }

  async balances(account: number): Promise<readonly Balance[]> {
    return read<{ balances: Balance[] }>(await this.certain(account, "GET", "/v1/account"))
      .balances;
  }

  async balance(account: number, asset = "USDT"): Promise<Balance> {
    const found = (await this.balances(account)).find((one) => one.asset === asset);
    if (found === undefined) throw new Error(`account ${account} has no ${asset}`);
    return found;
  }

  async positions(account: number): Promise<readonly HeldPosition[]> {
    return read<{ items: HeldPosition[] }>(await this.certain(account, "GET", "/v1/positions"))
      .items;
  }

  /** Until the account's money is where it belongs: nothing is on its way. */
  async settled(account: number, asset = "USDT", msMax = 60_000): Promise<Balance> {
    let last: Balance | undefined;
    return until(
      () => `nothing of ${account} is in transit: ${JSON.stringify(last)}`,
      msMax,
      async () => {
        last = await this.balance(account, asset);
        return minorOf(last.inTransit) === 0n && last;
      },
    );
  }
}

/** Any account may do it: the token has the scope. */
const ADMIN_ACCOUNT = 1;

export interface HeldPosition {
  readonly symbol: string;
  readonly positionSide: "BOTH" | "LONG" | "SHORT";
  readonly quantity: string;
  readonly averagePrice: string;
  readonly realised: string;
  readonly fees: string;
}

const read = <T>({ status, body }: HttpAnswer): T => {
  if (status !== 200) throw new Error(`${status} ${body}`);
  return JSON.parse(body) as T;
};
