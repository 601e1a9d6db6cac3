import { describe, expect, test } from "bun:test";
import { parseAmendment, parseBatch, parseOrder } from "./parse-order.ts";

const limit = {
  clientOrderId: "a-1",
  symbol: "BTCUSDT",
  side: "BUY",
  type: "LIMIT",
  price: "50000.10",
  quantity: "0.010",
};
const market = { symbol: "BTCUSDT", side: "SELL", type: "MARKET", quantity: "1" };
const takeProfit = { type: "TAKE_PROFIT", stopPrice: "60000" };
const stopMarket = { ...market, type: "STOP_MARKET", stopPrice: "1" };
const closing = { symbol: "BTCUSDT", side: "SELL", type: "STOP_MARKET", stopPrice: "1.50" };
const without = (field: string): object =>
  Object.fromEntries(Object.entries(limit).filter(([name]) => name !== field));

describe("an order that is well formed", () => {
  test("has its defaults filled and its decimals canonical", () => {
    expect(parseOrder(limit)).toEqual({
      ok: true,
      value: {
        ...limit,
        timeInForce: "GTC",
        goodTillDate: null,
        price: "50000.1",
        quantity: "0.01",
        stopPrice: null,
        workingType: null,
        reduceOnly: false,
        closePosition: false,
        positionSide: "BOTH",
        selfTradePrevention: "NONE",
        takeProfit: null,
        stopLoss: null,
      } as never,
    });
  });

  test("of type MARKET has neither price nor time in force", () => {
    const parsed = parseOrder(market);
    expect(parsed).toMatchObject({ ok: true, value: { price: null, timeInForce: null } });
  });

  test("without a client order id gets one, each its own, within the pattern", () => {
    const ids = [parseOrder(market), parseOrder(market)].map((parsed) =>
      parsed.ok ? parsed.value.clientOrderId : "",
    );
    expect(ids[0]).toMatch(/^[.A-Z:/a-z0-9_-]{1,36}$/);
    expect(ids[0]).not.toBe(ids[1] as never);
  });

  test("may say what is the default anyway", () => {
    const said = { ...limit, reduceOnly: false, closePosition: false, positionSide: "BOTH" };
    expect(parseOrder(said)).toEqual(parseOrder(limit));
  });

  test.each([
    ["GTD", { timeInForce: "GTD", goodTillDate: 1_790_000_000_000 }],
    ["GTX", { timeInForce: "GTX" }],
    ["IOC", { timeInForce: "IOC" }],
    ["FOK", { timeInForce: "FOK" }],
    ["longest decimal", { price: "9999999999999999.123456789012345678" }],
    ["longest client order id", { clientOrderId: `${".A:/a0_-".repeat(4)}1234` }],
    ["STOP", { type: "STOP", stopPrice: "1" }],
    ["TAKE_PROFIT until a date", { ...takeProfit, timeInForce: "GTD", goodTillDate: 1 }],
    ["LAST_PRICE", { type: "STOP", stopPrice: "1", workingType: "LAST_PRICE" }],
    ["reduce-only", { reduceOnly: true }],
    ["hedge mode's side", { positionSide: "SHORT" }],
    ["both children", { takeProfit: { stopPrice: "2" }, stopLoss: { stopPrice: "1", price: "1" } }],
    ["self-trade prevention", { selfTradePrevention: "EXPIRE_BOTH" }],
  ])("%s is taken", (_, change) => {
    expect(parseOrder({ ...limit, ...change }).ok).toBe(true);
  });
});

