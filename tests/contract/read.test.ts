import { beforeAll, describe, expect, test } from "bun:test";
import type { OrderBody } from "../../shards/domain/order-body.ts";
import { type Answer, freshAccount, freshId, limitOrder } from "../support/contract-client.ts";
import { startedOnce } from "../support/contract-fixture.ts";

const running = startedOnce();

const itemsOf = ({ status, json }: Answer): readonly OrderBody[] => {
  expect(status).toBe(200);
  return json.items as readonly OrderBody[];
};
const read = (path: string, account: number): Promise<Answer> =>
  running.client.send("GET", path, { account });

describe("one order", () => {
  test("is read by its id and by its client order id, at once and as the 201 said", async () => {
    const account = freshAccount();
    const clientOrderId = freshId("A.b:/_-");
    const { text, json } = await running.client.place(limitOrder({ clientOrderId }), { account });
    const byId = await read(`/v1/orders/${json.orderId}`, account);
    const query = new URLSearchParams({ symbol: "BTCUSDT", clientOrderId });
    const byClientId = await read(`/v1/orders?${query}`, account);
    expect([byId.status, byId.text]).toEqual([200, text]);
    expect([byClientId.status, byClientId.text]).toEqual([200, text]);
  });

  test.each([
    "0",
    "-1",
    "1",
    "01",
    "9007199254740991",
    "9007199254740993",
    "99999999999999999999",
    "1e3",
    "abc",
    "%00",
    "1%2F2",
    "ü",
  ])("/v1/orders/%s is order_not_found", async (id) => {
    const { status, json } = await read(`/v1/orders/${id}`, 1);
    expect([status, json.code]).toEqual([404, "order_not_found"]);
  });

  test("of another account is order_not_found, by either id", async () => {
    const order = await running.client.accepted(limitOrder(), { account: freshAccount() });
    const other = freshAccount();
    const byClientId = `/v1/orders?symbol=BTCUSDT&clientOrderId=${order.clientOrderId}`;
    for (const path of [`/v1/orders/${order.orderId}`, byClientId]) {
      const { status, json } = await read(path, other);
      expect([status, json.code]).toEqual([404, "order_not_found"]);
    }
  });
});

describe("open orders", () => {
  const account = freshAccount();
  const open = new Map<string, readonly string[]>();
  beforeAll(async () => {
    for (const symbol of ["BTCUSDT", "ETHUSDT", "XRPUSDT"]) {
      const ids: string[] = [];
      for (let index = 0; index < 3; index++) {
        const price = symbol === "XRPUSDT" ? "1.0000" : "3000.00";
        const order = { symbol, price, quantity: "10" };
        ids.push((await running.client.accepted(limitOrder(order), { account })).orderId);
      }
      const [cancelled = "", ...rest] = ids;
      await running.client.send("DELETE", `/v1/orders/${cancelled}`, { account });
      open.set(symbol, rest);
    }
    await running.client.accepted(limitOrder({ timeInForce: "IOC" }), { account });
  });

  test("are those of all shards", async () => {
    const answer = await read("/v1/orders?status=open", account);
    const ids = itemsOf(answer).map(({ orderId }) => orderId);
    expect(ids.toSorted()).toEqual([...open.values()].flat().toSorted());
    expect(answer.json.nextCursor).toBeNull();
  });

  test.each(["BTCUSDT", "ETHUSDT", "XRPUSDT"])("of %s are those alone", async (symbol) => {
    const items = itemsOf(await read(`/v1/orders?status=open&symbol=${symbol}`, account));
    expect(items.map(({ orderId }) => orderId).toSorted()).toEqual([...(open.get(symbol) ?? [])]);
  });

  test("of a symbol without any, or that is not known, are none", async () => {
    for (const symbol of ["BTCUSDC", "NOSUCH"]) {
      expect(itemsOf(await read(`/v1/orders?status=open&symbol=${symbol}`, account))).toEqual([]);
    }
  });
});

