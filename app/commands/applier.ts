import { createLogger } from "../../shards/process/logger.ts";
import { createRegistry } from "../../shards/process/metrics.ts";
import { createInvalidator } from "../cache/invalidation.ts";
import { openRedis } from "../cache/redis.ts";
import { accountsOf } from "../central/order-row.ts";
import { type ApplierPlace, runApplier } from "../central/run-applier.ts";
import type { Config } from "../config.ts";
import { applierListen, hostPort } from "./addresses.ts";
import { prepareDataDir } from "./data-dir.ts";
import { type Running, runUntilStopped } from "./running.ts";
import { centralPlace, topicShape } from "./stores.ts";

/** `sluice applier`: writes the central store. One on a file, any number on MySQL. */
export const serveApplier = async (config: Config): Promise<void> => {
  const listen = applierListen(config);
  const place = applierPlace(config);
  if (place.kind === "embedded") prepareDataDir(config.dataDir);
  const where = place.kind === "embedded" ? `data in ${config.dataDir}` : "central on MySQL";
  await runUntilStopped(
    () => startApplier(config, place),
    (port) => `applier serves on ${hostPort(listen.host, port)}, ${where}`,
  );
};

const startApplier = async (config: Config, place: ApplierPlace): Promise<Running> => {
  const logger = createLogger("applier", config.logLevel);
  const registry = createRegistry({ process: "applier" });
  const redis =
    config.redisUrl === undefined ? null : openRedis({ url: config.redisUrl, logger, registry });
  const copies = redis === null ? null : createInvalidator(redis);
  const running = await runApplier({
    place,
    listen: applierListen(config),
    clusterSecret: config.clusterSecret ?? "",
    outcomeRetentionMs: config.shard.outcomeRetention,
    registry,
    onCommitted: ({ pushes }) => copies?.accountsChanged(accountsOf(pushes.flat())),
    logger,
  });
  return {
    port: running.port,
    drain: async () => {
      await running.drain();
      await redis?.close();
    },
  };
};

/** Where its store is and how records come. */
export const applierPlace = (config: Config): ApplierPlace => {
  const place = centralPlace(config, "applier");
  if (place.kind === "embedded") return { kind: "embedded", dataDir: config.dataDir };
  return { ...place, groupId: config.kafka.groupId, topic: topicShape(config) };
};
