import { beforeEach, describe, expect, test } from "bun:test";
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
});

const notFound = problemAnswer({ code: "order_not_found", detail: "no" });
const CENTRAL_BODY = '{"orderId":"4097","from":"central"}';

type Says = "has it" | "says no" | "is silent" | "answers too late";

const shardSays = (says: Says): void => {
  edge.router.respond = () => {
    if (says === "is silent") throw routingFailure("shard_unavailable");
    if (says === "answers too late") throw routingFailure("outcome_unknown");
    return says === "has it" ? answer(200, ORDER_BODY) : notFound;
  };
};

const centralSays = (says: Says): void => {
  if (says === "is silent") edge.history.failure = new Error("gone");
  if (says !== "has it") return;
  edge.history.orders.set(ORDER_ID, CENTRAL_BODY);
  edge.history.found = CENTRAL_BODY;
};

describe("a read of one order", () => {
  const cases: [Says, Says, number, string][] = [
    ["has it", "says no", 200, ORDER_BODY],
    ["has it", "is silent", 200, ORDER_BODY],
    ["says no", "has it", 200, CENTRAL_BODY],
    ["says no", "says no", 404, "order_not_found"],
    ["says no", "is silent", 503, "shard_unavailable"],
    ["is silent", "has it", 200, CENTRAL_BODY],
    ["is silent", "says no", 503, "shard_unavailable"],
    ["is silent", "is silent", 503, "shard_unavailable"],
    ["answers too late", "has it", 200, CENTRAL_BODY],
    ["answers too late", "says no", 503, "shard_unavailable"],
  ];
  const paths = [`/v1/orders/${ORDER_ID}`, "/v1/orders?symbol=BTCUSDT&clientOrderId=a-1"];
  for (const path of paths) {
    test.each(cases)(`${path}: shard %s, central %s → %d`, async (shard, central, status, text) => {
      shardSays(shard);
      centralSays(central);
      const response = await edge.send("GET", path);
      expect(response.status).toBe(status);
      expect(await response.text()).toContain(text);
      expect(response.headers.get("retry-after")).toBe(status === 503 ? "1" : null);
    });
  }

  test("asks the shard that the id names", async () => {
    shardSays("has it");
    await edge.send("GET", "/v1/orders/4098");
    expect(edge.router.asked).toEqual([
      { shard: "shard2", operation: { kind: "get_order", accountId: 42, orderId: 4098 } } as never,
    ]);
  });

  test("asks the symbol's shard by client order id", async () => {
    shardSays("has it");
    await edge.send("GET", "/v1/orders?symbol=ETHUSDT&clientOrderId=a%2F1");
    expect(edge.router.asked).toEqual([
      {
        shard: "shard2",
        operation: { kind: "find_order", accountId: 42, symbol: "ETHUSDT", clientOrderId: "a/1" },
      } as never,
    ]);
  });

  test("of a shard that does not exist is central's to answer", async () => {
    edge.history.orders.set(1033, CENTRAL_BODY);
    expect((await edge.send("GET", "/v1/orders/1033")).status).toBe(200);
    expect((await edge.send("GET", "/v1/orders/1034")).status).toBe(404);
    expect(edge.router.asked).toEqual([]);
  });

  test.each([
    "0",
    "-1",
    "1.5",
    "abc",
    "01",
    "9007199254740992",
    "1e3",
    "%20",
    "99999999999999999999",
  ])("with the id %s is order_not_found", async (id) => {
    const response = await edge.send("GET", `/v1/orders/${id}`);
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ code: "order_not_found" });
  });
});

