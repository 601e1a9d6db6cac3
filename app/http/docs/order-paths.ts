/** Orders, in the document. */
import { z } from "zod";
import type { ZodOpenApiOperationObject } from "zod-openapi";
import type { Code } from "../../../shards/domain/codes.ts";
import { DURABILITY_LEVELS } from "../../routing/progress-board.ts";
import { amendSchema, batchSchema, orderSchema } from "../orders/order-schema.ts";
import { ackQuery, cancelQuery, ordersQuery } from "../orders/query.ts";
import { checkAnswer } from "./account-answers.ts";
import { batchAnswer, cancelManyAnswer, orderAnswer, orderOrList } from "./answers.ts";
import {
  BODY,
  CHANGE,
  json,
  MARGIN,
  ok,
  problems,
  REFUSALS,
  SECURED,
  SHARD,
  secured,
} from "./describe.ts";
import { AMENDED_ORDER, AMENDMENT, CHECK, ORDER, ORDER_REQUEST } from "./examples.ts";

const AMENDMENT_CODES: readonly Code[] = ["order_not_found", "order_not_open", "amendment_pending"];

const durability = z.object({
  "Sluice-Durability": z.enum(DURABILITY_LEVELS).meta({ description: "The level reached" }),
});
const replayable = durability.extend({
  "Idempotency-Replayed": z.literal("true").optional(),
});

const path = z.object({ orderId: z.string() });

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
    ...problems(BODY, SECURED, ["client_order_id_reused"], REFUSALS, CHANGE, MARGIN, SHARD),
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
    "200": ok("The order as it now is, with what waits for the engine", orderAnswer, AMENDED_ORDER),
    ...problems(BODY, SECURED, AMENDMENT_CODES, REFUSALS, CHANGE, MARGIN, SHARD),
  },
};

const cancelOrder: ZodOpenApiOperationObject = {
  operationId: "cancelOrder",
  summary: "Cancel an order",
  ...secured("trade"),
  requestParams: { path },
  responses: {
    "200": ok(
      "The order as it now is: CANCELED, or PENDING_CANCEL until the matching engine confirms",
      orderAnswer,
      { ...ORDER, status: "PENDING_CANCEL" },
    ),
    ...problems(
      ["invalid_request", "order_not_found", "order_not_open", "outcome_unknown"],
      SECURED,
      SHARD,
    ),
  },
};

const checkOrder: ZodOpenApiOperationObject = {
  operationId: "checkOrder",
  summary: "What an order would meet now, with all numbers; nothing is stored",
  ...secured("trade"),
  requestBody: { required: true, content: json(orderSchema, ORDER_REQUEST) },
  responses: {
    "200": ok("The decision and its numbers", checkAnswer, CHECK),
    ...problems(BODY, SECURED, ["rate_limited", "replication_backlog"], MARGIN, SHARD),
  },
};

export const orderPaths = {
  "/v1/orders": { post: placeOrder, get: readOrders, delete: cancelMany },
  "/v1/orders/batch": { post: placeBatch },
  "/v1/orders/check": { post: checkOrder },
  "/v1/orders/{orderId}": { get: readOrder, patch: amendOrder, delete: cancelOrder },
};