describe("the history", () => {
  const account = freshAccount();
  const placed: OrderBody[] = [];
  beforeAll(async () => {
    for (let index = 0; index < 6; index++) {
      const answer = await running.client.send("POST", "/v1/orders/batch?ack=central", {
        account,
        json: { orders: Array.from({ length: 4 }, (_, n) => ordersOf(n)) },
      });
      expect(answer.headers.get("sluice-durability")).toBe("central");
      placed.push(...(answer.json.results as { body: OrderBody }[]).map(({ body }) => body));
    }
  });
  const ordersOf = (n: number) =>
    n % 2 === 0
      ? limitOrder({ timeInForce: n === 0 ? "IOC" : "GTC" })
      : limitOrder({ symbol: "ETHUSDT", price: "3000.00", quantity: "1" });

  const newestFirst = (orders: readonly OrderBody[]): string[] =>
    orders
      .toSorted((a, b) => b.createdAt - a.createdAt || Number(b.orderId) - Number(a.orderId))
      .map(({ orderId }) => orderId);

  const pages = async (query: string): Promise<readonly (readonly OrderBody[])[]> => {
    const all: (readonly OrderBody[])[] = [];
    let cursor: unknown = null;
    do {
      const next = cursor === null ? "" : `&cursor=${cursor}`;
      const page = await read(`/v1/orders?${query}${next}`, account);
      expect(page.headers.get("sluice-central-lag-ms")).toMatch(/^\d+$/);
      all.push(itemsOf(page));
      cursor = page.json.nextCursor;
    } while (cursor !== null);
    return all;
  };

  test("is all orders, newest first, as their first answers said", async () => {
    const items = itemsOf(await read("/v1/orders", account));
    expect(items.map(({ orderId }) => orderId)).toEqual(newestFirst(placed));
    const byId = new Map(placed.map((order) => [order.orderId, order]));
    for (const item of items) expect(item).toEqual(byId.get(item.orderId) as OrderBody);
  });

  test.each([1, 5, 23, 24, 25])("in pages of %d is the same, each order once", async (limit) => {
    const all = await pages(`limit=${limit}`);
    expect(all.flat().map(({ orderId }) => orderId)).toEqual(newestFirst(placed));
    for (const page of all.slice(0, -1)) expect(page.length).toBe(limit);
    expect(all.length).toBe(Math.ceil(placed.length / limit));
  });

  test("keeps its pages when orders come in between", async () => {
    const first = await read("/v1/orders?limit=10", account);
    const path = `/v1/orders?limit=100&cursor=${first.json.nextCursor}`;
    const before = itemsOf(await read(path, account));
    const other = freshAccount();
    await running.client.place(limitOrder(), { account: other, ack: "central" });
    expect(itemsOf(await read(path, account))).toEqual([...before]);
    expect(itemsOf(await read(path, other))).toEqual([]);
  });

  test("of a symbol, and of a time, is filtered", async () => {
    const bitcoin = placed.filter(({ symbol }) => symbol === "BTCUSDT");
    const symbolPages = await pages("symbol=BTCUSDT&limit=5");
    expect(symbolPages.flat().map(({ orderId }) => orderId)).toEqual(newestFirst(bitcoin));
    const from = placed[8]?.createdAt ?? 0;
    const to = placed[16]?.createdAt ?? 0;
    const inTime = placed.filter(({ createdAt }) => createdAt >= from && createdAt < to);
    expect(inTime.length).toBeGreaterThan(0);
    const timePages = await pages(`from=${from}&to=${to}&limit=3`);
    expect(timePages.flat().map(({ orderId }) => orderId)).toEqual(newestFirst(inTime));
    expect(itemsOf(await read(`/v1/orders?from=${to}&to=${to}`, account))).toEqual([]);
  });

  test("shows a cancel once central has it", async () => {
    const mine = freshAccount();
    const { json } = await running.client.place(limitOrder(), { account: mine, ack: "central" });
    await running.client.send("DELETE", `/v1/orders/${json.orderId}`, { account: mine });
    // A record of the same partition: when central has it, it has the cancel before it too.
    await running.client.place(limitOrder(), { account: mine, ack: "central" });
    const items = itemsOf(await read("/v1/orders", mine));
    expect(items.map(({ status }) => status)).toEqual(["NEW", "CANCELED"]);
  });
});

describe("GET /v1/orders", () => {
  test.each([
    ["status=closed", "status"],
    ["status=", "status"],
    ["status=open&limit=1", "limit"],
    ["status=open&from=1", "from"],
    ["clientOrderId=a", "symbol"],
    ["clientOrderId=a&symbol=BTCUSDT&status=open", "status"],
    ["symbol=BTCUSDT&clientOrderId=a%20b", "clientOrderId"],
    ["symbol=btcusdt", "symbol"],
    ["symbol=BTCUSDT&symbol=ETHUSDT", "symbol"],
    ["limit=0", "limit"],
    ["limit=1001", "limit"],
    ["limit=01", "limit"],
    ["limit=1e2", "limit"],
    ["limit=-1", "limit"],
    ["from=x", "from"],
    ["from=99999999999999999999", "from"],
    ["from=2&to=1", "to"],
    ["cursor=x", "cursor"],
    ["cursor=", "cursor"],
    [`cursor=${"A".repeat(65)}`, "cursor"],
    ["page=2", "page"],
    ["__proto__=1", "__proto__"],
  ])("?%s is refused for %s", async (query, path) => {
    const { status, json } = await read(`/v1/orders?${query}`, 1);
    expect([status, json.code]).toEqual([400, "invalid_request"]);
    expect((json.errors as { path: string }[]).map((error) => error.path)).toContain(path);
  });
});
