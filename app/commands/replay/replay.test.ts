import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { AccountId } from "../../../shards/domain/brands.ts";
import { systemClock } from "../../../shards/process/clock.ts";
import { reasonOf, UsageError } from "../../../shards/process/failure.ts";
import { accountOf, clientOrderIdOf, createOrderSender, type OrderSender } from "./order-sender.ts";
import { atTapeSpeed, sendAll } from "./replay.ts";
import { type RowOutcome, Tally } from "./tally.ts";
import { parseRow, type TapeRow } from "./tape.ts";

/** Far longer than what a busy machine adds, far shorter than the time between rows that go back. */
const STALL_MS_MAX = 10_000;

const rowAt = (line: number, timestampMs = 0): TapeRow =>
  parseRow("tape.csv", line, `${timestampMs},BTCUSDT,BUY,50000.10,0.010`);

async function* rowsOf(...rows: readonly TapeRow[]): AsyncGenerator<TapeRow, void, void> {
  yield* rows;
}

interface Asked {
  readonly token: string | null;
  readonly body: { readonly clientOrderId: string; readonly symbol: string };
}

type Answer = (asked: Asked) => Response | Promise<Response>;

const problem = (status: number, code: string, headers: Record<string, string> = {}): Response =>
  Response.json({ code }, { status, headers });
const accepted = (): Response => Response.json({ orderId: "1" }, { status: 201 });
const replayed = (status: number): Response =>
  Response.json({ code: "x" }, { status, headers: { "Idempotency-Replayed": "true" } });

describe("sending a row", () => {
  let answers: Answer[];
  let asked: Asked[];
  let server: ReturnType<typeof Bun.serve>;

  beforeEach(() => {
    answers = [];
    asked = [];
    server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: async (request) => {
        const body = (await request.json()) as Asked["body"];
        const one = { token: request.headers.get("authorization"), body };
        asked.push(one);
        return (answers.shift() ?? accepted)(one);
      },
    });
  });
  afterEach(() => server.stop(true));

  const sender = (more: { accounts?: number; rowTimeMsMax?: number } = {}): OrderSender =>
    createOrderSender({
      url: `http://127.0.0.1:${server.port}`,
      tokenFor: (account: AccountId) => Promise.resolve(`token-of-${account}`),
      accounts: 1,
      clock: systemClock,
      rowTimeMsMax: 60_000,
      ...more,
    });

  const soon = { "Retry-After": "0" };

  test.each<[string, Answer[], RowOutcome]>([
    ["201", [accepted], { type: "accepted" }],
    ["202", [() => Response.json({}, { status: 202 })], { type: "accepted" }],
    [
      "a stored refusal",
      [() => problem(422, "price_off_tick")],
      { type: "refused", code: "price_off_tick" },
    ],
    ["400", [() => problem(400, "invalid_request")], { type: "refused", code: "invalid_request" }],
    [
      "413 of a balancer",
      [() => new Response("no", { status: 413 })],
      { type: "refused", code: "http_413" },
    ],
    ["a replay", [() => replayed(200)], { type: "replayed" }],
    ["a replayed refusal", [() => replayed(422)], { type: "replayed" }],
    ["429, then 201", [() => problem(429, "rate_limited", soon), accepted], { type: "accepted" }],
    ["503, then 201", [() => problem(503, "overloaded", soon), accepted], { type: "accepted" }],
    [
      "504, then a replay",
      [() => problem(504, "outcome_unknown"), () => replayed(200)],
      { type: "accepted" },
    ],
    [
      "504, then a replayed refusal",
      [() => problem(504, "outcome_unknown"), () => replayed(422)],
      { type: "refused", code: "x" },
    ],
    ["500, then 201", [() => problem(500, "internal_error"), accepted], { type: "accepted" }],
  ])("%s", async (_what, script, outcome) => {
    answers = [...script];
    const expected = script.length;
    expect(await sender()(rowAt(2))).toEqual(outcome);
    expect(asked).toHaveLength(expected);
    expect(new Set(asked.map(({ body }) => body.clientOrderId)).size).toBe(1);
  });

  test("503 for longer than a row may take: not taken", async () => {
    answers = [() => problem(503, "shard_unavailable", { "Retry-After": "1" })];
    expect(await sender({ rowTimeMsMax: 500 })(rowAt(2))).toEqual({
      type: "notTaken",
      code: "shard_unavailable",
    });
  });

  test("504 for longer than a row may take: unknown, though a 503 came last", async () => {
    answers = [
      () => problem(504, "outcome_unknown"),
      () => problem(503, "overloaded", { "Retry-After": "1" }),
    ];
    expect(await sender({ rowTimeMsMax: 700 })(rowAt(2))).toEqual({ type: "unknown" });
  });

  test("a server that is gone: unknown", async () => {
    const send = sender({ rowTimeMsMax: 0 });
    await server.stop(true);
    expect(await send(rowAt(2))).toEqual({ type: "unknown" });
  });

  test("a refused token stops the replay with a sentence", async () => {
    answers = [() => problem(401, "unauthenticated")];
    const error: unknown = await sender()(rowAt(2)).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(UsageError);
    expect(reasonOf(error)).toContain("refuses the token (unauthenticated): set SLUICE_JWT_SECRET");
  });

  test("accounts take turns, with a token of their own", async () => {
    const send = sender({ accounts: 2 });
    for (const line of [2, 3, 4]) await send(rowAt(line));
    expect(asked.map(({ token }) => token)).toEqual([
      "Bearer token-of-1",
      "Bearer token-of-2",
      "Bearer token-of-1",
    ]);
  });
});

