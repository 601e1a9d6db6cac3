/** Each refusal for margin or by the rules of the risk: its code, its numbers, and that it is stored. */
import { describe, expect, test } from "bun:test";
import type { AccountId } from "../../../shards/domain/brands.ts";
import { CODES, type Code } from "../../../shards/domain/codes.ts";
import { homeShardOf } from "../../../shards/protocol/home-shard.ts";
import {
  type Answer,
  freshAccount,
  freshId,
  limitOrder,
  type OrderFields,
} from "../../support/contract-client.ts";
import {
  exchangeStartedOnce,
  MARGIN_CODES,
  MARK_AGE_MS_MAX,
  ORDERS,
} from "../../support/contract-margin.ts";

const { fixture, exchange } = exchangeStartedOnce();

const BTC = ORDERS.BTCUSDT;
const LTC = ORDERS.LTCUSDT;
const MARKET = { type: "MARKET", price: undefined } as const;
const BUY_STOP = {
  ...{ type: "STOP_MARKET", price: undefined, stopPrice: "110.00" },
  ...{ symbol: "LTCUSDT", quantity: "0.200" },
} as const;

interface Refused {
  readonly code: Code;
  /** Whose order, after what had to come before it. */
  readonly account: () => Promise<number>;
  readonly order: OrderFields;
  readonly context: object;
}

const funded = (amount?: string) => () => exchange.funded(amount);

const withLeverage = async (leverage: number, amount = "5000"): Promise<number> => {
  const account = await exchange.funded(amount);
  const { status } = await exchange.send("PUT", "/v1/settings/BTCUSDT", account, { leverage });
  expect(status).toBe(200);
  return account;
};

const longOf = async (quantity: string): Promise<number> => {
  const account = await exchange.funded();
  await exchange.position(account, { ...LTC, quantity });
  return account;
};

