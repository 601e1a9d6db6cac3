/**
 * `sluice restore`: a lost shard's file, made anew from what central has of it.
 *
 *   1. refuse when the file is there, is being written, or central never knew the shard
 *   2. wait until central has read what the topic still holds
 *   3. claim the next epoch: from here on central takes nothing more of the lost file
 *   4. build the file from central's rows, and give it its name when it is whole
 *
 * With `risk: margin` the shard's rights follow from the other shards' files, if all are here and
 * none of them runs. Else the file takes no new exposure until it is restored once more.
 *
 * Whatever breaks off before the end leaves no file; a repeat takes one more epoch.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { counterOf, makeOrderId, type OrderId } from "../../shards/domain/brands.ts";
import type { Instrument } from "../../shards/domain/instrument.ts";
import { isOpen, type Order, type OrderStatus } from "../../shards/domain/order.ts";
import type { RiskSettings } from "../../shards/domain/risk/types.ts";
import type { Clock } from "../../shards/process/clock.ts";
import { OperatingError, UsageError } from "../../shards/process/failure.ts";
import type { Cursor } from "../../shards/protocol/hello.ts";
import { partitionOf } from "../../shards/protocol/partition.ts";
import type { Grant, Stopped } from "../../shards/protocol/relay.ts";
import type { ClusterConfig } from "../../shards/store/cluster.ts";
import { lockShardFile } from "../../shards/store/open-shard.ts";
import { isUnfinished, RestoredFile } from "../../shards/store/restored-file.ts";
import type { CentralReader, OrderIdRange } from "../central/central-reader.ts";
import { fillRisk, type RestoredPurses } from "./fill-risk.ts";
import { readLostRisk } from "./lost-risk.ts";
import { acceptanceOfRow, orderOfRow, refusalOfRow } from "./restored-rows.ts";

export interface RestoreOptions {
  readonly dataDir: string;
  readonly config: ClusterConfig;
  readonly instruments: readonly Instrument[];
  readonly outcomeRetentionMs: number;
  readonly outcomeGenerationSize: number;
  readonly backlogRecordsMax: number;
  readonly riskSettings: RiskSettings;
  readonly central: CentralReader;
  /** Records of the topic that central has not read yet; 0 without a topic. */
  readonly unread: () => Promise<number>;
  /** How long they may take. */
  readonly drainMsMax: number;
  /**
   * Runs the work while an applier's door is open, where a claim is granted with the loss accepted.
   * Not called before it is known that the file may be made.
   */
  readonly atDoor: <T>(work: (claim: ClaimLost) => Promise<T>) => Promise<T>;
  readonly clock: Clock;
  readonly onProgress: (progress: RestoreProgress) => void;
}

export type Granted = Extract<Grant, { granted: true }>;

export type ClaimLost = (claimId: string) => Promise<Granted>;

export interface RestoreProgress {
  readonly step: "draining" | "restoring";
  /** Records of the topic still to read, or orders restored. */
  readonly count: number;
}

/** Central's last record of one partition of the lost file. */
export interface LastKnown extends Cursor {
  /** No later record of it is known; ms since 1970, null when central has no order of it. */
  readonly at: number | null;
  /** Why central had stopped reading there. */
  readonly stopped: Stopped | null;
}

export interface Restored {
  readonly shard: string;
  readonly file: string;
  readonly previousEpoch: number;
  readonly epoch: number;
  readonly partitionCount: number;
  /** Those that are open still. */
  readonly openOrders: number;
  readonly positions: number;
  /** null with `risk: none`. */
  readonly purses: RestoredPurses | null;
  /** First answers that repeats get again. */
  readonly accepted: number;
  readonly refused: number;
  /** Outcomes from then on were restored, ms since 1970. */
  readonly outcomesSince: number;
  readonly lastKnown: readonly LastKnown[];
  /** Order ids that the lost file may have given out end before this one. */
  readonly nextOrderId: number;
}

const DRAIN_LOOK_MS = 250;
/** Ids of one question, and refusals of one. */
const CHUNK_IDS = 20_000;
const CHUNK_REFUSALS = 5000;

