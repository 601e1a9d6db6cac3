import { beforeEach, describe, expect, test } from "bun:test";
import {
  answer,
  createFakeEdge,
  type FakeEdge,
  problemAnswer,
  routingFailure,
} from "../fake-edge.ts";

let edge: FakeEdge;
beforeEach(async () => {
  edge = await createFakeEdge();
  edge.router.respond = () => answer(200, '{"status":"applied"}');
});

const AT = 1_790_000_000_000;
const fill = (executionId: string, fields: object = {}) => ({
  executionId,
  orderId: "4097",
  symbol: "BTCUSDT",
  kind: "FILL",
  price: "50000.10",
  quantity: "0.010",
  at: AT,
  ...fields,
});
const cancel = (executionId: string, fields: object = {}) =>
  fill(executionId, { kind: "CANCEL", price: undefined, quantity: undefined, ...fields });

describe("POST /admin/v1/executions", () => {
  const take = (...executions: readonly object[]): Promise<Response> =>
    edge.send("POST", "/admin/v1/executions", { executions });
  const taken = () =>
    edge.router.asked.map(({ shard, operation }) =>
      operation.kind === "execute" ? `${shard} ${operation.execution.executionId}` : "",
    );

  test("hands each to its symbol's shard, in their order, before any is answered", async () => {
    const [gate, third] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    edge.router.respond = async () => {
      if (edge.router.asked.length === 3) third.resolve();
      await gate.promise;
      return answer(200, '{"status":"applied"}');
    };
    const executions = [fill("a"), fill("b", { symbol: "ETHUSDT" }), cancel("c")];
    const pending = take(...executions);
    await third.promise;
    expect(taken()).toEqual(["shard1 a", "shard2 b", "shard1 c"]);
    gate.resolve();
    expect(await (await pending).json()).toEqual({
      results: ["a", "b", "c"].map((executionId) => ({ executionId, status: "applied" })),
    });
  });

  test("carries canonical decimals and what was not said as null", async () => {
    await take(fill("a", { fee: "-0.250", feeAsset: "BNB" }), cancel("b"));
    expect(edge.router.asked.map(({ operation }) => operation)).toEqual([
      {
        kind: "execute",
        execution: {
          ...{ executionId: "a", orderId: 4097, symbol: "BTCUSDT", kind: "FILL" },
          ...{ price: "50000.1", quantity: "0.01", fee: "-0.25", feeAsset: "BNB", at: AT },
        },
      },
      {
        kind: "execute",
        execution: {
          ...{ executionId: "b", orderId: 4097, symbol: "BTCUSDT", kind: "CANCEL" },
          ...{ price: null, quantity: null, fee: null, feeAsset: null, at: AT },
        },
      },
    ] as never);
  });

  test("tells each one's fate, the unknown ones too", async () => {
    const fates: Record<string, () => ReturnType<typeof answer>> = {
      again: () => answer(200, '{"status":"duplicate"}'),
      odd: () => answer(200, '{"status":"quarantined","reason":"overfill"}'),
      late: () => problemAnswer({ code: "overloaded", detail: "no" }),
      lost: () => {
        throw routingFailure("outcome_unknown");
      },
    };
    edge.router.respond = (operation) =>
      operation.kind === "execute"
        ? (fates[operation.execution.executionId]?.() ?? answer(500, ""))
        : answer(500, "");
    const response = await take(...Object.keys(fates).map((id) => fill(id)));
    expect([response.status, await response.json()]).toEqual([
      200,
      {
        results: [
          { executionId: "again", status: "duplicate" },
          { executionId: "odd", status: "quarantined", reason: "overfill" },
          { executionId: "late", status: "unknown", code: "overloaded" },
          { executionId: "lost", status: "unknown", code: "outcome_unknown" },
        ],
      },
    ]);
  });

  test.each<[string, object, string]>([
    ["no id", fill("a", { executionId: undefined }), "executionId"],
    ["an order id that is a number", fill("a", { orderId: 4097 }), "orderId"],
    ["an order id beyond all", fill("a", { orderId: "9007199254740993" }), "orderId"],
    ["an unknown kind", fill("a", { kind: "TRADE" }), "kind"],
    ["a fill without price", fill("a", { price: undefined }), "price"],
    ["a fill without quantity", fill("a", { quantity: undefined }), "quantity"],
    ["a cancel with a price", cancel("a", { price: "1" }), "price"],
    ["a cancel with a fee", cancel("a", { fee: "1" }), "fee"],
    ["the asset of no fee", fill("a", { feeAsset: "BNB" }), "feeAsset"],
    ["an amendment of nothing", cancel("a", { kind: "AMENDED" }), "price"],
    ["a fee of nine decimals", fill("a", { fee: "0.000000001" }), "fee"],
    ["no time", fill("a", { at: undefined }), "at"],
    ["another field", fill("a", { maker: true }), "maker"],
  ])("with %s is 400, and none of the others is taken", async (_, bad, field) => {
    const response = await take(fill("good"), bad);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ errors: [{ path: `executions.1.${field}` }] });
    expect(edge.router.asked).toEqual([]);
  });

  test("takes a thousand, and not one more, nor none", async () => {
    const many = Array.from({ length: 1000 }, (_, index) => fill(`e-${index}`));
    expect((await take(...many)).status).toBe(200);
    expect(edge.router.asked).toHaveLength(1000);
    expect((await take(...many, fill("more"))).status).toBe(400);
    expect((await take()).status).toBe(400);
  });
});

