import { describe, expect, test } from "bun:test";
import {
  type Answer,
  freshAccount,
  freshId,
  limitOrder,
  type OrderFields,
} from "../support/contract-client.ts";
import { startedOnce } from "../support/contract-fixture.ts";

const running = startedOnce();

const expectReplay = (answer: Answer, first: Answer): void => {
  expect([answer.status, answer.text]).toEqual([200, first.text]);
  expect(answer.headers.get("idempotency-replayed")).toBe("true");
  expect(answer.headers.get("sluice-durability")).not.toBeNull();
  expect(answer.headers.get("request-id")).not.toBe(first.headers.get("request-id"));
};

describe("the same order again", () => {
  const order = (fields: OrderFields = {}) =>
    limitOrder({ clientOrderId: "same", quantity: "0.010", ...fields });

  test.each<[string, (first: OrderFields) => string]>([
    ["byte for byte", (first) => JSON.stringify(first)],
    [
      "with its fields in another order",
      (first) => JSON.stringify(Object.fromEntries(Object.entries(first).reverse())),
    ],
    ["with white space", (first) => `\n ${JSON.stringify(first, null, "\t ")}\r\n`],
    [
      "with other trailing zeros",
      (first) => JSON.stringify({ ...first, price: "50000.100000", quantity: "0.01" }),
    ],
    ["with the default time in force", (first) => JSON.stringify({ ...first, timeInForce: "GTC" })],
    [
      "with every other default",
      (first) =>
        JSON.stringify({
          ...first,
          reduceOnly: false,
          closePosition: false,
          positionSide: "BOTH",
          selfTradePrevention: "NONE",
        }),
    ],
    [
      "with a key given twice",
      (first) => JSON.stringify(first).replace("{", '{"side":"SELL","price":"1",'),
    ],
    ["with letters escaped", (first) => JSON.stringify(first).replace("BTC", "\\u0042TC")],
  ])("(%s) is the first answer again", async (_, bodyOf) => {
    const account = freshAccount();
    const first = await running.client.place(order(), { account });
    expect(first.status).toBe(201);
    for (const path of ["/v1/orders", "/v1/orders?ack=local", "/v1/orders?ack=central"]) {
      const body = bodyOf(order());
      expectReplay(await running.client.send("POST", path, { body, account }), first);
    }
    const open = await running.client.send("GET", "/v1/orders?status=open", { account });
    expect((open.json.items as unknown[]).length).toBe(1);
  });

  test("is the first answer even when the order has ended since", async () => {
    const account = freshAccount();
    const first = await running.client.place(order(), { account });
    const path = `/v1/orders/${first.json.orderId}`;
    await running.client.send("PATCH", path, { json: { price: "49999.90" }, account });
    const cancelled = await running.client.send("DELETE", path, { account });
    expect(cancelled.json.status).toBe("CANCELED");
    expectReplay(await running.client.place(order(), { account }), first);
    expect((await running.client.send("GET", path, { account })).json.status).toBe("CANCELED");
  });

  test("sent fifty times at once is one order and fifty identical bodies", async () => {
    const account = freshAccount();
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => running.client.place(order(), { account })),
    );
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    expect(answers.filter(({ status }) => status === 201).length).toBe(1);
    expect(answers.filter(({ status }) => status === 200).length).toBe(49);
    const open = await running.client.send("GET", "/v1/orders?status=open", { account });
    expect((open.json.items as unknown[]).length).toBe(1);
  });

  test("is another order for another account, or another symbol", async () => {
    const [one, two] = [freshAccount(), freshAccount()];
    const first = await running.client.accepted(order(), { account: one });
    const other = await running.client.accepted(order(), { account: two });
    const elsewhere = await running.client.accepted(order({ symbol: "BTCUSDC" }), { account: one });
    expect(new Set([first.orderId, other.orderId, elsewhere.orderId]).size).toBe(3);
  });
});

describe("the same client order id with another order", () => {
  test.each<[string, OrderFields, readonly string[]]>([
    ["side", { side: "SELL" }, ["side"]],
    ["type", { type: "MARKET", price: undefined }, ["type", "timeInForce", "price"]],
    ["timeInForce", { timeInForce: "IOC" }, ["timeInForce"]],
    [
      "goodTillDate",
      { timeInForce: "GTD", goodTillDate: 9_000_000_000_000 },
      ["timeInForce", "goodTillDate"],
    ],
    ["price", { price: "50000.20" }, ["price"]],
    ["quantity", { quantity: "0.011" }, ["quantity"]],
    ["selfTradePrevention", { selfTradePrevention: "EXPIRE_TAKER" }, ["selfTradePrevention"]],
    ["a price off the tick", { price: "50000.100001" }, ["price"]],
  ])("(%s) is 409 and names what differs", async (_, fields, differing) => {
    const clientOrderId = freshId();
    const first = await running.client.place(limitOrder({ clientOrderId }));
    const { status, json } = await running.client.place(limitOrder({ clientOrderId, ...fields }));
    expect([status, json.code]).toEqual([409, "client_order_id_reused"]);
    expect(json.context).toEqual({ clientOrderId, fields: differing });
    expect(json.detail).toContain(differing.join(", "));
    expectReplay(await running.client.place(limitOrder({ clientOrderId })), first);
  });
});

describe("a stored refusal", () => {
  test.each<[string, OrderFields]>([
    ["unknown_symbol", { symbol: "NOSUCHUSDT" }],
    ["instrument_not_trading", { symbol: "FTTUSDT", price: "2.0000", quantity: "10" }],
    ["price_off_tick", { price: "50000.15" }],
    ["price_out_of_range", { price: "9999999.90" }],
    ["quantity_off_step", { quantity: "0.0105" }],
    ["quantity_out_of_range", { quantity: "9999.000" }],
    ["notional_too_small", { quantity: "0.001", price: "600.00" }],
  ])("(%s) is the same, byte for byte, ever after", async (code, fields) => {
    const clientOrderId = freshId();
    const order = limitOrder({ clientOrderId, ...fields });
    const first = await running.client.place(order);
    expect([first.status, first.json.code]).toEqual([422, code]);
    expect(first.headers.get("idempotency-replayed")).toBeNull();
    expect(first.json).not.toHaveProperty("requestId");
    const again = await running.client.place(order, { headers: { "X-Request-Id": "again" } });
    expect([again.status, again.text]).toEqual([422, first.text]);
    expect(again.headers.get("idempotency-replayed")).toBe("true");
    expect(again.headers.get("content-type")).toBe("application/problem+json");
    expect(again.headers.get("request-id")).toBe("again");
    expect(again.headers.get("sluice-durability")).toBeNull();
  });

  test("keeps its client order id: a corrected order is another order", async () => {
    const clientOrderId = freshId();
    await running.client.place(limitOrder({ clientOrderId, price: "50000.15" }));
    const corrected = await running.client.place(limitOrder({ clientOrderId }));
    expect([corrected.status, corrected.json.code]).toEqual([409, "client_order_id_reused"]);
  });

  test("is no order: it has no id to be read by, and no place in the history", async () => {
    const account = freshAccount();
    const clientOrderId = freshId();
    await running.client.place(limitOrder({ clientOrderId, price: "1.00" }), { account });
    const path = `/v1/orders?symbol=BTCUSDT&clientOrderId=${clientOrderId}`;
    const { status, json } = await running.client.send("GET", path, { account });
    expect([status, json.code]).toEqual([404, "order_not_found"]);
  });
});
