import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  ACCOUNT,
  bitcoin,
  limitRequest,
  SHARD,
  START_AT,
} from "../../tests/support/shard-state.ts";
import type { CanonicalDecimal, OrderId } from "./brands.ts";
import { CODES, type Code } from "./codes.ts";
import { type DecisionView, decide } from "./decide.ts";
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

const STAMP = { epoch: 1, commitSeq: 5678, partition: 4, seq: 1234 };

const accept = (request: OrderRequest, instrument: Instrument, now = START_AT): Order => {
  const view: DecisionView = {
    instrument: () => instrument,
    order: () => undefined,
    openOrdersOf: () => [],
    outcome: () => undefined,
    admission: () => undefined,
    nextOrderId: () => 4097 as OrderId,
    nextStamp: () => STAMP,
  };
  const decision = decide(view, { kind: "place", accountId: ACCOUNT, request }, now);
  if (decision.kind === "placed" && decision.event.type === "order_accepted") {
    return decision.event.order;
  }
  throw new Error(`not accepted: ${JSON.stringify(decision)}`);
};

describe("an order's body", () => {
  test("is the contract's, field by field and in its order", () => {
    expect(renderOrder(accept(limitRequest(), bitcoin), SHARD)).toBe(
      '{"orderId":"4097","clientOrderId":"a-1","accountId":"42","symbol":"BTCUSDT","side":"BUY",' +
        '"type":"LIMIT","timeInForce":"GTC","price":"50000.10","quantity":"0.010",' +
        '"executedQuantity":"0.000","averagePrice":null,"status":"NEW","reduceOnly":false,' +
        '"positionSide":"BOTH","children":[],"createdAt":1790000000000,' +
        '"updatedAt":1790000000000,"receipt":{"shard":"shard1","epoch":1,"commitSeq":5678,' +
        '"partition":4,"seq":1234}}',
    );
  });

  test("shows a good-till date and a self-trade prevention where there is one", () => {
    const request = limitRequest({
      timeInForce: "GTD",
      goodTillDate: START_AT + 1,
      selfTradePrevention: "EXPIRE_TAKER",
    });
    expect(JSON.parse(renderOrder(accept(request, bitcoin), SHARD))).toMatchObject({
      timeInForce: "GTD",
      goodTillDate: START_AT + 1,
      selfTradePrevention: "EXPIRE_TAKER",
    });
  });

  test.each(CHANGE_REASONS)("of a change by %s is the body with version and reason", (reason) => {
    const order = { ...accept(limitRequest(), bitcoin), version: 7 };
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
    const request = limitRequest({
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

  test("stores every 422 but not_supported", () => {
    const kept = entries.filter(([, { status, effect }]) => status === 422 && effect === "none");
    expect(kept.map(([code]) => code)).toEqual(["not_supported"]);
  });
});
