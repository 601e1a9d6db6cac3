import { systemClock } from "../../shards/process/clock.ts";
import { createLogger, type Logger } from "../../shards/process/logger.ts";
import { createRegistry } from "../../shards/process/metrics.ts";
import { openSqliteHistory } from "../central/history.ts";
import { centralFileOf } from "../central/run-applier.ts";
import type { Config } from "../config.ts";
import { type Api, createApi, serveOptions } from "../http/app.ts";
import { createShardRouter, type RunningShardRouter } from "../routing/router.ts";
import { loadKeys } from "../tokens/keys.ts";
import { createTokenVerifier } from "../tokens/verifier.ts";
import { hostPort, shardUrls } from "./addresses.ts";
import { listening, type Running, runUntilStopped } from "./running.ts";
import { keySource } from "./signing.ts";

/** `sluice api`: the edge, stateless; as many as wanted. */
export const serveApi = async (config: Config): Promise<void> => {
  await runUntilStopped(
    () => startApi(config),
    (port) => `api serves on http://${hostPort(config.host, port)}, docs at /docs`,
  );
};

const startApi = async (config: Config): Promise<Running> => {
  const logger = createLogger("api", config.logLevel);
  const tokens = createTokenVerifier({
    keys: await loadKeys(keySource(config)),
    clock: systemClock,
    issuer: config.jwtIssuer,
    audience: config.jwtAudience,
  });
  const router = createRouter(config, logger);
  const history = openSqliteHistory(centralFileOf(config.dataDir));
  const api = createApi({
    router,
    history,
    tokens,
    clock: systemClock,
    logger,
    registry: createRegistry({ process: "api" }),
    requestDeadlineMs: config.requestDeadline,
    ordersPerSecondMax: config.rateLimitPerSecond,
  });
  const server = await listening("--port or SLUICE_PORT", config, () => serveHttp(config, api));
  router.start();
  return {
    port: server.port ?? config.port,
    drain: async () => {
      await drainHttp(server, config.requestDeadline);
      await router.close();
      history.close();
    },
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

/** Takes no more connections, answers what is under way, then closes the idle ones. */
const drainHttp = async (
  server: ReturnType<typeof serveHttp>,
  requestDeadlineMs: number,
): Promise<void> => {
  const answered = server.stop();
  await Promise.race([answered, Bun.sleep(requestDeadlineMs)]);
  await server.stop(true);
};
