import type { RiskSettings } from "../../shards/domain/risk/types.ts";
import { runShard } from "../../shards/main.ts";
import { createLogger } from "../../shards/process/logger.ts";
import type { Config } from "../config.ts";
import { applierUrl, findShard, hostPort, shardListen, shardUrls } from "./addresses.ts";
import { prepareDataDir } from "./data-dir.ts";
import { seedInstruments } from "./instruments.ts";
import { listening, runUntilStopped } from "./running.ts";
import { kafkaSettings } from "./stores.ts";

export const riskSettings = ({ margin }: Config): RiskSettings => ({
  feeRateUnits: margin.feeRate,
  marketBufferUnits: margin.marketBuffer,
  markAgeMsMax: margin.markAge,
  leverageDefault: margin.leverage,
});

/** `sluice shard`: the one writer of one shard. */
export const serveShard = async (
  config: Config,
  args: { readonly shard: string; readonly newEpoch: boolean },
): Promise<void> => {
  const shard = findShard(config, "--shard", args.shard);
  const listen = shardListen(config, shard);
  prepareDataDir(config.dataDir);
  const start = () =>
    runShard({
      shard: shard.name,
      dataDir: config.dataDir,
      listen,
      applierUrl: applierUrl(config),
      clusterSecret: config.clusterSecret ?? "",
      kafka: kafkaSettings(config, shard.name) ?? null,
      shardMap: config.sharding,
      partitionCount: config.partitionCount,
      risk: config.risk,
      venue: config.venue,
      riskSettings: riskSettings(config),
      peerUrls: shardUrls(config),
      instruments: seedInstruments(config.dataDir),
      settings: config.shard,
      newEpoch: args.newEpoch,
      logger: createLogger(shard.name, config.logLevel),
    });
  await runUntilStopped(
    () => listening("SLUICE_SHARD_LISTEN", listen, start),
    (port) => `${shard.name} serves on ${hostPort(listen.host, port)}, data in ${config.dataDir}`,
  );
};
