/** Accounts, in the document. */
import { z } from "zod";
import type { ZodOpenApiOperationObject } from "zod-openapi";
import { accountSettingsSchema, symbolSettingsSchema } from "../account/settings.ts";
import { transferSchema } from "../account/transfers.ts";
import {
  accountAnswer,
  accountSettingsAnswer,
  positionList,
  symbolSettingsAnswer,
  transferAnswer,
} from "./account-answers.ts";
import { BODY, json, MARGIN, ok, problems, SECURED, SHARD, secured, TAGS } from "./describe.ts";
import { ACCOUNT, POSITIONS, SYMBOL_SETTINGS, TRANSFER } from "./examples.ts";

const readAccount: ZodOpenApiOperationObject = {
  operationId: "readAccount",
  summary: "What the account has, and where; each shard is asked, one beside the other",
  ...secured("read", TAGS.account),
  responses: {
    "200": ok("By asset", accountAnswer, ACCOUNT),
    ...problems(["invalid_request", "account_not_found"], SECURED, SHARD),
  },
};

const listPositions: ZodOpenApiOperationObject = {
  operationId: "listPositions",
  summary: "The open positions, of all shards",
  ...secured("read", TAGS.account),
  responses: {
    "200": ok("Those that are not zero", positionList, POSITIONS),
    ...problems(["invalid_request"], SECURED, SHARD),
  },
};

const setForSymbol: ZodOpenApiOperationObject = {
  operationId: "setSymbolSettings",
  summary: "Choose leverage and margin mode of a symbol",
  ...secured("trade", TAGS.account),
  requestParams: { path: z.object({ symbol: z.string() }) },
  requestBody: {
    required: true,
    content: json(symbolSettingsSchema, { leverage: 20, marginMode: "CROSS" }),
  },
  responses: {
    "200": ok("The settings as they now are", symbolSettingsAnswer, SYMBOL_SETTINGS),
    ...problems(
      BODY,
      SECURED,
      ["position_or_orders_open"],
      ["unknown_symbol", "leverage_too_high", "margin_insufficient"],
      ["outcome_unknown", "replication_backlog"],
      MARGIN,
      SHARD,
    ),
  },
};

const setForAccount: ZodOpenApiOperationObject = {
  operationId: "setAccountSettings",
  summary: "Choose the position mode: each shard is asked whether it could before one does",
  ...secured("trade", TAGS.account),
  requestBody: { required: true, content: json(accountSettingsSchema, { positionMode: "HEDGE" }) },
  responses: {
    "200": ok("All shards have it", accountSettingsAnswer, {
      accountId: "42",
      positionMode: "HEDGE",
    }),
    ...problems(
      BODY,
      SECURED,
      ["position_or_orders_open", "outcome_unknown", "replication_backlog"],
      SHARD,
    ),
  },
};

const transfer: ZodOpenApiOperationObject = {
  operationId: "transfer",
  summary: "Deposit or withdraw; answered when the decision is replicated",
  ...secured("admin", TAGS.account),
  requestParams: { path: z.object({ accountId: z.string() }) },
  requestBody: {
    required: true,
    content: json(transferSchema, { transferId: "t-1", asset: "USDT", amount: "1000.00" }),
  },
  responses: {
    "200": {
      ...ok("Paid; again for the same transferId", transferAnswer, TRANSFER),
      headers: z.object({ "Idempotency-Replayed": z.literal("true").optional() }),
    },
    ...problems(
      BODY,
      SECURED,
      ["account_not_found", "transfer_id_reused", "insufficient_funds"],
      ["outcome_unknown", "replication_backlog"],
      MARGIN,
      SHARD,
    ),
  },
};

export const accountPaths = {
  "/v1/account": { get: readAccount },
  "/v1/positions": { get: listPositions },
  "/v1/settings": { put: setForAccount },
  "/v1/settings/{symbol}": { put: setForSymbol },
  "/admin/v1/accounts/{accountId}/transfers": { post: transfer },
};
