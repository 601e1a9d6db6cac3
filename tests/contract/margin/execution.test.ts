/** Orders that rest on a matching engine's book: what it says of them, and what crosses on the way. */
import { describe, expect, test } from "bun:test";
import type { OrderBody } from "../../../shards/domain/order-body.ts";
import { freshId } from "../../support/contract-client.ts";
import { exchangeStartedOnce, ORDERS } from "../../support/contract-margin.ts";
import { until } from "../../support/until.ts";

const { exchange } = exchangeStartedOnce();

const WAIT_MS_MAX = 30_000;
const LTC = ORDERS.LTCUSDT;

const setUp = async (fields: object = {}): Promise<[account: number, order: OrderBody]> => {
  const account = await exchange.funded();
  return [account, await exchange.accepted(account, { ...LTC, ...fields })];
};
const pathOf = ({ orderId }: OrderBody): string => `/v1/orders/${orderId}`;
const now = ([account, { orderId }]: readonly [number, OrderBody]): Promise<OrderBody> =>
  exchange.order(account, orderId);

describe("a fill", () => {
  test("in part, and then the rest, moves order and position together", async () => {
    const [account, order] = await setUp();
    expect(await exchange.fill(order, "99.00", "1.000")).toBe("applied");
    expect(await exchange.order(account, order.orderId)).toMatchObject({
      ...{ status: "PARTIALLY_FILLED", executedQuantity: "1.000", averagePrice: "99.00" },
    });
    expect(await exchange.fill(order, "100.00", "3.000")).toBe("applied");
    expect(await exchange.order(account, order.orderId)).toMatchObject({
      ...{ status: "FILLED", executedQuantity: "4.000", averagePrice: "99.75" },
    });
    expect(await exchange.positions(account)).toMatchObject([
      { symbol: "LTCUSDT", quantity: "4.000", averagePrice: "99.75" },
    ]);
  });

  test("that closes realises its profit, and its fee is paid once", async () => {
    const [account, order] = await setUp();
    await exchange.fill(order, "100.00", "4.000");
    const closing = await exchange.accepted(account, { ...LTC, side: "SELL", price: "101.00" });
    const executionId = freshId("e");
    const fill = { executionId, kind: "FILL", price: "101.00", quantity: "4.000", fee: "0.25" };
    expect(await exchange.executed(closing, fill)).toBe("applied");
    expect(await exchange.executed(closing, fill)).toBe("duplicate");
    expect(await exchange.positions(account)).toEqual([]);
    await until("profit and fee are the bank's", WAIT_MS_MAX, async () => {
      return (await exchange.balance(account))?.wallet === "1003.75000000";
    });
  });

  test.each([
    ["the order does not have so much left", "FILL", "4.001", "overfill"],
    ["the quantity is off the grid", "FILL", "0.0005", "unreadable"],
    ["nobody asked for an amendment", "AMENDED", "1.000", "no_amendment"],
  ])("is put aside whole when %s", async (_, kind, quantity, reason) => {
    const [account, order] = await setUp();
    const execution = { kind, price: "100.00", quantity };
    expect(await exchange.executed(order, execution)).toBe(reason);
    expect(await exchange.order(account, order.orderId)).toEqual(order);
    expect(await exchange.positions(account)).toEqual([]);
  });

  test.each([
    ["order_closed", "CANCEL"],
    ["order_closed", "EXPIRE"],
    ["order_closed", "REJECT"],
  ])("after the end is put aside: %s after %s", async (reason, kind) => {
    const [, order] = await setUp();
    expect(await exchange.executed(order, { kind })).toBe("applied");
    expect(await exchange.fill(order, "100.00", "1.000")).toBe(reason);
  });

  test("of what is not known is put aside, and the others of its request are taken", async () => {
    const [, order] = await setUp();
    const { orderId, symbol } = order;
    const fill = { kind: "FILL", price: "100.00", quantity: "1.000" };
    const results = await exchange.execute(
      { ...fill, orderId: "3", symbol },
      { ...fill, orderId, symbol: "NOSUCH" },
      { ...fill, orderId, symbol },
    );
    expect(results.map(({ status, reason }) => reason ?? status)).toEqual([
      "unknown_order",
      "unknown_symbol",
      "applied",
    ]);
  });
});

