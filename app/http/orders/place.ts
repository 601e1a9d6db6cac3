/** New orders: one, or up to a hundred at a time. The hot path of the whole system. */
import type { ShardName } from "../../../shards/domain/brands.ts";
import type { OrderRequest } from "../../../shards/domain/order.ts";
import type { Answer } from "../../../shards/protocol/answer.ts";
import { DURABILITY_LEVELS, type DurabilityLevel } from "../../routing/progress-board.ts";
import { BATCH_BODY_BYTES_MAX, invalidRequest, ORDER_BODY_BYTES_MAX, readJson } from "../body.ts";
import type { Call } from "../call.ts";
import { answerReply, plainProblem, problemReply, Reply, routingProblem } from "../reply.ts";
import type { Edge, Route } from "../route.ts";
import { parseBatch, parseOrder } from "./parse-order.ts";
import { ackQuery, parseQuery } from "./query.ts";

const DURABILITY_HEADER = "Sluice-Durability";

export const placeRoutes = (edge: Edge): readonly Route[] => [
  { method: "POST", path: "/v1/orders", scope: "trade", handle: (call) => placeOne(edge, call) },
  {
    method: "POST",
    path: "/v1/orders/batch",
    scope: "trade",
    handle: (call) => placeBatch(edge, call),
  },
];

/** An answered placement and how far its record has got; a refusal has no durability. */
interface Placement {
  readonly reply: Reply;
  readonly reached: DurabilityLevel | undefined;
}

const placeOne = async (edge: Edge, call: Call): Promise<Reply> => {
  const { clock, orderLimit } = edge;
  const limited = orderLimit(call, 1);
  if (limited !== undefined) {
    const refusal = await limited;
    if (refusal !== undefined) return refusal;
  }
  const startedMs = clock.monotonicMs();
  const ack = ackOf(call);
  if (ack instanceof Reply) return ack;
  const json = await readJson(call, ORDER_BODY_BYTES_MAX);
  if (json instanceof Reply) return json;
  const parsed = parseOrder(json);
  const parsedMs = clock.monotonicMs();
  call.parseMs = parsedMs - startedMs;
  if (!parsed.ok) return problemReply(call.requestId, parsed.problem, parsed.errors);
  const { reply, reached } = await place(edge, call, parsed.value, ack, parsedMs);
  return reached === undefined ? reply : reply.with({ [DURABILITY_HEADER]: reached });
};

const placeBatch = async (edge: Edge, call: Call): Promise<Reply> => {
  const startedMs = edge.clock.monotonicMs();
  const ack = ackOf(call);
  if (ack instanceof Reply) return ack;
  const json = await readJson(call, BATCH_BODY_BYTES_MAX);
  if (json instanceof Reply) return json;
  const parsed = parseBatch(json);
  if (!parsed.ok) return problemReply(call.requestId, parsed.problem, parsed.errors);
  const orders = parsed.value.map(parseOrder);
  const parsedMs = edge.clock.monotonicMs();
  call.parseMs = parsedMs - startedMs;
  const refusal = await edge.orderLimit(call, orders.length);
  if (refusal !== undefined) return refusal;
  // The router is called for all of them before anything is awaited: that keeps their order.
  const placements = await Promise.all(
    orders.map((order) =>
      order.ok
        ? place(edge, call, order.value, ack, parsedMs)
        : Promise.resolve(refused(problemReply(call.requestId, order.problem, order.errors))),
    ),
  );
  const results = placements.map(({ reply }) => `{"status":${reply.status},"body":${reply.body}}`);
  return new Reply(200, `{"results":[${results.join(",")}]}`).with({
    [DURABILITY_HEADER]: lowest(placements),
  });
};

const refused = (reply: Reply): Placement => ({ reply, reached: undefined });

/** What all accepted orders of a batch have reached; local when none was accepted. */
const lowest = (placements: readonly Placement[]): DurabilityLevel => {
  const levels = placements.flatMap(({ reached }) =>
    reached === undefined ? [] : [DURABILITY_LEVELS.indexOf(reached)],
  );
  return DURABILITY_LEVELS[Math.min(...levels)] ?? "local";
};

const ackOf = (call: Call): DurabilityLevel | Reply => {
  if (!call.request.url.includes("?")) return "local";
  const query = parseQuery(call.request.url, ackQuery);
  return query.ok ? (query.value.ack ?? "local") : invalidRequest(call, query.errors);
};

/** Calls the router before it first awaits. Never rejects: every outcome is a placement. */
const place = async (
  edge: Edge,
  call: Call,
  request: OrderRequest,
  ack: DurabilityLevel,
  handedOverMs: number,
): Promise<Placement> => {
  const { router, clock } = edge;
  const shard = router.shardOfSymbol(request.symbol);
  const { accountId, requestId, deadlineAt } = call;
  const { clientOrderId } = request;
  try {
    const operation = { kind: "place", accountId, request } as const;
    const answer = await router.request(shard, operation, deadlineAt);
    call.routedMs = clock.monotonicMs() - handedOverMs;
    call.noteShard(answer.timing);
    const reply = answerReply(requestId, answer, { clientOrderId });
    if (reply.status >= 400) return refused(reply);
    if (ack === "local") return { reply, reached: "local" };
    return await settled(edge, call, shard, answer, reply, ack);
  } catch (error) {
    call.routedMs = clock.monotonicMs() - handedOverMs;
    const known = routingProblem(error, shard, { clientOrderId });
    if (known !== undefined) return refused(problemReply(requestId, known));
    edge.logger.error({ requestId, clientOrderId, err: error }, "a placement failed unexpectedly");
    const problem = { ...plainProblem("internal_error"), context: { clientOrderId } };
    return refused(problemReply(requestId, problem));
  }
};

/** The order stands whatever happens here: at worst its level stays `local`. */
const settled = async (
  edge: Edge,
  call: Call,
  shard: ShardName,
  answer: Answer,
  reply: Reply,
  ack: Exclude<DurabilityLevel, "local">,
): Promise<Placement> => {
  let reached: DurabilityLevel = "local";
  try {
    if (answer.place !== null) {
      reached = await edge.router.waitFor(shard, answer.place, ack, call.expiresMs);
    }
  } catch (error) {
    edge.logger.warn({ requestId: call.requestId, err: error }, "waiting for a record failed");
  }
  if (DURABILITY_LEVELS.indexOf(reached) >= DURABILITY_LEVELS.indexOf(ack)) {
    return { reply, reached };
  }
  return { reply: new Reply(202, reply.body, reply.contentType, reply.headers), reached };
};
