import { describe, expect, test } from "bun:test";
import type { OrderBody } from "../../shards/domain/order-body.ts";
import { type Answer, freshAccount, limitOrder } from "../support/contract-client.ts";
import { startedOnce } from "../support/contract-fixture.ts";

const running = startedOnce();

const amend = (orderId: string, json: unknown, account = 1): Promise<Answer> =>
  running.client.send("PATCH", `/v1/orders/${orderId}`, { json, account });
const cancel = (orderId: string, account = 1): Promise<Answer> =>
  running.client.send("DELETE", `/v1/orders/${orderId}`, { account });
const today = async (orderId: string, account = 1) =>
  (await running.client.send("GET", `/v1/orders/${orderId}`, { account })).text;

describe("PATCH of an order", () => {
  test.each([
    ["its price", { price: "49000.00" }, { price: "49000.00", quantity: "0.010" }],
    ["its quantity", { quantity: "0.02" }, { price: "50000.10", quantity: "0.020" }],
    ["both", { price: "49000.0", quantity: "0.020" }, { price: "49000.00", quantity: "0.020" }],
  ])("gives %s and keeps the rest", async (_, change, expected) => {
    const order = await running.client.accepted(limitOrder());
    const { status, json, text } = await amend(order.orderId, change);
    expect(status).toBe(200);
    const { updatedAt, receipt } = json as unknown as OrderBody;
    expect(json).toEqual({ ...order, ...expected, updatedAt, receipt });
    expect(updatedAt).toBeGreaterThanOrEqual(order.updatedAt);
    expect(await today(order.orderId)).toBe(text);
  });

  test("to what already holds is 200 and changes nothing", async () => {
    const order = await running.client.accepted(limitOrder());
    const same = await amend(order.orderId, { price: "50000.1", quantity: "0.01" });
    expect([same.status, same.text]).toEqual([200, JSON.stringify(order)]);
    await amend(order.orderId, { price: "49000.00" });
    const again = await amend(order.orderId, { price: "49000.00" });
    expect([again.status, again.text]).toEqual([200, await today(order.orderId)]);
  });

  test.each([
    ["price_off_tick", { price: "50000.15" }],
    ["price_out_of_range", { price: "1.00" }],
    ["quantity_off_step", { quantity: "0.0101" }],
    ["quantity_out_of_range", { quantity: "1001" }],
    ["notional_too_small", { price: "600.00" }],
  ])("that breaks a filter is %s, not stored, and the order stays", async (code, change) => {
    const order = await running.client.accepted(limitOrder());
    for (let time = 0; time < 2; time++) {
      const refused = await amend(order.orderId, change);
      expect([refused.status, refused.json.code]).toEqual([422, code]);
      expect(refused.json.requestId).toBe(refused.headers.get("request-id") ?? "none");
      expect(refused.headers.get("idempotency-replayed")).toBeNull();
    }
    expect(await today(order.orderId)).toBe(JSON.stringify(order));
  });

  test.each([
    ["nothing to change", {}, ""],
    ["a field that stays", { price: "50000.10", side: "SELL" }, "side"],
    ["a JSON number", { price: 50_000 }, "price"],
    ["null", { quantity: null }, "quantity"],
    ["a list", [], ""],
  ])("with %s is a 400", async (_, change, path) => {
    const order = await running.client.accepted(limitOrder());
    const { status, json } = await amend(order.orderId, change);
    expect([status, json.code]).toEqual([400, "invalid_request"]);
    expect((json.errors as { path: string }[])[0]?.path).toBe(path);
  });
});

describe("DELETE of an order", () => {
  test("answers with the order as it now is, and so does a repeat", async () => {
    const order = await running.client.accepted(limitOrder());
    const first = await cancel(order.orderId);
    const { updatedAt, receipt } = first.json as unknown as OrderBody;
    expect(first.status).toBe(200);
    expect(first.json).toEqual({ ...order, status: "CANCELED", updatedAt, receipt });
    expect(await today(order.orderId)).toBe(first.text);
    const again = await cancel(order.orderId);
    expect([again.status, again.text]).toEqual([200, first.text]);
  });
});

describe.each([
  ["DELETE", cancel],
  ["PATCH", (orderId: string, account = 1) => amend(orderId, { price: "49000.00" }, account)],
])("%s", (_method, change) => {
  test.each([
    ["an expired order", { timeInForce: "IOC" }],
    ["a market order", { type: "MARKET", price: undefined }],
  ])("of %s is 409 order_not_open and says its status", async (_, fields) => {
    const order = await running.client.accepted(limitOrder(fields));
    const { status, json } = await change(order.orderId);
    expect([status, json.code]).toEqual([409, "order_not_open"]);
    expect(json.context).toEqual({ orderId: order.orderId, status: "EXPIRED" });
  });

  test("of another account's order is 404 and does nothing", async () => {
    const order = await running.client.accepted(limitOrder());
    const { status, json } = await change(order.orderId, freshAccount());
    expect([status, json.code]).toEqual([404, "order_not_found"]);
    expect(await today(order.orderId)).toBe(JSON.stringify(order));
  });

  test.each(["0", "abc", "01", "9007199254740991", "99999999999999999999"])(
    "of the id %s is 404",
    async (orderId) => {
      const { status, json } = await change(orderId);
      expect([status, json.code]).toEqual([404, "order_not_found"]);
    },
  );
});

