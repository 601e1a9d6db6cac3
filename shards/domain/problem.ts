import { CODES, type Code, type Context } from "./codes.ts";

/** What is said with a code. `detail` is a sentence for people; `context` is for programs. */
export interface Problem {
  readonly code: Code;
  readonly detail: string;
  readonly context?: Context;
}

/** One refused field: its path in the body (`takeProfit.stopPrice`) and why. */
export interface FieldError {
  readonly path: string;
  readonly reason: string;
}

/**
 * The problem+json text (RFC 9457) of an answer. A stored refusal is rendered without `requestId`,
 * because its body must be the same on every replay.
 */
export const renderProblem = (
  problem: Problem,
  extra: { readonly requestId?: string; readonly errors?: readonly FieldError[] } = {},
): string => {
  const { status, title } = CODES[problem.code];
  return JSON.stringify({
    type: `/docs/errors#${problem.code}`,
    title,
    status,
    code: problem.code,
    detail: problem.detail,
    requestId: extra.requestId,
    context: problem.context,
    errors: extra.errors,
  });
};