const REFUSED: Readonly<Record<string, Refused>> = {
  "LONG in one-way mode": {
    code: "position_side_mismatch",
    account: funded(),
    order: { ...BTC, positionSide: "LONG" },
    context: { positionSide: "LONG", positionMode: "ONE_WAY" },
  },
  "BOTH in hedge mode": {
    code: "position_side_mismatch",
    account: async () => {
      const account = await exchange.funded();
      await exchange.send("PUT", "/v1/settings", account, { positionMode: "HEDGE" });
      return account;
    },
    order: BTC,
    context: { positionSide: "BOTH", positionMode: "HEDGE" },
  },
  "a market order without a mark": {
    code: "mark_price_stale",
    account: funded(),
    order: { ...MARKET, symbol: "AAVEUSDT", quantity: "1.0" },
    context: { markPriceAt: null },
  },
  "a market order with an old mark": {
    code: "mark_price_stale",
    account: async () => {
      expect(await exchange.mark("UNIUSDT", "10.000", Date.now() - 2 * MARK_AGE_MS_MAX)).toBe(
        "applied",
      );
      return exchange.funded();
    },
    order: { ...MARKET, symbol: "UNIUSDT", quantity: "10" },
    context: {
      markPriceAt: expect.stringMatching(/^\d+$/),
      ageMs: expect.stringMatching(/^\d+$/),
      ageMsMax: String(MARK_AGE_MS_MAX),
    },
  },
  "a buy too far above the mark": {
    code: "price_out_of_range",
    account: funded(),
    order: { ...BTC, price: "52500.10" },
    context: { price: "52500.10", markPrice: "50000.00", highest: "52500.00" },
  },
  "a sell too far below the mark": {
    code: "price_out_of_range",
    account: funded(),
    order: { ...BTC, side: "SELL", price: "47499.90" },
    context: { price: "47499.90", markPrice: "50000.00", lowest: "47500.00" },
  },
  "a stop that the mark has passed": {
    code: "would_trigger_immediately",
    account: funded(),
    order: { ...BUY_STOP, stopPrice: "100.00" },
    context: { field: "stopPrice", stopPrice: "100.00", markPrice: "100.00" },
  },
  "a take-profit on the wrong side of its parent's price": {
    code: "would_trigger_immediately",
    account: funded(),
    order: { ...LTC, takeProfit: { stopPrice: "99.00" } },
    context: { field: "takeProfit.stopPrice", stopPrice: "99.00", price: "100.00" },
  },
  "a conditional order too many": {
    code: "too_many_open_orders",
    account: async () => {
      const account = await exchange.funded();
      const orders = Array.from({ length: 10 }, () => limitOrder(BUY_STOP));
      const { json } = await exchange.send("POST", "/v1/orders/batch", account, { orders });
      const statuses = (json.results as readonly { status: number }[]).map(({ status }) => status);
      expect(new Set(statuses)).toEqual(new Set([201]));
      return account;
    },
    order: BUY_STOP,
    context: { conditionalOrders: "10", maxConditionalOrders: "10" },
  },
  "reduce-only without a position": {
    code: "reduce_only_rejected",
    account: funded(),
    order: { ...LTC, side: "SELL", reduceOnly: true },
    context: { positionQuantity: "0.000", openReduceOnlyQuantity: "0.000", quantity: "4.000" },
  },
  "reduce-only beyond the position and what closes it already": {
    code: "reduce_only_rejected",
    account: async () => {
      const account = await longOf("1.000");
      const closing = { ...LTC, side: "SELL", quantity: "0.700", reduceOnly: true };
      await exchange.accepted(account, closing);
      return account;
    },
    order: { ...LTC, side: "SELL", quantity: "0.301", reduceOnly: true },
    context: { positionQuantity: "1.000", openReduceOnlyQuantity: "0.700", quantity: "0.301" },
  },
  "more than the leverage's bracket allows": {
    code: "leverage_too_high",
    account: () => withLeverage(125),
    order: { ...BTC, quantity: "1.001" },
    context: {
      ...{ leverage: "125", notional: "50050.00000000" },
      maxNotional: expect.stringMatching(/^(50000\.0{8}|49999\.9+)$/),
    },
  },
  "more margin than the account has": {
    code: "margin_insufficient",
    account: funded("20"),
    order: BTC,
    context: { asset: "USDT", required: "20.20000000", available: expect.any(String) },
  },
};

describe("an order that is refused", () => {
  test.each(Object.entries(REFUSED))(
    "%s has its code, its numbers, and is stored",
    async (_, refused) => {
      const { code, order, context } = refused;
      const account = await refused.account();
      const sent = { ...order, clientOrderId: freshId() };
      const answer = await exchange.place(account, sent);
      expect([answer.status, answer.json.code]).toEqual([CODES[code].status, code]);
      expect(answer.json.context).toEqual(context);
      const again = await exchange.place(account, sent);
      expect([again.status, again.headers.get("idempotency-replayed"), again.text]).toEqual([
        answer.status,
        "true",
        answer.text,
      ]);
    },
  );
});

