import { describe, expect, test } from "bun:test";
import { limitOrder } from "../support/contract-client.ts";
import { startedOnce } from "../support/contract-fixture.ts";

const running = startedOnce({
  SLUICE_REQUEST_DEADLINE: "2s",
  SLUICE_SHARD_INTAKE_WAIT_MAX: "1900ms",
});

const ORDER_BYTES_MAX = 64 * 1024;
const BATCH_BYTES_MAX = 1024 * 1024;

/** A good order, or a batch with one, filled up with white space. */
const bodyOf = (path: string, bytes: number): string => {
  const order = JSON.stringify(limitOrder());
  return (path.endsWith("batch") ? `{"orders":[${order}]}` : order).padEnd(bytes);
};

const inChunks = (text: string): ReadableStream<Uint8Array> => {
  const bytes = new TextEncoder().encode(text);
  let sent = 0;
  return new ReadableStream({
    pull: (controller) => {
      controller.enqueue(bytes.slice(sent, sent + 8192));
      sent += 8192;
      if (sent >= bytes.length) controller.close();
    },
  });
};

describe("a body", () => {
  const limits: readonly (readonly [string, number, number])[] = [
    ["/v1/orders", ORDER_BYTES_MAX, 201],
    ["/v1/orders/batch", BATCH_BYTES_MAX, 200],
  ];
  test.each(limits)("of %s may have %d bytes, chunked or not", async (path, bytesMax, status) => {
    for (const body of [bodyOf(path, bytesMax), inChunks(bodyOf(path, bytesMax))]) {
      expect((await running.client.send("POST", path, { body })).status).toBe(status);
    }
    for (const body of [bodyOf(path, bytesMax + 1), inChunks(bodyOf(path, bytesMax + 1))]) {
      const answer = await running.client.send("POST", path, { body });
      expect([answer.status, answer.json.code]).toEqual([413, "body_too_large"]);
      expect(answer.json.context).toEqual({ bytesMax });
    }
  });

  test("of a PATCH may have 64 KiB", async () => {
    const { orderId } = await running.client.accepted(limitOrder());
    const change = (bytes: number) =>
      running.client.send("PATCH", `/v1/orders/${orderId}`, {
        body: '{"price":"49000.00"}'.padEnd(bytes),
      });
    expect((await change(ORDER_BYTES_MAX)).status).toBe(200);
    expect((await change(ORDER_BYTES_MAX + 1)).json.code).toBe("body_too_large");
  });

  test.each([
    ["", 415],
    ["text/plain", 415],
    ["application/x-www-form-urlencoded", 415],
    ["application/json; charset=utf-16", 415],
    ["application/json; charset=latin1", 415],
    ["application/jsonp", 415],
    ["application/json; charset=utf-8", 201],
    ["Application/JSON;charset=UTF-8", 201],
    ['application/json; charset="utf-8"', 201],
  ])("as %p gives %d", async (type, expected) => {
    for (const path of ["/v1/orders", "/v1/orders/batch"]) {
      const json = path.endsWith("batch") ? { orders: [limitOrder()] } : limitOrder();
      const headers = { "Content-Type": type };
      const answer = await running.client.send("POST", path, { json, headers });
      expect(answer.status).toBe(expected === 201 && path.endsWith("batch") ? 200 : expected);
      if (expected === 415) expect(answer.json.code).toBe("unsupported_media_type");
    }
  });

  const order = JSON.stringify(limitOrder());
  test.each<[string, Uint8Array<ArrayBuffer>, number]>([
    ["UTF-16 little-endian", new Uint8Array(Buffer.from(order, "utf16le")), 400],
    ["UTF-16 with its mark", new Uint8Array(Buffer.from(`\ufeff${order}`, "utf16le")), 400],
    ["bytes that are no UTF-8", new Uint8Array([...Buffer.from(order.slice(0, -1)), 0xff]), 400],
    ["half a character", new Uint8Array([...Buffer.from('{"symbol":"'), 0xe2, 0x82]), 400],
    ["UTF-8 with a mark before it", new Uint8Array(Buffer.from(`\ufeff${order}`)), 201],
  ])("in %s", async (_, body, status) => {
    const answer = await running.client.send("POST", "/v1/orders", { body });
    expect(answer.status).toBe(status);
  });

  test("of 10,000 levels is refused, as is one of a million brackets", async () => {
    for (const levels of [10_000, 30_000]) {
      const body = `{"symbol":${"[".repeat(levels)}${"]".repeat(levels)}}`;
      const { status, json } = await running.client.send("POST", "/v1/orders", { body });
      expect([status, json.code]).toEqual([400, "invalid_request"]);
    }
    const body = `{"orders":[${"[".repeat(500_000)}${"]".repeat(500_000)}]}`;
    const answer = await running.client.send("POST", "/v1/orders/batch", { body });
    expect([200, 400]).toContain(answer.status);
  });
});

