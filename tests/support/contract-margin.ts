/** A system with margin and an external venue, and a test in the place of the exchange behind it. */
import { beforeAll } from "bun:test";
import type { Code } from "../../shards/domain/codes.ts";
import type { OrderBody } from "../../shards/domain/order-body.ts";
import {
  type Answer,
  type Client,
  freshAccount,
  freshId,
  limitOrder,
  type OrderFields,
} from "./contract-client.ts";
import { type Fixture, startedOnce } from "./contract-fixture.ts";

/** Codes that nothing gives without margin, positions or a matching engine. */
export const MARGIN_CODES = [
  "account_not_found",
  "amendment_pending",
  "bank_unavailable",
  "insufficient_funds",
  "leverage_too_high",
  "margin_insufficient",
  "mark_price_stale",
  "position_or_orders_open",
  "position_side_mismatch",
  "reduce_only_rejected",
  "too_many_open_orders",
  "trading_halted",
  "transfer_id_reused",
  "would_trigger_immediately",
] as const satisfies readonly Code[];

/** A mark stays good for as long as a test of stale ones does not say otherwise. */
export const MARK_AGE_MS_MAX = 3_600_000;

const MARGIN = {
  SLUICE_RISK: "margin",
  SLUICE_VENUE: "external",
  SLUICE_MARGIN_MARK_AGE: "1h",
  SLUICE_SHARD_INTAKE_WAIT_MAX: "4s",
} as const;

/** The marks that every test finds; those of other symbols are for tests of marks. */
const MARKS = { BTCUSDT: "50000.00", ETHUSDT: "3000.00", LTCUSDT: "100.00" } as const;

/** On shard 1, 2 and 3. Each needs about 20 of margin and 0.20 for fees at the default leverage. */
export const ORDERS = {
  BTCUSDT: { symbol: "BTCUSDT", price: "50000.00", quantity: "0.008" },
  ETHUSDT: { symbol: "ETHUSDT", price: "3000.00", quantity: "0.133" },
  LTCUSDT: { symbol: "LTCUSDT", price: "100.00", quantity: "4.000" },
} as const;

export interface ExecutionResult {
  readonly executionId: string;
  readonly status: string;
  readonly reason?: string;
}

export interface Balance {
  readonly asset: string;
  readonly wallet: string;
  readonly usedByOrders: string;
  readonly usedByPositions: string;
  readonly available: string;
  readonly inTransit: string;
  readonly shards: readonly { readonly shard: string; readonly used: string }[];
}

export interface PositionItem {
  readonly symbol: string;
  readonly positionSide: string;
  readonly quantity: string;
  readonly averagePrice: string;
  readonly markPrice: string | null;
  readonly unrealised: string | null;
  readonly realised: string;
  readonly fees: string;
}

/** What a busy machine may give for a moment: to be asked again the same way. */
const PASSING: readonly Code[] = [
  "bank_unavailable",
  "outcome_unknown",
  "overloaded",
  "shard_unavailable",
];
const PASSING_MS_MAX = 30_000;
const PASSING_PAUSE_MS = 50;

/** What clients, the venue and those who run the exchange do. */
export class Exchange {
  constructor(private readonly fixture: Fixture) {}

  get client(): Client {
    return this.fixture.client;
  }

  send(method: string, path: string, account: number, json?: unknown): Promise<Answer> {
    return this.client.send(method, path, json === undefined ? { account } : { account, json });
  }

  transfer(account: number, fields: OrderFields = {}): Promise<Answer> {
    const path = `/admin/v1/accounts/${account}/transfers`;
    const json = { transferId: freshId("t"), asset: "USDT", amount: "1000", ...fields };
    return this.send("POST", path, account, json);
  }

  /** An account of its own with this much. */
  async funded(amount = "1000"): Promise<number> {
    const account = freshAccount();
    await this.deposit(account, amount);
    return account;
  }

