/**
 * One shard's process: opens its file, serves its socket, carries its records to central.
 *
 * The only place where the shard's parts are made and joined. It promises that nothing is answered
 * before its commit, that a second writer of the same file is refused, and that a file which is
 * damaged, or older than what central has, is not served. It never looks at the environment.
 */
import { accessSync, constants, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { ShardSettings } from "./config.ts";
import type { AccountId, ShardName } from "./domain/brands.ts";
import type { Instrument } from "./domain/instrument.ts";
import type { RiskMode, RiskSettings, Venue } from "./domain/risk/types.ts";
import type { ShardMap } from "./domain/symbol-map.ts";
import { systemClock } from "./process/clock.ts";
import { EXIT, OperatingError, reasonOf, UsageError } from "./process/failure.ts";
import type { KafkaSettings } from "./process/kafka.ts";
import type { Logger, LogLevel } from "./process/logger.ts";
import { createRegistry } from "./process/metrics.ts";
import type { Hello } from "./protocol/hello.ts";
import { homeShardOf } from "./protocol/home-shard.ts";
import type { Grant } from "./protocol/relay.ts";
import { askStanding, claimEpoch } from "./relay/claim.ts";
import { RelayHandle } from "./relay/relay-handle.ts";
import { compareStanding } from "./relay/standing.ts";
import { Shard } from "./shard.ts";
import { Checkpointer } from "./store/checkpointer.ts";
import type { NewEpoch } from "./store/cluster.ts";
import { checkIntegrity } from "./store/integrity.ts";
import { hashKey } from "./store/key-table.ts";
import { lockShardFile, type OpenedShard, openShardFile } from "./store/open-shard.ts";
import { ShardStore } from "./store/shard-store.ts";

export interface ShardOptions {
  readonly shard: string;
  readonly dataDir: string;
  readonly listen: { readonly host: string; readonly port: number };
  readonly applierUrl: string;
  readonly clusterSecret: string;
  /** The broker between here and central; null: records go straight to the applier. */
  readonly kafka: KafkaSettings | null;
  readonly shardMap: ShardMap;
  readonly partitionCount: number;
  readonly risk: RiskMode;
  readonly venue: Venue;
  readonly riskSettings: RiskSettings;
  /** `ws://host:port` of the other shards of the map, by name; all are needed with `margin`. */
  readonly peerUrls: ReadonlyMap<string, string>;
  readonly instruments: readonly Instrument[];
  readonly settings: ShardSettings;
  /** Take a new epoch although central knows an older file of this shard; not with `margin`. */
  readonly newEpoch: boolean;
  readonly logger: Logger;
}

export interface RunningShard {
  readonly port: number;
  /** Stops taking, commits what waits, hands over what it can, closes. */
  drain(): Promise<void>;
}

/** How long a start with a file waits for central to say whether the file is its newest. */
const STANDING_WAIT_MS = 500;
/** How long a start without a file waits for central, which alone can give it an epoch. */
const CLAIM_WAIT_MS = 30_000;
const CLAIM_RETRY_MS = 100;

export const runShard = async (options: ShardOptions): Promise<RunningShard> => {
  const { dataDir, shard, settings, logger } = options;
  makeFolder(dataDir);
  const path = join(dataDir, `${shard}.sqlite`);
  const lock = lockShardFile(join(dataDir, `${shard}.lock`), systemClock.now());
  const opened = await openNewest(options, path).catch((error: unknown) => {
    lock.release();
    throw error;
  });
  const registry = createRegistry({ shard });
  const fail = (reason: string, recoverable: boolean): void => {
    logger.fatal({ reason }, "the shard stops");
    process.stderr.write(`${shard}: ${reason}\n`);
    const code = recoverable ? EXIT.brokenInvariant : EXIT.wrongUse;
    setTimeout(() => process.exit(code), ANSWERS_LEAVE_MS);
  };
  let relay: RelayHandle | undefined;
  const checkpointer = new Checkpointer(opened.database, {
    path,
    walBytesMax: settings.walMax,
    onPressure: (over) => relay?.setPaused(over),
    onDied: (reason) => fail(`the checkpoint thread died: ${reason}`, true),
  });
  const store = new ShardStore(
    opened.database,
    {
      path,
      epoch: opened.epoch,
      outcomeRetentionMs: settings.outcomeRetention,
      orderRetentionMs: settings.orderRetention,
      outcomeGenerationSize: settings.outcomeGenerationSize,
    },
    checkpointer,
    opened.loaded,
  );
  const running = new Shard({
    ...options,
    shard: shard as ShardName,
    shardIndex: indexOf(options),
    ...amongOthers(options),
    opened,
    store,
    hashKey,
    registry,
    clock: systemClock,
    onRelayNotice: () => relay?.committed(),
    onResend: () => relay?.resend(),
    onClosed: async () => {
      await Promise.all([relay?.close(), stopCheck(), checkpointer.close()]);
      if (!store.close()) logger.warn(`the log stays beside ${path}: the next start reads it`);
      lock.release();
    },
    onFailed: fail,
  });
  relay = new RelayHandle(
    new Worker(new URL("./relay-thread.ts", import.meta.url).href),
    {
      path,
      shard,
      epoch: opened.epoch,
      centralId: opened.centralId,
      applierUrl: options.applierUrl,
      clusterSecret: options.clusterSecret,
      kafka: options.kafka,
      logLevel: logger.level as LogLevel,
    },
    (message) => running.onRelay(message),
    (reason) => fail(`the relay's thread died: ${reason}`, true),
  );
  const stopCheck = checkIntegrity(path, (result) => {
    if (result.kind === "failed") {
      logger.error({ reason: result.reason }, "the file's integrity could not be checked");
    } else if (result.found !== null) {
      running.refuseFile(`${path} is damaged (${result.found}); it is not served any more`);
    }
  });
  return running;
};

/** Time for the last answers to leave before the process ends. */
const ANSWERS_LEAVE_MS = 50;

const makeFolder = (dataDir: string): void => {
  try {
    mkdirSync(dataDir, { recursive: true });
    accessSync(dataDir, constants.W_OK);
  } catch (error) {
    throw new UsageError(
      `SLUICE_DATA_DIR: cannot write to ${dataDir} (${reasonOf(error)}): ` +
        "name a folder that this user may write.",
      { cause: error },
    );
  }
};

const indexOf = ({ shard, shardMap }: ShardOptions): number => {
  const entry = shardMap.shards.find(({ name }) => name === shard);
  if (entry !== undefined) return entry.index;
  const known = shardMap.shards.map(({ name }) => name).join(", ");
  throw new UsageError(`--shard ${shard} is not in the sharding map, which has ${known}.`);
};

/** Where this shard stands in the map. */
const amongOthers = ({ shard, shardMap, peerUrls, risk }: ShardOptions) => {
  const shards = [...shardMap.shards].sort((a, b) => a.index - b.index);
  const shardIndexes = shards.map(({ index }) => index);
  const otherShards = shards
    // Without margin there are no rights, and shards have nothing to say to each other.
    .filter(({ name }) => risk === "margin" && name !== shard)
    .map(({ name, index }) => {
      const url = peerUrls.get(name);
      if (url !== undefined) return { shardIndex: index, url };
      throw new UsageError(
        `shardUrls.${name} is missing: ${shard} has to reach every other shard; write it as ` +
          "ws://host:port.",
      );
    });
  const homeOf = (accountId: AccountId): number => homeShardOf(accountId, shards).index;
  return { shardIndexes, otherShards, homeOf };
};

const openNewest = async (options: ShardOptions, path: string): Promise<OpenedShard> => {
  const opened = await open(options, path);
  tellPartitions(options, opened.loaded.partitionCount, path);
  try {
    await refuseOldCopy(options, opened, path);
    return opened;
  } catch (error) {
    opened.database.close();
    throw error;
  }
};

const open = (options: ShardOptions, path: string): Promise<OpenedShard> => {
  const { shardMap, partitionCount, risk, venue, settings, instruments } = options;
  const wasThere = existsSync(path);
  return openShardFile({
    path,
    config: {
      shard: options.shard as ShardName,
      shardIndex: indexOf(options),
      shardMap,
      partitionCount,
      risk,
      venue,
    },
    instruments,
    backlogRecordsMax: settings.backlogRecordsMax,
    now: systemClock.now(),
    claimEpoch: (claimId) => claim(options, { path, wasThere }, claimId),
  });
};

/** The setting is for new files: those that exist are raised while they serve. */
const tellPartitions = (options: ShardOptions, partitionCount: number, path: string): void => {
  if (partitionCount === options.partitionCount) return;
  options.logger.warn(
    `${path} has ${partitionCount} partitions, SLUICE_PARTITION_COUNT says ` +
      `${options.partitionCount}: the file's count holds; raise with \`sluice partitions\``,
  );
};

const helloOf = ({ shard, clusterSecret }: ShardOptions): Hello => ({
  role: "shard",
  name: shard,
  secret: clusterSecret,
});

/** Has no shard's state: made by this start, or left so by an earlier one, or a copy of its half. */
interface EmptyFile {
  readonly path: string;
  readonly wasThere: boolean;
}

/**
 * Waits for central; refuses to hide a file that central knows. With margin not even by
 * `--new-epoch`: money and positions of the lost file would be gone, and other shards hold rights
 * that its banks had granted.
 */
const claim = async (
  options: ShardOptions,
  file: EmptyFile,
  claimId: string,
): Promise<NewEpoch> => {
  const { path } = file;
  const { shard, newEpoch, risk, applierUrl, logger } = options;
  const acceptLoss = newEpoch && risk === "none";
  const request = { shard, shardIndex: indexOf(options), claimId, acceptLoss };
  const giveUpAt = systemClock.monotonicMs() + CLAIM_WAIT_MS;
  for (;;) {
    try {
      const grant = await claimEpoch(applierUrl, helloOf(options), request);
      if (!grant.granted) throw fileIsMissing(options, file, grant);
      if (newEpoch && grant.epoch > 1) logger.warn({ epoch: grant.epoch }, LOSS_ACCEPTED);
      return grant;
    } catch (error) {
      if (!(error instanceof OperatingError && error.retryable)) throw error;
      if (systemClock.monotonicMs() > giveUpAt) throw noCentral(applierUrl, path, error);
      logger.debug({ reason: reasonOf(error) }, "the shard waits for central");
      await Bun.sleep(CLAIM_RETRY_MS);
    }
  }
};

const LOSS_ACCEPTED = "new epoch: what only the lost file held (orders not yet in central) is lost";

const fileIsMissing = (
  { shard, risk, newEpoch }: ShardOptions,
  { path, wasThere }: EmptyFile,
  { epoch, orders }: Extract<Grant, { granted: false }>,
): UsageError => {
  const found =
    `${path} ${wasThere ? "has no state of a shard, or lacks its -wal" : "is missing"}, but ` +
    `central knows ${shard} in epoch ${epoch} with ${orders} orders. ` +
    `Put the file back, or rebuild it with \`sluice restore --shard ${shard}\`, which brings back ` +
    "everything central has";
  if (risk === "none") return new UsageError(`${found}; or ${WHAT_NEW_EPOCH_LOSES}`);
  return new UsageError(newEpoch ? `${found}. ${NO_NEW_EPOCH}` : `${found}.`);
};

const WHAT_NEW_EPOCH_LOSES =
  "start with --new-epoch: orders that were acknowledged and had not reached central, and every " +
  "client order id's outcome on this shard, are then lost.";

const NO_NEW_EPOCH =
  "--new-epoch is refused with SLUICE_RISK=margin: positions, and the balances that were kept in " +
  "the lost file, would be gone.";

const noCentral = (url: string, path: string, cause: unknown): UsageError =>
  new UsageError(
    `${path} is new and needs its epoch from central, but the applier at ${url} does not ` +
      "answer: start it first.",
    { cause },
  );

/** Central knows better than an old copy of the file; without central the file is believed. */
const refuseOldCopy = async (
  options: ShardOptions,
  opened: OpenedShard,
  path: string,
): Promise<void> => {
  const { applierUrl, logger } = options;
  const asked = askStanding(applierUrl, helloOf(options)).catch((error: unknown) => {
    logger.warn({ reason: reasonOf(error) }, "central was not asked at the start");
    return undefined;
  });
  const welcome = await Promise.race([asked, Bun.sleep(STANDING_WAIT_MS).then(() => undefined)]);
  if (welcome === undefined) return;
  if (welcome.centralId !== opened.centralId) {
    throw new UsageError(
      `${path} belongs to central ${opened.centralId}, the applier at ${applierUrl} is ` +
        `${welcome.centralId}: use the data folder and MYSQL_URL that belong together, or bring the ` +
        "embedded store over with `sluice migrate --central-from DIR`.",
    );
  }
  const { epoch, loaded } = opened;
  const refusal = compareStanding({ epoch, streams: loaded.streams }, welcome);
  if (refusal === undefined) return;
  throw new UsageError(
    `${path} is not the newest file of this shard: ${refusal}. Put the newest one back, or move ` +
      `this one away and rebuild it with \`sluice restore --shard ${options.shard}\`.`,
  );
};