describe("a trading state", () => {
  const DOT = { symbol: "DOTUSDT", price: "5.000", quantity: "10.0" };
  const codeOf = async (account: number, fields: OrderFields): Promise<unknown> => {
    const { status, json } = await exchange.place(account, fields);
    return status === 201 ? "taken" : [json.code, json.context];
  };

  test("of a symbol is its shard's, stops what it says, and is lifted again", async () => {
    const account = await exchange.funded();
    await exchange.position(account, DOT);
    const closing = { ...DOT, side: "SELL", reduceOnly: true };
    const scope = { symbol: "DOTUSDT" };
    expect(await exchange.setTradingState(scope, "REDUCE_ONLY")).toEqual([
      { shard: "shard3", status: 200, state: "REDUCE_ONLY" },
    ]);
    const reducing = ["trading_halted", { tradingState: "REDUCE_ONLY" }];
    expect(await codeOf(account, DOT)).toEqual(reducing);
    expect(await codeOf(account, { ...closing, quantity: "5.0" })).toBe("taken");
    expect(await codeOf(account, LTC)).toBe("taken");
    await exchange.setTradingState(scope, "HALTED");
    expect(await codeOf(account, { ...closing, quantity: "5.0" })).toEqual([
      "trading_halted",
      { tradingState: "HALTED" },
    ]);
    await exchange.setTradingState(scope, "ACTIVE");
    expect(await codeOf(account, DOT)).toBe("taken");
  });

  test("of an account is told to all shards, and the most restrictive of all holds", async () => {
    const [account, other] = [await exchange.funded(), await exchange.funded()];
    const results = await exchange.setTradingState({ account: String(account) }, "HALTED");
    expect(results).toEqual(
      ["shard1", "shard2", "shard3"].map((shard) => ({ shard, status: 200, state: "HALTED" })),
    );
    for (const order of Object.values(ORDERS)) {
      expect(await codeOf(account, order)).toEqual(["trading_halted", { tradingState: "HALTED" }]);
    }
    expect(await codeOf(other, BTC)).toBe("taken");
    await exchange.setTradingState({}, "REDUCE_ONLY");
    expect(await codeOf(other, BTC)).toEqual(["trading_halted", { tradingState: "REDUCE_ONLY" }]);
    await exchange.setTradingState({}, "ACTIVE");
    expect(await codeOf(other, BTC)).toBe("taken");
  });

  test("of a symbol that there is not is its shard's refusal", async () => {
    expect(await exchange.setTradingState({ symbol: "NOSUCH" }, "HALTED")).toEqual([
      { shard: "shard3", status: 422, code: "unknown_symbol" },
    ]);
  });
});

const shards = [{ index: 1 }, { index: 2 }, { index: 3 }];
const fundedOnShard3 = async (): Promise<number> => {
  const account = freshAccount();
  if (homeShardOf(account as AccountId, shards).index !== 3) return fundedOnShard3();
  await exchange.deposit(account);
  return account;
};

const PRODUCED = {
  account_not_found: () => exchange.send("GET", "/v1/account", freshAccount()),
  transfer_id_reused: async () => {
    const [account, transferId] = [await exchange.funded(), freshId("t")];
    await exchange.transfer(account, { transferId });
    return exchange.transfer(account, { transferId, amount: "999" });
  },
  insufficient_funds: async () => exchange.transfer(await exchange.funded(), { amount: "-1001" }),
  position_or_orders_open: async () => {
    const account = await exchange.funded();
    await exchange.accepted(account, BTC);
    return exchange.send("PUT", "/v1/settings/BTCUSDT", account, { marginMode: "ISOLATED" });
  },
  amendment_pending: async () => {
    const account = await exchange.funded();
    const { orderId } = await exchange.accepted(account, BTC);
    await exchange.send("PATCH", `/v1/orders/${orderId}`, account, { price: "49999.00" });
    return exchange.send("PATCH", `/v1/orders/${orderId}`, account, { price: "49998.00" });
  },
  bank_unavailable: async () => {
    const account = await fundedOnShard3();
    return fixture.system.whileDown("shard3", () =>
      exchange.place(account, BTC, ["outcome_unknown"]),
    );
  },
} as const satisfies Partial<Record<Code, () => Promise<Answer>>>;

describe("what is not an order's and not stored", () => {
  test.each(Object.keys(PRODUCED) as (keyof typeof PRODUCED)[])("%s", async (code) => {
    const { status, json } = await PRODUCED[code]();
    expect([status, json.code]).toEqual([CODES[code].status, code]);
  });
});

test("together these are all codes that need margin", () => {
  const stored = Object.values(REFUSED).map(({ code }) => code);
  const shown = new Set<Code>([...stored, ...(Object.keys(PRODUCED) as Code[]), "trading_halted"]);
  shown.delete("price_out_of_range");
  expect([...shown].sort()).toEqual([...MARGIN_CODES]);
});