export const restoreShard = async (options: RestoreOptions): Promise<Restored> => {
  const { dataDir, config, central, clock } = options;
  const { shard } = config;
  const file = join(dataDir, `${shard}.sqlite`);
  expectNoFile(file);
  const lock = lockShardFile(join(dataDir, `${shard}.lock`), clock.now());
  try {
    expectNoFile(file);
    const previousEpoch = await central.epochOf(shard);
    if (previousEpoch === 0) throw neverKnown(shard);
    return await options.atDoor(async (claim) => {
      await drain(options);
      const restored = await build(options, file, claim);
      return { shard, file, previousEpoch, ...restored };
    });
  } finally {
    lock.release();
  }
};

const expectNoFile = (file: string): void => {
  const found = ["", "-wal"].map((ending) => `${file}${ending}`).find((path) => existsSync(path));
  if (found === undefined || isUnfinished(file)) return;
  throw new UsageError(
    `${found} is there: restore makes a lost file anew and overwrites none. Start the shard with ` +
      "it; if it is damaged or old, move it and its -wal away first.",
  );
};

const neverKnown = (shard: string): UsageError =>
  new UsageError(
    `Central does not know ${shard}: there is nothing to restore, its start makes a new file. ` +
      "If it should know it, this is another central store than the shard's.",
  );

const drain = async (options: RestoreOptions): Promise<void> => {
  const { clock, drainMsMax, unread, onProgress, config } = options;
  const giveUpAt = clock.monotonicMs() + drainMsMax;
  for (;;) {
    const count = await unread();
    if (count === 0) return;
    onProgress({ step: "draining", count });
    if (clock.monotonicMs() > giveUpAt) {
      throw new OperatingError(
        "topic_not_drained",
        `central has still ${count} records of the topic to read, ${config.shard}'s may be among ` +
          "them: see that appliers run (sluice doctor), then repeat",
        { retryable: true },
      );
    }
    await Bun.sleep(DRAIN_LOOK_MS);
  }
};

const build = async (options: RestoreOptions, file: string, claim: ClaimLost) => {
  const draft = new RestoredFile(file, options.clock.now());
  try {
    const grant = await claim(draft.claimId);
    const filled = await fill(options, draft, grant);
    draft.finish();
    return { ...filled, epoch: grant.epoch };
  } catch (error) {
    draft.abandon();
    throw error;
  }
};

type Filled = Omit<Restored, "shard" | "file" | "previousEpoch" | "epoch">;

const fill = async (
  options: RestoreOptions,
  draft: RestoredFile,
  grant: Granted,
): Promise<Filled> => {
  const { config, central, clock, instruments, backlogRecordsMax, outcomeRetentionMs } = options;
  const { shard, shardIndex } = config;
  const partitions = grant.cursors.map(({ partition }) => partition + 1);
  const partitionCount = Math.max(config.partitionCount, ...partitions);
  const outcomesSince = clock.now() - outcomeRetentionMs;
  const newest = await central.newestOrderId(shardIndex);
  const ranges = rangesTo(newest, shardIndex);
  const times = new Times(partitionCount);
  const counts = await countOutcomes(central, shard, ranges, outcomesSince);
  const generationSize = options.outcomeGenerationSize;
  const now = clock.now();
  const outcomes = counts.accepted + counts.refused;
  draft.begin({ config, grant, instruments, backlogRecordsMax, generationSize, outcomes, now });
  const parts = { ...options, draft, ranges, outcomesSince, partitionCount, times };
  const refused = await fillRefusals(parts);
  const { openOrders, accepted } = await readOrders(parts);
  const risk = await readLostRisk(central, shard);
  const filled = await fillRisk({ ...options, draft, risk, openOrders, epoch: grant.epoch });
  const stops = await central.stopsOf(shard);
  return {
    partitionCount,
    ...filled,
    accepted,
    refused,
    outcomesSince,
    nextOrderId: makeOrderId(draft.orderCounter + 1, shardIndex),
    lastKnown: grant.cursors.map((cursor) => ({
      ...cursor,
      at: times.latest(cursor.partition),
      stopped: stopOf(cursor, stops),
    })),
  };
};

