/** What those who run the exchange send, in the document. */
import type { ZodOpenApiOperationObject } from "zod-openapi";
import { executionsSchema } from "../venue/executions.ts";
import { markPricesSchema } from "../venue/mark-prices.ts";
import { tradingStateSchema } from "../venue/trading-state.ts";
import { executionsAnswer, markPricesAnswer, tradingStateAnswer } from "./account-answers.ts";
import { BODY, json, ok, problems, SECURED, secured, TAGS } from "./describe.ts";
import { EXECUTION, MARK_PRICE } from "./examples.ts";

const takeExecutions: ZodOpenApiOperationObject = {
  operationId: "takeExecutions",
  summary: "Up to 1,000 executions of the matching engine; of a symbol, in its order",
  ...secured("admin", TAGS.venue),
  requestBody: { required: true, content: json(executionsSchema, { executions: [EXECUTION] }) },
  responses: {
    "200": ok("One result an execution, in their order; each may be sent again", executionsAnswer, {
      results: [{ executionId: EXECUTION.executionId, status: "applied" }],
    }),
    ...problems(BODY, SECURED, ["internal_error"]),
  },
};

const takeMarkPrices: ZodOpenApiOperationObject = {
  operationId: "takeMarkPrices",
  summary: "Up to 1,000 mark prices",
  ...secured("admin", TAGS.venue),
  requestBody: { required: true, content: json(markPricesSchema, { prices: [MARK_PRICE] }) },
  responses: {
    "200": ok("One result a price, in their order", markPricesAnswer, {
      results: [{ symbol: MARK_PRICE.symbol, status: "applied" }],
    }),
    ...problems(BODY, SECURED, ["internal_error"]),
  },
};

const setTradingState: ZodOpenApiOperationObject = {
  operationId: "setTradingState",
  summary: "Let all trade, reduce only, or stop: everywhere, in a symbol, or for an account",
  ...secured("admin", TAGS.venue),
  requestBody: {
    required: true,
    content: json(tradingStateSchema, { scope: { symbol: "BTCUSDT" }, state: "REDUCE_ONLY" }),
  },
  responses: {
    "200": ok("One result a shard; one that is down says so here", tradingStateAnswer, {
      results: [{ shard: "shard1", status: 200, state: "REDUCE_ONLY" }],
    }),
    ...problems(BODY, SECURED, ["internal_error"]),
  },
};

export const venuePaths = {
  "/admin/v1/executions": { post: takeExecutions },
  "/admin/v1/mark-prices": { post: takeMarkPrices },
  "/admin/v1/trading-state": { put: setTradingState },
};
