import type { ShardName } from "../../../shards/domain/brands.ts";
import type { Problem } from "../../../shards/domain/problem.ts";
import type { Answer } from "../../../shards/protocol/answer.ts";
import type { Operation } from "../../../shards/protocol/operation.ts";
import type { Call } from "../call.ts";
import { problemOf, routingProblem } from "../reply.ts";
import type { Edge } from "../route.ts";

/** A shard's answer, or the problem it or the router gave. */
export type Asked =
  | { readonly ok: true; readonly shard: ShardName; readonly answer: Answer }
  | { readonly ok: false; readonly shard: ShardName; readonly problem: Problem };

/** Rejects only with what is no answer at all. */
export const ask = async (
  edge: Edge,
  call: Call,
  shard: ShardName,
  operation: Operation,
  deadlineAt = call.deadlineAt,
): Promise<Asked> => {
  const startedMs = edge.clock.monotonicMs();
  try {
    const answer = await edge.router.request(shard, operation, deadlineAt);
    call.noteShard(answer.timing);
    if (answer.kind !== "problem") return { ok: true, shard, answer };
    return { ok: false, shard, problem: problemOf(answer) };
  } catch (error) {
    const problem = routingProblem(error, shard);
    if (problem === undefined) throw error;
    return { ok: false, shard, problem };
  } finally {
    call.routedMs = edge.clock.monotonicMs() - startedMs;
  }
};

/**
 * As {@link ask}, for reads: not known means that the shard did not say, which is
 * `shard_unavailable` where nothing could have happened.
 */
export const read = async (
  edge: Edge,
  call: Call,
  shard: ShardName,
  operation: Operation,
  deadlineAt = call.deadlineAt,
): Promise<Asked> => {
  const asked = await ask(edge, call, shard, operation, deadlineAt);
  if (asked.ok || asked.problem.code !== "outcome_unknown") return asked;
  return { ...asked, problem: { ...asked.problem, code: "shard_unavailable" } };
};

/** Every shard at once; the answers in the router's order of shards. */
export const readAll = (
  edge: Edge,
  call: Call,
  operation: Operation,
  deadlineAt = call.deadlineAt,
): Promise<Asked[]> =>
  Promise.all(edge.router.shards.map((shard) => read(edge, call, shard, operation, deadlineAt)));

/** The bodies of all, or the problem of the first that did not answer. */
export const bodiesOf = (
  asked: readonly Asked[],
): { readonly bodies: readonly string[] } | { readonly problem: Problem } => {
  const bodies: string[] = [];
  for (const one of asked) {
    if (!one.ok) return { problem: one.problem };
    bodies.push(one.answer.body);
  }
  return { bodies };
};

/** `{ items, nextCursor }` from JSON texts of arrays, without reading them. */
export const listBody = (arrays: readonly string[], nextCursor: string | null): string => {
  const inner = arrays.map((text) => text.trim().slice(1, -1)).filter((text) => text !== "");
  return `{"items":[${inner.join(",")}],"nextCursor":${JSON.stringify(nextCursor)}}`;
};
