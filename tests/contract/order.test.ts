import { describe, expect, test } from "bun:test";
import { freshAccount, freshId, limitOrder, type OrderFields } from "../support/contract-client.ts";
import { startedOnce } from "../support/contract-fixture.ts";

const running = startedOnce();

describe("an order that is taken", () => {
  test("is answered 201 with every field of the contract, and its durability", async () => {
    const account = freshAccount();
    const before = Date.now();
    const answer = await running.client.place(limitOrder({ clientOrderId: "a-1" }), { account });
    expect(answer.status).toBe(201);
    expect(answer.headers.get("content-type")).toBe("application/json");
    expect(answer.headers.get("sluice-durability")).toBe("local");
    expect(answer.headers.get("idempotency-replayed")).toBeNull();
    expect(answer.json).toEqual({
      orderId: expect.stringMatching(/^[1-9]\d{0,15}$/),
      clientOrderId: "a-1",
      accountId: String(account),
      symbol: "BTCUSDT",
      side: "BUY",
      type: "LIMIT",
      timeInForce: "GTC",
      price: "50000.10",
      quantity: "0.010",
      executedQuantity: "0.000",
      averagePrice: null,
      status: "NEW",
      reduceOnly: false,
      positionSide: "BOTH",
      children: [],
      createdAt: expect.any(Number),
      updatedAt: answer.json.createdAt,
      receipt: {
        shard: "shard1",
        epoch: 1,
        commitSeq: expect.any(Number),
        partition: expect.any(Number),
        seq: expect.any(Number),
      },
    });
    expect(answer.json.createdAt).toBeGreaterThanOrEqual(before);
    expect(answer.json.createdAt).toBeLessThanOrEqual(Date.now());
  });

  test("says in Server-Timing where its time went, each stage once, in order", async () => {
    const { headers } = await running.client.place(limitOrder());
    const stages = [...(headers.get("server-timing") ?? "").matchAll(/(\w+);dur=([\d.]+)/g)];
    const names = ["auth", "parse", "route", "queue", "decide", "commit", "total"];
    expect(stages.map(([, name]) => name ?? "")).toEqual(names);
    const durations = stages.map(([, , ms]) => Number(ms));
    const total = durations.pop() ?? 0;
    expect(total).toBeGreaterThan(0);
    expect(durations.reduce((sum, ms) => sum + ms, 0)).toBeLessThan(total + 1);
  });

  test.each([
    ["BTCUSDT", "shard1"],
    ["BTCUSDC", "shard1"],
    ["ETHUSDT", "shard2"],
    ["XRPUSDT", "shard3"],
  ])("of %s lies on %s, which its receipt and its id name", async (symbol, shard) => {
    const market = { symbol, type: "MARKET", price: undefined, quantity: "20" };
    const order = await running.client.accepted(limitOrder(market));
    expect(order.receipt.shard).toBe(shard);
    expect((await running.client.send("GET", `/v1/orders/${order.orderId}`)).text).toBe(
      JSON.stringify(order),
    );
  });

  test("without a client order id gets one that answers for it", async () => {
    const order = await running.client.accepted(limitOrder());
    expect(order.clientOrderId).toMatch(/^[.A-Z:/a-z0-9_-]{1,36}$/);
    const again = await running.client.place(limitOrder({ clientOrderId: order.clientOrderId }));
    expect([again.status, again.text]).toEqual([200, JSON.stringify(order)]);
  });

  test.each<[string, OrderFields, object]>([
    ["GTC", { timeInForce: "GTC" }, { status: "NEW", timeInForce: "GTC" }],
    ["GTX", { timeInForce: "GTX" }, { status: "NEW", timeInForce: "GTX" }],
    ["IOC", { timeInForce: "IOC" }, { status: "EXPIRED", timeInForce: "IOC" }],
    ["FOK", { timeInForce: "FOK" }, { status: "EXPIRED", timeInForce: "FOK" }],
    [
      "MARKET",
      { type: "MARKET", price: undefined },
      { status: "EXPIRED", timeInForce: null, price: null },
    ],
    [
      "GTD of a time to come",
      { timeInForce: "GTD", goodTillDate: 9_000_000_000_000 },
      { status: "NEW", goodTillDate: 9_000_000_000_000 },
    ],
    [
      "GTD of a time gone by",
      { timeInForce: "GTD", goodTillDate: 1 },
      { status: "EXPIRED", goodTillDate: 1 },
    ],
    [
      "every field that means nothing new",
      {
        reduceOnly: false,
        closePosition: false,
        positionSide: "BOTH",
        selfTradePrevention: "NONE",
      },
      { status: "NEW", reduceOnly: false, positionSide: "BOTH" },
    ],
    [
      "self-trade prevention",
      { selfTradePrevention: "EXPIRE_BOTH" },
      { selfTradePrevention: "EXPIRE_BOTH" },
    ],
  ])("with %s says so in its first answer", async (_, fields, expected) => {
    expect(await running.client.accepted(limitOrder(fields))).toMatchObject(expected);
  });

  test("GTD expires by itself at its date", async () => {
    const order = await running.client.accepted(
      limitOrder({ timeInForce: "GTD", goodTillDate: Date.now() + 300 }),
    );
    expect(order.status).toBe("NEW");
    let now = order;
    while (now.status === "NEW" && Date.now() < (order.goodTillDate ?? 0) + 5000) {
      const answer = await running.client.send("GET", `/v1/orders/${order.orderId}`);
      now = answer.json as unknown as typeof order;
    }
    expect(now.status).toBe("EXPIRED");
    expect(now.updatedAt).toBeGreaterThanOrEqual(order.goodTillDate ?? 0);
  });
});

