/**
 * One shard's writer and store in this process, joined as `shards/main.ts` joins them, without
 * socket and relay: what is left is deciding, rendering, hashing, writing and syncing.
 */
import type { Database } from "bun:sqlite";
import { marginSettingsSchema } from "../../app/config-fields.ts";
import { defaultInstruments } from "../../app/instruments/default-set.ts";
import { type ShardSettings, shardSettingsSchema } from "../../shards/config.ts";
import type { ShardName } from "../../shards/domain/brands.ts";
import type { Command } from "../../shards/domain/command.ts";
import { DEFAULT_ESCROW_POLICY } from "../../shards/domain/escrow/policy.ts";
import type { Instrument } from "../../shards/domain/instrument.ts";
import type { RiskMode, Venue } from "../../shards/domain/risk/types.ts";
import { parseShardMap } from "../../shards/domain/symbol-map.ts";
import { systemClock } from "../../shards/process/clock.ts";
import { createLogger } from "../../shards/process/logger.ts";
import { createRegistry } from "../../shards/process/metrics.ts";
import type { Answer, ShardTiming } from "../../shards/protocol/answer.ts";
import { hashKey } from "../../shards/store/key-table.ts";
import { type OpenedShard, openShardFile } from "../../shards/store/open-shard.ts";
import { ShardStore } from "../../shards/store/shard-store.ts";
import { Admission } from "../../shards/writer/admission.ts";
import { WriterMetrics } from "../../shards/writer/metrics.ts";
import type { RiskTerms } from "../../shards/writer/risk/risk-state.ts";
import { ShardState } from "../../shards/writer/state.ts";
import { Writer } from "../../shards/writer/writer.ts";
import { startCheckpointer } from "./checkpointer.ts";

export const SHARD = "shard1" as ShardName;
export const SHARD_INDEX = 1;
/** The whole map: as `SLUICE_SHARDING` says in the benchmarks with processes. */
export const SHARD_MAP = parseShardMap({ enabled: false });
export const PARTITION_COUNT = 10;

export interface WriterInProcess {
  readonly database: Database;
  readonly state: ShardState;
  readonly store: ShardStore;
  /**
   * Submits the commands as one batch and resolves with where its time went when all are answered.
   * Throws unless each was answered with `status`.
   */
  commit(commands: readonly Command[], status: number): Promise<ShardTiming>;
  /** What the relay would report when central has everything. */
  reportAllApplied(): void;
  close(): Promise<void>;
}

export interface WriterOptions {
  readonly path: string;
  /** Over the product's defaults. */
  readonly settings?: Partial<ShardSettings>;
  readonly synchronous?: "FULL" | "NORMAL";
  /** Both `none` when left out. With `margin` this shard is every account's home. */
  readonly risk?: RiskMode;
  readonly venue?: Venue;
  /** The default set when left out. */
  readonly instruments?: readonly Instrument[];
}

/** Nothing of the benchmark may expire or be shed: both would be measured as speed. */
const BENCH_LIMITS = {
  intakeWaitMax: 3_600_000,
  outcomeRetention: 3650 * 86_400_000,
  openOrdersMax: 100_000_000,
  backlogRecordsMax: 1_000_000_000,
  backlogBytesMax: 1_000_000_000_000,
} as const satisfies Partial<ShardSettings>;

