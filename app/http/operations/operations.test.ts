import { beforeEach, describe, expect, test } from "bun:test";
import {
  answer,
  createFakeEdge,
  type FakeEdge,
  routingFailure,
  shardStatus,
} from "../fake-edge.ts";

let edge: FakeEdge;
beforeEach(async () => {
  edge = await createFakeEdge();
  edge.router.respond = (_, shard) => answer(200, JSON.stringify(shardStatus(shard)));
});

const loseShard2 = (): void => {
  const { respond } = edge.router;
  edge.router.respond = (operation, shard) => {
    if (shard === "shard2") throw routingFailure("shard_unavailable");
    return respond(operation, shard);
  };
};

test("GET /v1/time is the clock's", async () => {
  const response = await edge.send("GET", "/v1/time");
  expect(await response.json()).toEqual({ time: edge.now });
  expect((await edge.send("GET", "/v1/time?zone=utc")).status).toBe(400);
});

test("GET /healthz needs no shard", async () => {
  loseShard2();
  expect((await edge.send("GET", "/healthz")).status).toBe(200);
  expect(edge.router.asked).toEqual([]);
});

describe("GET /readyz", () => {
  test("is 200 when every shard answers, and lists them", async () => {
    const response = await edge.send("GET", "/readyz");
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      ready: true,
      shards: ["shard1", "shard2"].map((shard) => ({
        shard,
        ready: true,
        state: "filling",
        detail: null,
      })),
    });
  });

  test("is 503 when one does not answer", async () => {
    loseShard2();
    const response = await edge.send("GET", "/readyz");
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({
      ready: false,
      shards: [{ ready: true }, { shard: "shard2", ready: false, state: "unreachable" }],
    });
  });

  test.each([
    ["filling", 200],
    ["committing", 200],
    ["draining", 503],
    ["failed", 503],
  ] as const)("with a shard %s is %d", async (state, status) => {
    edge.router.respond = (_, shard) => answer(200, JSON.stringify(shardStatus(shard, state)));
    expect((await edge.send("GET", "/readyz")).status).toBe(status);
  });

  test("is told of shards that are of another version, while they are replaced one by one", async () => {
    const { risk: _, ...older } = shardStatus("shard1");
    const newer = { ...shardStatus("shard2"), weight: 1 };
    edge.router.respond = (_operation, shard) =>
      answer(200, JSON.stringify(shard === "shard1" ? older : newer));
    expect((await edge.send("GET", "/readyz")).status).toBe(200);
  });
});

describe("GET /metrics", () => {
  test("does without a shard that is down, and says that it is", async () => {
    edge.router.respond = () => answer(200, "[]");
    loseShard2();
    const response = await edge.send("GET", "/metrics");
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toStartWith("text/plain; version=0.0.4");
    const text = await response.text();
    expect(text).toContain('sluice_shard_up{shard="shard1",process="api"} 1');
    expect(text).toContain('sluice_shard_up{shard="shard2",process="api"} 0');
  });
});

describe("GET /v1/instruments", () => {
  test("is one list by symbol, each as the shard has it that takes its orders", async () => {
    edge.router.respond = (_, shard) => {
      const known = ["XRPUSDT", "BTCUSDT", "ADAUSDT"].map((symbol) => ({ symbol, status: shard }));
      return answer(200, JSON.stringify(known));
    };
    const response = await edge.send("GET", "/v1/instruments");
    expect(await response.json()).toEqual({
      items: [
        { symbol: "ADAUSDT", status: "shard2" },
        { symbol: "BTCUSDT", status: "shard1" },
        { symbol: "XRPUSDT", status: "shard2" },
      ],
      nextCursor: null,
    });
  });

  test("is 503 that names the shard that is missing", async () => {
    edge.router.respond = () => answer(200, "[]");
    loseShard2();
    const response = await edge.send("GET", "/v1/instruments");
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ context: { shard: "shard2" } });
  });
});

describe("GET /admin/v1/shards", () => {
  test("gives what each shard says of itself", async () => {
    const response = await edge.send("GET", "/admin/v1/shards");
    expect(await response.json()).toEqual({
      items: [shardStatus("shard1"), shardStatus("shard2")],
      nextCursor: null,
    });
  });

  test("has a shard that does not answer as unreachable, with why", async () => {
    loseShard2();
    const response = await edge.send("GET", "/admin/v1/shards");
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      items: [
        { state: "filling" },
        { shard: "shard2", state: "unreachable", epoch: 3, reason: "connection refused" },
      ],
    });
  });
});
