/**
 * The edge: HTTP in, operations out. Each route is one handler, without chains of middleware: a
 * request is wrapped once, and every answer, whatever it is, leaves through `finish` with its
 * Request-Id, its Server-Timing and its place in the metrics.
 */
import { type Context, Hono } from "hono";
import { getPath } from "hono/utils/url";
import type { Clock } from "../../shards/process/clock.ts";
import type { Logger } from "../../shards/process/logger.ts";
import type { Registry } from "../../shards/process/metrics.ts";
import type { OrderLimiter } from "../cache/order-limiter.ts";
import type { OrderHistory } from "../central/history.ts";
import type { ShardRouter } from "../routing/router.ts";
import type { TokenVerifier } from "../tokens/verifier.ts";
import { balanceRoutes } from "./account/balances.ts";
import { settingsRoutes } from "./account/settings.ts";
import { transferRoutes } from "./account/transfers.ts";
import { authenticate } from "./auth.ts";
import { BATCH_BODY_BYTES_MAX } from "./body.ts";
import { Call } from "./call.ts";
import { openapiDocument } from "./docs/openapi.ts";
import { docsRoutes } from "./docs/pages.ts";
import { createEdgeMetrics, type RouteMeter } from "./edge-metrics.ts";
import { administrationRoutes } from "./operations/administration.ts";
import { healthRoutes } from "./operations/health.ts";
import { referenceRoutes } from "./operations/reference.ts";
import { changeRoutes } from "./orders/change.ts";
import { checkRoutes } from "./orders/check.ts";
import { placeRoutes } from "./orders/place.ts";
import { readRoutes } from "./orders/read.ts";
import { createOrderLimit } from "./rate-limit.ts";
import { plainProblem, problemReply, Reply } from "./reply.ts";
import { type Edge, METHODS, type Route } from "./route.ts";
import { executionRoutes } from "./venue/executions.ts";
import { markPriceRoutes } from "./venue/mark-prices.ts";
import { tradingStateRoutes } from "./venue/trading-state.ts";

export interface ApiOptions {
  readonly router: ShardRouter;
  readonly history: OrderHistory;
  readonly tokens: TokenVerifier;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly registry: Registry;
  /** How long a request may take before its answer is 503 or 504. */
  readonly requestDeadlineMs: number;
  readonly orderLimiter: OrderLimiter;
}

export interface Api {
  readonly app: Hono;
  readonly routes: readonly Route[];
  fetch(request: Request): Response | Promise<Response>;
}

/**
 * What `Bun.serve` needs beside `fetch`. Its own body limit stands above the edge's, so that a
 * body too large is answered by the contract; an answer may take as long as the request deadline.
 */
export const serveOptions = (requestDeadlineMs: number) => ({
  maxRequestBodySize: 2 * BATCH_BODY_BYTES_MAX,
  idleTimeout: Math.min(255, Math.ceil(requestDeadlineMs / 1000) + 10),
});

export const createApi = (options: ApiOptions): Api => {
  const { router, history, clock, logger, registry } = options;
  const orderLimit = createOrderLimit(options.orderLimiter);
  const edge: Edge = { router, history, clock, logger, orderLimit };
  const routes = [
    ...placeRoutes(edge),
    ...changeRoutes(edge),
    ...checkRoutes(edge),
    ...readRoutes(edge),
    ...balanceRoutes(edge),
    ...settingsRoutes(edge),
    ...referenceRoutes(edge),
    ...transferRoutes(edge),
    ...executionRoutes(edge),
    ...markPriceRoutes(edge),
    ...tradingStateRoutes(edge),
    ...administrationRoutes(edge),
    ...healthRoutes(edge, registry),
    ...docsRoutes(JSON.stringify(openapiDocument())),
  ];
  const app = new Hono();
  const meterOf = createEdgeMetrics(registry);
  const unrouted = unroutedHandler(routes);
  for (const route of routes) {
    const reserved = route.path.endsWith("/:orderId") ? reservedIds(route, unrouted) : undefined;
    const meter = meterOf(`${route.method} ${route.path}`);
    const parameter = /:(\w+)/.exec(route.path)?.[1];
    app.on(route.method, route.path, serve(options, reserved ?? route, meter, parameter));
  }
  const rest: Pick<Route, "scope" | "handle"> = { scope: null, handle: unrouted };
  app.notFound(serve(options, rest, meterOf("none")));
  return { app, routes, fetch: (request) => app.fetch(withHost(request)) };
};

