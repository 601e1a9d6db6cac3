import { beforeEach, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { CODES } from "../../shards/domain/codes.ts";
import { serveOptions } from "./app.ts";
import { BATCH_BODY_BYTES_MAX, ORDER_BODY_BYTES_MAX } from "./body.ts";
import { answer, bodyOf, createFakeEdge, type FakeEdge, ORDER_BODY } from "./fake-edge.ts";

const order = {
  clientOrderId: "a-1",
  symbol: "BTCUSDT",
  side: "BUY",
  type: "LIMIT",
  price: "50000.10",
  quantity: "0.010",
};
const GOOD = JSON.stringify(order);

let edge: FakeEdge;
beforeEach(async () => {
  edge = await createFakeEdge();
});

describe("every answer", () => {
  test.each<[string, string, string, unknown, number]>([
    ["a placed order", "POST", "/v1/orders", order, 201],
    ["a refused body", "POST", "/v1/orders", {}, 400],
    ["an unknown path", "GET", "/v1/moon", undefined, 404],
    ["a wrong method", "PUT", "/v1/orders", undefined, 405],
    ["an asked method", "OPTIONS", "/v1/orders", undefined, 204],
    ["a health check", "GET", "/healthz", undefined, 200],
  ])("to %s has Request-Id and Server-Timing", async (_, method, path, body, status) => {
    const response = await edge.send(method, path, body);
    expect(response.status).toBe(status);
    expect(response.headers.get("request-id")).toMatch(/^[A-Za-z0-9._-]{1,64}$/);
    expect(response.headers.get("server-timing")).toMatch(/total;dur=\d+\.\d{3}$/);
    if (status < 400) return;
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    const problem = await bodyOf(response);
    expect(problem).toMatchObject({ status, type: expect.stringMatching(/^\/docs\/errors#/) });
    expect(problem.requestId).toBe(response.headers.get("request-id") ?? "");
  });

  test.each<[string, string, boolean]>([
    ["a-Z.0_9", "a-Z.0_9", true],
    ["64 characters", "x".repeat(64), true],
    ["65 characters", "x".repeat(65), false],
    ["a space", "a b", false],
    ["markup", "<b>", false],
  ])("takes the caller's X-Request-Id if it fits: %s", async (_, id, taken) => {
    const response = await edge.send("GET", "/v1/time", undefined, { "X-Request-Id": id });
    expect(response.headers.get("request-id") === id).toBe(taken);
  });

  test("to an unexpected error is 500 without its reason", async () => {
    edge.router.shardOfOrder = () => {
      throw new Error("secret of the house");
    };
    const response = await edge.send("GET", "/v1/orders/4097");
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain("secret");
  });
});

describe("paths and methods", () => {
  test.each([
    "/v1/stream",
    "/v1/orders/stream",
    "/v1/orders/",
    "/v1/orders/4097/fills",
    "/v1/settings/BTCUSDT/leverage",
    "/admin/v1/accounts/42",
    "/admin/v1/instruments/BTCUSDT",
    "/",
  ])("%s is not here yet", async (path) => {
    for (const method of ["GET", "POST", "PUT"]) {
      const response = await edge.send(method, path);
      expect([method, response.status]).toEqual([method, 404]);
      expect(await response.json()).toMatchObject({ code: "not_found" });
    }
  });

  test.each([
    ["PUT", "/v1/orders", "GET, POST, DELETE, HEAD"],
    ["GET", "/v1/orders/batch", "POST"],
    ["DELETE", "/v1/orders/batch", "POST"],
    ["GET", "/v1/orders/check", "POST"],
    ["GET", "/v1/settings", "PUT"],
    ["GET", "/v1/settings/BTCUSDT", "PUT"],
    ["GET", "/admin/v1/accounts/42/transfers", "POST"],
    ["GET", "/admin/v1/trading-state", "PUT"],
    ["POST", "/v1/orders/4097", "GET, PATCH, DELETE, HEAD"],
    ["POST", "/v1/time", "GET, HEAD"],
    ["DELETE", "/openapi.json", "GET, HEAD"],
  ])("%s %s is 405 and allows %s", async (method, path, allow) => {
    const response = await edge.send(method, path);
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe(allow);
    expect(await response.json()).toMatchObject({ code: "method_not_allowed" });
  });

  test("OPTIONS says what a path allows", async () => {
    const response = await edge.send("OPTIONS", "/v1/orders/4097");
    expect(response.status).toBe(204);
    expect(response.headers.get("allow")).toBe("GET, PATCH, DELETE, HEAD");
  });

  test("HEAD is GET without a body", async () => {
    const response = await edge.send("HEAD", "/v1/time");
    expect(response.status).toBe(200);
    expect(await response.text()).toBe("");
  });
});

describe("authentication", () => {
  const challengeOf = async (
    headers: Record<string, string>,
    method = "POST",
    path = "/v1/orders",
  ) => {
    const body = method === "POST" ? order : undefined;
    const response = await edge.send(method, path, body, headers);
    return {
      status: response.status,
      code: ((await response.json()) as { code?: string }).code,
      challenge: response.headers.get("www-authenticate"),
    };
  };

  test("without a token is unauthenticated", async () => {
    const response = await edge.api.app.request("/v1/orders", { method: "POST", body: GOOD });
    expect(response.status).toBe(401);
    expect(response.headers.get("www-authenticate")).toBe('Bearer realm="sluice"');
    expect(await response.json()).toMatchObject({ code: "unauthenticated" });
  });

  test.each(["Basic YTpi", "Bearer", "Bearer ", "Bearer a b", "Bearer not.a.token"])(
    "with %j is unauthenticated",
    async (authorization) => {
      const refused = await challengeOf({ Authorization: authorization });
      expect(refused).toMatchObject({ status: 401, code: "unauthenticated" });
      expect(refused.challenge).toStartWith('Bearer realm="sluice"');
    },
  );

  test("takes the scheme in any case", async () => {
    const token = await edge.tokenFor("trade");
    expect(await challengeOf({ Authorization: `bearer ${token}` })).toMatchObject({ status: 201 });
  });

  test.each<[string, string, "read" | "trade" | "admin"]>([
    ["POST", "/v1/orders", "trade"],
    ["POST", "/v1/orders/batch", "trade"],
    ["PATCH", "/v1/orders/4097", "trade"],
    ["DELETE", "/v1/orders/4097", "trade"],
    ["DELETE", "/v1/orders", "trade"],
    ["GET", "/v1/orders", "read"],
    ["GET", "/v1/orders/4097", "read"],
    ["GET", "/v1/instruments", "read"],
    ["POST", "/v1/orders/check", "trade"],
    ["GET", "/v1/account", "read"],
    ["GET", "/v1/positions", "read"],
    ["PUT", "/v1/settings", "trade"],
    ["PUT", "/v1/settings/BTCUSDT", "trade"],
    ["GET", "/admin/v1/shards", "admin"],
    ["POST", "/admin/v1/accounts/42/transfers", "admin"],
    ["POST", "/admin/v1/executions", "admin"],
    ["POST", "/admin/v1/mark-prices", "admin"],
    ["PUT", "/admin/v1/trading-state", "admin"],
  ])("%s %s needs the scope %s", async (method, path, scope) => {
    const others = (["read", "trade", "admin"] as const).filter((other) => other !== scope);
    const lacking = { Authorization: `Bearer ${await edge.tokenFor(...others)}` };
    const refused = await challengeOf(lacking, method, path);
    expect(refused).toEqual({
      status: 403,
      code: "scope_missing",
      challenge: `Bearer realm="sluice", error="insufficient_scope", scope="${scope}"`,
    });
    expect(edge.router.asked).toEqual([]);
  });

  test.each(["/v1/time", "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"])(
    "%s asks for no token",
    async (path) => {
      edge.router.respond = () => answer(200, "[]");
      expect((await edge.api.app.request(path)).status).not.toBe(401);
    },
  );
});

describe("a body", () => {
  test.each<[string, string, number]>([
    ["application/json", "application/json", 201],
    ["with its charset", "application/json; charset=utf-8", 201],
    ["with its charset in capitals", "application/json;charset=UTF-8", 201],
    ["in another charset", "application/json; charset=latin1", 415],
    ["as a form", "application/x-www-form-urlencoded", 415],
    ["as text", "text/plain", 415],
    ["of another JSON", "application/json-seq", 415],
  ])("%s", async (_, contentType, status) => {
    const response = await edge.send("POST", "/v1/orders", GOOD, { "Content-Type": contentType });
    expect(response.status).toBe(status);
  });

  test.each([
    ["empty", ""],
    ["cut off", GOOD.slice(0, -1)],
    ["two values", `${GOOD}${GOOD}`],
    ["not JSON", "price=1"],
  ])("that is %s is 400", async (_, text) => {
    const response = await edge.send("POST", "/v1/orders", text);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      code: "invalid_request",
      errors: [{ path: "" }],
    });
  });

  test("that is not UTF-8 is 400", async () => {
    const token = await edge.tokenFor("trade");
    const body = new Uint8Array([...Buffer.from(GOOD.slice(0, -2)), 0xff, 0x22, 0x7d]);
    const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
    const response = await edge.api.app.request("/v1/orders", { method: "POST", headers, body });
    expect(response.status).toBe(400);
    expect(await response.text()).toContain("UTF-8");
  });

  test("with a repeated key means the last", async () => {
    await edge.send("POST", "/v1/orders", `${GOOD.slice(0, -1)},"side":"SELL"}`);
    expect(edge.router.asked).toMatchObject([{ operation: { request: { side: "SELL" } } }]);
  });
});

describe("over a socket", () => {
  const padded = (bytes: number): string => GOOD.padEnd(bytes, " ");

  /** Sends raw text and gives the status; the request says `Connection: close`. */
  const statusOf = (port: number, head: string, parts: readonly string[]): Promise<number> => {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    let received = "";
    const socket = connect(port, "127.0.0.1", () => {
      socket.write(head);
      for (const part of parts) socket.write(part);
    });
    socket.on("data", (data) => {
      received += data.toString();
      const status = /^HTTP\/1\.1 (\d+) /.exec(received)?.[1];
      if (status === undefined) return;
      resolve(Number(status));
      socket.destroy();
    });
    socket.on("error", reject);
    socket.on("close", () => reject(new Error(`closed after ${JSON.stringify(received)}`)));
    return promise;
  };

  const chunked = (text: string): string[] => {
    const chunks: string[] = [];
    for (let i = 0; i < text.length; i += 16_384) {
      const chunk = text.slice(i, i + 16_384);
      chunks.push(`${chunk.length.toString(16)}\r\n${chunk}\r\n`);
    }
    return [...chunks, "0\r\n\r\n"];
  };

  test.each<[string, string, number, boolean, number]>([
    ["an order at the limit", "/v1/orders", ORDER_BODY_BYTES_MAX, false, 201],
    ["an order over the limit", "/v1/orders", ORDER_BODY_BYTES_MAX + 1, false, 413],
    ["a chunked order at the limit", "/v1/orders", ORDER_BODY_BYTES_MAX, true, 201],
    ["a chunked order over the limit", "/v1/orders", ORDER_BODY_BYTES_MAX + 1, true, 413],
    ["a chunked order far over it", "/v1/orders", 40 * ORDER_BODY_BYTES_MAX, true, 413],
    ["a batch at its limit", "/v1/orders/batch", BATCH_BODY_BYTES_MAX, false, 400],
    ["a batch over its limit", "/v1/orders/batch", BATCH_BODY_BYTES_MAX + 1, false, 413],
    ["a chunked batch over its limit", "/v1/orders/batch", BATCH_BODY_BYTES_MAX + 1, true, 413],
  ])("%s", async (_, path, bytes, inChunks, expected) => {
    const token = await edge.tokenFor("trade");
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      ...serveOptions(5000),
      fetch: (request) => edge.api.fetch(request),
    });
    try {
      const length = inChunks ? "Transfer-Encoding: chunked" : `Content-Length: ${bytes}`;
      const head =
        `POST ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n` +
        `Content-Type: application/json\r\n${length}\r\n\r\n`;
      const body = padded(bytes);
      const parts = inChunks ? chunked(body) : [body];
      expect(await statusOf(server.port ?? 0, head, parts)).toBe(expected);
    } finally {
      await server.stop(true);
    }
  });
});

