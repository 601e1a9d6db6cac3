/**
 * The shard's file behind the writer: one writing connection, one transaction a batch. Whatever
 * is loaded at a start is read here, so a damaged page is met before the first order is taken.
 */
import type { Database } from "bun:sqlite";
import { statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { InstrumentSymbol, OrderId } from "../domain/brands.ts";
import type { Outcome } from "../domain/decide.ts";
import type { PurseKey, Transfer } from "../domain/escrow/types.ts";
import type { Order } from "../domain/order.ts";
import { CommitError } from "../process/commit-error.ts";
import { codeOf, OperatingError } from "../process/failure.ts";
import type { CommittedRecord } from "../protocol/record.ts";
import type {
  BatchWrites,
  FileSizes,
  OutcomeLookup,
  RiskWrites,
  Watermarks,
  WriterStore,
} from "../writer/store-port.ts";
import type { Checkpointer } from "./checkpointer.ts";
import { raisePartitions } from "./cluster.ts";
import { Journal } from "./journal.ts";
import type { Loaded } from "./load-shard.ts";
import { OrderRows } from "./order-rows.ts";
import { Outcomes } from "./outcomes.ts";
import { ExecutionRows } from "./risk/execution-rows.ts";
import { RiskRows } from "./risk/risk-rows.ts";

export interface StoreOptions {
  readonly path: string;
  readonly epoch: number;
  readonly outcomeRetentionMs: number;
  readonly orderRetentionMs: number;
  readonly outcomeGenerationSize: number;
}

const isDiskFailure = (error: unknown): boolean => {
  const code = codeOf(error) ?? "";
  return code === "SQLITE_FULL" || code.startsWith("SQLITE_IOERR");
};

/** Rows of old orders, executions and records that a batch may delete, in proportion to what it adds. */
const PRUNE_MIN = 64;
const PRUNE_FACTOR = 3;
/** How often finished orders and old executions are looked for. */
const SWEEP_PAUSE_MS = 1000;
/** How long a close waits for readers of other processes. */
const TRUNCATE_MS_MAX = 1000;

export class ShardStore implements WriterStore {
  readonly #database: Database;
  readonly #options: StoreOptions;
  readonly #checkpointer: Checkpointer;
  readonly #orders: OrderRows;
  readonly #risk: RiskRows;
  readonly #executions: ExecutionRows;
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
    this.#risk = new RiskRows(database);
    this.#executions = new ExecutionRows(database);
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
    this.#orders.write(batch.orders);
    if (batch.risk !== null) this.#writeRisk(batch, batch.risk);
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

  #writeRisk(batch: BatchWrites, risk: RiskWrites): void {
    this.#risk.write(risk, batch.commitSeq);
    this.#executions.write(risk, batch);
  }

  /** Retention: what central has and nobody may ask for any more. */
  #forget(batch: BatchWrites, appliedCommitSeq: number): number {
    const most = PRUNE_MIN + PRUNE_FACTOR * batch.records.length;
    if (batch.at >= this.#sweepAt) {
      const { orderRetentionMs, outcomeRetentionMs } = this.#options;
      const ordersDone = this.#orders.sweep(batch.at - orderRetentionMs, appliedCommitSeq, most);
      const executionsDone = this.#executions.sweep(batch.at - outcomeRetentionMs, most);
      if (ordersDone && executionsDone) this.#sweepAt = batch.at + SWEEP_PAUSE_MS;
    }
    const keepFrom = Math.min(appliedCommitSeq + 1, this.#outcomes.firstKeptCommitSeq());
    return this.#journal.prune(keepFrom, most);
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

  hasExecution(symbol: InstrumentSymbol, executionId: string): boolean {
    return this.#executions.has(symbol, executionId);
  }

  findTransfer(key: PurseKey, transferId: string): Transfer | undefined {
    return this.#risk.purses.findTransfer(key, transferId);
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
