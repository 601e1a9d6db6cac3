import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { CanonicalDecimal, ShardName } from "./brands.ts";
import { CODES, type Code } from "./codes.ts";
import { canonicalDecimal, formatUnits } from "./decimal.ts";
import { CHANGE_REASONS } from "./event.ts";
import type { Instrument } from "./instrument.ts";
import {
  type Order,
  type OrderRequest,
  SELF_TRADE_PREVENTIONS,
  SIDES,
  TIMES_IN_FORCE,
} from "./order.ts";
import {
  differingFields,
  renderOrder,
  renderOrderChange,
  renderRefusal,
  requestOfBody,
} from "./order-body.ts";
import { renderProblem } from "./problem.ts";
import {
  ACCOUNT,
  bitcoin,
  limit,
  type RequestChanges,
  START_AT,
  stopMarket,
} from "./test-requests.ts";
import { TestView } from "./test-view.ts";

const SHARD = "shard1" as ShardName;

/** Placed on a shard that lets everything pass, so that only the text is looked at. */
const place = (request: OrderRequest, instrument: Instrument = bitcoin): readonly Order[] => {
  const instruments = [{ ...instrument, symbol: request.symbol }];
  const view = new TestView({ risk: "none", instruments, markUnits: null });
  view.ids = 3;
  const decision = view.place(request);
  if (decision.kind === "placed" && decision.event.type === "order_accepted") {
    return [decision.event, ...decision.children].map(({ order }) => order);
  }
  throw new Error(`not accepted: ${JSON.stringify(decision)}`);
};

const accept = (request: OrderRequest, instrument?: Instrument): Order => {
  const [order] = place(request, instrument);
  if (order === undefined) throw new Error("nothing was placed");
  return order;
};

describe("an order's body", () => {
  test("is the contract's, field by field and in its order", () => {
    expect(renderOrder(accept(limit()), SHARD)).toBe(
      '{"orderId":"4097","clientOrderId":"a-1","accountId":"42","symbol":"BTCUSDT","side":"BUY",' +
        '"type":"LIMIT","timeInForce":"GTC","price":"50000.00","quantity":"0.010",' +
        '"executedQuantity":"0.000","averagePrice":null,"status":"NEW","reduceOnly":false,' +
        '"positionSide":"BOTH","children":[],"createdAt":1790000000000,' +
        '"updatedAt":1790000000000,"receipt":{"shard":"shard1","epoch":1,"commitSeq":1,' +
        '"partition":0,"seq":1}}',
    );
  });

  test("shows a good-till date and a self-trade prevention where there is one", () => {
    const request = limit({
      timeInForce: "GTD",
      goodTillDate: START_AT + 1,
      selfTradePrevention: "EXPIRE_TAKER",
    });
    expect(JSON.parse(renderOrder(accept(request), SHARD))).toMatchObject({
      timeInForce: "GTD",
      goodTillDate: START_AT + 1,
      selfTradePrevention: "EXPIRE_TAKER",
    });
  });

  const fieldsOf = (order: Order): Record<string, unknown> => JSON.parse(renderOrder(order, SHARD));

  test("shows what only some orders have, and nothing of it on the others", () => {
    const bracket: RequestChanges = {
      takeProfit: { stopPrice: "55000", clientOrderId: "tp" },
      stopLoss: { stopPrice: "45000", price: "44900", workingType: "LAST_PRICE" },
    };
    const [parent, takeProfit] = place(limit(bracket));
    if (parent === undefined || takeProfit === undefined) throw new Error("no bracket");
    expect(fieldsOf(parent)).toMatchObject({
      children: [
        {
          orderId: "5121",
          clientOrderId: "tp",
          type: "TAKE_PROFIT_MARKET",
          stopPrice: "55000.00",
          price: null,
          workingType: "MARK_PRICE",
        },
        { orderId: "6145", clientOrderId: "sl-4097", type: "STOP", price: "44900.00" },
      ],
    });
    const rare = ["stopPrice", "workingType", "closePosition", "parentOrderId", "amendment"];
    const has = (order: Order): readonly string[] => rare.filter((name) => name in fieldsOf(order));
    expect(has(parent)).toEqual([]);
    expect(has(takeProfit)).toEqual(["stopPrice", "workingType", "parentOrderId"]);
    expect(fieldsOf(takeProfit)).toMatchObject({ parentOrderId: "4097", reduceOnly: true });
  });

  test("shows a request to the matching engine, and what the fills cost on average", () => {
    const order = {
      ...accept(limit()),
      amendment: { priceUnits: 4_900_000, quantityUnits: 20 },
      executedUnits: 3,
      costUnits: 14_999_999n,
    };
    expect(fieldsOf(order)).toMatchObject({
      amendment: { price: "49000.00", quantity: "0.020", state: "PENDING" },
      executedQuantity: "0.003",
      averagePrice: "49999.99",
    });
  });

  test.each(CHANGE_REASONS)("of a change by %s is the body with version and reason", (reason) => {
    const order = { ...accept(limit()), version: 7 };
    const body = renderOrder(order, SHARD);
    expect(renderOrderChange(order, SHARD, reason)).toBe(
      `${body.slice(0, -1)},"version":7,"reason":"${reason}"}`,
    );
  });
});