describe("POST /admin/v1/mark-prices", () => {
  const price = (symbol: string, fields: object = {}) => ({
    symbol,
    markPrice: "50000.50",
    at: AT,
    ...fields,
  });
  const take = (...prices: readonly object[]): Promise<Response> =>
    edge.send("POST", "/admin/v1/mark-prices", { prices });

  test("hands each to its symbol's shard and tells what became of it", async () => {
    edge.router.respond = (operation, shard) => {
      if (shard === "shard1") return answer(200, '{"status":"applied"}');
      if (operation.kind === "mark" && operation.symbol === "NOSUCH") {
        return problemAnswer({ code: "unknown_symbol", detail: "There is no NOSUCH." });
      }
      throw routingFailure("shard_unavailable");
    };
    const response = await take(price("BTCUSDT"), price("NOSUCH"), price("ETHUSDT"));
    const { results } = (await response.json()) as { results: readonly object[] };
    expect(results).toEqual([
      { symbol: "BTCUSDT", status: "applied" },
      {
        symbol: "NOSUCH",
        status: "refused",
        code: "unknown_symbol",
        detail: "There is no NOSUCH.",
      },
      {
        ...{ symbol: "ETHUSDT", status: "unknown", code: "shard_unavailable" },
        detail: expect.any(String),
      },
    ]);
    expect(edge.router.asked[0]?.operation).toEqual({
      ...{ kind: "mark", symbol: "BTCUSDT", price: "50000.5", at: AT },
    } as never);
  });

  test("an older one is ignored, as its shard says", async () => {
    edge.router.respond = () => answer(200, '{"status":"ignored"}');
    expect(await (await take(price("BTCUSDT"))).json()).toEqual({
      results: [{ symbol: "BTCUSDT", status: "ignored" }],
    });
  });

  test.each<[object, string]>([
    [price("btc"), "symbol"],
    [price("BTCUSDT", { markPrice: 1 }), "markPrice"],
    [price("BTCUSDT", { at: -1 }), "at"],
  ])("%j is 400", async (bad, field) => {
    const response = await take(bad);
    expect(await response.json()).toMatchObject({ errors: [{ path: `prices.0.${field}` }] });
    expect(edge.router.asked).toEqual([]);
  });
});

describe("PUT /admin/v1/trading-state", () => {
  const set = (scope: object, state = "HALTED"): Promise<Response> =>
    edge.send("PUT", "/admin/v1/trading-state", { scope, state });

  test.each<[object, readonly string[], object]>([
    [{}, ["shard1", "shard2"], { kind: "all" }],
    [{ symbol: "ETHUSDT" }, ["shard2"], { kind: "symbol", symbol: "ETHUSDT" }],
    [{ account: "7" }, ["shard1", "shard2"], { kind: "account", accountId: 7 }],
  ])("for %j is told to %j", async (scope, shards, told) => {
    const response = await set(scope);
    expect([response.status, await response.json()]).toEqual([
      200,
      { results: shards.map((shard) => ({ shard, status: 200, state: "HALTED" })) },
    ]);
    const operation = { kind: "trading_state", scope: told, state: "HALTED" };
    expect(edge.router.asked).toEqual(shards.map((shard) => ({ shard, operation })) as never);
  });

  test("a shard that is down is one of the results", async () => {
    edge.router.respond = (_, shard) => {
      if (shard === "shard2") throw routingFailure("shard_unavailable");
      return answer(200, "{}");
    };
    expect(await (await set({})).json()).toEqual({
      results: [
        { shard: "shard1", status: 200, state: "HALTED" },
        { shard: "shard2", status: 503, code: "shard_unavailable" },
      ],
    });
  });

  test.each<[string, object, string, string]>([
    ["a symbol and an account", { symbol: "BTCUSDT", account: "7" }, "HALTED", "scope"],
    ["an account as a number", { account: 7 }, "HALTED", "scope.account"],
    ["an unknown scope", { asset: "USDT" }, "HALTED", "scope.asset"],
    ["an unknown state", {}, "PAUSED", "state"],
  ])("of %s is 400", async (_, scope, state, path) => {
    const response = await set(scope, state);
    expect(await response.json()).toMatchObject({ errors: [{ path }] });
    expect(edge.router.asked).toEqual([]);
  });
});