/** HTTP/1.0, or a Host that is none: Bun then gives the path alone, which is no URL. */
const withHost = (request: Request): Request =>
  request.url.startsWith("/") ? new Request(`http://localhost${request.url}`, request) : request;

/** Wraps a route: who asks, the handler, and whatever goes wrong unexpectedly. */
const serve =
  (
    options: ApiOptions,
    route: Pick<Route, "scope" | "handle">,
    meter: RouteMeter,
    parameter?: string,
  ) =>
  async (c: Context): Promise<Response> => {
    const { clock, logger, tokens } = options;
    const pathId = parameter === undefined ? "" : (c.req.param(parameter) ?? "");
    const call = new Call(c.req.raw, pathId, clock, options.requestDeadlineMs);
    let reply: Reply | undefined;
    try {
      if (route.scope !== null) {
        const refusal = authenticate(call, tokens, route.scope);
        reply = refusal instanceof Promise ? await refusal : refusal;
        call.authMs = clock.monotonicMs() - call.startedMs;
      }
      reply ??= await route.handle(call);
    } catch (error) {
      logger.error({ requestId: call.requestId, err: error }, "a request failed unexpectedly");
      reply = problemReply(call.requestId, plainProblem("internal_error"));
    }
    return finish(call, reply, clock.monotonicMs() - call.startedMs, meter);
  };

const finish = (call: Call, reply: Reply, totalMs: number, meter: RouteMeter): Response => {
  meter(reply.status, totalMs);
  const headers: Record<string, string> = {
    "Content-Type": reply.contentType,
    "Request-Id": call.requestId,
    "Server-Timing": call.serverTiming(totalMs),
  };
  if (reply.headers !== undefined) Object.assign(headers, reply.headers);
  return new Response(reply.body, { status: reply.status, headers });
};

/** Names that stand where an order id stands, in this version or a later one: they are no ids. */
const NOT_ORDER_IDS = ["batch", "check", "stream"];

const reservedIds = (route: Route, unrouted: Route["handle"]): Pick<Route, "scope" | "handle"> => ({
  scope: route.scope,
  handle: (call) => (NOT_ORDER_IDS.includes(call.pathId) ? unrouted(call) : route.handle(call)),
});

/** 404; or, where the path is known under other methods, 405 and for OPTIONS 204, with Allow. */
const unroutedHandler = (routes: readonly Route[]): Route["handle"] => {
  const allowed = new Map<string, Set<string>>();
  for (const { path, method } of routes) {
    const methods = allowed.get(path) ?? new Set();
    allowed.set(path, methods.add(method));
    if (method === "GET") methods.add("HEAD");
  }
  return (call) => {
    // Not by URL, which throws for a Host like `[::`.
    const path = getPath(call.request);
    const known =
      allowed.get(path) ??
      allowed.get(path.replace(/\/\d+$/, "/:orderId")) ??
      allowed.get(path.replace(/\/shards\/[^/]+\//, "/shards/:shard/")) ??
      allowed.get(path.replace(/\/settings\/[^/]+$/, "/settings/:symbol")) ??
      allowed.get(path.replace(/\/accounts\/[^/]+\//, "/accounts/:accountId/"));
    if (known === undefined) return problemReply(call.requestId, plainProblem("not_found"));
    const allow = { Allow: [...METHODS, "HEAD"].filter((method) => known.has(method)).join(", ") };
    if (call.request.method === "OPTIONS") return new Reply(204, null).with(allow);
    return problemReply(call.requestId, plainProblem("method_not_allowed")).with(allow);
  };
};
