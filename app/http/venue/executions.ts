/** What a matching engine did to orders, in the order in which it did it. */
import { z } from "zod";
import type { CanonicalDecimal, InstrumentSymbol, OrderId } from "../../../shards/domain/brands.ts";
import type { Code } from "../../../shards/domain/codes.ts";
import { EXECUTION_KINDS, type Execution } from "../../../shards/domain/command.ts";
import { canonicalDecimal } from "../../../shards/domain/decimal.ts";
import type { FieldError } from "../../../shards/domain/problem.ts";
import { type ExecutionResult, executionResultSchema } from "../../../shards/protocol/account.ts";
import { BATCH_BODY_BYTES_MAX, invalidRequest, readBody } from "../body.ts";
import type { Call } from "../call.ts";
import {
  asset,
  canonicalMoney,
  decimal,
  foreignId,
  idText,
  money,
  symbol,
  timestamp,
} from "../fields.ts";
import { withoutQuery } from "../operations/reference.ts";
import { ask } from "../orders/ask.ts";
import { Reply } from "../reply.ts";
import type { Edge, Route } from "../route.ts";

const EXECUTIONS_MAX = 1000;

const executionSchema = z
  .strictObject({
    executionId: foreignId.meta({
      description: "The idempotency key, with the symbol",
      examples: ["e-1"],
    }),
    orderId: idText,
    symbol,
    kind: z.enum(EXECUTION_KINDS),
    price: decimal
      .optional()
      .meta({ description: "FILL: the trade's. AMENDED: the order's new one" }),
    quantity: decimal
      .optional()
      .meta({ description: "FILL: the trade's. AMENDED: the order's new one" }),
    fee: money.optional().meta({ description: "FILL only; a rebate is below zero" }),
    feeAsset: asset.optional().meta({ description: "The instrument's margin asset when absent" }),
    at: timestamp.meta({ description: "The engine's time, milliseconds since 1970" }),
  })
  .meta({ id: "Execution" });
type SentExecution = z.infer<typeof executionSchema>;

export const executionsSchema = z
  .strictObject({ executions: z.array(executionSchema).min(1).max(EXECUTIONS_MAX) })
  .meta({ id: "ExecutionsRequest" });

export const executionRoutes = (edge: Edge): readonly Route[] => [
  {
    method: "POST",
    path: "/admin/v1/executions",
    scope: "admin",
    handle: withoutQuery((call) => takeExecutions(edge, call)),
  },
];

/** One execution as it stands in a topic. Throws what zod throws, or a sentence. */
export const parseExecution = (json: unknown): Execution => {
  const sent = executionSchema.parse(json);
  const [broken] = ruleErrors(sent, 0);
  if (broken === undefined) return executionOf(sent);
  throw new Error(`${broken.path.replace("executions.0.", "")} ${broken.reason}`);
};

const takeExecutions = async (edge: Edge, call: Call): Promise<Reply> => {
  const body = await readBody(call, executionsSchema, BATCH_BODY_BYTES_MAX);
  if (body instanceof Reply) return body;
  const { executions } = body.value;
  const errors = executions.flatMap(ruleErrors);
  if (errors.length > 0) return invalidRequest(call, errors);
  // The router is called for all of them before anything is awaited: that keeps their order.
  const results = await Promise.all(executions.map((sent) => take(edge, call, sent)));
  return new Reply(200, JSON.stringify({ results }));
};

/** What a kind needs and what it cannot have. */
const ruleErrors = (sent: SentExecution, index: number): readonly FieldError[] => {
  const { kind } = sent;
  const errors: FieldError[] = [];
  const add = (field: string, reason: string): void =>
    void errors.push({ path: `executions.${index}.${field}`, reason });
  for (const field of ["price", "quantity"] as const) {
    if (kind === "FILL" && sent[field] === undefined) add(field, "is required for FILL");
    if (kind !== "FILL" && kind !== "AMENDED" && sent[field] !== undefined) {
      add(field, `does not go with ${kind}`);
    }
  }
  if (kind === "AMENDED" && sent.price === undefined && sent.quantity === undefined) {
    add("price", "or quantity is required for AMENDED");
  }
  if (kind !== "FILL" && sent.fee !== undefined) add("fee", `does not go with ${kind}`);
  if (sent.fee === undefined && sent.feeAsset !== undefined) add("feeAsset", "goes with fee only");
  return errors;
};

/** `unknown`: the shard did not say, or would not look; the same execution may be sent again. */
interface Result {
  readonly executionId: string;
  readonly status: ExecutionResult["status"] | "unknown";
  readonly reason?: string | undefined;
  readonly code?: Code;
}

const take = async (edge: Edge, call: Call, sent: SentExecution): Promise<Result> => {
  const { executionId } = sent;
  const execution = executionOf(sent);
  const shard = edge.router.shardOfSymbol(execution.symbol);
  const asked = await ask(edge, call, shard, { kind: "execute", execution });
  if (!asked.ok) return { executionId, status: "unknown", code: asked.problem.code };
  const { status, reason } = executionResultSchema.parse(JSON.parse(asked.answer.body));
  return { executionId, status, reason };
};

/** The casts are the brands: the schema's patterns have been met. */
const executionOf = (sent: SentExecution): Execution => ({
  executionId: sent.executionId,
  orderId: Number(sent.orderId) as OrderId,
  symbol: sent.symbol as InstrumentSymbol,
  kind: sent.kind,
  price: canonicalOrNull(sent.price),
  quantity: canonicalOrNull(sent.quantity),
  fee: sent.fee === undefined ? null : canonicalMoney(sent.fee),
  feeAsset: sent.feeAsset ?? null,
  at: sent.at,
});

const canonicalOrNull = (text: string | undefined): CanonicalDecimal | null =>
  text === undefined ? null : canonicalDecimal(text);
