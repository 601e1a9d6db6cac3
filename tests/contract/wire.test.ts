import { describe, expect, test } from "bun:test";
import { freshAccount, freshId, limitOrder } from "../support/contract-client.ts";
import { startedOnce } from "../support/contract-fixture.ts";
import { openWire, type WireAnswer } from "../support/contract-wire.ts";

/** A short deadline makes the wait for a silent sender short. */
const running = startedOnce({
  SLUICE_REQUEST_DEADLINE: "2s",
  SLUICE_SHARD_INTAKE_WAIT_MAX: "1900ms",
});

/** One request as bytes, on a connection of its own. */
const ask = async (bytes: string): Promise<WireAnswer | undefined> => {
  const wire = await openWire(running.client.address);
  wire.write(bytes);
  const answer = await wire.answer();
  wire.destroy();
  return answer;
};
/** Its status; undefined when the connection was closed without an answer. */
const statusOf = async (bytes: string): Promise<number | undefined> => (await ask(bytes))?.status;

describe("a Host header", () => {
  test.each([
    ["", "empty"],
    ["a b<>%%", "no host name"],
    ["[::", "half an address"],
    ["x:99999", "a port that is none"],
    ["x/y?z", "more than a host"],
    ["evil.example", "another server's"],
  ])("of %p (%s) changes nothing", async (host) => {
    const of = (path: string) => statusOf(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    expect(await of("/v1/time")).toBe(200);
    expect(await of("/nowhere")).toBe(404);
    expect(await of("/v1/orders")).toBe(401);
  });

  test("is not needed in HTTP/1.0, which probes of load balancers speak", async () => {
    const of = (path: string) => statusOf(`GET ${path} HTTP/1.0\r\n\r\n`);
    expect(await of("/healthz")).toBe(200);
    expect(await of("/readyz")).toBe(200);
    expect(await of("/nowhere")).toBe(404);
  });

  test("is needed in HTTP/1.1; the parser's own answer has no body", async () => {
    const answer = await ask("GET /v1/time HTTP/1.1\r\n\r\n");
    expect([answer?.status, answer?.body]).toEqual([400, ""]);
  });
});

describe("on the wire", () => {
  const account = freshAccount();
  const head = async (more: string, path = "/v1/orders"): Promise<string> =>
    `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n` +
    `Authorization: Bearer ${await running.client.tokenOf(account)}\r\n${more}\r\n`;
  const orderText = (clientOrderId = freshId()) => JSON.stringify(limitOrder({ clientOrderId }));
  const isStored = async (clientOrderId: string): Promise<boolean> => {
    const path = `/v1/orders?symbol=BTCUSDT&clientOrderId=${clientOrderId}`;
    return (await running.client.send("GET", path, { account })).status === 200;
  };

  /** Requests that differ in their answers, each with an id of its own. */
  const requestsOf = async (orders: readonly string[]): Promise<readonly string[]> => {
    const requests: string[] = [];
    for (const [n, order] of orders.entries()) {
      const post = await head(`X-Request-Id: r-${3 * n}\r\nContent-Length: ${order.length}\r\n`);
      const get = (path: string, m: number) =>
        `GET ${path} HTTP/1.1\r\nHost: x\r\nX-Request-Id: r-${m}\r\n\r\n`;
      requests.push(post + order, get("/v1/time", 3 * n + 1), get("/nowhere", 3 * n + 2));
    }
    return requests;
  };
  const expectAnswer = (answer: WireAnswer | undefined, n: number): void => {
    const expected = [`r-${n}`, [201, 200, 404][n % 3]];
    expect([answer?.headers["request-id"], answer?.status]).toEqual(expected);
  };

  test("a connection serves request after request", async () => {
    const requests = await requestsOf(Array.from({ length: 10 }, () => orderText()));
    const wire = await openWire(running.client.address);
    for (const [n, request] of requests.entries()) {
      wire.write(request);
      expectAnswer(await wire.answer(), n);
    }
    wire.destroy();
  });

  // Bun closes a connection on which a request comes before the one ahead of it is answered.
  test("pipelined requests are answered in order or not, and then a repeat is certain", async () => {
    const orders = Array.from({ length: 10 }, () => orderText());
    const requests = await requestsOf(orders);
    const wire = await openWire(running.client.address);
    wire.write(requests.join(""));
    for (const n of requests.keys()) {
      const answer = await wire.answer();
      if (answer === undefined) break;
      expectAnswer(answer, n);
    }
    wire.destroy();
    const ids: unknown[] = [];
    for (const body of [...orders, ...orders]) {
      const { status, json } = await running.client.send("POST", "/v1/orders", { account, body });
      expect([200, 201]).toContain(status);
      ids.push(json.orderId);
    }
    expect(ids.slice(10)).toEqual(ids.slice(0, 10));
  });

  test("a body whose sender goes away is no order", async () => {
    const ids = Array.from({ length: 50 }, () => freshId());
    for (const [n, id] of ids.entries()) {
      const order = orderText(id);
      const isChunked = n % 2 === 0;
      const length = isChunked
        ? "Transfer-Encoding: chunked\r\n"
        : `Content-Length: ${order.length}\r\n`;
      const wire = await openWire(running.client.address);
      const size = isChunked ? `${order.length.toString(16)}\r\n` : "";
      wire.write((await head(length)) + size + order.slice(0, n));
      if (n % 3 === 0) wire.end();
      else wire.destroy();
      await wire.closed;
    }
    for (const id of ids) expect([id, await isStored(id)]).toEqual([id, false]);
  });

  test("a body that takes longer than the deadline of an answer is placed all the same", async () => {
    const order = orderText();
    const slow = await openWire(running.client.address);
    slow.write(`${await head(`Content-Length: ${order.length}\r\n`)}${order.slice(0, 20)}`);
    // Longer than the deadline: the sender's own time, so nothing here can tell that it is over.
    await Bun.sleep(2_100);
    slow.write(order.slice(20));
    expect((await slow.answer())?.status).toBe(201);
    slow.destroy();
  });

  test("a slow sender is waited for, byte by byte; a silent one is let go", async () => {
    const order = orderText();
    const slow = await openWire(running.client.address);
    const silent = await openWire(running.client.address);
    silent.write((await head(`Content-Length: ${order.length}\r\n`)) + order.slice(0, 10));
    slow.write(await head(`Content-Length: ${order.length}\r\n`));
    for (const byte of order) {
      slow.write(byte);
      await running.client.send("GET", "/v1/time");
    }
    expect((await slow.answer())?.status).toBe(201);
    slow.destroy();
    expect((await silent.answer())?.status ?? 400).toBe(400);
    await silent.closed;
  });

  test.each([
    "Content-Length: -5",
    "Content-Length: 5\r\nContent-Length: 6",
    "Content-Length: 99999999999999999999",
    "Content-Length: 5\r\nTransfer-Encoding: chunked",
    "Content-Length: 1e3",
    "Content-Length: ",
    "Transfer-Encoding: gzip, sideways",
    "Content-Length : 5",
    "no colon",
    ": no name",
    "a\0b: c",
    `X-Long: ${"x".repeat(100_000)}`,
    "X: y\r\n".repeat(5000),
  ])("a header that is none is refused or let be, and never a failure: %#", async (header) => {
    const wire = await openWire(running.client.address);
    wire.write(`${await head(`${header.slice(0, 100_000)}\r\n`)}hello`);
    wire.end();
    const answer = await wire.answer();
    expect(answer?.status ?? 400).toBeWithin(400, 500);
    wire.destroy();
  });

  test("a body of more bytes than it may have is refused before it comes", async () => {
    const answer = await ask(await head("Content-Length: 70000\r\n"));
    expect([answer?.status, JSON.parse(answer?.body ?? "").code]).toEqual([413, "body_too_large"]);
  });

  test("chunks may have extensions; one that is none ends the connection", async () => {
    const order = orderText();
    const chunked = await head("Transfer-Encoding: chunked\r\n");
    const chunk = `${order.length.toString(16)};x="y"\r\n${order}\r\n`;
    expect(await statusOf(`${chunked}${chunk}0\r\n\r\n`)).toBe(201);
    expect((await statusOf(`${chunked}zz\r\n${order}`)) ?? 400).toBe(400);
    expect((await statusOf(`${chunked}${"f".repeat(20)}\r\n${order}`)) ?? 400).toBe(400);
  });

  // Bun takes a trailer for the head of another request, and refuses that.
  test("trailers change nothing of a request, and a repeat is certain", async () => {
    const order = orderText();
    const chunked = await head("Transfer-Encoding: chunked\r\nTrailer: X-After\r\n");
    const chunk = `${order.length.toString(16)}\r\n${order}\r\n`;
    const after = "0\r\nX-After: 1\r\nAuthorization: Bearer x\r\n\r\n";
    expect([201, 400]).toContain((await statusOf(chunked + chunk + after)) ?? 400);
    const options = { account, body: order };
    const first = await running.client.send("POST", "/v1/orders", options);
    expect([200, 201]).toContain(first.status);
    expect((await running.client.send("POST", "/v1/orders", options)).text).toBe(first.text);
  });

  test.each([
    ["//v1/time", 404],
    ["/v1/../v1/time", 200],
    ["/v1/%2e%2e/v1/time", 200],
    ["/v1/time#part", 200],
    ["/v1/orders/%zz", 401],
    ["/v1/orders/%ff%00", 401],
    ["/\xff\xfe", 404],
    ["/a<b>'\"", 404],
    ["http://else.example/v1/time", 200],
  ])("the path %p is %d", async (path, status) => {
    expect(await statusOf(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)).toBe(status);
  });

  test.each([
    "GET",
    "GET /v1/time",
    "GET /v1/time HTTP/9.9",
    "FOO /v1/time HTTP/1.1",
    "GET  /v1/time HTTP/1.1",
    "GET /v1/ti me HTTP/1.1",
    "OPTIONS * HTTP/1.1",
    "CONNECT x:1 HTTP/1.1",
    "PRI * HTTP/2.0",
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
  ])("the request line %p is refused or not answered", async (line) => {
    const wire = await openWire(running.client.address);
    wire.write(`${line}\r\nHost: x\r\n\r\n`);
    wire.end();
    const status = (await wire.answer())?.status ?? 400;
    // 505 is the parser's: a version of HTTP that is none.
    expect([400, 404, 405, 505]).toContain(status);
    wire.destroy();
  });
});