/** An instrument whose filters let every amount pass, with these decimals. */
const open = (priceScale: number, quantityScale: number): Instrument => ({
  ...bitcoin,
  priceScale,
  quantityScale,
  tickSizeUnits: 1,
  minPriceUnits: 0,
  maxPriceUnits: Number.MAX_SAFE_INTEGER,
  minQuantityUnits: 0,
  maxQuantityUnits: Number.MAX_SAFE_INTEGER,
  marketMinQuantityUnits: 0,
  marketMaxQuantityUnits: Number.MAX_SAFE_INTEGER,
  minNotionalUnits: 0,
});

const anyUnits = fc.oneof(
  fc.nat(1_000),
  fc.nat(1_000_000).map((n) => n * 1_000),
  fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
);
const decimal = (units: number, scale: number): CanonicalDecimal =>
  canonicalDecimal(formatUnits(units, scale));

/** A request and the instrument that lets it pass. */
const anyOrder = fc
  .record({
    priceScale: fc.integer({ min: 0, max: 18 }),
    quantityScale: fc.integer({ min: 0, max: 18 }),
    price: anyUnits,
    quantity: anyUnits,
    market: fc.boolean(),
    clientOrderId: fc.stringMatching(/^[.A-Z:/a-z0-9_-]{1,36}$/),
    symbol: fc.stringMatching(/^[A-Z0-9_-]{1,32}$/),
    side: fc.constantFrom(...SIDES),
    timeInForce: fc.constantFrom(...TIMES_IN_FORCE),
    goodTillDate: fc.integer({ min: 1, max: 4_000_000_000_000 }),
    selfTradePrevention: fc.constantFrom(...SELF_TRADE_PREVENTIONS),
  })
  .map(({ priceScale, quantityScale, price, quantity, market, ...rest }) => {
    const timeInForce = market ? null : rest.timeInForce;
    const goodTillDate = timeInForce === "GTD" ? rest.goodTillDate : null;
    const request = limit({
      ...rest,
      type: market ? "MARKET" : "LIMIT",
      timeInForce,
      goodTillDate,
      price: market ? null : decimal(price, priceScale),
      quantity: decimal(quantity, quantityScale),
    });
    return { request, instrument: open(priceScale, quantityScale) };
  });