describe("a cancel", () => {
  test("is a request until the engine says so; again is the same", async () => {
    const [account, order] = await setUp();
    const asked = await exchange.send("DELETE", pathOf(order), account);
    expect([asked.status, asked.json.status]).toEqual([200, "PENDING_CANCEL"]);
    const again = await exchange.send("DELETE", pathOf(order), account);
    expect([again.status, again.text]).toEqual([200, asked.text]);
    expect(await exchange.executed(order, { kind: "CANCEL" })).toBe("applied");
    const done = await exchange.send("DELETE", pathOf(order), account);
    expect([done.status, done.json.status]).toEqual([200, "CANCELED"]);
  });

  test("that a fill crosses is overtaken", async () => {
    const [account, order] = await setUp();
    await exchange.send("DELETE", pathOf(order), account);
    expect(await exchange.fill(order, "100.00", "1.000")).toBe("applied");
    expect(await now([account, order])).toMatchObject({
      ...{ status: "PENDING_CANCEL", executedQuantity: "1.000" },
    });
    expect(await exchange.fill(order, "100.00", "3.000")).toBe("applied");
    const late = await exchange.send("DELETE", pathOf(order), account);
    expect([late.status, late.json.code]).toEqual([409, "order_not_open"]);
    expect(late.json.context).toMatchObject({ status: "FILLED" });
  });

  test("of all asks for each, and names them", async () => {
    const [account, order] = await setUp();
    const other = await exchange.accepted(account, ORDERS.BTCUSDT);
    const { json } = await exchange.send("DELETE", "/v1/orders", account);
    expect(json.results).toEqual([
      { shard: "shard1", status: 200, cancelled: [other.orderId] },
      { shard: "shard2", status: 200, cancelled: [] },
      { shard: "shard3", status: 200, cancelled: [order.orderId] },
    ]);
    expect((await now([account, order])).status).toBe("PENDING_CANCEL");
  });
});

describe("an amendment", () => {
  const amend = (account: number, order: OrderBody, json: object) =>
    exchange.send("PATCH", pathOf(order), account, json);

  test("waits beside the order, holds margin for the larger, and one waits at a time", async () => {
    const [account, order] = await setUp();
    const asked = await amend(account, order, { quantity: "6.000" });
    expect([asked.status, asked.json]).toMatchObject([
      200,
      {
        ...{ price: "100.00", quantity: "4.000", status: "NEW" },
        amendment: { price: "100.00", quantity: "6.000", state: "PENDING" },
      },
    ]);
    expect((await exchange.balance(account))?.usedByOrders).toBe("30.30000000");
    expect((await amend(account, order, { quantity: "6.000" })).text).toBe(asked.text);
    expect((await amend(account, order, { quantity: "5.000" })).json.code).toBe(
      "amendment_pending",
    );
    const confirmed = { kind: "AMENDED", price: "100.00", quantity: "6.000" };
    expect(await exchange.executed(order, confirmed)).toBe("applied");
    const after = await now([account, order]);
    expect(after).toMatchObject({ quantity: "6.000", status: "NEW" });
    expect(after.amendment).toBeUndefined();
  });

  test("that the engine refuses leaves the order as it was", async () => {
    const [account, order] = await setUp();
    await amend(account, order, { price: "99.00" });
    expect(await exchange.executed(order, { kind: "AMEND_REJECTED" })).toBe("applied");
    const after = await now([account, order]);
    expect([after.price, after.amendment]).toEqual(["100.00", undefined]);
    expect((await exchange.balance(account))?.usedByOrders).toBe("20.20000000");
  });

  test("without the margin for it is 422, and nothing waits", async () => {
    const [account, order] = await setUp();
    const refused = await amend(account, order, { quantity: "400.000" });
    expect([refused.status, refused.json.code]).toEqual([422, "margin_insufficient"]);
    expect((await now([account, order])).amendment).toBeUndefined();
  });
});

test.each([
  ["IOC", { timeInForce: "IOC" }],
  ["MARKET", { type: "MARKET", price: undefined }],
])("%s is the engine's to end", async (_, fields) => {
  const [account, order] = await setUp(fields);
  expect(order.status).toBe("NEW");
  await exchange.fill(order, "100.00", "1.000");
  expect(await exchange.executed(order, { kind: "EXPIRE" })).toBe("applied");
  expect(await now([account, order])).toMatchObject({
    ...{ status: "EXPIRED", executedQuantity: "1.000" },
  });
});
