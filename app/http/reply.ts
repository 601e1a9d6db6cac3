import { CODES, type Code, type Context } from "../../shards/domain/codes.ts";
import { type FieldError, type Problem, renderProblem } from "../../shards/domain/problem.ts";
import type { Answer } from "../../shards/protocol/answer.ts";
import { type RoutingCode, RoutingError } from "../routing/routing-error.ts";

const JSON_TYPE = "application/json";
const PROBLEM_TYPE = "application/problem+json";
const RETRY_AFTER_S = "1";

type Headers = Readonly<Record<string, string>>;

/** An answer before the headers that every answer has. */
export class Reply {
  constructor(
    readonly status: number,
    readonly body: string | null,
    readonly contentType: string = JSON_TYPE,
    readonly headers: Headers | undefined = undefined,
  ) {}

  with(headers: Headers): Reply {
    return new Reply(this.status, this.body, this.contentType, { ...this.headers, ...headers });
  }
}

export const problemReply = (
  requestId: string,
  problem: Problem,
  errors?: readonly FieldError[],
): Reply => {
  const { code, detail } = problem;
  const { status } = CODES[code];
  // What a shard finds wrong with a request has no path of its own.
  const named = errors ?? (code === "invalid_request" ? [{ path: "", reason: detail }] : undefined);
  const body = renderProblem(
    problem,
    named === undefined ? { requestId } : { requestId, errors: named },
  );
  return new Reply(
    status,
    body,
    PROBLEM_TYPE,
    status === 503 ? { "Retry-After": RETRY_AFTER_S } : undefined,
  );
};

/** A shard's answer as HTTP. `unknownContext` goes with an outcome that is not known. */
export const answerReply = (
  requestId: string,
  answer: Answer,
  unknownContext: Context = {},
): Reply => {
  const { kind, status, body } = answer;
  if (kind === "problem") {
    return problemReply(requestId, withUnknownContext(problemOf(answer), unknownContext));
  }
  const contentType = status >= 400 ? PROBLEM_TYPE : JSON_TYPE;
  if (kind === "final") return new Reply(status, body, contentType);
  // A replayed acceptance made nothing new: 200. A replayed refusal is still a refusal.
  return new Reply(status >= 400 ? status : 200, body, contentType, {
    "Idempotency-Replayed": "true",
  });
};

/** The problem in a shard's answer. A code that this api does not know has an unknown effect. */
export const problemOf = (answer: Answer): Problem => {
  const problem = JSON.parse(answer.body) as Problem;
  if (Object.hasOwn(CODES, problem.code)) return problem;
  return { code: "internal_error", detail: "The shard gave an answer that is not known here." };
};

const withUnknownContext = (problem: Problem, unknownContext: Context): Problem => {
  const effect = CODES[problem.code].effect;
  if (effect !== "unknown") return problem;
  return { ...problem, context: { ...problem.context, ...unknownContext } };
};

/** The router's failure as a problem; undefined when it is none of the router's. */
export const routingProblem = (
  error: unknown,
  shard: string,
  unknownContext: Context = {},
): Problem | undefined => {
  if (!(error instanceof RoutingError)) return undefined;
  const { code } = error;
  const context = code === "outcome_unknown" ? { shard, ...unknownContext } : { shard };
  return { code, detail: ROUTING_DETAILS[code], context };
};

const ROUTING_DETAILS = {
  shard_unavailable: "The shard does not answer; nothing happened.",
  overloaded: "Too much is waiting for the shard; nothing happened.",
  outcome_unknown: "No certain answer: ask again the same way to learn the outcome.",
} as const satisfies Record<RoutingCode, string>;

/** A problem without more to it. */
export const plainProblem = (code: Code, detail = `${CODES[code].title}.`): Problem => ({
  code,
  detail,
});