describe("Request-Id", () => {
  test.each(["a", "A.b_c-9", "x".repeat(64)])("is the X-Request-Id %s", async (id) => {
    const headers = { "X-Request-Id": id };
    for (const path of ["/v1/time", "/nowhere", "/v1/orders/1"]) {
      const answer = await running.client.send("GET", path, { headers });
      expect(answer.headers.get("request-id")).toBe(id);
    }
  });

  test.each(["", "x".repeat(65), "a b", "a,b", "ü", "a/b", "<script>"])(
    "is made anew in place of %p, and for none",
    async (id) => {
      const given = await running.client.send("GET", "/v1/time", {
        headers: { "X-Request-Id": id },
      });
      const none = await running.client.send("GET", "/v1/time");
      const ids = [given, none].map(({ headers }) => headers.get("request-id"));
      expect(ids).not.toContain(id);
      expect(new Set(ids).size).toBe(2);
    },
  );
});

describe("a method that a path lacks", () => {
  test.each([
    ["PUT", "/v1/orders", "GET, POST, DELETE, HEAD"],
    ["PATCH", "/v1/orders", "GET, POST, DELETE, HEAD"],
    ["POST", "/v1/orders/1", "GET, PATCH, DELETE, HEAD"],
    ["GET", "/v1/orders/batch", "POST"],
    ["DELETE", "/v1/orders/batch", "POST"],
    ["POST", "/v1/instruments", "GET, HEAD"],
    ["POST", "/v1/time", "GET, HEAD"],
    ["DELETE", "/admin/v1/shards", "GET, HEAD"],
    ["POST", "/healthz", "GET, HEAD"],
    ["POST", "/readyz", "GET, HEAD"],
    ["POST", "/metrics", "GET, HEAD"],
    ["POST", "/docs", "GET, HEAD"],
  ])("%s %s is 405 with Allow: %s", async (method, path, allow) => {
    const answer = await running.client.send(method, path);
    expect([answer.status, answer.json.code]).toEqual([405, "method_not_allowed"]);
    expect(answer.headers.get("allow")).toBe(allow);
    const options = await running.client.send("OPTIONS", path);
    expect([options.status, options.headers.get("allow")]).toEqual([204, allow]);
  });

  test("HEAD is GET without its body", async () => {
    for (const path of ["/v1/time", "/v1/orders", "/healthz", "/nowhere", "/docs"]) {
      const get = await running.client.send("GET", path);
      const head = await running.client.send("HEAD", path);
      expect([head.status, head.text]).toEqual([get.status, ""]);
      expect(head.headers.get("content-type")).toBe(get.headers.get("content-type"));
    }
  });
});

describe("a path that is nowhere", () => {
  test.each([
    "/",
    "/v1",
    "/v1/",
    "/v1/orders/",
    "/v1/orders/1/2",
    "/V1/orders",
    "/v2/orders",
    "/v1//time",
    "/v1/time/",
    "/v1/time%00",
    "/v1/%ff",
    "/docs/",
    "/docs/../app",
    "/docs/swagger-ui.css.map",
    "/.env",
    "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
  ])("%s is 404 not_found", async (path) => {
    const { status, json } = await running.client.send("GET", path, { account: null });
    expect([status, json.code]).toEqual([404, "not_found"]);
  });
});