describe("the request read back from a body", () => {
  test("is the one that made it, for every order, and whatever the clock says", () => {
    fc.assert(
      fc.property(anyOrder, ({ request, instrument }) => {
        const body = renderOrder(accept(request, instrument), SHARD);
        const read = requestOfBody(JSON.parse(body));
        expect(read).toEqual(request);
        expect(differingFields(read, request)).toEqual([]);
      }),
      { numRuns: 3_000 },
    );
  });

  test.each<[string, RequestChanges]>([
    ["a stop", { type: "STOP", stopPrice: "60000", workingType: "LAST_PRICE" }],
    ["a take-profit", { type: "TAKE_PROFIT", stopPrice: "49000", workingType: "LAST_PRICE" }],
    ["reduce-only", { side: "SELL", reduceOnly: true }],
    ["a take-profit alone", { takeProfit: { stopPrice: "55000" } }],
    ["a stop-loss alone", { stopLoss: { stopPrice: "45000", price: "45000", clientOrderId: "s" } }],
    [
      "both, against a sell",
      { side: "SELL", takeProfit: { stopPrice: "45000" }, stopLoss: { stopPrice: "55000" } },
    ],
  ])("is the one that made it: %s, and each of its children's own", (_, changes) => {
    const view = new TestView();
    view.hold("0.5");
    const request = limit({ goodTillDate: null, ...changes });
    const decision = view.place(request);
    if (decision.kind !== "placed") throw new Error(decision.kind);
    for (const event of [decision.event, ...decision.children]) {
      if (event.type !== "order_accepted") throw new Error(event.code);
      const read = requestOfBody(JSON.parse(renderOrder(event.order, SHARD)));
      expect(read).toEqual(event.request);
    }
    expect(decision.event.request).toEqual(request);
  });

  test("is the one that made it: closePosition has no quantity", () => {
    const view = new TestView();
    view.hold("0.5");
    const request = stopMarket({ closePosition: true, quantity: null });
    const order = view.placed(request);
    const { clientOrderId } = order;
    const read = requestOfBody(JSON.parse(renderOrder(order, SHARD)));
    expect(read).toEqual({ ...request, clientOrderId });
  });

  test("survives the record of a refusal, and so does the answer's text", () => {
    const texts = fc.oneof(fc.string(), fc.string({ unit: "binary" }));
    fc.assert(
      fc.property(anyOrder, texts, ({ request }, detail) => {
        const answer = renderProblem({ code: "price_off_tick", detail, context: { price: "1" } });
        const refusal = { accountId: ACCOUNT, at: START_AT, request, status: 422 };
        const value = renderRefusal({ ...refusal, code: "price_off_tick", answer });
        const read = JSON.parse(value);
        expect(read).toEqual({ ...refusal, accountId: "42", code: "price_off_tick", answer });
        expect(differingFields(read.request, request)).toEqual([]);
        expect(value).not.toContain("\n");
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("a problem", () => {
  test("is rendered as problem+json with its code's status and title", () => {
    expect(
      renderProblem({ code: "order_not_found", detail: "No.", context: { orderId: "1" } }),
    ).toBe(
      '{"type":"/docs/errors#order_not_found","title":"There is no such order","status":404,' +
        '"code":"order_not_found","detail":"No.","context":{"orderId":"1"}}',
    );
  });

  test("names the request and the fields when it is told them", () => {
    const errors = [{ path: "takeProfit.stopPrice", reason: "is missing" }];
    const text = renderProblem(
      { code: "invalid_request", detail: "One field." },
      { requestId: "r-1", errors },
    );
    expect(JSON.parse(text)).toEqual({
      type: "/docs/errors#invalid_request",
      title: "The request is not valid",
      status: 400,
      code: "invalid_request",
      detail: "One field.",
      requestId: "r-1",
      errors,
    });
  });
});

describe("the closed list of codes", () => {
  const entries = Object.entries(CODES) as [Code, (typeof CODES)[Code]][];

  test.each(entries)("%s has the effect that its status promises", (_, { status, effect }) => {
    if (effect === "stored") expect(status as number).toBe(422);
    if (effect === "unknown") expect(status as number).toBeOneOf([500, 504]);
    if (status >= 500) expect(effect as string).toBe(status === 503 ? "none" : "unknown");
    else expect(effect as string).not.toBe("unknown");
  });

  test("stores every 422 of a placement", () => {
    const kept = entries.filter(([, { status, effect }]) => status === 422 && effect === "none");
    expect(kept.map(([code]) => code)).toEqual(["insufficient_funds", "not_supported"]);
  });
});
