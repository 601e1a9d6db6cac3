import { beforeEach, describe, expect, test } from "bun:test";
import {
  answer,
  bodyOf,
  createFakeEdge,
  type FakeEdge,
  problemAnswer,
  routingFailure,
} from "../fake-edge.ts";

let edge: FakeEdge;
beforeEach(async () => {
  edge = await createFakeEdge();
});

const OF_SYMBOL = "/v1/settings/BTCUSDT";
const SETTINGS = '{"symbol":"BTCUSDT","leverage":20,"marginMode":"CROSS"}';
const OPEN = problemAnswer({
  code: "position_or_orders_open",
  detail: "1 orders are open.",
  context: { openOrders: "1" },
});

const asked = () =>
  edge.router.asked.map(({ shard, operation }) => {
    const isTrial = operation.kind === "account_settings" && operation.isTrial;
    return isTrial ? `${shard} trial` : shard;
  });

describe("PUT /v1/settings/{symbol}", () => {
  test.each([
    [{ leverage: 20 }, { leverage: 20, marginMode: null }],
    [{ marginMode: "ISOLATED" }, { leverage: null, marginMode: "ISOLATED" }],
  ])("%j is the symbol's shard's to decide", async (body, wish) => {
    edge.router.respond = () => answer(200, SETTINGS);
    const response = await edge.send("PUT", OF_SYMBOL, body);
    expect([response.status, await response.text()]).toEqual([200, SETTINGS]);
    const operation = { kind: "symbol_settings", accountId: 42, symbol: "BTCUSDT", ...wish };
    expect(edge.router.asked).toEqual([
      { shard: "shard1" as never, operation: operation as never },
    ]);
  });

  test.each<[string, string, unknown, string]>([
    ["nothing", OF_SYMBOL, {}, ""],
    ["a leverage of 0", OF_SYMBOL, { leverage: 0 }, "leverage"],
    ["half a leverage", OF_SYMBOL, { leverage: 1.5 }, "leverage"],
    ["a leverage as text", OF_SYMBOL, { leverage: "20" }, "leverage"],
    ["an unknown mode", OF_SYMBOL, { marginMode: "PORTFOLIO" }, "marginMode"],
    ["another field", OF_SYMBOL, { leverage: 1, symbol: "X" }, "symbol"],
    ["no symbol", "/v1/settings/btc", { leverage: 1 }, "symbol"],
    ["a parameter", `${OF_SYMBOL}?force=1`, { leverage: 1 }, "force"],
  ])("with %s is 400, and no shard is asked", async (_, path, body, errorPath) => {
    const response = await edge.send("PUT", path, body);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ errors: [{ path: errorPath }] });
    expect(edge.router.asked).toEqual([]);
  });

  test("that the shard refuses is its refusal, with this request's id", async () => {
    edge.router.respond = () =>
      problemAnswer({
        code: "leverage_too_high",
        detail: "Too high.",
        context: { leverage: "50" },
      });
    const response = await edge.send("PUT", OF_SYMBOL, { leverage: 50 });
    const requestId = response.headers.get("request-id") ?? "";
    expect([response.status, (await bodyOf(response)) as object]).toMatchObject([
      422,
      { code: "leverage_too_high", context: { leverage: "50" }, requestId },
    ]);
  });
});

describe("PUT /v1/settings", () => {
  const set = (): Promise<Response> => edge.send("PUT", "/v1/settings", { positionMode: "HEDGE" });

  test("asks every shard whether it could, and then all of them to do it", async () => {
    edge.router.respond = () => answer(200, "{}");
    const response = await set();
    expect([response.status, await response.json()]).toEqual([
      200,
      { accountId: "42", positionMode: "HEDGE" },
    ]);
    expect(asked()).toEqual(["shard1 trial", "shard2 trial", "shard1", "shard2"]);
  });

  test("that one shard cannot do is 409, says where, and nothing is done", async () => {
    edge.router.respond = (_, shard) => (shard === "shard2" ? OPEN : answer(200, "{}"));
    const response = await set();
    expect([response.status, (await bodyOf(response)) as object]).toMatchObject([
      409,
      {
        code: "position_or_orders_open",
        context: { openOrders: "1", shards: ["shard2"] },
      },
    ]);
    expect(asked()).toEqual(["shard1 trial", "shard2 trial"]);
  });

  test("prefers a reason to a silence", async () => {
    edge.router.respond = (_, shard) => {
      if (shard === "shard1") throw routingFailure("shard_unavailable");
      return OPEN;
    };
    expect((await set()).status).toBe(409);
  });

  test("with a shard that does not answer the trial is 503: nothing happened", async () => {
    edge.router.respond = (_, shard) => {
      if (shard === "shard1") throw routingFailure("outcome_unknown");
      return answer(200, "{}");
    };
    const response = await set();
    expect([response.status, (await bodyOf(response)).context]).toMatchObject([
      503,
      { shards: ["shard1"] },
    ]);
    expect(asked()).toEqual(["shard1 trial", "shard2 trial"]);
  });

  test("that an order comes between is not known, and says how far it has got", async () => {
    edge.router.respond = (operation, shard) => {
      const isTrial = operation.kind === "account_settings" && operation.isTrial;
      return isTrial || shard === "shard1" ? answer(200, "{}") : OPEN;
    };
    const response = await set();
    expect([response.status, (await bodyOf(response)) as object]).toMatchObject([
      504,
      {
        code: "outcome_unknown",
        context: { applied: ["shard1"], notApplied: ["shard2: position_or_orders_open"] },
      },
    ]);
  });

  test("that every shard then refuses is their refusal", async () => {
    edge.router.respond = (operation) =>
      operation.kind === "account_settings" && operation.isTrial ? answer(200, "{}") : OPEN;
    const response = await set();
    expect([response.status, (await bodyOf(response)).context]).toMatchObject([
      409,
      { shards: ["shard1", "shard2"] },
    ]);
  });

  test.each([{}, { positionMode: "BOTH" }, { positionMode: "HEDGE", leverage: 1 }])(
    "%j is 400",
    async (body) => {
      expect((await edge.send("PUT", "/v1/settings", body)).status).toBe(400);
      expect(edge.router.asked).toEqual([]);
    },
  );
});
