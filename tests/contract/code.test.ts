/** Every code that needs no margin, really produced, and what the codes of a fault promise. */
import { afterAll, describe, expect, test } from "bun:test";
import { answerTo, FakeShard } from "../../app/routing/fake-shard.ts";
import { CODES, type Code } from "../../shards/domain/codes.ts";
import type { OrderBody } from "../../shards/domain/order-body.ts";
import { ANSWERS, encodeAnswer } from "../../shards/protocol/answer.ts";
import { encodeFrame } from "../../shards/protocol/frame.ts";
import type { OperationEntry } from "../../shards/protocol/operation.ts";
import type { ShardStatus } from "../../shards/protocol/status.ts";
import {
  type Answer,
  freshAccount,
  freshId,
  limitOrder,
  type OrderFields,
  type Send,
  signToken,
} from "../support/contract-client.ts";
import { startedOnce } from "../support/contract-fixture.ts";
import type { MARGIN_CODES } from "../support/contract-margin.ts";
import { until } from "../support/until.ts";

const ORDERS_PER_SECOND = 30;
const BACKLOG_RECORDS_MAX = 20;
const WAIT_MS_MAX = 20_000;

/** Every limit as tight as it goes: one order at a time. */
const running = startedOnce({
  SLUICE_SHARD_INTAKE_WAIT_MAX: "4s",
  SLUICE_RATE_LIMIT_PER_SECOND: String(ORDERS_PER_SECOND),
  SLUICE_SHARD_BATCH_ORDERS_MAX: "1",
  SLUICE_SHARD_INTAKE_QUEUE_MAX: "1",
  SLUICE_SHARD_BACKLOG_RECORDS_MAX: String(BACKLOG_RECORDS_MAX),
});

/**
 * For answers that do not come in time. Shorter than the silence after which a shard counts as
 * unavailable, longer than most commits take on a slow disk.
 */
const hasty = startedOnce({
  SLUICE_REQUEST_DEADLINE: "700ms",
  SLUICE_SHARD_INTAKE_WAIT_MAX: "690ms",
});

const ELSEWHERE = { symbol: "ETHUSDT", price: "3000.00", quantity: "1" };

const send = (method: string, path: string, options: Send = {}): Promise<Answer> =>
  running.client.send(method, path, options);
/** From an account of its own unless told, so that no test meets the rate limit of another. */
const place = (fields: OrderFields = {}, account = freshAccount()): Promise<Answer> =>
  running.client.place(limitOrder(fields), { account });
const placeBatch = (count: number, account: number): Promise<Answer> =>
  send("POST", "/v1/orders/batch", {
    account,
    json: { orders: Array.from({ length: count }, () => limitOrder({ symbol: "NOSUCH" })) },
  });

const SHARDS = ["shard1", "shard2", "shard3"];
const fakes: FakeShard[] = [];

/** Well in its status; every order meets a code that this version has never heard of. */
const answerStrangely = async (fake: FakeShard, shard: string): Promise<never> => {
  const status: ShardStatus = {
    ...{ shard, state: "filling", reason: null, epoch: 1, commitSeq: 0, openOrders: 0, queue: 0 },
    waitingForBanks: 0,
    executionsQuarantined: 0,
    risk: { isReconciling: false, pendingAgeMs: 0, outboxAgeMs: 0, staleMarks: 0 },
    ...{ ordersAccepted: 0, ordersRefused: 0, batches: 0, fileBytes: 0, walBytes: 0, freeBytes: 0 },
    ...{ partitionCount: 1, generation: 1, sqliteVersion: "3.50.0" },
    relay: { state: "running", reason: null, backlogRecords: 0, lagMs: 0 },
    central: { lagRecords: 0, lagMs: 0, stoppedPartitions: [] },
  };
  const answer = (entry: OperationEntry): string =>
    encodeAnswer(
      entry.operation.kind === "status"
        ? { ...answerTo(entry), body: JSON.stringify(status) }
        : { ...answerTo(entry), kind: "problem", body: '{"code":"meteor","detail":"from above"}' },
    );
  for (;;) fake.send(encodeFrame(ANSWERS, (await fake.frames.take()).map(answer)));
};

