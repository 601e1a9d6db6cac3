import { beforeEach, describe, expect, test } from "bun:test";
import type { Code } from "../../../shards/domain/codes.ts";
import type { Operation } from "../../../shards/protocol/operation.ts";
import { createOrderLimiter } from "../../cache/order-limiter.ts";
import type { RoutingCode } from "../../routing/routing-error.ts";
import {
  answer,
  bodyOf,
  createFakeEdge,
  type FakeEdge,
  ORDER_BODY,
  problemAnswer,
  routingFailure,
} from "../fake-edge.ts";

const order = {
  clientOrderId: "a-1",
  symbol: "BTCUSDT",
  side: "BUY",
  type: "LIMIT",
  price: "50000.10",
  quantity: "0.010",
};
const refusal = JSON.stringify({ status: 422, code: "price_off_tick" });

let edge: FakeEdge;
beforeEach(async () => {
  edge = await createFakeEdge();
});

const place = (query = "", body: unknown = order): Promise<Response> =>
  edge.send("POST", `/v1/orders${query}`, body);

const placedIds = (): string[] =>
  edge.router.asked.map(({ operation }) =>
    operation.kind === "place" ? operation.request.clientOrderId : operation.kind,
  );

describe("POST /v1/orders", () => {
  test("hands the parsed order to its symbol's shard and gives the shard's body", async () => {
    const response = await place();
    expect(response.status).toBe(201);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await response.text()).toBe(ORDER_BODY);
    expect(edge.router.asked).toMatchObject([
      {
        shard: "shard1",
        operation: { kind: "place", accountId: 42, request: { price: "50000.1" } },
      },
    ]);
  });

  test("shows each stage in Server-Timing, in milliseconds", async () => {
    const timing = (await place()).headers.get("server-timing") ?? "";
    const stages = timing.split(", ").map((entry) => entry.split(";")[0]);
    expect(stages).toEqual(["auth", "parse", "route", "queue", "decide", "commit", "total"]);
    expect(timing).toContain("queue;dur=0.120, decide;dur=0.010, commit;dur=1.800, ");
    expect(timing).toMatch(/^(\w+;dur=\d+\.\d{3}(, |$))+$/);
  });

  test("gives a replay's body with 200 and says so", async () => {
    edge.router.respond = () => answer(201, ORDER_BODY, "replayed");
    const response = await place();
    expect(response.status).toBe(200);
    expect(response.headers.get("idempotency-replayed")).toBe("true");
    expect(response.headers.get("sluice-durability")).toBe("local");
    expect(await response.text()).toBe(ORDER_BODY);
  });

  test("gives a stored refusal byte for byte, first and replayed", async () => {
    edge.router.respond = () => answer(422, refusal);
    const first = await place();
    edge.router.respond = () => answer(422, refusal, "replayed");
    const replayed = await place();
    for (const response of [first, replayed]) {
      expect(response.status).toBe(422);
      expect(response.headers.get("content-type")).toBe("application/problem+json");
      expect(response.headers.get("sluice-durability")).toBeNull();
      expect(await response.text()).toBe(refusal);
    }
    expect(first.headers.get("idempotency-replayed")).toBeNull();
    expect(replayed.headers.get("idempotency-replayed")).toBe("true");
  });

  test("makes a client order id when none came", async () => {
    const { clientOrderId: _, ...anonymous } = order;
    await place("", anonymous);
    expect(placedIds()[0]).toMatch(/^[.A-Z:/a-z0-9_-]{1,36}$/);
  });
});