describe("an order with rare fields", () => {
  test("that is conditional triggers by the mark price unless it says otherwise", () => {
    expect(parseOrder(stopMarket)).toMatchObject({
      ok: true,
      value: { stopPrice: "1", workingType: "MARK_PRICE", timeInForce: null, price: null },
    });
    expect(parseOrder({ ...limit, ...takeProfit })).toMatchObject({
      ok: true,
      value: { stopPrice: "60000", timeInForce: "GTC", price: "50000.1" },
    });
  });

  test("that closes a position has no quantity, and is reduce-only", () => {
    expect(parseOrder({ ...closing, closePosition: true })).toMatchObject({
      ok: true,
      value: { closePosition: true, reduceOnly: true, quantity: null, stopPrice: "1.5" },
    });
  });

  test("with children has them canonical, with their defaults", () => {
    const parsed = parseOrder({
      ...limit,
      takeProfit: { stopPrice: "60000.0", price: "60001.0", clientOrderId: "tp-1" },
      stopLoss: { stopPrice: "40000", workingType: "LAST_PRICE" },
    });
    expect(parsed).toMatchObject({
      ok: true,
      value: {
        takeProfit: {
          clientOrderId: "tp-1",
          stopPrice: "60000",
          price: "60001",
          workingType: "MARK_PRICE",
        },
        stopLoss: {
          clientOrderId: null,
          stopPrice: "40000",
          price: null,
          workingType: "LAST_PRICE",
        },
      } as never,
    });
  });
});