const strange = startedOnce(async () => {
  const urls = SHARDS.map((shard) => {
    const fake = new FakeShard({ shard });
    fakes.push(fake);
    void answerStrangely(fake, shard);
    return [shard, fake.url] as const;
  });
  return { SLUICE_SHARD_URLS: JSON.stringify(Object.fromEntries(urls)) };
}, "api");
afterAll(() => Promise.all(fakes.map((fake) => fake.stop())));

const untilBacklog = async (): Promise<Answer> => {
  for (let n = 0; n < BACKLOG_RECORDS_MAX * 10; n++) {
    const answer = await place();
    if (answer.status !== 201) return answer;
  }
  throw new Error("no order was refused");
};

const burst = (account: number, ids: readonly string[]): Promise<readonly Answer[]> =>
  Promise.all(ids.map((clientOrderId) => place({ clientOrderId }, account)));

/** A second's share in one request: each of its orders alone would wait for the disk. */
const untilLimited = async (account: number): Promise<Answer> => {
  for (;;) {
    await placeBatch(ORDERS_PER_SECOND, account);
    const answer = await place({ symbol: "NOSUCH" }, account);
    if (answer.status === 429) return answer;
  }
};

/** Some are given with margin alone (margin/refusal.test.ts); one waits for what a version lacks. */
type Elsewhere = (typeof MARGIN_CODES)[number] | "not_supported";
type Here = Exclude<Code, Elsewhere>;

const PRODUCED: Readonly<Record<Here, () => Promise<Answer>>> = {
  invalid_request: () => place({ side: "HOLD" }),
  unauthenticated: () => send("GET", "/v1/orders", { account: null }),
  token_expired: async () => {
    const token = await signToken({ sub: "1" }, { expiresAt: Date.now() - 60_000 });
    return send("GET", "/v1/orders", { token });
  },
  scope_missing: async () => {
    const token = await signToken({ sub: "1", scope: "read" });
    return send("DELETE", "/v1/orders", { token });
  },
  order_not_found: () => send("GET", "/v1/orders/1"),
  not_found: () => send("GET", "/nowhere"),
  method_not_allowed: () => send("PUT", "/v1/orders"),
  body_too_large: () => send("POST", "/v1/orders", { body: " ".repeat(65_537) }),
  unsupported_media_type: () =>
    send("POST", "/v1/orders", { body: "a=1", headers: { "Content-Type": "text/plain" } }),
  client_order_id_reused: async () => {
    const [account, clientOrderId] = [freshAccount(), freshId()];
    await place({ clientOrderId }, account);
    return place({ clientOrderId, side: "SELL" }, account);
  },
  order_not_open: async () => {
    const account = freshAccount();
    const { json } = await place({ timeInForce: "IOC" }, account);
    return send("DELETE", `/v1/orders/${json.orderId}`, { account });
  },
  unknown_symbol: () => place({ symbol: "NOSUCH" }),
  instrument_not_trading: () => place({ symbol: "FTTUSDT" }),
  price_off_tick: () => place({ price: "50000.15" }),
  price_out_of_range: () => place({ price: "1.00" }),
  quantity_off_step: () => place({ quantity: "0.0105" }),
  quantity_out_of_range: () => place({ quantity: "1001" }),
  notional_too_small: () => place({ price: "600.00" }),
  rate_limited: () => placeBatch(ORDERS_PER_SECOND + 1, freshAccount()),
  overloaded: async () => {
    const answers = await Promise.all(Array.from({ length: 60 }, () => place()));
    return answers.find(({ status }) => status >= 400) as Answer;
  },
  shard_unavailable: () => running.system.whileDown("shard1", () => place()),
  replication_backlog: async () => {
    const answer = await running.system.whileStopped("applier", untilBacklog);
    await until("orders are taken again", WAIT_MS_MAX, async () => (await place()).status === 201);
    return answer;
  },
  internal_error: () => strange.client.place(limitOrder()),
  outcome_unknown: () =>
    hasty.system.whileStopped("shard1", () => hasty.client.place(limitOrder())),
};

