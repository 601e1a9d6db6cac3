/**
 * Money in and out of an account. Whoever moves the money outside acts on this answer, so it leaves
 * only when the decision would survive the loss of its shard's disk: when its record is replicated.
 */
import { z } from "zod";
import type { AccountId, ShardName } from "../../../shards/domain/brands.ts";
import type { Answer } from "../../../shards/protocol/answer.ts";
import { DURABILITY_LEVELS } from "../../routing/progress-board.ts";
import { ORDER_BODY_BYTES_MAX, readBody } from "../body.ts";
import type { Call } from "../call.ts";
import { asset, canonicalMoney, foreignId, money } from "../fields.ts";
import { withoutQuery } from "../operations/reference.ts";
import { parseAccountId } from "../orders/query.ts";
import { answerReply, plainProblem, problemReply, Reply, routingProblem } from "../reply.ts";
import type { Edge, Route } from "../route.ts";

const isNothing = (amount: string): boolean => !/[1-9]/.test(amount);

export const transferSchema = z
  .strictObject({
    transferId: foreignId.meta({
      description: "The idempotency key, with account and asset",
      examples: ["t-1"],
    }),
    asset,
    amount: money
      .refine((amount) => !isNothing(amount), "must not be zero")
      .meta({ description: "Above zero a deposit, below a withdrawal" }),
  })
  .meta({ id: "TransferRequest" });
type TransferRequest = z.infer<typeof transferSchema>;

export const transferRoutes = (edge: Edge): readonly Route[] => [
  {
    method: "POST",
    path: "/admin/v1/accounts/:accountId/transfers",
    scope: "admin",
    handle: withoutQuery((call) => transfer(edge, call)),
  },
];

const transfer = async (edge: Edge, call: Call): Promise<Reply> => {
  const accountId = parseAccountId(call.pathId);
  if (accountId === undefined) {
    return problemReply(call.requestId, plainProblem("account_not_found"));
  }
  const body = await readBody(call, transferSchema, ORDER_BODY_BYTES_MAX);
  return body instanceof Reply ? body : decide(edge, call, accountId, body.value);
};

const decide = async (
  edge: Edge,
  call: Call,
  accountId: AccountId,
  request: TransferRequest,
): Promise<Reply> => {
  const { requestId } = call;
  const context = { transferId: request.transferId };
  const shard = edge.router.shardOfAccount(accountId);
  const amount = canonicalMoney(request.amount);
  const operation = { kind: "transfer", accountId, ...request, amount } as const;
  const startedMs = edge.clock.monotonicMs();
  try {
    const answer = await edge.router.request(shard, operation, call.deadlineAt);
    call.noteShard(answer.timing);
    if (await isReplicated(edge, call, shard, answer))
      return answerReply(requestId, answer, context);
    return problemReply(requestId, {
      code: "outcome_unknown",
      detail: "The transfer is decided and not replicated yet: ask again the same way.",
      context: { shard, ...context },
    });
  } catch (error) {
    const known = routingProblem(error, shard, context);
    if (known === undefined) throw error;
    return problemReply(requestId, known);
  } finally {
    call.routedMs = edge.clock.monotonicMs() - startedMs;
  }
};

/** What stands on no record was not decided now: there is nothing to wait for. */
const isReplicated = async (
  edge: Edge,
  call: Call,
  shard: ShardName,
  { place }: Answer,
): Promise<boolean> => {
  if (place === null) return true;
  try {
    const reached = await edge.router.waitFor(shard, place, "replicated", call.expiresMs);
    return DURABILITY_LEVELS.indexOf(reached) >= DURABILITY_LEVELS.indexOf("replicated");
  } catch (error) {
    edge.logger.warn({ requestId: call.requestId, err: error }, "waiting for a record failed");
    return false;
  }
};