describe("?ack=", () => {
  const cases: [string, string, "final" | "replayed", string, number, string][] = [
    ["local waits for nothing", "local", "final", "central", 201, "local"],
    ["replicated, reached", "replicated", "final", "replicated", 201, "replicated"],
    ["replicated, central reached", "replicated", "final", "central", 201, "central"],
    ["central, reached", "central", "final", "central", 201, "central"],
    ["central, only replicated reached", "central", "final", "replicated", 202, "replicated"],
    ["replicated, not reached", "replicated", "final", "local", 202, "local"],
    ["a replay that is reached", "central", "replayed", "central", 200, "central"],
    ["a replay that is not reached", "central", "replayed", "local", 202, "local"],
  ];
  test.each(cases)("%s", async (_, ack, kind, reached, status, level) => {
    edge.router.respond = () => answer(201, ORDER_BODY, kind);
    edge.router.reached = reached as "local" | "replicated" | "central";
    const response = await place(`?ack=${ack}`);
    expect(response.status).toBe(status);
    expect(response.headers.get("sluice-durability")).toBe(level);
    expect(await response.text()).toBe(ORDER_BODY);
    expect(edge.router.waited).toEqual(ack === "local" ? [] : [`shard1 ${ack}`]);
    expect(response.headers.get("idempotency-replayed")).toBe(kind === "final" ? null : "true");
  });

  test("keeps the order when the wait itself fails", async () => {
    edge.router.reached = routingFailure("shard_unavailable");
    const response = await place("?ack=central");
    expect(response.status).toBe(202);
    expect(response.headers.get("sluice-durability")).toBe("local");
  });

  test("does not wait for a refusal", async () => {
    edge.router.respond = () => answer(422, refusal);
    expect((await place("?ack=central")).status).toBe(422);
    expect(edge.router.waited).toEqual([]);
  });

  test("waits no longer when the wall clock jumps back meanwhile", async () => {
    let [now, nowMs] = [edge.now, 1000];
    edge = await createFakeEdge({ clock: { now: () => now, monotonicMs: () => nowMs } });
    edge.router.respond = () => {
      now -= 3_600_000;
      nowMs += 100;
      return answer(201, ORDER_BODY);
    };
    await place("?ack=central");
    expect(edge.router.waitedUntilMs).toBe(6000);
  });

  test.each(["?ack=soon", "?ack=", "?ack=local&ack=local", "?sync=1", "?ack=local&x=1"])(
    "refuses %s",
    async (query) => {
      const response = await place(query);
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ code: "invalid_request", errors: [{}] });
      expect(edge.router.asked).toEqual([]);
    },
  );
});

describe("a placement that fails", () => {
  test.each<[RoutingCode, number, string | null]>([
    ["shard_unavailable", 503, "1"],
    ["overloaded", 503, "1"],
    ["outcome_unknown", 504, null],
  ])("with %s is %d", async (code, status, retryAfter) => {
    edge.router.respond = () => {
      throw routingFailure(code);
    };
    const response = await place();
    expect(response.status).toBe(status);
    expect(response.headers.get("retry-after")).toBe(retryAfter);
    const body = await bodyOf(response);
    expect(body).toMatchObject({ code, context: { shard: "shard1" } });
    expect(body.requestId).toBe(response.headers.get("request-id") ?? "");
  });

  test("with an unknown outcome names the client order id, also one made here", async () => {
    edge.router.respond = () => {
      throw routingFailure("outcome_unknown");
    };
    const { clientOrderId: _, ...anonymous } = order;
    const named = await bodyOf(await place());
    const made = await bodyOf(await place("", anonymous));
    expect(named.context.clientOrderId).toBe("a-1");
    expect(made.context.clientOrderId).toBe(placedIds()[1]);
  });

  test("with an unknown outcome said by the shard names the client order id", async () => {
    edge.router.respond = () =>
      problemAnswer({ code: "outcome_unknown", detail: "x", context: { shard: "shard1" } });
    const response = await place();
    expect(response.status).toBe(504);
    expect(await response.json()).toMatchObject({
      context: { shard: "shard1", clientOrderId: "a-1" },
    });
  });

  test("unexpectedly is internal_error with the client order id and without the reason", async () => {
    edge.router.respond = () => {
      throw new TypeError("secret of the house");
    };
    const response = await place();
    expect(response.status).toBe(500);
    const text = await response.text();
    expect(text).not.toContain("secret");
    expect(JSON.parse(text)).toMatchObject({
      code: "internal_error",
      context: { clientOrderId: "a-1" },
    });
  });

  test("with a code of a later version is internal_error", async () => {
    edge.router.respond = () => problemAnswer({ code: "moon_phase" as Code, detail: "x" });
    expect((await place()).status).toBe(500);
  });

  test.each<[Code, number]>([
    ["client_order_id_reused", 409],
    ["replication_backlog", 503],
    ["overloaded", 503],
  ])("with the shard's %s is %d", async (code, status) => {
    edge.router.respond = () =>
      problemAnswer({ code, detail: "why", context: { fields: ["price"] } });
    const response = await place();
    expect(response.status).toBe(status);
    expect(response.headers.get("retry-after")).toBe(status === 503 ? "1" : null);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(await response.json()).toMatchObject({
      type: `/docs/errors#${code}`,
      status,
      detail: "why",
      context: { fields: ["price"] },
    });
  });

  test("for fields that do not go together never reaches a shard", async () => {
    const response = await place("", { ...order, stopPrice: "1" });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      code: "invalid_request",
      errors: [{ path: "stopPrice" }],
    });
    expect(edge.router.asked).toEqual([]);
  });
});