describe("every code", () => {
  test.each((Object.keys(PRODUCED) as Here[]).map((code) => [code] as const))(
    "is really given: %s",
    async (code) => {
      const { status, json } = await PRODUCED[code]();
      expect([status, json.code]).toEqual([CODES[code].status, code]);
    },
  );
});

describe("outcome_unknown", () => {
  const send = (method: string, path: string, options: Send = {}): Promise<Answer> =>
    hasty.client.send(method, path, options);
  const place = (fields: OrderFields, account: number): Promise<Answer> =>
    hasty.client.place(limitOrder(fields), { account });
  /** The writer may be busy with what it slept through, or its disk slow: then it is asked again. */
  const untilTaken = (fields: OrderFields, account: number): Promise<Answer> =>
    until("it is taken", WAIT_MS_MAX, async () => {
      const answer = await place(fields, account);
      return answer.status < 300 && answer;
    });
  const openOrders = async (account: number): Promise<readonly OrderBody[]> =>
    (await send("GET", "/v1/orders?status=open", { account })).json.items as readonly OrderBody[];

  test.each([
    ["the client's id", freshId()],
    ["the id that the server made", undefined],
  ])("names %s, and asking again is certain", async (_, clientOrderId) => {
    const account = freshAccount();
    const unknown = await hasty.system.whileStopped("shard1", () =>
      place({ clientOrderId }, account),
    );
    const context = unknown.json.context as { shard: string; clientOrderId: string };
    expect([unknown.status, unknown.json.code]).toEqual([504, "outcome_unknown"]);
    expect(context).toEqual({
      shard: "shard1",
      clientOrderId: clientOrderId ?? expect.stringMatching(/^[.A-Z:/a-z0-9_-]{1,36}$/),
    });
    const certain = await untilTaken({ clientOrderId: context.clientOrderId }, account);
    const again = await place({ clientOrderId: context.clientOrderId }, account);
    expect([again.status, again.text]).toEqual([200, certain.text]);
    expect((await openOrders(account)).map(({ orderId }) => orderId)).toEqual([
      String(certain.json.orderId),
    ]);
  });

  test("is told of a change as of an order; reads say that the shard is away", async () => {
    const account = freshAccount();
    const { json } = await untilTaken({ clientOrderId: freshId() }, account);
    const path = `/v1/orders/${json.orderId}`;
    await hasty.system.whileStopped("shard1", async () => {
      for (const [method, target, body] of [
        ["PATCH", path, { price: "49000.00" }],
        ["DELETE", path, undefined],
      ] as const) {
        const answer = await send(method, target, { account, json: body });
        expect([method, answer.status, answer.json.code]).toEqual([method, 504, "outcome_unknown"]);
        expect(answer.headers.get("retry-after")).toBeNull();
      }
      const all = await send("DELETE", "/v1/orders", { account });
      expect((all.json.results as object[])[0]).toEqual({
        ...{ shard: "shard1", status: 504, cancelled: [], code: "outcome_unknown" },
      });
      const open = await send("GET", "/v1/orders?status=open", { account });
      expect([open.status, open.json.code]).toEqual([503, "shard_unavailable"]);
      expect(open.json.context).toMatchObject({ shard: "shard1" });
    });
    const cancelled = await until("the cancel is certain", WAIT_MS_MAX, async () => {
      const answer = await send("DELETE", path, { account });
      return answer.status === 200 && answer;
    });
    expect(cancelled.json.status).toBe("CANCELED");
    expect(await openOrders(account)).toEqual([]);
  });

  test("of one order of a batch leaves the others what they are", async () => {
    const account = freshAccount();
    const orders = [limitOrder({ clientOrderId: freshId() }), limitOrder(ELSEWHERE)];
    const batch = () => send("POST", "/v1/orders/batch", { account, json: { orders } });
    const { json } = await hasty.system.whileStopped("shard1", batch);
    const results = json.results as readonly { status: number; body: { context: object } }[];
    expect(results.map(({ status }) => status)).toEqual([504, 201]);
    expect(results[0]?.body.context).toMatchObject({ clientOrderId: orders[0]?.clientOrderId });
  });
});

