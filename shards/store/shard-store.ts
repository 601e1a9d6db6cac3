/**
 * The shard's file behind the writer: one writing connection, one transaction a batch. Whatever
 * is loaded at a start is read here, so a damaged page is met before the first order is taken.
 */
import type { Database } from "bun:sqlite";
import { statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { desc } from "drizzle-orm";
import { drizzle } from "drizzle-orm/bun-sqlite";
import type { OrderId } from "../domain/brands.ts";
import type { Outcome } from "../domain/decide.ts";
import type { Instrument } from "../domain/instrument.ts";
import type { Order } from "../domain/order.ts";
import { CommitError } from "../process/commit-error.ts";
import { codeOf, invariant, OperatingError } from "../process/failure.ts";
import type { CommittedRecord } from "../protocol/record.ts";
import type { StreamStanding } from "../relay/ports.ts";
import type {
  BatchWrites,
  FileSizes,
  OutcomeLookup,
  Watermarks,
  WriterStore,
} from "../writer/store-port.ts";
import type { Checkpointer } from "./checkpointer.ts";
import { raisePartitions } from "./cluster.ts";
import { Journal } from "./journal.ts";
import { OrderRows } from "./order-rows.ts";
import { Outcomes } from "./outcomes.ts";
import { instrument, partitionGeneration, sequence, stream } from "./schema.ts";

export interface StoreOptions {
  readonly path: string;
  readonly epoch: number;
  readonly outcomeRetentionMs: number;
  readonly orderRetentionMs: number;
  readonly outcomeGenerationSize: number;
}

/** What a start loads. */
export interface Loaded {
  readonly partitionCount: number;
  /** Of the newest way to spread keys over partitions. */
  readonly generation: number;
  readonly orderCounter: number;
  readonly commitSeq: number;
  readonly appliedCommitSeq: number;
  readonly valueBytes: number;
  readonly appliedValueBytes: number;
  readonly streams: readonly StreamStanding[];
  readonly openOrders: readonly Order[];
  readonly instruments: readonly Instrument[];
}

const isDiskFailure = (error: unknown): boolean => {
  const code = codeOf(error) ?? "";
  return code === "SQLITE_FULL" || code.startsWith("SQLITE_IOERR");
};

/** Rows of old orders and records that a batch may delete, in proportion to what it adds. */
const PRUNE_MIN = 64;
const PRUNE_FACTOR = 3;
/** How often finished orders are looked for. */
const SWEEP_PAUSE_MS = 1000;
/** How long a close waits for readers of other processes. */
const TRUNCATE_MS_MAX = 1000;

export class ShardStore implements WriterStore {
  readonly #database: Database;
  readonly #options: StoreOptions;
  readonly #checkpointer: Checkpointer;
  readonly #orders: OrderRows;
  readonly #journal: Journal;
  readonly #outcomes: Outcomes;
  readonly #begin;
  readonly #commit;
  readonly #rollback;
  readonly #updateSequence;
  readonly #updateStream;
  readonly #updateWatermark;
  #watermarks: Watermarks;
  #watermarksChanged = false;
  #lastCommitSeq: number;
  #valueBytes: number;
  #sweepAt = 0;

  constructor(
    database: Database,
    options: StoreOptions,
    checkpointer: Checkpointer,
    loaded: Loaded,
  ) {
    this.#database = database;
    this.#options = options;
    this.#checkpointer = checkpointer;
    this.#orders = new OrderRows(database);
    this.#journal = new Journal(database, options.epoch, loaded.commitSeq + 1);
    this.#outcomes = new Outcomes(
      database,
      { generationSize: options.outcomeGenerationSize, retentionMs: options.outcomeRetentionMs },
      loaded.commitSeq + 1,
    );
    this.#lastCommitSeq = loaded.commitSeq;
    this.#valueBytes = loaded.valueBytes;
    this.#watermarks = { ...loaded, partitions: loaded.streams };
    this.#begin = database.prepare("BEGIN IMMEDIATE");
    this.#commit = database.prepare("COMMIT");
    this.#rollback = database.prepare("ROLLBACK");
    this.#updateSequence = database.prepare(
      "UPDATE sequence SET order_counter = ?, commit_seq = ?, applied_commit_seq = ?, " +
        "value_bytes = ?, applied_value_bytes = ?",
    );
    this.#updateStream = database.prepare(
      "UPDATE stream SET seq = ?, hash = ? WHERE partition = ?",
    );
    this.#updateWatermark = database.prepare(
      "UPDATE stream SET replicated_seq = ?, replicated_hash = ?, applied_seq = ? " +
        "WHERE partition = ?",
    );
  }

  commit(batch: BatchWrites): void {
    const watermarks = this.#watermarks;
    const valueBytes = this.#valueBytes + bytesOf(batch);
    let prunedTo = 0;
    try {
      this.#begin.run();
      prunedTo = this.#write(batch, watermarks, valueBytes);
    } catch (error) {
      this.#undo();
      throw new CommitError(!this.#database.inTransaction, error);
    }
    try {
      this.#commit.run();
    } catch (error) {
      // The commit's frame may be in the log already. Only a full disk ends the transaction
      // before it; after any other error a recovery has to look.
      const isFull = codeOf(error) === "SQLITE_FULL";
      if (isFull) this.#undo();
      throw new CommitError(isFull && !this.#database.inTransaction, error);
    }
    this.#lastCommitSeq = batch.commitSeq;
    this.#valueBytes = valueBytes;
    this.#outcomes.committed(batch.outcomeKeys, batch.at);
    this.#journal.pruned(prunedTo);
    if (watermarks === this.#watermarks) this.#watermarksChanged = false;
  }

  #write(batch: BatchWrites, watermarks: Watermarks, valueBytes: number): number {
    if (batch.raise !== null) raisePartitions(this.#database, batch.raise, this.#lastCommitSeq + 1);
    const ends = new Map<number, CommittedRecord>();
    for (const record of batch.records) {
      this.#journal.append(record);
      ends.set(record.partition, record);
    }
    for (const { order, isNew, lastCommitSeq } of batch.orders) {
      if (isNew) this.#orders.insert(order, lastCommitSeq);
      else this.#orders.update(order, lastCommitSeq);
    }
    this.#outcomes.write(batch.outcomeKeys);
    for (const { partition, seq, hash } of ends.values()) {
      this.#updateStream.run(seq, hash, partition);
    }
    this.#updateSequence.run(
      batch.orderCounter,
      batch.commitSeq,
      watermarks.appliedCommitSeq,
      valueBytes,
      watermarks.appliedValueBytes,
    );
    if (this.#watermarksChanged) {
      for (const {
        partition,
        replicatedSeq,
        replicatedHash,
        appliedSeq,
      } of watermarks.partitions) {
        this.#updateWatermark.run(replicatedSeq, replicatedHash, appliedSeq, partition);
      }
    }
    return this.#forget(batch, watermarks.appliedCommitSeq);
  }

  /** Retention: what central has and nobody may ask for any more. */
  #forget(batch: BatchWrites, appliedCommitSeq: number): number {
    if (batch.at >= this.#sweepAt) {
      const done = this.#orders.sweep(
        batch.at - this.#options.orderRetentionMs,
        appliedCommitSeq,
        PRUNE_MIN + PRUNE_FACTOR * batch.records.length,
      );
      if (done) this.#sweepAt = batch.at + SWEEP_PAUSE_MS;
    }
    const keepFrom = Math.min(appliedCommitSeq + 1, this.#outcomes.firstKeptCommitSeq());
    return this.#journal.prune(keepFrom, PRUNE_MIN + PRUNE_FACTOR * batch.records.length);
  }

  #undo(): void {
    try {
      if (this.#database.inTransaction) this.#rollback.run();
    } catch {
      // `inTransaction` tells the caller whether it is gone
    }
  }

  maintain(now: number): void {
    try {
      this.#outcomes.maintain(this.#lastCommitSeq, now);
      this.#checkpointer.afterBatch();
    } catch (error) {
      if (!isDiskFailure(error)) throw error;
      throw new OperatingError("maintenance_failed", "maintain file", {
        retryable: true,
        cause: error,
      });
    }
  }

  findOutcome(key: OutcomeLookup, now: number): Outcome | undefined {
    const notBefore = now - this.#options.outcomeRetentionMs;
    for (const commitSeq of this.#outcomes.candidates(key.hash)) {
      const outcome = this.#journal.outcomeAt(commitSeq, key, notBefore);
      if (outcome !== undefined) return outcome;
    }
    return undefined;
  }

  readOrder(orderId: OrderId): Order | undefined {
    return this.#orders.read(orderId);
  }

  get valueBytes(): number {
    return this.#valueBytes;
  }

  setWatermarks(watermarks: Watermarks): void {
    this.#watermarks = watermarks;
    this.#watermarksChanged = true;
  }

  sizes(): FileSizes {
    const { path } = this.#options;
    const { bavail, bsize } = statfsSync(dirname(path));
    return {
      fileBytes: statSync(path).size,
      walBytes: statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0,
      freeBytes: bavail * bsize,
    };
  }

  /**
   * Leaves one whole file, if nobody else reads it: the threads must have ended. False when the log
   * stays beside the file, where the next start reads it.
   */
  close(): boolean {
    try {
      return this.#truncateLog();
    } catch (error) {
      if (!isDiskFailure(error)) throw error;
      return false;
    } finally {
      this.#database.close();
    }
  }

  /** SQLite asks again until the time is over, then answers with a row that says busy. */
  #truncateLog(): boolean {
    this.#database.run(`PRAGMA busy_timeout = ${TRUNCATE_MS_MAX}`);
    const [row] = this.#database.query("PRAGMA wal_checkpoint(TRUNCATE)").values();
    return row?.[0] === 0;
  }
}

