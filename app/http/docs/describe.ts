/** Parts that the descriptions of all operations are made of. */
import type { z } from "zod";
import { CODES, type Code } from "../../../shards/domain/codes.ts";
import type { Scope } from "../../tokens/verifier.ts";
import { problemAnswer } from "./answers.ts";
import { problemExample } from "./examples.ts";

export const SECURED: readonly Code[] = ["unauthenticated", "token_expired", "scope_missing"];
export const SHARD: readonly Code[] = ["shard_unavailable", "overloaded", "internal_error"];
export const BODY: readonly Code[] = [
  "invalid_request",
  "body_too_large",
  "unsupported_media_type",
];
/** New exposure may need rights that another shard holds. */
export const MARGIN: readonly Code[] = ["bank_unavailable"];
export const CHANGE: readonly Code[] = ["rate_limited", "outcome_unknown", "replication_backlog"];
/** Refusals of orders, which are stored. */
export const REFUSALS = (Object.keys(CODES) as Code[]).filter(
  (code) => CODES[code].effect === "stored",
);

export const TAGS = {
  orders: "Orders",
  account: "Account",
  reference: "Reference",
  venue: "Venue",
  operations: "Operations",
} as const;
export type Tag = (typeof TAGS)[keyof typeof TAGS];

export const json = (schema: z.ZodType, example?: object) => ({
  "application/json": example === undefined ? { schema } : { schema, example },
});
export const ok = (description: string, schema: z.ZodType, example?: object) => ({
  description,
  content: json(schema, example),
});

/** The problems of an operation, gathered by status; the first of each is shown. */
export const problems = (...groups: readonly (readonly Code[])[]) => {
  const byStatus: Record<string, { description: string; content: object }> = {};
  for (const code of new Set(groups.flat())) {
    const status = String(CODES[code].status);
    const known = byStatus[status];
    const example = problemExample(code);
    byStatus[status] = {
      description: known === undefined ? code : `${known.description}, ${code}`,
      content: known?.content ?? {
        "application/problem+json": { schema: problemAnswer, example },
      },
    };
  }
  return byStatus;
};

export const secured = (scope: Scope, tag: Tag = TAGS.orders) => ({
  security: [{ bearer: [scope] }],
  tags: [tag],
});