describe("overloaded", () => {
  test("means that nothing happened: the same order is then taken as a new one", async () => {
    const account = freshAccount();
    const ids = Array.from({ length: ORDERS_PER_SECOND - 2 }, () => freshId());
    const answers = await burst(account, ids);
    const statuses = answers.map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([201, 503]));
    for (const [index, answer] of answers.entries()) {
      if (answer.status === 201) continue;
      expect(answer.json.code).toBe("overloaded");
      const clientOrderId = ids[index];
      const found = await send("GET", `/v1/orders?symbol=BTCUSDT&clientOrderId=${clientOrderId}`, {
        account,
      });
      expect(found.json.code).toBe("order_not_found");
    }
    const refused = ids.find((_, index) => statuses[index] === 503);
    expect((await place({ clientOrderId: refused }, freshAccount())).status).toBe(201);
  });
});

describe("replication_backlog", () => {
  test("stops new orders; cancels, replays and reads pass, and then orders again", async () => {
    const account = freshAccount();
    const first = { clientOrderId: freshId() };
    const taken = await place(first, account);
    await running.system.whileStopped("applier", async () => {
      const refused = await untilBacklog();
      expect([refused.status, refused.json.code]).toEqual([503, "replication_backlog"]);
      expect(refused.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
      const replay = await place(first, account);
      expect([replay.status, replay.text]).toEqual([200, taken.text]);
      const path = `/v1/orders/${taken.json.orderId}`;
      expect((await send("GET", path, { account })).text).toBe(taken.text);
      const cancelled = await send("DELETE", path, { account });
      expect([cancelled.status, cancelled.json.status]).toEqual([200, "CANCELED"]);
      expect((await send("DELETE", "/v1/orders", { account })).status).toBe(200);
      expect((await place(ELSEWHERE)).status).toBe(201);
      const { items } = (await send("GET", "/admin/v1/shards")).json as {
        items: readonly ShardStatus[];
      };
      expect(items[0]?.relay.backlogRecords).toBeGreaterThan(BACKLOG_RECORDS_MAX);
      expect(items[0]?.relay.lagMs).toBeGreaterThan(0);
    });
    await until("orders are taken again", WAIT_MS_MAX, async () => (await place()).status === 201);
  });
});

describe("rate_limited", () => {
  test("says the policy, what is left and when to come again", async () => {
    const account = freshAccount();
    const limited = await untilLimited(account);
    expect(limited.json.code).toBe("rate_limited");
    expect(limited.json.context).toEqual({ ordersPerSecondMax: ORDERS_PER_SECOND });
    expect(limited.headers.get("retry-after")).toBe("1");
    expect(limited.headers.get("ratelimit-policy")).toBe(`"orders";q=${ORDERS_PER_SECOND};w=1`);
    expect(limited.headers.get("ratelimit")).toBe('"orders";r=0;t=1');
    await until("it is the next second", WAIT_MS_MAX, async () => {
      const answer = await place({ symbol: "NOSUCH" }, account);
      return answer.status === 422;
    });
  });

  test("holds for one account's orders, never for its cancels and reads", async () => {
    const account = freshAccount();
    const { json } = await place({}, account);
    await untilLimited(account);
    expect((await place({ symbol: "NOSUCH" }, freshAccount())).status).toBe(422);
    const path = `/v1/orders/${json.orderId}`;
    const answers = await Promise.all([
      send("GET", path, { account }),
      send("GET", "/v1/orders", { account }),
      send("GET", "/v1/orders?symbol=ETHUSDT&status=open", { account }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect((await send("DELETE", path, { account })).json.status).toBe("CANCELED");
    expect((await send("DELETE", "/v1/orders", { account })).status).toBe(200);
  });

  test("counts each order of a batch", async () => {
    const account = freshAccount();
    expect((await placeBatch(ORDERS_PER_SECOND, account)).status).toBe(200);
    const over = await placeBatch(ORDERS_PER_SECOND + 1, freshAccount());
    expect([over.status, over.json.code]).toEqual([429, "rate_limited"]);
  });
});

test("internal_error names the client order id to ask again with", async () => {
  const answer = await strange.client.place(limitOrder());
  expect([answer.status, answer.json.code]).toEqual([500, "internal_error"]);
  expect(answer.json.context).toMatchObject({ clientOrderId: expect.any(String) });
});