test("each code of the closed list has a row in the table of errors", async () => {
  const page = await (await edge.send("GET", "/docs/errors")).text();
  for (const code of Object.keys(CODES)) expect(page).toContain(`<tr id="${code}">`);
});

test("metrics count requests by route and status, with the shards' own beside", async () => {
  edge.router.respond = ({ kind }, shard) => {
    if (kind === "place") return answer(201, ORDER_BODY);
    if (shard === "shard2") throw new Error("cannot be");
    return answer(200, "[]");
  };
  await edge.send("POST", "/v1/orders", order);
  await edge.send("GET", "/v1/nowhere");
  edge.router.respond = (_, shard) => {
    const values = [{ labels: { shard }, value: shard === "shard1" ? 7 : 8 }];
    const metric = {
      name: "sluice_commits",
      help: "c",
      type: "counter",
      aggregator: "sum",
      values,
    };
    return answer(200, JSON.stringify([metric]));
  };
  const text = await (await edge.send("GET", "/metrics")).text();
  expect(text).toContain(
    'sluice_http_requests_total{route="POST /v1/orders",status="201",process="api"} 1',
  );
  expect(text).toContain('sluice_http_requests_total{route="none",status="404",process="api"} 1');
  expect(text).toContain('sluice_commits{shard="shard1"} 7');
  expect(text).toContain('sluice_commits{shard="shard2"} 8');
  expect(text).toContain('sluice_shard_up{shard="shard1",process="api"} 1');
  expect(text).toMatch(
    /sluice_http_request_duration_seconds_bucket\{le="5",route="POST \/v1\/orders",process="api"\} 1/,
  );
});
