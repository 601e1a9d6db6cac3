/** Reads of orders: from the shard first, so that own writes are seen, then from central. */
import type { OrderId, ShardName } from "../../../shards/domain/brands.ts";
import type { Problem } from "../../../shards/domain/problem.ts";
import type { Operation } from "../../../shards/protocol/operation.ts";
import { invalidRequest } from "../body.ts";
import type { Call } from "../call.ts";
import { plainProblem, problemReply, Reply } from "../reply.ts";
import type { Edge, Route } from "../route.ts";
import { bodiesOf, listBody, read, readAll } from "./ask.ts";
import {
  encodeCursor,
  noQuery,
  type OrdersRead,
  parseOrderId,
  parseOrdersRead,
  parseQuery,
} from "./query.ts";

export const readRoutes = (edge: Edge): readonly Route[] => [
  { method: "GET", path: "/v1/orders", scope: "read", handle: (call) => readOrders(edge, call) },
  {
    method: "GET",
    path: "/v1/orders/:orderId",
    scope: "read",
    handle: (call) => readOrder(edge, call),
  },
];

const readOrder = (edge: Edge, call: Call): Reply | Promise<Reply> => {
  const query = parseQuery(call.request.url, noQuery);
  if (!query.ok) return invalidRequest(call, query.errors);
  const orderId = parseOrderId(call.pathId);
  if (orderId === undefined) return orderNotFound(call);
  const { accountId } = call;
  return readOne(
    edge,
    call,
    edge.router.shardOfOrder(orderId),
    { kind: "get_order", accountId, orderId },
    () => edge.history.order(accountId, orderId),
  );
};

const readOrders = async (edge: Edge, call: Call): Promise<Reply> => {
  const parsed = parseOrdersRead(call.request.url);
  if (!parsed.ok) return invalidRequest(call, parsed.errors);
  const { accountId } = call;
  const wanted = parsed.value;
  switch (wanted.kind) {
    case "one": {
      const { symbol, id } = wanted;
      const operation = { kind: "find_order", accountId, symbol, clientOrderId: id } as const;
      const shard = edge.router.shardOfSymbol(symbol);
      return readOne(edge, call, shard, operation, () => edge.history.find(accountId, symbol, id));
    }
    case "open": {
      const { symbol } = wanted;
      const operation = { kind: "open_orders", accountId, symbol } as const;
      const asked =
        symbol === null
          ? await readAll(edge, call, operation)
          : [await read(edge, call, edge.router.shardOfSymbol(symbol), operation)];
      const all = bodiesOf(asked);
      if ("problem" in all) return problemReply(call.requestId, all.problem);
      return new Reply(200, listBody(all.bodies, null));
    }
    case "history":
      return readHistory(edge, call, wanted);
  }
};

const readHistory = async (
  edge: Edge,
  call: Call,
  wanted: OrdersRead & { kind: "history" },
): Promise<Reply> => {
  const { kind: _, ...query } = wanted;
  const page = await fromCentral(edge, call, () =>
    edge.history.page({ accountId: call.accountId, ...query }),
  );
  if (!page.ok) return problemReply(call.requestId, page.problem);
  const next = page.value.next === null ? null : encodeCursor(page.value.next);
  const body = listBody([`[${page.value.bodies.join(",")}]`], next);
  return new Reply(200, body).with(centralLag(edge));
};

/** 404 only when shard and central both say no; 503 when one of them cannot say. */
const readOne = async (
  edge: Edge,
  call: Call,
  shard: ShardName | undefined,
  operation: Operation,
  central: () => Promise<string | undefined>,
): Promise<Reply> => {
  const asked = shard === undefined ? undefined : await read(edge, call, shard, operation);
  if (asked?.ok === true) return new Reply(200, asked.answer.body);
  const found = await fromCentral(edge, call, central);
  if (found.ok && found.value !== undefined) {
    return new Reply(200, found.value).with(centralLag(edge));
  }
  if (asked !== undefined && asked.problem.code !== "order_not_found") {
    return problemReply(call.requestId, asked.problem);
  }
  return found.ok ? orderNotFound(call) : problemReply(call.requestId, found.problem);
};

export const orderNotFound = (call: Call): Reply =>
  problemReply(call.requestId, plainProblem("order_not_found"));

const centralLag = (edge: Edge): Readonly<Record<string, string>> => ({
  "Sluice-Central-Lag-Ms": String(edge.router.lagMs()),
});

type FromCentral<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problem: Problem };

/** Central may be away for long while orders go on; a read of it is then a 503. */
const fromCentral = async <T>(
  edge: Edge,
  call: Call,
  query: () => Promise<T>,
): Promise<FromCentral<T>> => {
  try {
    return { ok: true, value: await query() };
  } catch (error) {
    edge.logger.warn({ requestId: call.requestId, err: error }, "central did not answer a read");
    const detail = "The central store, which has the order history, does not answer.";
    return { ok: false, problem: { code: "shard_unavailable", detail } };
  }
};

/** What central says of an order that its shard no longer holds. */
export const orderInCentral = (
  edge: Edge,
  call: Call,
  orderId: OrderId,
): Promise<FromCentral<string | undefined>> =>
  fromCentral(edge, call, () => edge.history.order(call.accountId, orderId));
