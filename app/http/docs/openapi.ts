/**
 * The OpenAPI 3.1 document, from the same schemas that validate. A route that is not described
 * here, or one described that does not exist, fails the test beside this file.
 */
import { z } from "zod";
import { createDocument, type ZodOpenApiOperationObject } from "zod-openapi";
import { CODES, type Code } from "../../../shards/domain/codes.ts";
import { DURABILITY_LEVELS } from "../../routing/progress-board.ts";
import type { Scope } from "../../tokens/verifier.ts";
import { raiseSchema } from "../operations/administration.ts";
import { amendSchema, batchSchema, orderSchema } from "../orders/order-schema.ts";
import { ackQuery, cancelQuery, ordersQuery } from "../orders/query.ts";
import {
  batchAnswer,
  cancelManyAnswer,
  healthAnswer,
  instrumentList,
  orderAnswer,
  orderOrList,
  partitionsAnswer,
  problemAnswer,
  readinessAnswer,
  resendAnswer,
  shardList,
  timeAnswer,
} from "./answers.ts";
import { AMENDMENT, ORDER, ORDER_REQUEST, problemExample } from "./examples.ts";

const SECURED: readonly Code[] = ["unauthenticated", "token_expired", "scope_missing"];
const SHARD: readonly Code[] = ["shard_unavailable", "overloaded", "internal_error"];
const BODY: readonly Code[] = ["invalid_request", "body_too_large", "unsupported_media_type"];
const CHANGE: readonly Code[] = ["rate_limited", "outcome_unknown", "replication_backlog"];
const REFUSALS = (Object.keys(CODES) as Code[]).filter((code) => CODES[code].status === 422);

const TAGS = { orders: "Orders", reference: "Reference", operations: "Operations" } as const;
type Tag = (typeof TAGS)[keyof typeof TAGS];

const json = (schema: z.ZodType, example?: object) => ({
  "application/json": example === undefined ? { schema } : { schema, example },
});
const ok = (description: string, schema: z.ZodType, example?: object) => ({
  description,
  content: json(schema, example),
});