/** Values are ASCII but for a name or two in a refusal: a character counts as a byte. */
const bytesOf = ({ records }: BatchWrites): number =>
  records.reduce((bytes, { value }) => bytes + value.length, 0);

/** Reads what the writer keeps in memory. */
export const loadShard = (database: Database): Loaded => {
  const tables = drizzle({ client: database });
  const counters = tables.select().from(sequence).get();
  invariant(counters !== undefined, "a shard's file has its sequences");
  const { orderCounter, commitSeq, appliedCommitSeq, valueBytes, appliedValueBytes } = counters;
  const newest = tables
    .select()
    .from(partitionGeneration)
    .orderBy(desc(partitionGeneration.generation))
    .limit(1)
    .get();
  invariant(newest !== undefined, "a shard's file has its partitions");
  const definitions = tables.select({ definition: instrument.definition }).from(instrument).all();
  return {
    partitionCount: newest.partitionCount,
    generation: newest.generation,
    orderCounter,
    commitSeq,
    appliedCommitSeq,
    valueBytes,
    appliedValueBytes,
    streams: tables.select().from(stream).orderBy(stream.partition).all(),
    openOrders: new OrderRows(database).loadOpen(),
    instruments: definitions.map(({ definition }) => JSON.parse(definition) as Instrument),
  };
};

/** Stores the instruments that the file does not know yet; those it knows stay as they are. */
export const seedInstruments = (database: Database, instruments: readonly Instrument[]): void => {
  const rows = instruments.map((one) => ({
    symbol: one.symbol,
    version: one.version,
    definition: JSON.stringify(one),
  }));
  if (rows.length === 0) return;
  drizzle({ client: database }).insert(instrument).values(rows).onConflictDoNothing().run();
};
