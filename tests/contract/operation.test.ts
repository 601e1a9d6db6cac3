import { describe, expect, test } from "bun:test";
import { freshAccount, freshId, limitOrder } from "../support/contract-client.ts";
import { startedOnce } from "../support/contract-fixture.ts";
import { until } from "../support/until.ts";

const CATCH_UP_MS_MAX = 30_000;

const running = startedOnce();
const SHARDS = ["shard1", "shard2", "shard3"];

const get = (path: string) => running.client.send("GET", path);

/** One sample line: name, labels, value. */
const SAMPLE =
  /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*\})? ([+-]?Inf|NaN|[-+.\deE]+)$/;

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Prometheus text 0.0.4, strictly: a TYPE before its samples, no series twice. */
const parseMetrics = (text: string): readonly Sample[] => {
  expect(text.endsWith("\n")).toBe(true);
  const types = new Map<string, string>();
  const seen = new Set<string>();
  const samples: Sample[] = [];
  for (const line of text.split("\n").filter((one) => one !== "")) {
    if (line.startsWith("# HELP ")) continue;
    const type = /^# TYPE (\S+) (counter|gauge|histogram|summary)$/.exec(line);
    if (type !== null) {
      expect([line, types.has(type[1] ?? "")]).toEqual([line, false]);
      types.set(type[1] ?? "", type[2] ?? "");
      continue;
    }
    const match = SAMPLE.exec(line);
    if (match === null) throw new Error(`no Prometheus line: ${line}`);
    const [, name = "", labelText = "", value = ""] = match;
    const family = types.has(name) ? name : name.replace(/_(bucket|sum|count)$/, "");
    expect([line, types.has(family)]).toEqual([line, true]);
    expect([line, seen.has(name + labelText)]).toEqual([line, false]);
    seen.add(name + labelText);
    const labels = Object.fromEntries(
      [...labelText.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, label]) => [key, label]),
    );
    samples.push({ name, labels, value: Number(value.replace("Inf", "Infinity")) });
  }
  return samples;
};