const errorsOf = (json: Readonly<Record<string, unknown>>) =>
  json.errors as readonly { readonly path: string; readonly reason: string }[];

describe("a request that is not valid", () => {
  test.each<[string, OrderFields, readonly string[]]>([
    ["side missing", { side: undefined }, ["side"]],
    [
      "several fields wrong",
      { side: "HOLD", type: 1, quantity: true },
      ["side", "type", "quantity"],
    ],
    ["price missing", { price: undefined }, ["price"]],
    ["quantity missing", { quantity: undefined }, ["quantity"]],
    ["price null", { price: null }, ["price"]],
    ["price as a JSON number", { price: 50_000.1 }, ["price"]],
    ["quantity as a JSON number", { quantity: 1 }, ["quantity"]],
    ["a price with an exponent", { price: "5e4" }, ["price"]],
    ["a negative price", { price: "-1" }, ["price"]],
    ["a signed price", { price: "+1" }, ["price"]],
    ["a price with a leading zero", { price: "050000" }, ["price"]],
    ["a price of 17 digits", { price: "1".repeat(17) }, ["price"]],
    ["a price of 19 decimals", { price: `1.${"0".repeat(19)}` }, ["price"]],
    ["a price that ends in its point", { price: "1." }, ["price"]],
    ["a price in other digits", { price: "١" }, ["price"]],
    ["a price before a line break", { price: "50000.10\n" }, ["price"]],
    ["a symbol in small letters", { symbol: "btcusdt" }, ["symbol"]],
    ["a symbol of 33 letters", { symbol: "A".repeat(33) }, ["symbol"]],
    ["an empty client order id", { clientOrderId: "" }, ["clientOrderId"]],
    ["a client order id of 37", { clientOrderId: "a".repeat(37) }, ["clientOrderId"]],
    ["a client order id with a blank", { clientOrderId: "a b" }, ["clientOrderId"]],
    ["an unknown field", { pricee: "1" }, ["pricee"]],
    ["__proto__ as a field", JSON.parse('{"__proto__":{"side":"BUY"}}'), ["__proto__"]],
    ["GTD without its date", { timeInForce: "GTD" }, ["goodTillDate"]],
    ["a date without GTD", { goodTillDate: 1 }, ["goodTillDate"]],
    ["a date that is text", { timeInForce: "GTD", goodTillDate: "1" }, ["goodTillDate"]],
    ["a date with a fraction", { timeInForce: "GTD", goodTillDate: 1.5 }, ["goodTillDate"]],
    ["MARKET with a price", { type: "MARKET" }, ["price"]],
    [
      "MARKET with a time in force",
      { type: "MARKET", price: undefined, timeInForce: "IOC" },
      ["timeInForce"],
    ],
    ["reduceOnly as text", { reduceOnly: "false" }, ["reduceOnly"]],
  ])("(%s) is told each field and why, and nothing is stored", async (_, fields, paths) => {
    const clientOrderId = freshId();
    const order = { ...limitOrder({ clientOrderId }), ...fields };
    const { status, json } = await running.client.place(order);
    expect([status, json.code]).toEqual([400, "invalid_request"]);
    expect(errorsOf(json).map(({ path }) => path)).toEqual([...paths]);
    for (const { reason } of errorsOf(json)) expect(reason).toMatch(/\w/);
    expect((await running.client.place(limitOrder({ clientOrderId }))).status).toBe(201);
  });

  test.each<[string, string]>([
    ["no JSON", "{"],
    ["empty", ""],
    ["an array", "[]"],
    ["text", '"order"'],
    ["null", "null"],
    ["NaN", "NaN"],
  ])("(%s for a body) is a 400 too", async (_, body) => {
    const { status, json } = await running.client.send("POST", "/v1/orders", { body });
    expect([status, json.code]).toEqual([400, "invalid_request"]);
    expect(errorsOf(json)[0]?.path).toBe("");
  });

  test("of a repeated key the last one counts", async () => {
    const body = JSON.stringify(limitOrder()).replace("}", ',"side":"SELL","price":"40000.00"}');
    const { status, json } = await running.client.send("POST", "/v1/orders", { body });
    expect([status, json.side, json.price]).toEqual([201, "SELL", "40000.00"]);
  });

  test.each(["?ack=disk", "?ack=", "?ack=local&ack=local", "?acks=local", "?symbol=BTCUSDT"])(
    "POST /v1/orders%s names the parameter",
    async (query) => {
      const { status, json } = await running.client.send("POST", `/v1/orders${query}`, {
        json: limitOrder(),
      });
      expect([status, json.code]).toEqual([400, "invalid_request"]);
      expect(query).toContain(errorsOf(json)[0]?.path ?? "nothing");
    },
  );
});