export const openWriter = async (options: WriterOptions): Promise<WriterInProcess> => {
  const settings = { ...shardSettingsSchema.parse({}), ...BENCH_LIMITS, ...options.settings };
  const { path } = options;
  const opened = await openFile(path, settings, options);
  const { database, epoch, loaded } = opened;
  if (options.synchronous !== undefined) {
    database.exec(`PRAGMA synchronous = ${options.synchronous}`);
  }
  const checkpointer = startCheckpointer(database, path, settings.walMax);
  const store = new ShardStore(
    database,
    {
      path,
      epoch,
      outcomeRetentionMs: settings.outcomeRetention,
      orderRetentionMs: settings.orderRetention,
      outcomeGenerationSize: settings.outcomeGenerationSize,
    },
    checkpointer,
    loaded,
  );
  const state = new ShardState(
    { shard: SHARD, shardIndex: SHARD_INDEX, epoch, ...loaded },
    riskTerms(options, epoch),
  );
  const writer = makeWriter(settings, state, store);
  return {
    database,
    state,
    store,
    commit: (commands, status) => commitAll(writer, commands, status),
    reportAllApplied: () =>
      store.setWatermarks({
        appliedCommitSeq: state.commitSeq,
        appliedValueBytes: store.valueBytes,
        partitions: loaded.streams.map(({ partition }) => {
          const { seq, hash } = state.streamEnd(partition);
          return { partition, replicatedSeq: seq, replicatedHash: hash, appliedSeq: seq };
        }),
      }),
    close: async () => {
      await checkpointer.close();
      if (!store.close()) throw new Error(`${path}: its log could not be copied into it`);
    },
  };
};

/** The product's defaults; nobody realises anything here, so nothing waits for its replication. */
const riskTerms = ({ risk = "none", venue = "none" }: WriterOptions, epoch: number): RiskTerms => {
  const margin = marginSettingsSchema.parse({});
  return {
    risk,
    venue,
    settings: {
      feeRateUnits: margin.feeRate,
      marketBufferUnits: margin.marketBuffer,
      markAgeMsMax: margin.markAge,
      leverageDefault: margin.leverage,
    },
    escrow: {
      shardIndex: SHARD_INDEX,
      epoch,
      shardIndexes: [SHARD_INDEX],
      homeOf: () => SHARD_INDEX,
      bankBoot: "benchmark",
      isReconciling: false,
      policy: DEFAULT_ESCROW_POLICY,
      replicatedCommitSeq: () => 0,
    },
  };
};

/** Opens or makes a shard's file; without a central, the first epoch of a benchmark's own. */
export const openFile = (
  path: string,
  settings: ShardSettings,
  options: Pick<WriterOptions, "risk" | "venue" | "instruments"> = {},
): Promise<OpenedShard> =>
  openShardFile({
    path,
    config: {
      shard: SHARD,
      shardIndex: SHARD_INDEX,
      shardMap: SHARD_MAP,
      partitionCount: PARTITION_COUNT,
      risk: options.risk ?? "none",
      venue: options.venue ?? "none",
    },
    instruments: options.instruments ?? defaultInstruments,
    backlogRecordsMax: settings.backlogRecordsMax,
    now: systemClock.now(),
    claimEpoch: () =>
      Promise.resolve({ epoch: 1, centralId: "benchmark", orderCounter: 0, cursors: [] }),
  });

const makeWriter = (settings: ShardSettings, state: ShardState, store: ShardStore): Writer =>
  new Writer({
    state,
    store,
    hashKey,
    admission: new Admission({
      freeSpaceFloorBytes: settings.freeSpaceFloor,
      backlogRecordsMax: settings.backlogRecordsMax,
      backlogBytesMax: settings.backlogBytesMax,
    }),
    clock: systemClock,
    logger: createLogger("bench", "error"),
    metrics: new WriterMetrics(createRegistry({})),
    limits: {
      batchOrdersMax: settings.batchOrdersMax,
      intakeQueueMax: settings.intakeQueueMax,
      intakeWaitMaxMs: settings.intakeWaitMax,
      openOrdersMax: settings.openOrdersMax,
      grantWaitersMax: settings.grantWaitersMax,
    },
    onCommitted: () => {},
    onBankMessages: () => {},
    onDrained: () => {},
    onFailed: (reason) => {
      throw new Error(reason);
    },
  });

const commitAll = (
  writer: Writer,
  commands: readonly Command[],
  status: number,
): Promise<ShardTiming> => {
  const { promise, resolve, reject } = Promise.withResolvers<ShardTiming>();
  let missing = commands.length;
  const sender = {
    answer: (answer: Answer): void => {
      if (answer.status !== status) reject(new Error(`${answer.status}: ${answer.body}`));
      missing--;
      if (missing === 0) resolve(answer.timing);
    },
  };
  for (const command of commands) writer.submit(sender, 0, Number.MAX_SAFE_INTEGER, command);
  return promise;
};
