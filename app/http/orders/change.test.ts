import { beforeEach, describe, expect, test } from "bun:test";
import type { Code } from "../../../shards/domain/codes.ts";
import {
  answer,
  bodyOf,
  createFakeEdge,
  type FakeEdge,
  ORDER_BODY,
  ORDER_ID,
  problemAnswer,
  routingFailure,
} from "../fake-edge.ts";

let edge: FakeEdge;
beforeEach(async () => {
  edge = await createFakeEdge();
  edge.router.respond = () => answer(200, ORDER_BODY);
});

const PATH = `/v1/orders/${ORDER_ID}`;
const requests = {
  PATCH: () => edge.send("PATCH", PATH, { price: "50000.20" }),
  DELETE: () => edge.send("DELETE", PATH),
};
const both = ["PATCH", "DELETE"] as const;

describe("a change of one order", () => {
  test("PATCH asks the order's shard to amend", async () => {
    const response = await requests.PATCH();
    expect(response.status).toBe(200);
    expect(await response.text()).toBe(ORDER_BODY);
    expect(edge.router.asked).toEqual([
      {
        shard: "shard1",
        operation: {
          kind: "amend",
          accountId: 42,
          orderId: ORDER_ID,
          price: "50000.2",
          quantity: null,
        },
      } as never,
    ]);
  });

  test("DELETE asks the order's shard to cancel", async () => {
    expect((await requests.DELETE()).status).toBe(200);
    expect(edge.router.asked).toEqual([
      { shard: "shard1", operation: { kind: "cancel", accountId: 42, orderId: ORDER_ID } } as never,
    ]);
  });

  test.each<[unknown, string]>([
    [{}, ""],
    [{ price: 1 }, "price"],
    [{ price: "1", side: "BUY" }, "side"],
    ["{", ""],
  ])("PATCH with %j is 400", async (body, path) => {
    const response = await edge.send("PATCH", PATH, body);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ errors: [{ path }] });
  });

  test("PATCH of what its order does not have is the shard's 400, with a path as every 400", async () => {
    const detail = "A MARKET order has no price.";
    edge.router.respond = () => problemAnswer({ code: "invalid_request", detail });
    const response = await requests.PATCH();
    expect([response.status, (await response.json()) as object]).toMatchObject([
      400,
      { detail, errors: [{ path: "", reason: detail }] },
    ]);
  });

  for (const method of both) {
    test.each<[Code, number]>([
      ["order_not_open", 409],
      ["price_off_tick", 422],
      ["overloaded", 503],
    ])(`${method} gives the shard's %s as %d`, async (code, status) => {
      edge.router.respond = () => problemAnswer({ code, detail: "why" });
      expect((await requests[method]()).status).toBe(status);
    });

    test.each<["shard_unavailable" | "overloaded" | "outcome_unknown", number]>([
      ["shard_unavailable", 503],
      ["overloaded", 503],
      ["outcome_unknown", 504],
    ])(`${method} with the router's %s is %d`, async (code, status) => {
      edge.router.respond = () => {
        throw routingFailure(code);
      };
      const response = await requests[method]();
      expect(response.status).toBe(status);
      expect(await response.json()).toMatchObject({ code, context: { shard: "shard1" } });
    });

    test.each(["abc", "0", "1033"])(`${method} of the id %s is order_not_found`, async (id) => {
      const body = method === "PATCH" ? { price: "1" } : undefined;
      const response = await edge.send(method, `/v1/orders/${id}`, body);
      expect(response.status).toBe(404);
      expect(await response.json()).toMatchObject({ code: "order_not_found" });
    });
  }
});

describe("an order that its shard has let go of", () => {
  test.each<[(typeof both)[number], string | undefined, number, string]>([
    ["DELETE", undefined, 404, "order_not_found"],
    ["DELETE", "CANCELED", 200, "CANCELED"],
    ["DELETE", "FILLED", 409, "order_not_open"],
    ["DELETE", "EXPIRED", 409, "order_not_open"],
    ["DELETE", "REJECTED", 409, "order_not_open"],
    ["DELETE", "NEW", 404, "order_not_found"],
    ["PATCH", undefined, 404, "order_not_found"],
    ["PATCH", "CANCELED", 409, "order_not_open"],
    ["PATCH", "FILLED", 409, "order_not_open"],
  ])("%s when central has it as %s → %d", async (method, status, expected, text) => {
    edge.router.respond = () => problemAnswer({ code: "order_not_found", detail: "no" });
    if (status !== undefined) edge.history.orders.set(ORDER_ID, JSON.stringify({ status }));
    const response = await requests[method]();
    expect(response.status).toBe(expected);
    expect(await response.text()).toContain(text);
  });

  test("is 503 when central cannot say", async () => {
    edge.router.respond = () => problemAnswer({ code: "order_not_found", detail: "no" });
    edge.history.failure = new Error("gone");
    expect((await requests.DELETE()).status).toBe(503);
  });
});

describe("DELETE /v1/orders", () => {
  const cancelled = (...ids: string[]) => answer(200, JSON.stringify({ cancelled: ids }));

  test("asks every shard and gives one result each", async () => {
    edge.router.respond = (_, shard) => (shard === "shard1" ? cancelled("4097") : cancelled());
    const response = await edge.send("DELETE", "/v1/orders");
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      results: [
        { shard: "shard1", status: 200, cancelled: ["4097"] },
        { shard: "shard2", status: 200, cancelled: [] },
      ],
    });
    expect(edge.router.asked.map(({ operation }) => operation)).toEqual(
      Array(2).fill({ kind: "cancel_many", accountId: 42, symbol: null }),
    );
  });

  test.each<["shard_unavailable" | "outcome_unknown", number]>([
    ["shard_unavailable", 503],
    ["outcome_unknown", 504],
  ])("has a shard that is down (%s) as a result of %d", async (code, status) => {
    edge.router.respond = (_, shard) => {
      if (shard === "shard2") throw routingFailure(code);
      return cancelled("4097");
    };
    const response = await edge.send("DELETE", "/v1/orders");
    expect(response.status).toBe(200);
    expect((await bodyOf(response)).results[1]).toEqual({
      shard: "shard2",
      status,
      cancelled: [],
      code,
    });
  });

  test("with a symbol asks its shard alone", async () => {
    edge.router.respond = () => cancelled("4098");
    const response = await edge.send("DELETE", "/v1/orders?symbol=ETHUSDT");
    expect(await response.json()).toEqual({
      results: [{ shard: "shard2", status: 200, cancelled: ["4098"] }],
    });
    expect(edge.router.asked).toMatchObject([{ operation: { symbol: "ETHUSDT" } }]);
  });

  test.each(["symbol=", "symbol=btc", "Symbol=BTCUSDT", "symbol=A&symbol=B"])(
    "?%s cancels nothing",
    async (query) => {
      expect((await edge.send("DELETE", `/v1/orders?${query}`)).status).toBe(400);
      expect(edge.router.asked).toEqual([]);
    },
  );
});