describe("a row's client order id", () => {
  test("is the same in each run, and another for another line or text", () => {
    const id = clientOrderIdOf(rowAt(2));
    expect(clientOrderIdOf(rowAt(2))).toBe(id);
    expect(clientOrderIdOf(rowAt(3))).not.toBe(id);
    expect(clientOrderIdOf(rowAt(2, 5))).not.toBe(id);
    expect(clientOrderIdOf(rowAt(999_999_999))).toMatch(/^[.A-Z:/a-z0-9_-]{1,36}$/);
  });

  test("belongs to the same account for the same number of accounts", () => {
    expect([2, 3, 4, 5].map((line) => Number(accountOf(rowAt(line), 3)))).toEqual([1, 2, 3, 1]);
  });
});

describe("sending a tape", () => {
  const options = (send: OrderSender, connections = 2) => ({
    connections,
    send,
    tally: new Tally(),
    clock: systemClock,
  });
  const rows = (count: number): readonly TapeRow[] =>
    Array.from({ length: count }, (_, index) => rowAt(index + 2));

  test("has as many rows under way as connections, in the tape's order", async () => {
    const gates: (() => void)[] = [];
    const begun: number[] = [];
    const twoUnderWay = Promise.withResolvers<void>();
    const send: OrderSender = async (row) => {
      begun.push(row.line);
      const gate = Promise.withResolvers<void>();
      gates.push(gate.resolve);
      if (gates.length === 2) twoUnderWay.resolve();
      if (begun.length <= 2) await gate.promise;
      return { type: "accepted" };
    };
    const sending = options(send);
    const done = sendAll(rowsOf(...rows(5)), sending);
    await twoUnderWay.promise;
    await new Promise((resolve) => setImmediate(resolve));
    expect(begun).toEqual([2, 3]);
    for (const open of gates) open();
    await done;
    expect(begun).toEqual([2, 3, 4, 5, 6]);
    expect(sending.tally.accepted).toBe(5);
  });

  test.each<[string, OrderSender]>([
    ["a row without a certain answer", () => Promise.resolve({ type: "unknown" })],
    ["a row never taken", () => Promise.resolve({ type: "notTaken", code: "overloaded" })],
  ])("stops at %s and is not certain", async (_what, send) => {
    const sending = options(send, 1);
    await sendAll(rowsOf(...rows(5)), sending);
    expect(sending.tally.sent).toBe(1);
    expect(sending.tally.certain).toBe(false);
  });

  test("waits for what is under way when another row fails", async () => {
    const gate = Promise.withResolvers<RowOutcome>();
    const sending = options((row) =>
      row.line === 2 ? gate.promise : Promise.reject(new UsageError("bad token")),
    );
    const done = sendAll(rowsOf(...rows(5)), sending);
    gate.resolve({ type: "accepted" });
    expect(await done.catch(reasonOf)).toBe("bad token");
    expect(sending.tally.accepted).toBe(1);
  });

  test("at speed 1 keeps the tape's times, and never waits for one that goes back", async () => {
    const startedMs = systemClock.monotonicMs();
    const at: number[] = [];
    for await (const row of atTapeSpeed(
      rowsOf(rowAt(2, 1_000_000), rowAt(3, 1_000_060), rowAt(4, 5)),
      systemClock,
    )) {
      at.push(systemClock.monotonicMs() - startedMs);
      expect(row.line).toBe(at.length + 1);
    }
    const [first = 0, second = 0, third = 0] = at;
    expect(first).toBeLessThan(STALL_MS_MAX);
    expect(second - first).toBeGreaterThanOrEqual(58);
    expect(third - second).toBeLessThan(STALL_MS_MAX);
  });
});

test("the summary counts each outcome once, with rate and latency", () => {
  const tally = new Tally();
  for (let row = 0; row < 98; row += 1) tally.add({ type: "accepted" }, 2);
  tally.add({ type: "refused", code: "unknown_symbol" }, 2);
  tally.add({ type: "replayed" }, 100);
  expect(tally.summary(500)).toEqual([
    "sent      100",
    "accepted  98",
    "refused   1  unknown_symbol",
    "replayed  1",
    "rate      200 orders/s",
    "latency   p50 2.0 ms, p99 2.0 ms",
  ]);
  expect(tally.certain).toBe(true);
  tally.add({ type: "unknown" }, 1);
  expect(tally.summary(500)).toContain("unknown   1");
  expect(tally.certain).toBe(false);
});