describe("an order with fields that do not go together", () => {
  const child = { stopPrice: "51000.00" };
  test.each<[string, OrderFields]>([
    ["stopPrice", { type: "STOP" }],
    ["stopPrice", { stopPrice: "49000.00" }],
    ["workingType", { workingType: "MARK_PRICE" }],
    ["price", { type: "STOP_MARKET", stopPrice: "51000.00" }],
    ["closePosition", { closePosition: true, quantity: undefined }],
    ["takeProfit", { reduceOnly: true, takeProfit: child }],
    ["takeProfit", { type: "STOP", stopPrice: "51000.00", takeProfit: child }],
    ["goodTillDate", { goodTillDate: 1 }],
  ])("is 400 at %s, and not stored: %j", async (path, fields) => {
    const clientOrderId = freshId();
    const { status, json } = await running.client.place(limitOrder({ clientOrderId, ...fields }));
    expect([status, json.code]).toEqual([400, "invalid_request"]);
    expect(json.errors).toMatchObject([{ path }]);
    expect((await running.client.place(limitOrder({ clientOrderId }))).status).toBe(201);
  });
});

describe("what this version lacks", () => {
  test.each([
    ["GET", "/v1/orders/stream"],
    ["POST", "/v1/cancel-after"],
    ["GET", "/v1/stream"],
    ["PUT", "/admin/v1/instruments/BTCUSDT"],
  ])("%s %s is not there and not in the document", async (method, path) => {
    const { status, json } = await running.client.send(method, path, {
      ...(method === "GET" ? {} : { json: {} }),
    });
    expect([status, json.code]).toEqual([404, "not_found"]);
    expect(Object.keys(running.client.document.paths)).not.toContain(path);
  });
});
