/** What operators ask of one shard. Each may be asked again. */
import { z } from "zod";
import type { ShardName } from "../../../shards/domain/brands.ts";
import type { Problem } from "../../../shards/domain/problem.ts";
import type { Operation } from "../../../shards/protocol/operation.ts";
import { ORDER_BODY_BYTES_MAX, readBody } from "../body.ts";
import type { Call } from "../call.ts";
import { ask } from "../orders/ask.ts";
import { answerReply, problemReply, Reply } from "../reply.ts";
import type { Edge, Route } from "../route.ts";
import { withoutQuery } from "./reference.ts";

const PARTITIONS_MAX = 1000;

/** The body of a raise. */
export const raiseSchema = z
  .strictObject({ partitionCount: z.int().min(1).max(PARTITIONS_MAX) })
  .meta({ id: "PartitionRaise" });

export const administrationRoutes = (edge: Edge): readonly Route[] => [
  {
    method: "POST",
    path: "/admin/v1/shards/:shard/partitions",
    scope: "admin",
    handle: withoutQuery((call) => raisePartitions(edge, call)),
  },
  {
    method: "POST",
    path: "/admin/v1/shards/:shard/resend",
    scope: "admin",
    handle: withoutQuery((call) => tell(edge, call, { kind: "resend" })),
  },
];

const raisePartitions = async (edge: Edge, call: Call): Promise<Reply> => {
  const body = await readBody(call, raiseSchema, ORDER_BODY_BYTES_MAX);
  if (body instanceof Reply) return body;
  return tell(edge, call, { kind: "raise_partitions", ...body.value });
};

/** What a shard refuses of a body that could be read is its one field. */
const refused = (call: Call, problem: Problem): Reply =>
  problem.code === "invalid_request"
    ? problemReply(call.requestId, problem, [{ path: "partitionCount", reason: problem.detail }])
    : problemReply(call.requestId, problem);

const tell = async (edge: Edge, call: Call, operation: Operation): Promise<Reply> => {
  const shard = edge.router.shards.find((name) => name === call.pathId);
  if (shard === undefined) return noSuchShard(call, edge.router.shards);
  const asked = await ask(edge, call, shard, operation);
  if (asked.ok) return answerReply(call.requestId, asked.answer);
  return refused(call, asked.problem);
};

const noSuchShard = (call: Call, shards: readonly ShardName[]): Reply =>
  problemReply(call.requestId, {
    code: "not_found",
    detail: `There is no such shard; there are ${shards.join(", ")}.`,
  });