describe("an order that is not valid names each field", () => {
  test.each<[string, unknown, string[]]>([
    ["is no object", [], [""]],
    ["is null", null, [""]],
    ["has no side", without("side"), ["side"]],
    ["has no symbol", without("symbol"), ["symbol"]],
    ["has no type", without("type"), ["type"]],
    ["has no quantity", without("quantity"), ["quantity"]],
    ["is LIMIT without price", without("price"), ["price"]],
    ["has a price as number", { ...limit, price: 50000.1 }, ["price"]],
    ["has a quantity as number", { ...limit, quantity: 1 }, ["quantity"]],
    ["has a price null", { ...limit, price: null }, ["price"]],
    ["has a price with an exponent", { ...limit, price: "1e3" }, ["price"]],
    ["has a price with a sign", { ...limit, price: "-1" }, ["price"]],
    ["has a price with a leading zero", { ...limit, price: "01" }, ["price"]],
    ["has a price with no digit before the point", { ...limit, price: ".5" }, ["price"]],
    ["has a price that ends in a point", { ...limit, price: "5." }, ["price"]],
    ["has a price that ends in a line break", { ...limit, price: "5\n" }, ["price"]],
    ["has 17 digits before the point", { ...limit, price: "1".repeat(17) }, ["price"]],
    ["has 19 digits after the point", { ...limit, price: `0.${"1".repeat(19)}` }, ["price"]],
    ["has a symbol in small letters", { ...limit, symbol: "btcusdt" }, ["symbol"]],
    ["has a symbol of 33", { ...limit, symbol: "A".repeat(33) }, ["symbol"]],
    ["has an empty client order id", { ...limit, clientOrderId: "" }, ["clientOrderId"]],
    ["has a client order id of 37", { ...limit, clientOrderId: "a".repeat(37) }, ["clientOrderId"]],
    ["has a client order id with a space", { ...limit, clientOrderId: "a b" }, ["clientOrderId"]],
    ["has an unknown side", { ...limit, side: "LONG" }, ["side"]],
    ["has an unknown type", { ...limit, type: "ICEBERG" }, ["type"]],
    ["has an unknown field", { ...limit, colour: "red" }, ["colour"]],
    [
      "has a field __proto__",
      JSON.parse('{"__proto__":{},"symbol":"A"}'),
      ["side", "type", "__proto__"],
    ],
    ["is GTD without a date", { ...limit, timeInForce: "GTD" }, ["goodTillDate"]],
    ["has a date without GTD", { ...limit, goodTillDate: 1 }, ["goodTillDate"]],
    ["has a date as text", { ...limit, timeInForce: "GTD", goodTillDate: "1" }, ["goodTillDate"]],
    [
      "has a fractional date",
      { ...limit, timeInForce: "GTD", goodTillDate: 1.5 },
      ["goodTillDate"],
    ],
    ["is MARKET with a price", { ...market, price: "1" }, ["price"]],
    ["is MARKET with a time in force", { ...market, timeInForce: "GTC" }, ["timeInForce"]],
    ["has a stop price that is no decimal", { ...limit, stopPrice: 1 }, ["stopPrice"]],
    [
      "has a child with an unknown field",
      { ...limit, stopLoss: { stopPrice: "1", x: 1 } },
      ["stopLoss.x"],
    ],
    ["has several faults", { ...limit, side: "?", price: 1, x: 1 }, ["side", "price", "x"]],
    ["is LIMIT with a stop price", { ...limit, stopPrice: "1" }, ["stopPrice"]],
    ["is MARKET with a working type", { ...market, workingType: "MARK_PRICE" }, ["workingType"]],
    ["is STOP without a stop price", { ...limit, type: "STOP" }, ["stopPrice"]],
    ["is STOP without a price", { ...without("price"), type: "STOP", stopPrice: "1" }, ["price"]],
    ["is STOP_MARKET with a price", { ...stopMarket, price: "1" }, ["price"]],
    ["is STOP_MARKET with a time", { ...stopMarket, timeInForce: "GTC" }, ["timeInForce"]],
    ["is STOP_MARKET with a date", { ...stopMarket, goodTillDate: 1 }, ["goodTillDate"]],
    ["is STOP_MARKET without a quantity", closing, ["quantity"]],
    ["closes with a quantity", { ...closing, closePosition: true, quantity: "1" }, ["quantity"]],
    [
      "closes and does not only reduce",
      { ...closing, closePosition: true, reduceOnly: false },
      ["reduceOnly"],
    ],
    ["is LIMIT and closes", { ...without("quantity"), closePosition: true }, ["closePosition"]],
    ["has an unknown working type", { ...stopMarket, workingType: "INDEX" }, ["workingType"]],
    ["has an unknown position side", { ...limit, positionSide: "NET" }, ["positionSide"]],
    ["has a child without stop price", { ...limit, takeProfit: {} }, ["takeProfit.stopPrice"]],
    [
      "is reduce-only with children",
      { ...limit, reduceOnly: true, takeProfit: { stopPrice: "1" }, stopLoss: { stopPrice: "1" } },
      ["takeProfit", "stopLoss"],
    ],
    ["is conditional with a child", { ...stopMarket, stopLoss: { stopPrice: "1" } }, ["stopLoss"]],
    [
      "has a child with its own id",
      { ...limit, takeProfit: { stopPrice: "1", clientOrderId: "a-1" } },
      ["takeProfit.clientOrderId"],
    ],
    [
      "has children with the same id",
      {
        ...limit,
        takeProfit: { stopPrice: "1", clientOrderId: "c" },
        stopLoss: { stopPrice: "1", clientOrderId: "c" },
      },
      ["stopLoss.clientOrderId"],
    ],
  ])("when it %s", (_, body, paths) => {
    const parsed = parseOrder(body);
    expect(parsed).toMatchObject({ ok: false, problem: { code: "invalid_request" } });
    if (parsed.ok) return;
    expect(parsed.errors?.map((error) => error.path)).toEqual(paths);
    expect(parsed.errors?.every((error) => error.reason.length > 0)).toBe(true);
  });

  test("with a reason that says what to do about a number", () => {
    const parsed = parseOrder({ ...limit, price: 1 });
    expect(parsed).toMatchObject({
      errors: [{ path: "price", reason: "must be text, not a JSON number" }],
    });
  });
});

describe("a batch", () => {
  test.each<[string, unknown, boolean]>([
    ["of one", { orders: [1] }, true],
    ["of a hundred", { orders: Array(100).fill({}) }, true],
    ["of none", { orders: [] }, false],
    ["of a hundred and one", { orders: Array(101).fill({}) }, false],
    ["without orders", {}, false],
    ["as a bare array", [limit], false],
    ["with another field", { orders: [limit], ack: "local" }, false],
  ])("%s", (_, body, ok) => {
    expect(parseBatch(body).ok).toBe(ok);
  });
});

describe("an amendment", () => {
  test("has canonical decimals and null for what stays", () => {
    expect(parseAmendment({ price: "1.50" })).toEqual({
      ok: true,
      value: { price: "1.5", quantity: null } as never,
    });
  });

  test.each<[string, unknown]>([
    ["nothing", {}],
    ["a number", { quantity: 1 }],
    ["another field", { price: "1", side: "BUY" }],
  ])("of %s is not valid", (_, body) => {
    expect(parseAmendment(body)).toMatchObject({
      ok: false,
      problem: { code: "invalid_request" },
    });
  });
});
