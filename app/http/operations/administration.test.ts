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

const RAISE = "/admin/v1/shards/shard2/partitions";
const RAISED = '{"shard":"shard2","partitionCount":10,"generation":2}';

describe("POST /admin/v1/shards/{shard}/partitions", () => {
  test("asks that shard, and gives what it says", async () => {
    edge.router.respond = () => answer(200, RAISED);
    const response = await edge.send("POST", RAISE, { partitionCount: 10 });
    expect([response.status, await response.text()]).toEqual([200, RAISED]);
    const operation = { kind: "raise_partitions", partitionCount: 10 } as const;
    expect(edge.router.asked).toEqual([{ shard: "shard2" as never, operation }]);
  });

  test.each<[string, unknown, string]>([
    ["no number", {}, "partitionCount"],
    ["a text", { partitionCount: "10" }, "partitionCount"],
    ["a fraction", { partitionCount: 1.5 }, "partitionCount"],
    ["none", { partitionCount: 0 }, "partitionCount"],
    ["too many", { partitionCount: 1001 }, "partitionCount"],
    ["more than that", { partitionCount: 10, force: true }, "force"],
  ])("with %s is 400, and no shard is asked", async (_, body, path) => {
    const response = await edge.send("POST", RAISE, body);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: "invalid_request", errors: [{ path }] });
    expect(edge.router.asked).toEqual([]);
  });

  test("of fewer partitions than there are is the shard's own 400", async () => {
    const detail = "partitions are raised only";
    edge.router.respond = () => problemAnswer({ code: "invalid_request", detail });
    const response = await edge.send("POST", RAISE, { partitionCount: 1 });
    expect(response.status).toBe(400);
    const errors = [{ path: "partitionCount", reason: detail }];
    expect(await response.json()).toMatchObject({ detail, errors });
  });

  test.each([
    ["shard_unavailable", 503],
    ["outcome_unknown", 504],
  ] as const)("with a shard that is %s is %d", async (code, status) => {
    edge.router.respond = () => {
      throw routingFailure(code);
    };
    const response = await edge.send("POST", RAISE, { partitionCount: 10 });
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ code, context: { shard: "shard2" } });
  });
});

describe("POST /admin/v1/shards/{shard}/resend", () => {
  test("tells that shard's relay", async () => {
    edge.router.respond = () => answer(202, '{"shard":"shard1"}');
    const response = await edge.send("POST", "/admin/v1/shards/shard1/resend");
    expect([response.status, await response.json()]).toEqual([202, { shard: "shard1" }]);
    expect(edge.router.asked).toEqual([
      { shard: "shard1" as never, operation: { kind: "resend" } },
    ]);
  });
});

describe.each(["partitions", "resend"])("POST /admin/v1/shards/{shard}/%s", (what) => {
  test("of no shard is 404", async () => {
    const response = await edge.send("POST", `/admin/v1/shards/shard9/${what}`, {
      partitionCount: 10,
    });
    expect(response.status).toBe(404);
    expect((await bodyOf(response)).detail).toBe(
      "There is no such shard; there are shard1, shard2.",
    );
  });

  test("needs the scope admin", async () => {
    const token = await edge.tokenFor("read", "trade");
    const response = await edge.send(
      "POST",
      `/admin/v1/shards/shard1/${what}`,
      { partitionCount: 10 },
      { Authorization: `Bearer ${token}` },
    );
    expect([response.status, edge.router.asked]).toEqual([403, []]);
  });

  test("has no parameters, and is POST only", async () => {
    const path = `/admin/v1/shards/shard1/${what}`;
    expect((await edge.send("POST", `${path}?force=1`, { partitionCount: 10 })).status).toBe(400);
    const response = await edge.send("GET", path);
    expect([response.status, response.headers.get("allow")]).toEqual([405, "POST"]);
  });
});
