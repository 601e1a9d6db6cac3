import { createLogger } from "../../shards/process/logger.ts";
import { runApplier } from "../central/run-applier.ts";
import type { Config } from "../config.ts";
import { applierListen, hostPort } from "./addresses.ts";
import { prepareDataDir } from "./data-dir.ts";
import { runUntilStopped } from "./running.ts";

/** `sluice applier`: the one process that writes the central store. */
export const serveApplier = async (config: Config): Promise<void> => {
  const listen = applierListen(config);
  prepareDataDir(config.dataDir);
  await runUntilStopped(
    () =>
      runApplier({
        dataDir: config.dataDir,
        listen,
        clusterSecret: config.clusterSecret ?? "",
        outcomeRetentionMs: config.shard.outcomeRetention,
        logger: createLogger("applier", config.logLevel),
      }),
    (port) => `applier serves on ${hostPort(listen.host, port)}, data in ${config.dataDir}`,
  );
};