const stopOf = (
  { partition, epoch }: Cursor,
  stops: Awaited<ReturnType<CentralReader["stopsOf"]>>,
): Stopped | null => stops.find((one) => one.partition === partition && one.epoch >= epoch) ?? null;

/** Of each partition the latest time that central knows, by the symbols that are in it now. */
class Times {
  readonly #latest = new Map<number, number>();
  readonly #partitionCount: number;

  constructor(partitionCount: number) {
    this.#partitionCount = partitionCount;
  }

  saw(symbol: string, at: number): void {
    const partition = partitionOf(symbol, this.#partitionCount);
    this.#latest.set(partition, Math.max(at, this.latest(partition) ?? 0));
  }

  latest(partition: number): number | null {
    return this.#latest.get(partition) ?? null;
  }
}

const rangesTo = (newest: number | null, shardIndex: number): readonly OrderIdRange[] => {
  const end = newest === null ? 0 : counterOf(newest as OrderId);
  return Array.from({ length: Math.ceil(end / CHUNK_IDS) }, (_, i) => ({
    shardIndex,
    from: makeOrderId(i * CHUNK_IDS + 1, shardIndex),
    to: makeOrderId((i + 1) * CHUNK_IDS, shardIndex),
  }));
};

interface FillParts extends RestoreOptions {
  readonly draft: RestoredFile;
  readonly ranges: readonly OrderIdRange[];
  readonly outcomesSince: number;
  readonly partitionCount: number;
  readonly times: Times;
}

const countOutcomes = async (
  central: CentralReader,
  shard: string,
  ranges: readonly OrderIdRange[],
  since: number,
): Promise<{ readonly accepted: number; readonly refused: number }> => {
  let accepted = 0;
  for (const range of ranges) accepted += await central.countCreated(range, since);
  return { accepted, refused: await central.countOutcomes(shard, since) };
};

/** Refusals first: they are the smaller part, and each generation goes with its youngest. */
const fillRefusals = async (parts: FillParts): Promise<number> => {
  const { config, central, draft, partitionCount, outcomesSince, times } = parts;
  let refused = 0;
  for (let after = { epoch: 0, commitSeq: 0 }; ; ) {
    const rows = await central.outcomesAfter(config.shard, after, CHUNK_REFUSALS);
    const last = rows.at(-1);
    if (last === undefined) return refused;
    const kept = rows.filter(({ at }) => at >= outcomesSince);
    const outcomes = kept.map((row) => refusalOfRow(row, partitionCount));
    for (const { symbol, at } of outcomes) times.saw(symbol, at);
    draft.addOutcomes(outcomes);
    refused += outcomes.length;
    after = { epoch: last.epoch, commitSeq: last.commitSeq };
  }
};

/** Adds the acceptances; the open orders are added when it is known which of them stay. */
const readOrders = async (
  parts: FillParts,
): Promise<{ readonly openOrders: readonly Order[]; readonly accepted: number }> => {
  const { central, draft, ranges, outcomesSince, partitionCount, times, onProgress } = parts;
  const scales = new Map<string, number>(
    parts.instruments.map(({ symbol, priceScale }) => [symbol, priceScale]),
  );
  const openOrders: Order[] = [];
  let count = 0;
  for (const range of ranges) {
    const rows = await central.ordersToRestore(range, outcomesSince);
    const open = rows.filter(({ status }) => isOpen(status as OrderStatus));
    for (const row of open) openOrders.push(orderOfRow(row, scales.get(row.symbol)));
    const accepted = rows
      .filter(({ createdAt }) => createdAt >= outcomesSince)
      .map((row) => acceptanceOfRow(row, partitionCount));
    draft.addOutcomes(accepted);
    count += accepted.length;
    for (const { symbol, at } of await central.latestChanges(range)) times.saw(symbol, at);
    onProgress({ step: "restoring", count: openOrders.length + count });
  }
  return { openOrders, accepted: count };
};