test("PATCH of a cancelled order is 409 order_not_open", async () => {
  const { orderId } = await running.client.accepted(limitOrder());
  await cancel(orderId);
  const { status, json } = await amend(orderId, { price: "49000.00" });
  expect([status, json.code]).toEqual([409, "order_not_open"]);
  expect(json.context).toEqual({ orderId, status: "CANCELED" });
});

describe("DELETE /v1/orders", () => {
  interface ShardResult {
    readonly shard: string;
    readonly status: number;
    readonly cancelled: readonly string[];
  }
  const cancelMany = async (account: number, query = ""): Promise<readonly ShardResult[]> => {
    const answer = await running.client.send("DELETE", `/v1/orders${query}`, { account });
    expect(answer.status).toBe(200);
    return answer.json.results as readonly ShardResult[];
  };
  const openOn = async (account: number): Promise<readonly string[]> => {
    const { json } = await running.client.send("GET", "/v1/orders?status=open", { account });
    return (json.items as readonly OrderBody[]).map(({ orderId }) => orderId).toSorted();
  };
  const placeThree = async (account: number): Promise<readonly string[]> => {
    const ids: string[] = [];
    for (const symbol of ["BTCUSDT", "BTCUSDC", "ETHUSDT"]) {
      const fields = { symbol, price: "3000.00", quantity: "1" };
      ids.push((await running.client.accepted(limitOrder(fields), { account })).orderId);
    }
    return ids;
  };

  test("cancels all of the account's, one result a shard, and none of another's", async () => {
    const [mine, other] = [freshAccount(), freshAccount()];
    const [first = "", second = "", third = ""] = await placeThree(mine);
    const others = await placeThree(other);
    const results = await cancelMany(mine);
    expect(
      results.map((result) => ({ ...result, cancelled: result.cancelled.toSorted() })),
    ).toEqual([
      { shard: "shard1", status: 200, cancelled: [first, second].toSorted() },
      { shard: "shard2", status: 200, cancelled: [third] },
      { shard: "shard3", status: 200, cancelled: [] },
    ]);
    expect(await openOn(mine)).toEqual([]);
    expect(await openOn(other)).toEqual(others.toSorted());
    for (const { status, cancelled } of await cancelMany(mine)) {
      expect([status, cancelled]).toEqual([200, []]);
    }
  });

  test("?symbol= cancels those of one symbol, on its shard", async () => {
    const account = freshAccount();
    const [first = "", ...rest] = await placeThree(account);
    const query = "?symbol=BTCUSDT";
    expect(await cancelMany(account, query)).toEqual([
      { shard: "shard1", status: 200, cancelled: [first] },
    ]);
    expect(await openOn(account)).toEqual(rest.toSorted());
    expect((await cancelMany(account, "?symbol=NOSUCH"))[0]?.cancelled).toEqual([]);
  });

  test("is never capped", async () => {
    const account = freshAccount();
    // As many as an instrument lets an account have, of six that share a shard.
    for (const symbol of ["ADAUSDT", "DOTUSDT", "LINKUSDT", "LTCUSDT", "SOLUSDT", "XRPUSDT"]) {
      const order = limitOrder({ symbol, price: "100.00", quantity: "1" });
      const json = { orders: Array.from({ length: 100 }, () => order) };
      for (let batch = 0; batch < 2; batch++) {
        await running.client.send("POST", "/v1/orders/batch", { json, account });
      }
    }
    expect((await openOn(account)).length).toBe(1200);
    expect((await cancelMany(account))[2]?.cancelled.length).toBe(1200);
    expect(await openOn(account)).toEqual([]);
  });

  test.each([
    ["?symbol=btcusdt", "symbol"],
    ["?symbol=", "symbol"],
    ["?status=open", "status"],
    ["?symbol=A&symbol=B", "symbol"],
  ])("%s is a 400 and cancels nothing", async (query, path) => {
    const account = freshAccount();
    const ids = await placeThree(account);
    const { status, json } = await running.client.send("DELETE", `/v1/orders${query}`, { account });
    expect([status, json.code]).toEqual([400, "invalid_request"]);
    expect((json.errors as { path: string }[])[0]?.path).toBe(path);
    expect(await openOn(account)).toEqual(ids.toSorted());
  });
});