const metrics = async (): Promise<(name: string, labels?: object) => number> => {
  const answer = await get("/metrics");
  expect(answer.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  const samples = parseMetrics(answer.text);
  return (name, labels = {}) => {
    const found = samples.filter(
      (one) =>
        one.name === name &&
        Object.entries(labels).every(([key, value]) => one.labels[key] === value),
    );
    if (found.length === 0) throw new Error(`no series ${name} ${JSON.stringify(labels)}`);
    return found.reduce((sum, { value }) => sum + value, 0);
  };
};

describe("when all is well", () => {
  test("/healthz says so", async () => {
    expect((await get("/healthz")).json).toEqual({ status: "ok" });
  });

  test("/readyz lists each shard", async () => {
    const { status, json } = await get("/readyz");
    expect(status).toBe(200);
    expect(json).toEqual({
      ready: true,
      shards: SHARDS.map((shard) => ({
        shard,
        ready: true,
        state: expect.stringMatching(/^(filling|committing)$/),
        detail: null,
      })),
    });
  });

  test("/v1/time is the server's clock in milliseconds", async () => {
    const before = Date.now();
    const { json } = await get("/v1/time");
    expect(json.time).toBeGreaterThanOrEqual(before);
    expect(json.time).toBeLessThanOrEqual(Date.now());
    expect(Object.keys(json)).toEqual(["time"]);
  });

  test.each([
    "/v1/time?x=1",
    "/v1/instruments?symbol=BTCUSDT",
    "/admin/v1/shards?x",
    "/v1/orders/1?x=1",
  ])("%s has no such parameter", async (path) => {
    const { status, json } = await get(path);
    expect([status, json.code]).toEqual([400, "invalid_request"]);
  });

  test("/admin/v1/shards says of each shard what operators need", async () => {
    const account = freshAccount();
    await running.client.place(limitOrder(), { account, ack: "central" });
    await running.client.place(limitOrder({ price: "1.00" }), { account, ack: "central" });
    const { status, json } = await get("/admin/v1/shards");
    expect([status, json.nextCursor]).toEqual([200, null]);
    const items = json.items as readonly Record<string, unknown>[];
    expect(items.map(({ shard }) => shard)).toEqual(SHARDS);
    const [first] = items;
    expect(first).toMatchObject({
      reason: null,
      epoch: 1,
      queue: 0,
      relay: { state: "running", reason: null },
      central: { stoppedPartitions: [] },
    });
    const counted = ["commitSeq", "openOrders", "ordersAccepted", "ordersRefused", "batches"];
    for (const name of [...counted, "fileBytes", "freeBytes"]) {
      expect([name, Number(first?.[name]) > 0]).toEqual([name, true]);
    }
    expect(first?.walBytes).toBeGreaterThanOrEqual(0);
  });
});

describe("a shard's partitions", () => {
  const raise = (shard: string, json: object) =>
    running.client.send("POST", `/admin/v1/shards/${shard}/partitions`, { json });

  test("are raised while it serves, and again with the same number", async () => {
    const body = { shard: "shard3", partitionCount: 12, generation: 2 };
    const symbol = { symbol: "SOLUSDT", price: "150.0000", quantity: "1" };
    await running.system.raiseTopic(12);
    for (let n = 0; n < 2; n++) {
      const { status, json } = await raise("shard3", { partitionCount: 12 });
      expect([status, json]).toEqual([200, body]);
      const order = { ...limitOrder(symbol), clientOrderId: freshId() };
      // Who reads a topic looks for new partitions every few seconds.
      const reached = await until("central has the order", CATCH_UP_MS_MAX, async () => {
        const placed = await running.client.place(order, { account: 1, ack: "central" });
        expect([200, 201, 202]).toContain(placed.status);
        return placed.status !== 202 && placed.headers.get("sluice-durability");
      });
      expect(reached).toBe("central");
    }
    const items = (await get("/admin/v1/shards")).json.items as readonly object[];
    expect(items[2]).toMatchObject({ ...body, sqliteVersion: expect.stringMatching(/^3\.\d+/) });
    expect(items[0]).toMatchObject({ partitionCount: 10, generation: 1 });
  });

  test.each([{ partitionCount: 9 }, { partitionCount: 0 }, { partitionCount: "12" }, {}])(
    "are not set to %j",
    async (body) => {
      const { status, json } = await raise("shard1", body);
      expect([status, json.code]).toEqual([400, "invalid_request"]);
    },
  );

  test("are those of a shard that there is", async () => {
    const { status, json } = await raise("shard9", { partitionCount: 12 });
    expect([status, json.code]).toEqual([404, "not_found"]);
  });
});

test("a shard's relay is told to send again, and central takes nothing twice", async () => {
  const account = freshAccount();
  await running.client.place(limitOrder(), { account, ack: "central" });
  const { status, json } = await running.client.send("POST", "/admin/v1/shards/shard1/resend");
  expect([status, json]).toEqual([202, { shard: "shard1" }]);
  const after = await running.client.place(limitOrder(), { account, ack: "central" });
  expect(after.headers.get("sluice-durability")).toBe("central");
  const history = await running.client.send("GET", "/v1/orders", { account });
  expect((history.json.items as readonly object[]).length).toBe(2);
});

describe("/metrics", () => {
  test("counts orders, refusals, requests and batches as they happen", async () => {
    const before = await metrics();
    const account = freshAccount();
    for (let n = 0; n < 5; n++) await running.client.accepted(limitOrder(), { account });
    for (let n = 0; n < 3; n++) {
      await running.client.place(limitOrder({ price: "50000.15" }), { account });
    }
    await running.client.send("DELETE", "/v1/orders", { account });
    const after = await metrics();
    const grown = (name: string, labels: object) => after(name, labels) - before(name, labels);
    expect(grown("sluice_orders_accepted_total", { shard: "shard1" })).toBe(5);
    expect(grown("sluice_orders_refused_total", { shard: "shard1" })).toBe(3);
    expect(grown("sluice_orders_accepted_total", { shard: "shard2" })).toBe(0);
    expect(grown("sluice_batch_commands_sum", { shard: "shard1" })).toBe(9);
    expect(grown("sluice_batch_commands_count", { shard: "shard1" })).toBeGreaterThan(0);
    expect(grown("sluice_commit_seconds_count", { shard: "shard1" })).toBeGreaterThan(0);
    expect(grown("sluice_commit_seconds_sum", { shard: "shard1" })).toBeGreaterThan(0);
    const placed = { route: "POST /v1/orders", status: "201" };
    expect(grown("sluice_http_requests_total", placed)).toBe(5);
    expect(grown("sluice_http_requests_total", { ...placed, status: "422" })).toBe(3);
    const route = { route: "POST /v1/orders" };
    expect(grown("sluice_http_request_duration_seconds_count", route)).toBe(8);
  });

  test("has queue, open orders, lag and sizes of each shard", async () => {
    const value = await metrics();
    for (const shard of SHARDS) {
      expect(value("sluice_shard_up", { shard })).toBe(1);
      expect(value("sluice_intake_queue_commands", { shard })).toBe(0);
      for (const name of ["open_orders", "central_lag_records", "central_lag_seconds"]) {
        expect(value(`sluice_${name}`, { shard })).toBeGreaterThanOrEqual(0);
      }
      expect(value("sluice_file_bytes", { shard })).toBeGreaterThan(0);
      expect(value("sluice_orders_shed_total", { shard })).toBe(0);
    }
  });

  test("has buckets that only grow, up to the count", async () => {
    const samples = parseMetrics((await get("/metrics")).text);
    const buckets = samples.filter(
      ({ name, labels }) => name === "sluice_commit_seconds_bucket" && labels.shard === "shard1",
    );
    expect(buckets.length).toBeGreaterThan(5);
    expect(buckets.at(-1)?.labels.le).toBe("+Inf");
    const counts = buckets.map(({ value }) => value);
    expect(counts).toEqual(counts.toSorted((a, b) => a - b));
  });
});

describe("while a shard is down", () => {
  test("its symbols are refused and named, the rest goes on, and it comes back", async () => {
    const account = freshAccount();
    const old = await running.client.place(limitOrder(), { account, ack: "central" });
    const recent = limitOrder({ clientOrderId: freshId() });
    const elsewhere = { symbol: "ETHUSDT", price: "3000.00", quantity: "1" };
    const kept = await running.client.accepted(limitOrder(elsewhere), { account });

    await running.system.whileDown("shard1", async () => {
      const ready = await get("/readyz");
      expect([ready.status, ready.json.ready]).toEqual([503, false]);
      expect(ready.json.shards).toMatchObject([
        { shard: "shard1", ready: false, state: "unreachable", detail: expect.any(String) },
        { shard: "shard2", ready: true, detail: null },
        { shard: "shard3", ready: true, detail: null },
      ]);
      expect((await get("/healthz")).status).toBe(200);

      for (const [method, path, json] of [
        ["POST", "/v1/orders", recent],
        ["PATCH", `/v1/orders/${old.json.orderId}`, { price: "49000.00" }],
        ["DELETE", `/v1/orders/${old.json.orderId}`, undefined],
        ["GET", "/v1/orders?symbol=BTCUSDT&clientOrderId=unknown", undefined],
        ["GET", "/v1/orders?status=open", undefined],
        ["GET", "/v1/orders?status=open&symbol=BTCUSDT", undefined],
      ] as const) {
        const answer = await running.client.send(method, path, { account, json });
        expect([path, answer.status, answer.json.code]).toEqual([path, 503, "shard_unavailable"]);
        expect(answer.json.context).toMatchObject({ shard: "shard1" });
        expect(answer.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
      }
      expect((await running.client.place(limitOrder(elsewhere), { account })).status).toBe(201);
      const open = await running.client.send("GET", "/v1/orders?status=open&symbol=ETHUSDT", {
        account,
      });
      expect((open.json.items as object[]).length).toBe(2);

      const fromCentral = await running.client.send("GET", `/v1/orders/${old.json.orderId}`, {
        account,
      });
      expect([fromCentral.status, fromCentral.text]).toEqual([200, old.text]);
      expect(fromCentral.headers.get("sluice-central-lag-ms")).toMatch(/^\d+$/);
      expect((await running.client.send("GET", "/v1/orders", { account })).status).toBe(200);

      const shards = (await get("/admin/v1/shards")).json.items as readonly object[];
      expect(shards).toMatchObject([
        { shard: "shard1", state: "unreachable", code: "shard_unavailable", status: 503, epoch: 1 },
        { shard: "shard2" },
        { shard: "shard3" },
      ]);
      const value = await metrics();
      expect(SHARDS.map((shard) => value("sluice_shard_up", { shard }))).toEqual([0, 1, 1]);

      const { status, json } = await running.client.send("DELETE", "/v1/orders", { account });
      expect(status).toBe(200);
      expect(json.results).toMatchObject([
        { shard: "shard1", status: 503, cancelled: [], code: "shard_unavailable" },
        { shard: "shard2", status: 200, cancelled: expect.arrayContaining([kept.orderId]) },
        { shard: "shard3", status: 200, cancelled: [] },
      ]);
    });

    const found = await running.client.send("GET", `/v1/orders/${old.json.orderId}`, { account });
    expect([found.status, found.text]).toEqual([200, old.text]);
    expect((await running.client.place(recent, { account })).status).toBe(201);
    const again = await running.client.send("DELETE", "/v1/orders", { account });
    const [first] = again.json.results as readonly { cancelled: readonly string[] }[];
    expect(first?.cancelled.length).toBe(2);
  });
});
