import { systemClock } from "../../shards/process/clock.ts";
import { createLogger, type Logger } from "../../shards/process/logger.ts";
import { createRegistry, type Registry } from "../../shards/process/metrics.ts";
import { createHistoryCache } from "../cache/history-cache.ts";
import { createOrderLimiter, createSharedOrderLimiter } from "../cache/order-limiter.ts";
import { openRedis } from "../cache/redis.ts";
import { centralFileOf } from "../central/embedded/own-file.ts";
import { openSqliteHistory } from "../central/embedded/sqlite-history.ts";
import type { OrderHistory } from "../central/history.ts";
import { openMysqlHistory } from "../central/mysql/mysql-history.ts";
import type { Config } from "../config.ts";
import { type Api, createApi, serveOptions } from "../http/app.ts";
import { cacheHistory } from "../http/cached-history.ts";
import { drainHttp } from "../http/drain.ts";
import { createShardRouter, type RunningShardRouter } from "../routing/router.ts";
import { loadKeys } from "../tokens/keys.ts";
import { createTokenVerifier } from "../tokens/verifier.ts";
import { hostPort, shardUrls } from "./addresses.ts";
import { listening, type Running, runUntilStopped } from "./running.ts";
import { keySource } from "./signing.ts";
import { centralPlace } from "./stores.ts";
import { startVenueIntake } from "./venue-intake.ts";

/** `sluice api`: the edge, stateless; as many as wanted. */
export const serveApi = async (config: Config): Promise<void> => {
  await runUntilStopped(
    () => startApi(config),
    (port) => `api serves on http://${hostPort(config.host, port)}, docs at /docs`,
  );
};

const startApi = async (config: Config): Promise<Running> => {
  const logger = createLogger("api", config.logLevel);
  const registry = createRegistry({ process: "api" });
  const tokens = createTokenVerifier({
    keys: await loadKeys(keySource(config)),
    clock: systemClock,
    issuer: config.jwtIssuer,
    audience: config.jwtAudience,
  });
  const router = createRouter(config, logger);
  const central = openHistory(config);
  const shared = shareThroughRedis(config, logger, registry);
  const api = createApi({
    router,
    history: shared?.history(central) ?? central,
    tokens,
    clock: systemClock,
    logger,
    registry,
    requestDeadlineMs: config.requestDeadline,
    orderLimiter: shared?.orderLimiter ?? createOrderLimiter(config.rateLimitPerSecond),
  });
  const server = await listening("--port or SLUICE_PORT", config, () => serveHttp(config, api));
  router.start();
  const venue = startVenueIntake(config, { router, registry, logger });
  return {
    port: server.port ?? config.port,
    drain: async () => {
      const requestDeadlineMs = config.requestDeadline;
      await venue?.stop();
      await drainHttp({ server, requestDeadlineMs, clock: systemClock, logger });
      await router.close();
      await central.close();
      await shared?.close();
    },
  };
};

const openHistory = (config: Config): OrderHistory & { close(): void | Promise<void> } => {
  const place = centralPlace(config, "api");
  return place.kind === "embedded"
    ? openSqliteHistory(centralFileOf(config.dataDir))
    : openMysqlHistory(place.url);
};

/** What all api processes on one Redis have in common; undefined without REDIS_URL. */
const shareThroughRedis = (config: Config, logger: Logger, registry: Registry) => {
  const { redisUrl: url, rateLimitPerSecond: ordersPerSecondMax } = config;
  if (url === undefined) return undefined;
  const redis = openRedis({ url, logger, registry });
  const cache = createHistoryCache({ redis, clock: systemClock, registry });
  return {
    history: (history: OrderHistory) => cacheHistory(history, cache),
    orderLimiter: createSharedOrderLimiter({ redis, ordersPerSecondMax, registry }),
    close: () => redis.close(),
  };
};

const createRouter = (config: Config, logger: Logger): RunningShardRouter =>
  createShardRouter({
    shardMap: config.sharding,
    urls: shardUrls(config),
    apiName: `api-${process.pid}`,
    clusterSecret: config.clusterSecret ?? "",
    queueMax: config.shard.intakeQueueMax,
    logger,
    clock: systemClock,
  });

const serveHttp = ({ host, port, requestDeadline }: Config, api: Api) =>
  Bun.serve({
    hostname: host,
    port,
    reusePort: false,
    ...serveOptions(requestDeadline),
    fetch: (request) => api.fetch(request),
  });
