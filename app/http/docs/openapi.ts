/**
 * The OpenAPI 3.1 document, from the same schemas that validate. A route that is not described
 * here, or one described that does not exist, fails the test beside this file.
 */
import { z } from "zod";
import { createDocument, type ZodOpenApiOperationObject } from "zod-openapi";
import { raiseSchema } from "../operations/administration.ts";
import { accountPaths } from "./account-paths.ts";
import {
  healthAnswer,
  instrumentList,
  partitionsAnswer,
  readinessAnswer,
  resendAnswer,
  shardList,
  timeAnswer,
} from "./answers.ts";
import { BODY, json, ok, problems, SECURED, SHARD, secured, TAGS, type Tag } from "./describe.ts";
import { orderPaths } from "./order-paths.ts";
import { venuePaths } from "./venue-paths.ts";

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
  ...orderPaths,
  ...accountPaths,
  ...venuePaths,
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
