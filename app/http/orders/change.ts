/** Amendments and cancels. The shard decides; an order it let go of long ago is in central. */
import type { InstrumentSymbol, OrderId, ShardName } from "../../../shards/domain/brands.ts";
import { CODES } from "../../../shards/domain/codes.ts";
import { isOpen } from "../../../shards/domain/order.ts";
import type { OrderBody } from "../../../shards/domain/order-body.ts";
import { invalidRequest, ORDER_BODY_BYTES_MAX, readJson } from "../body.ts";
import type { Call } from "../call.ts";
import { answerReply, problemReply, Reply } from "../reply.ts";
import type { Edge, Route } from "../route.ts";
import { type Asked, ask } from "./ask.ts";
import { parseAmendment } from "./parse-order.ts";
import { cancelQuery, noQuery, parseOrderId, parseQuery } from "./query.ts";
import { orderInCentral, orderNotFound } from "./read.ts";

export const changeRoutes = (edge: Edge): readonly Route[] => [
  {
    method: "PATCH",
    path: "/v1/orders/:orderId",
    scope: "trade",
    handle: (call) => amendOrder(edge, call),
  },
  {
    method: "DELETE",
    path: "/v1/orders/:orderId",
    scope: "trade",
    handle: (call) => cancelOrder(edge, call),
  },
  {
    method: "DELETE",
    path: "/v1/orders",
    scope: "trade",
    handle: (call) => cancelMany(edge, call),
  },
];

const amendOrder = async (edge: Edge, call: Call): Promise<Reply> => {
  const limited = await edge.orderLimit(call, 1);
  if (limited !== undefined) return limited;
  const startedMs = edge.clock.monotonicMs();
  const query = parseQuery(call.request.url, noQuery);
  if (!query.ok) return invalidRequest(call, query.errors);
  const json = await readJson(call, ORDER_BODY_BYTES_MAX);
  if (json instanceof Reply) return json;
  const parsed = parseAmendment(json);
  call.parseMs = edge.clock.monotonicMs() - startedMs;
  if (!parsed.ok) return problemReply(call.requestId, parsed.problem, parsed.errors);
  const orderId = parseOrderId(call.pathId);
  const shard = orderId === undefined ? undefined : edge.router.shardOfOrder(orderId);
  if (orderId === undefined || shard === undefined) return orderNotFound(call);
  const { accountId } = call;
  const operation = { kind: "amend", accountId, orderId, ...parsed.value } as const;
  return changed(edge, call, orderId, await ask(edge, call, shard, operation), false);
};

const cancelOrder = async (edge: Edge, call: Call): Promise<Reply> => {
  const query = parseQuery(call.request.url, noQuery);
  if (!query.ok) return invalidRequest(call, query.errors);
  const orderId = parseOrderId(call.pathId);
  const shard = orderId === undefined ? undefined : edge.router.shardOfOrder(orderId);
  if (orderId === undefined || shard === undefined) return orderNotFound(call);
  const { accountId } = call;
  const asked = await ask(edge, call, shard, { kind: "cancel", accountId, orderId });
  return changed(edge, call, orderId, asked, true);
};

const changed = (
  edge: Edge,
  call: Call,
  orderId: OrderId,
  asked: Asked,
  cancelling: boolean,
): Reply | Promise<Reply> => {
  if (asked.ok) return answerReply(call.requestId, asked.answer);
  if (asked.problem.code === "order_not_found") {
    return changedInCentral(edge, call, orderId, cancelling);
  }
  return problemReply(call.requestId, asked.problem);
};

/** A shard forgets an order some time after its end; a late cancel is answered all the same. */
const changedInCentral = async (
  edge: Edge,
  call: Call,
  orderId: OrderId,
  cancelling: boolean,
): Promise<Reply> => {
  const found = await orderInCentral(edge, call, orderId);
  if (!found.ok) return problemReply(call.requestId, found.problem);
  if (found.value === undefined) return orderNotFound(call);
  const { status } = JSON.parse(found.value) as OrderBody;
  if (isOpen(status)) return orderNotFound(call);
  if (cancelling && status === "CANCELED") return new Reply(200, found.value);
  return problemReply(call.requestId, {
    code: "order_not_open",
    detail: `Order ${orderId} is ${status}.`,
    context: { orderId: String(orderId), status },
  });
};

/** One result a shard; a shard that is down is a result too, and asking again is safe. */
const cancelMany = async (edge: Edge, call: Call): Promise<Reply> => {
  const query = parseQuery(call.request.url, cancelQuery);
  if (!query.ok) return invalidRequest(call, query.errors);
  const symbol = (query.value.symbol ?? null) as InstrumentSymbol | null;
  const shards: readonly ShardName[] =
    symbol === null ? edge.router.shards : [edge.router.shardOfSymbol(symbol)];
  const { accountId } = call;
  const results = await Promise.all(
    shards.map(async (shard) =>
      resultOf(await ask(edge, call, shard, { kind: "cancel_many", accountId, symbol })),
    ),
  );
  return new Reply(200, JSON.stringify({ results }));
};

const resultOf = (asked: Asked) => {
  const { shard } = asked;
  if (asked.ok) {
    const { cancelled } = JSON.parse(asked.answer.body) as { cancelled: readonly string[] };
    return { shard, status: asked.answer.status, cancelled };
  }
  const { code } = asked.problem;
  return { shard, status: CODES[code].status, cancelled: [], code };
};
