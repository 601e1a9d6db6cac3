import { SingleBar } from "cli-progress";
import type { ShardOfMap } from "../../shards/domain/symbol-map.ts";
import { systemClock } from "../../shards/process/clock.ts";
import { EXIT } from "../../shards/process/failure.ts";
import { createLogger, type Logger } from "../../shards/process/logger.ts";
import { createRegistry } from "../../shards/process/metrics.ts";
import type { CentralReader } from "../central/central-reader.ts";
import { runApplier } from "../central/run-applier.ts";
import { type OffsetRange, topicOffsets } from "../central/topic/topic-admin.ts";
import { type Config, parseDurationFlag } from "../config.ts";
import { claimLost, type Door, leadsTo } from "../restore/central-door.ts";
import { restoreLines } from "../restore/report.ts";
import {
  type ClaimLost,
  type Restored,
  type RestoreProgress,
  restoreShard,
} from "../restore/restore-shard.ts";
import { applierUrl, findShard } from "./addresses.ts";
import { applierPlace } from "./applier.ts";
import { openCentralReader } from "./central.ts";
import { prepareDataDir } from "./data-dir.ts";
import { seedInstruments } from "./instruments.ts";
import { riskSettings } from "./shard.ts";
import { kafkaSettings } from "./stores.ts";

export interface RestoreFlags {
  readonly shard: string;
  /** How long central may take to read what the topic still holds. */
  readonly wait: string;
  readonly json: boolean;
}

/** `sluice restore`: prints what is back and what cannot be known; gives the exit code. */
export const restore = async (config: Config, flags: RestoreFlags): Promise<number> => {
  const shard = findShard(config, "--shard", flags.shard);
  const drainMsMax = parseDurationFlag("--wait", flags.wait);
  const logger = createLogger("restore", "warn");
  prepareDataDir(config.dataDir);
  const central = openCentralReader(config);
  const progress = createProgress(flags.json);
  try {
    const restored = await restoreShard({
      dataDir: config.dataDir,
      config: {
        shard: shard.name,
        shardIndex: shard.index,
        shardMap: config.sharding,
        partitionCount: config.partitionCount,
        risk: config.risk,
        venue: config.venue,
      },
      instruments: seedInstruments(config.dataDir),
      outcomeRetentionMs: config.shard.outcomeRetention,
      outcomeGenerationSize: config.shard.outcomeGenerationSize,
      backlogRecordsMax: config.shard.backlogRecordsMax,
      riskSettings: riskSettings(config),
      central,
      unread: unreadOf(config, central, logger),
      drainMsMax,
      atDoor: (work) => withDoor({ config, shard, central, logger }, work),
      clock: systemClock,
      onProgress: progress.update,
    });
    progress.end();
    print(restored, flags.json);
    return EXIT.well;
  } finally {
    progress.end();
    await central.close();
  }
};

const print = (restored: Restored, json: boolean): void => {
  if (json) console.log(JSON.stringify(restored));
  else for (const line of restoreLines(restored)) console.log(line);
};

/** An applier that runs, or one of our own meanwhile: epochs are given through that door only. */
const withDoor = async <T>(
  parts: {
    readonly config: Config;
    readonly shard: ShardOfMap;
    readonly central: CentralReader;
    readonly logger: Logger;
  },
  work: (claim: ClaimLost) => Promise<T>,
): Promise<T> => {
  const { config, shard, central, logger } = parts;
  const clusterSecret = config.clusterSecret ?? "";
  const doorAt = (url: string): Door => ({
    url,
    shard: shard.name,
    shardIndex: shard.index,
    clusterSecret,
  });
  const running = doorAt(applierUrl(config));
  if (await leadsTo(running, await central.centralId()))
    return work((id) => claimLost(running, id));
  const own = await runApplier({
    place: applierPlace(config),
    listen: { host: "127.0.0.1", port: 0 },
    clusterSecret,
    outcomeRetentionMs: config.shard.outcomeRetention,
    registry: createRegistry({ process: "applier" }),
    logger,
  });
  try {
    const door = doorAt(`ws://127.0.0.1:${own.port}`);
    return await work((id) => claimLost(door, id));
  } finally {
    await own.drain();
  }
};

/**
 * Records of the topic that central has yet to read, of those that are there at the first look: the
 * shard doesn't run, so all of its own are among them, whatever others send meanwhile.
 */
const unreadOf = (
  config: Config,
  central: CentralReader,
  logger: Logger,
): (() => Promise<number>) => {
  const settings = kafkaSettings(config, "restore");
  if (settings === undefined) return () => Promise.resolve(0);
  let ends: ReadonlyMap<number, OffsetRange> | undefined;
  return async () => {
    ends ??= await topicOffsets(settings, logger);
    const positions = new Map(
      (await central.positions()).map((one) => [one.partition, BigInt(one.nextOffset)]),
    );
    let unread = 0n;
    for (const [partition, { low, high }] of ends) {
      const read = positions.get(partition) ?? low;
      if (high > read) unread += high - read;
    }
    return Number(unread);
  };
};

interface Progress {
  update(progress: RestoreProgress): void;
  end(): void;
}

const createProgress = (json: boolean): Progress => {
  if (json || !process.stderr.isTTY) return { update: () => {}, end: () => {} };
  const bar = new SingleBar({
    format: "{step} {count} | {duration_formatted}",
    hideCursor: true,
    clearOnComplete: true,
  });
  bar.start(1, 0, { step: "restoring", count: 0 });
  return {
    update: ({ step, count }) => bar.update(0, { step, count }),
    end: () => bar.stop(),
  };
};