describe("POST /v1/orders/batch", () => {
  const named = (clientOrderId: string, symbol = "BTCUSDT") => ({
    ...order,
    clientOrderId,
    symbol,
  });
  const batch = (orders: unknown, query = ""): Promise<Response> =>
    edge.send("POST", `/v1/orders/batch${query}`, { orders });
  const idOf = (operation: Operation): string =>
    operation.kind === "place" ? operation.request.clientOrderId : "";

  test("answers each order in its place, whatever order the answers come in", async () => {
    const gates = new Map(["a", "b", "c"].map((id) => [id, Promise.withResolvers<void>()]));
    edge.router.respond = async (operation) => {
      await gates.get(idOf(operation))?.promise;
      return answer(201, JSON.stringify({ id: idOf(operation) }));
    };
    const pending = batch([named("a"), named("b", "ETHUSDT"), named("c")]);
    for (const id of ["c", "b", "a"]) gates.get(id)?.resolve();
    const response = await pending;
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      results: ["a", "b", "c"].map((id) => ({ status: 201, body: { id } })),
    });
    expect(placedIds()).toEqual(["a", "b", "c"]);
  });

  test("lets each order stand or fall alone", async () => {
    edge.router.respond = (operation, shard) => {
      if (shard === "shard2") throw routingFailure("shard_unavailable");
      if (idOf(operation) === "refused") return answer(422, refusal);
      return answer(201, ORDER_BODY, idOf(operation) === "again" ? "replayed" : "final");
    };
    const response = await batch([
      named("good"),
      { ...order, price: 1 },
      named("refused"),
      named("again"),
      named("dead", "ETHUSDT"),
      { ...order, stopPrice: "1" },
    ]);
    expect(response.status).toBe(200);
    const requestId = response.headers.get("request-id");
    expect(await response.json()).toMatchObject({
      results: [
        { status: 201, body: JSON.parse(ORDER_BODY) },
        { status: 400, body: { code: "invalid_request", requestId, errors: [{ path: "price" }] } },
        { status: 422, body: JSON.parse(refusal) },
        { status: 200, body: JSON.parse(ORDER_BODY) },
        { status: 503, body: { code: "shard_unavailable", requestId } },
        { status: 400, body: { code: "invalid_request", errors: [{ path: "stopPrice" }] } },
      ],
    });
    expect(response.headers.get("sluice-durability")).toBe("local");
  });

  test("waits for all with ?ack=", async () => {
    const response = await batch([named("a"), named("b", "ETHUSDT")], "?ack=replicated");
    expect(response.headers.get("sluice-durability")).toBe("central");
    expect(edge.router.waited).toEqual(["shard1 replicated", "shard2 replicated"]);
  });

  test("gives 202 results where the level was not reached", async () => {
    edge.router.reached = "local";
    const response = await batch([named("a")], "?ack=central");
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ results: [{ status: 202 }] });
    expect(response.headers.get("sluice-durability")).toBe("local");
  });

  test.each<[string, unknown]>([
    ["no orders", []],
    ["101 orders", Array(101).fill(order)],
    ["no list", order],
  ])("with %s is 400", async (_, orders) => {
    const response = await batch(orders);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ errors: [{ path: "orders" }] });
    expect(edge.router.asked).toEqual([]);
  });
});

describe("the limit of orders a second", () => {
  test("refuses what is over it with the time to wait, per account", async () => {
    edge = await createFakeEdge({ orderLimiter: createOrderLimiter(2) });
    expect((await place()).status).toBe(201);
    expect((await place()).status).toBe(201);
    const response = await place();
    expect(response.status).toBe(429);
    expect(await response.json()).toMatchObject({ code: "rate_limited" });
    expect(response.headers.get("retry-after")).toBe("1");
    expect(response.headers.get("ratelimit")).toBe('"orders";r=0;t=1');
    expect(response.headers.get("ratelimit-policy")).toBe('"orders";q=2;w=1');
    expect(edge.router.asked.length).toBe(2);
  });

  test("counts every order of a batch, and no cancel", async () => {
    edge = await createFakeEdge({ orderLimiter: createOrderLimiter(3) });
    const two = { orders: [order, order] };
    expect((await edge.send("POST", "/v1/orders/batch", two)).status).toBe(200);
    expect((await edge.send("POST", "/v1/orders/batch", two)).status).toBe(429);
    edge.router.respond = () => answer(200, ORDER_BODY);
    expect((await edge.send("DELETE", "/v1/orders/4097")).status).toBe(200);
  });
});