/** The problems of an operation, gathered by status; the first of each is shown. */
const problems = (...groups: readonly (readonly Code[])[]) => {
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

const secured = (scope: Scope, tag: Tag = TAGS.orders) => ({
  security: [{ bearer: [scope] }],
  tags: [tag],
});
const path = z.object({ orderId: z.string() });

const durability = z.object({
  "Sluice-Durability": z.enum(DURABILITY_LEVELS).meta({ description: "The level reached" }),
});
const replayable = durability.extend({
  "Idempotency-Replayed": z.literal("true").optional(),
});

const placeOrder: ZodOpenApiOperationObject = {
  operationId: "placeOrder",
  summary: "Place an order",
  ...secured("trade"),
  requestParams: { query: ackQuery },
  requestBody: { required: true, content: json(orderSchema, ORDER_REQUEST) },
  responses: {
    "201": { ...ok("Accepted and stored", orderAnswer, ORDER), headers: durability },
    "200": { ...ok("Replay: the first answer again", orderAnswer, ORDER), headers: replayable },
    "202": {
      ...ok("Stored; the level asked for was not reached", orderAnswer, ORDER),
      headers: replayable,
    },
    ...problems(BODY, SECURED, ["client_order_id_reused"], REFUSALS, CHANGE, SHARD),
  },
};

const placeBatch: ZodOpenApiOperationObject = {
  operationId: "placeOrders",
  summary: "Place up to 100 orders, each independent",
  ...secured("trade"),
  requestParams: { query: ackQuery },
  requestBody: { required: true, content: json(batchSchema, { orders: [ORDER_REQUEST] }) },
  responses: {
    "200": { ...ok("One result an order, in their order", batchAnswer), headers: durability },
    ...problems(BODY, SECURED, ["rate_limited", "internal_error"]),
  },
};

const readOrders: ZodOpenApiOperationObject = {
  operationId: "readOrders",
  summary: "One order by clientOrderId, the open orders, or the history (newest first)",
  ...secured("read"),
  requestParams: { query: ordersQuery },
  responses: {
    "200": {
      ...ok("The order, or a list", orderOrList),
      headers: z.object({
        "Sluice-Central-Lag-Ms": z
          .string()
          .optional()
          .meta({ description: "History: age of the oldest change that it may lack" }),
      }),
    },
    ...problems(["invalid_request", "order_not_found"], SECURED, SHARD),
  },
};

const cancelMany: ZodOpenApiOperationObject = {
  operationId: "cancelOrders",
  summary: "Cancel all open orders, or those of one symbol",
  ...secured("trade"),
  requestParams: { query: cancelQuery },
  responses: {
    "200": ok("One result a shard; one that is down says so here", cancelManyAnswer),
    ...problems(["invalid_request", "internal_error"], SECURED),
  },
};

const readOrder: ZodOpenApiOperationObject = {
  operationId: "readOrder",
  summary: "One order",
  ...secured("read"),
  requestParams: { path },
  responses: {
    "200": ok("The order as it now is", orderAnswer, ORDER),
    ...problems(["invalid_request", "order_not_found"], SECURED, SHARD),
  },
};

const amendOrder: ZodOpenApiOperationObject = {
  operationId: "amendOrder",
  summary: "Amend price or quantity",
  ...secured("trade"),
  requestParams: { path },
  requestBody: { required: true, content: json(amendSchema, AMENDMENT) },
  responses: {
    "200": ok("The order as it now is", orderAnswer, ORDER),
    ...problems(BODY, SECURED, ["order_not_found", "order_not_open"], REFUSALS, CHANGE, SHARD),
  },
};

const cancelOrder: ZodOpenApiOperationObject = {
  operationId: "cancelOrder",
  summary: "Cancel an order",
  ...secured("trade"),
  requestParams: { path },
  responses: {
    "200": ok("The order as it now is; again for one cancelled before", orderAnswer, ORDER),
    ...problems(
      ["invalid_request", "order_not_found", "order_not_open", "outcome_unknown"],
      SECURED,
      SHARD,
    ),
  },
};

const listInstruments: ZodOpenApiOperationObject = {
  operationId: "listInstruments",
  summary: "The instruments and their rules",
  ...secured("read", TAGS.reference),
  responses: {
    "200": ok("By symbol", instrumentList),
    ...problems(["invalid_request"], SECURED, SHARD),
  },
};

const listShards: ZodOpenApiOperationObject = {
  operationId: "listShards",
  summary: "The shards as they say they are",
  ...secured("admin", TAGS.operations),
  responses: {
    "200": ok("One a shard", shardList),
    ...problems(["invalid_request", "internal_error"], SECURED),
  },
};

const shardPath = z.object({ shard: z.string() });

const raisePartitions: ZodOpenApiOperationObject = {
  operationId: "raisePartitions",
  summary: "Spread a shard's records over more partitions; again with the same number is well",
  ...secured("admin", TAGS.operations),
  requestParams: { path: shardPath },
  requestBody: { required: true, content: json(raiseSchema, { partitionCount: 10 }) },
  responses: {
    "200": ok("The shard has that many now", partitionsAnswer),
    ...problems(BODY, ["not_found", "outcome_unknown"], SECURED, SHARD),
  },
};

const resend: ZodOpenApiOperationObject = {
  operationId: "resend",
  summary: "Send everything again that central lacks of a shard",
  ...secured("admin", TAGS.operations),
  requestParams: { path: shardPath },
  responses: {
    "202": ok("The shard's relay was told", resendAnswer),
    ...problems(["invalid_request", "not_found", "outcome_unknown"], SECURED, SHARD),
  },
};

const open = (
  operationId: string,
  summary: string,
  responses: ZodOpenApiOperationObject["responses"],
  tag: Tag = TAGS.operations,
): ZodOpenApiOperationObject => ({ operationId, summary, security: [], tags: [tag], responses });

const textAnswer = (description: string, type: string) => ({
  description,
  content: { [type]: { schema: z.string() } },
});

const paths = {
  "/v1/orders": { post: placeOrder, get: readOrders, delete: cancelMany },
  "/v1/orders/batch": { post: placeBatch },
  "/v1/orders/{orderId}": { get: readOrder, patch: amendOrder, delete: cancelOrder },
  "/v1/instruments": { get: listInstruments },
  "/v1/time": {
    get: open(
      "readTime",
      "The server's time",
      {
        "200": ok("Milliseconds since 1970", timeAnswer),
        ...problems(["invalid_request"]),
      },
      TAGS.reference,
    ),
  },
  "/admin/v1/shards": { get: listShards },
  "/admin/v1/shards/{shard}/partitions": { post: raisePartitions },
  "/admin/v1/shards/{shard}/resend": { post: resend },
  "/healthz": { get: open("alive", "The process lives", { "200": ok("It does", healthAnswer) }) },
  "/readyz": {
    get: open("ready", "Every shard answers", {
      "200": ok("All do", readinessAnswer),
      "503": ok("Some do not", readinessAnswer),
    }),
  },
  "/metrics": {
    get: open("metrics", "Prometheus metrics", {
      "200": textAnswer("Series of this process and of the shards", "text/plain"),
    }),
  },
  "/openapi.json": {
    get: open("openapi", "This document", { "200": ok("OpenAPI 3.1", z.looseObject({})) }),
  },
  "/docs": { get: open("docs", "Readable page", { "200": textAnswer("HTML", "text/html") }) },
  "/docs/errors": {
    get: open("errors", "Table of the codes", { "200": textAnswer("HTML", "text/html") }),
  },
};

export const openapiDocument = () =>
  createDocument({
    openapi: "3.1.0",
    info: {
      title: "Sluice",
      version: "1",
      description:
        "Order intake for a derivatives exchange. Prices, quantities and money are decimal " +
        "strings; times are milliseconds since 1970. What each error code means: " +
        "[/docs/errors](/docs/errors).",
    },
    servers: [{ url: "/" }],
    tags: Object.values(TAGS).map((name) => ({ name })),
    paths,
    components: {
      securitySchemes: { bearer: { type: "http", scheme: "bearer", bearerFormat: "JWT" } },
    },
  });
