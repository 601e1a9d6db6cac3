import type { HistoryCache } from "../cache/history-cache.ts";
import type { OrderHistory } from "../central/history.ts";

/**
 * History whose pages and searches by client order id are copied. An order by its id is not: it is
 * one row by its key, and the answer to a late cancel depends on it, which no copy may decide.
 */
export const cacheHistory = (history: OrderHistory, cache: HistoryCache): OrderHistory => ({
  order: (accountId, orderId) => history.order(accountId, orderId),
  find: (accountId, symbol, clientOrderId) =>
    cache.read(accountId, `find:${symbol}:${clientOrderId}`, () =>
      history.find(accountId, symbol, clientOrderId),
    ),
  page: (query) => {
    const { accountId, symbol, from, to, limit, after } = query;
    const place = after === null ? [null, null] : [after.createdAt, after.orderId];
    const question = `page:${JSON.stringify([symbol, from, to, limit, ...place])}`;
    return cache.read(accountId, question, () => history.page(query));
  },
});
