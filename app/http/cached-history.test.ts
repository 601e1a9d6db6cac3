import { expect, test } from "bun:test";
import type {
  AccountId,
  ClientOrderId,
  InstrumentSymbol,
  OrderId,
} from "../../shards/domain/brands.ts";
import type { HistoryCache } from "../cache/history-cache.ts";
import type { HistoryQuery } from "../central/history.ts";
import { cacheHistory } from "./cached-history.ts";
import { FakeHistory, ORDER_ID } from "./fake-edge.ts";

const ACCOUNT = 42 as AccountId;
const OTHER = 43 as AccountId;
const SYMBOL = "BTCUSDT" as InstrumentSymbol;

/** Copies without end, in this process. */
const memoryCache = (): HistoryCache => {
  const copies = new Map<string, Promise<unknown>>();
  return {
    read: <T>(accountId: number, question: string, load: () => Promise<T>): Promise<T> => {
      const key = `${accountId} ${question}`;
      const copy = copies.get(key) ?? load();
      copies.set(key, copy);
      return copy as Promise<T>;
    },
  };
};

const query: HistoryQuery = {
  accountId: ACCOUNT,
  symbol: null,
  from: null,
  to: null,
  limit: 100,
  after: null,
};

test("pages are copied, each question by itself", async () => {
  const central = new FakeHistory();
  const history = cacheHistory(central, memoryCache());
  const queries: HistoryQuery[] = [
    query,
    { ...query, accountId: OTHER },
    { ...query, symbol: SYMBOL },
    { ...query, from: 1 },
    { ...query, to: 1 },
    { ...query, limit: 1 },
    { ...query, after: { createdAt: 1, orderId: 2 } },
    { ...query, after: { createdAt: 1, orderId: 3 } },
  ];
  for (const each of [...queries, ...queries]) await history.page(each);
  expect(central.pages).toEqual(queries);
});

test("a search by client order id is copied, by symbol and id", async () => {
  const central = new FakeHistory();
  const history = cacheHistory(central, memoryCache());
  const id = "a-1" as ClientOrderId;
  central.found = "first";
  expect(await history.find(ACCOUNT, SYMBOL, id)).toBe("first");
  central.found = "second";
  expect(await history.find(ACCOUNT, SYMBOL, id)).toBe("first");
  expect(await history.find(OTHER, SYMBOL, id)).toBe("second");
  expect(await history.find(ACCOUNT, "ETHUSDT" as InstrumentSymbol, id)).toBe("second");
  expect(await history.find(ACCOUNT, SYMBOL, "a-2" as ClientOrderId)).toBe("second");
});

test("an order by its id always comes from central, since late cancels are answered by it", async () => {
  const central = new FakeHistory();
  const history = cacheHistory(central, memoryCache());
  central.orders.set(ORDER_ID, "NEW");
  expect(await history.order(ACCOUNT, ORDER_ID as OrderId)).toBe("NEW");
  central.orders.set(ORDER_ID, "CANCELED");
  expect(await history.order(ACCOUNT, ORDER_ID as OrderId)).toBe("CANCELED");
});