  /** A deposit that must be paid. */
  async deposit(account: number, amount = "1000"): Promise<void> {
    const fields = { transferId: freshId("t"), amount };
    const { status, text } = await asked(() => this.transfer(account, fields));
    if (status !== 200) throw new Error(`not deposited: ${status} ${text}`);
  }

  place(account: number, fields: OrderFields, passing = PASSING): Promise<Answer> {
    const order = limitOrder(fields);
    return asked(() => this.client.place(order, { account }), passing);
  }

  /** An order that must be taken. */
  async accepted(account: number, fields: OrderFields): Promise<OrderBody> {
    const { status, text, json } = await this.place(account, fields);
    if (status !== 201 && status !== 200) throw new Error(`not taken: ${status} ${text}`);
    return json as unknown as OrderBody;
  }

  async order(account: number, orderId: string): Promise<OrderBody> {
    return (await this.send("GET", `/v1/orders/${orderId}`, account)).json as unknown as OrderBody;
  }

  async mark(symbol: string, markPrice: string, at = Date.now()): Promise<string | undefined> {
    const json = { prices: [{ symbol, markPrice, at }] };
    const answer = await this.send("POST", "/admin/v1/mark-prices", 1, json);
    return (answer.json.results as readonly { status: string }[])[0]?.status;
  }

  async execute(...executions: readonly OrderFields[]): Promise<readonly ExecutionResult[]> {
    const json = {
      executions: executions.map((one) => ({ executionId: freshId("e"), at: Date.now(), ...one })),
    };
    const answer = await this.send("POST", "/admin/v1/executions", 1, json);
    return answer.json.results as readonly ExecutionResult[];
  }

  /** One execution of this order; `applied` and the like. */
  async executed(
    { orderId, symbol }: Pick<OrderBody, "orderId" | "symbol">,
    fields: OrderFields,
  ): Promise<string | undefined> {
    const [result] = await this.execute({ orderId, symbol, ...fields });
    return result?.reason ?? result?.status;
  }

  fill(
    order: Pick<OrderBody, "orderId" | "symbol">,
    price: string,
    quantity: string,
    fields: OrderFields = {},
  ): Promise<string | undefined> {
    return this.executed(order, { kind: "FILL", price, quantity, ...fields });
  }

  /** Opens a position at one price. */
  async position(account: number, fields: OrderFields): Promise<OrderBody> {
    const order = await this.accepted(account, fields);
    const done = await this.fill(order, order.price ?? "0", order.quantity);
    if (done !== "applied") throw new Error(`not filled: ${done}`);
    return order;
  }

  async balance(account: number, asset = "USDT"): Promise<Balance | undefined> {
    const { json } = await this.send("GET", "/v1/account", account);
    return (json.balances as readonly Balance[]).find((one) => one.asset === asset);
  }

  async positions(account: number): Promise<readonly PositionItem[]> {
    const { json } = await this.send("GET", "/v1/positions", account);
    return json.items as readonly PositionItem[];
  }

  async setTradingState(scope: object, state: string): Promise<readonly object[]> {
    const answer = await this.send("PUT", "/admin/v1/trading-state", 1, { scope, state });
    return answer.json.results as readonly object[];
  }
}

/** The first answer that does not pass by itself. */
const asked = async (send: () => Promise<Answer>, passing = PASSING): Promise<Answer> => {
  const giveUpAt = performance.now() + PASSING_MS_MAX;
  for (;;) {
    const answer = await send();
    const isPassing = passing.includes(answer.json.code as Code);
    if (!isPassing || performance.now() > giveUpAt) return answer;
    await Bun.sleep(PASSING_PAUSE_MS);
  }
};

/** One such system for all tests of a file. */
export const exchangeStartedOnce = (): {
  readonly fixture: Fixture;
  readonly exchange: Exchange;
} => {
  const fixture = startedOnce(MARGIN);
  const exchange = new Exchange(fixture);
  beforeAll(async () => {
    for (const [symbol, price] of Object.entries(MARKS)) await exchange.mark(symbol, price);
  });
  return { fixture, exchange };
};