describe("open orders", () => {
  test("of all shards are one list", async () => {
    edge.router.respond = (_, shard) => answer(200, shard === "shard1" ? "[1,2]" : "[3]");
    const response = await edge.send("GET", "/v1/orders?status=open");
    expect(await response.json()).toEqual({ items: [1, 2, 3], nextCursor: null });
    expect(edge.router.asked.map(({ operation }) => operation)).toEqual(
      Array(2).fill({ kind: "open_orders", accountId: 42, symbol: null }),
    );
  });

  test("none are an empty list", async () => {
    edge.router.respond = () => answer(200, "[]");
    const response = await edge.send("GET", "/v1/orders?status=open");
    expect(await response.json()).toEqual({ items: [], nextCursor: null });
  });

  test("of one symbol come from its shard alone", async () => {
    edge.router.respond = () => answer(200, "[1]");
    await edge.send("GET", "/v1/orders?status=open&symbol=BTCUSDT");
    expect(edge.router.asked).toMatchObject([
      { shard: "shard1", operation: { kind: "open_orders", symbol: "BTCUSDT" } },
    ]);
  });

  test.each(["shard_unavailable", "outcome_unknown"] as const)(
    "with a shard missing (%s) are 503 that names it",
    async (code) => {
      edge.router.respond = (_, shard) => {
        if (shard === "shard2") throw routingFailure(code);
        return answer(200, "[1]");
      };
      const response = await edge.send("GET", "/v1/orders?status=open");
      expect(response.status).toBe(503);
      expect(await response.json()).toMatchObject({
        code: "shard_unavailable",
        context: { shard: "shard2" },
      });
    },
  );
});

describe("history", () => {
  test("has its defaults", async () => {
    const response = await edge.send("GET", "/v1/orders");
    expect(await response.json()).toEqual({ items: [], nextCursor: null });
    expect(response.headers.get("sluice-central-lag-ms")).toBe("250");
    expect(edge.history.pages).toEqual([
      { accountId: 42, symbol: null, from: null, to: null, limit: 100, after: null } as never,
    ]);
  });

  test("passes its filters on, and a cursor leads to the next page", async () => {
    edge.history.orders.set(1, '{"orderId":"1"}').set(2, '{"orderId":"2"}');
    edge.history.next = { createdAt: 1_790_000_000_000, orderId: 4097 };
    const query = "symbol=BTCUSDT&from=1&to=2&limit=2";
    const first = await bodyOf(await edge.send("GET", `/v1/orders?${query}`));
    expect(first.items).toEqual([{ orderId: "1" }, { orderId: "2" }]);
    expect(first.nextCursor).toMatch(/^[\w-]+$/);
    await edge.send("GET", `/v1/orders?${query}&cursor=${first.nextCursor}`);
    expect(edge.history.pages[1]).toEqual({
      accountId: 42,
      symbol: "BTCUSDT",
      from: 1,
      to: 2,
      limit: 2,
      after: edge.history.next,
    } as never);
  });

  test("without central is 503", async () => {
    edge.history.failure = new Error("gone");
    const response = await edge.send("GET", "/v1/orders");
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("1");
  });

  test.each<[string, string]>([
    ["limit=0", "limit"],
    ["limit=1001", "limit"],
    ["limit=ten", "limit"],
    ["limit=", "limit"],
    ["limit=1e2", "limit"],
    ["limit=%201", "limit"],
    ["from=-1", "from"],
    ["from=9007199254740993", "from"],
    ["from=2&to=1", "to"],
    ["cursor=AAAA", "cursor"],
    ["cursor=", "cursor"],
    ["symbol=btc", "symbol"],
    ["symbol=BTCUSDT&symbol=ETHUSDT", "symbol"],
    ["status=closed", "status"],
    ["status=open&limit=5", "limit"],
    ["clientOrderId=a-1", "symbol"],
    ["symbol=BTCUSDT&clientOrderId=a-1&status=open", "status"],
    ["symbol=BTCUSDT&clientOrderId=a%20b", "clientOrderId"],
    ["page=2", "page"],
    ["__proto__=1", "__proto__"],
  ])("?%s is 400 and names %s", async (query, path) => {
    const response = await edge.send("GET", `/v1/orders?${query}`);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: "invalid_request", errors: [{ path }] });
    expect(edge.router.asked).toEqual([]);
  });
});
