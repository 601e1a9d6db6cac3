/**
 * Builds the file of a shard whose disk was lost, under a temporary name, from what central has of
 * it. The epoch begins as in every new file. What is older stands before it:
 *
 *   - open orders, with the receipts of their own epoch;
 *   - positions, settings, trading states, transfers and both sides of purses;
 *   - outcomes, as journal records with a commitSeq below 0 and seq 0: the relay starts above 0 and
 *     never sends them, a wait for their replication is over at once, retention prunes them as
 *     others. Their keys are in sealed generations, each already indexed.
 */
import type { Database } from "bun:sqlite";
import { closeSync, fsyncSync, openSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { PurseKey, Transfer } from "../domain/escrow/types.ts";
import type { Instrument } from "../domain/instrument.ts";
import type { Order } from "../domain/order.ts";
import { invariant } from "../process/failure.ts";
import { partitionOf } from "../protocol/partition.ts";
import { chainHash, RECORD_TYPES, type RecordType, ZERO_HASH } from "../protocol/record.ts";
import type { LoadedRisk, SeenExecution } from "../writer/store-port.ts";
import { BloomFilter } from "./bloom.ts";
import {
  beginEpoch,
  type ClusterConfig,
  type NewEpoch,
  readOrMakeClaim,
  readPinned,
} from "./cluster.ts";
import { Journal } from "./journal.ts";
import { hashKey } from "./key-table.ts";
import { seedInstruments } from "./load-shard.ts";
import { migrateShardFile } from "./migrate.ts";
import { openForReading, openForWriting } from "./open.ts";
import { OrderRows } from "./order-rows.ts";
import { ExecutionRows } from "./risk/execution-rows.ts";
import { RiskRows, type RiskState } from "./risk/risk-rows.ts";

/** A first answer that is to be given again. */
export interface RestoredOutcome {
  readonly type: "order_accepted" | "order_refused";
  readonly partition: number;
  /** Milliseconds since 1970, at the first commit. */
  readonly at: number;
  readonly accountId: string;
  readonly symbol: string;
  readonly clientOrderId: string;
  /** The record's value. */
  readonly value: string;
}

export interface BeginOptions {
  readonly config: ClusterConfig;
  readonly grant: NewEpoch;
  readonly instruments: readonly Instrument[];
  readonly backlogRecordsMax: number;
  /** Keys of one generation. */
  readonly generationSize: number;
  /** At most as many outcomes are added. */
  readonly outcomes: number;
  readonly now: number;
}

/** What central has of the shard beside orders and outcomes; what is left out is empty. */
export interface RestoredRisk extends Partial<Omit<LoadedRisk, "purses">> {
  readonly purses?: LoadedRisk["purses"];
  readonly transfers?: readonly (PurseKey & Transfer)[];
  /** Ids that may not be applied again; they count as seen now. */
  readonly executions?: readonly SeenExecution[];
  readonly quarantined?: readonly { readonly entityKey: string; readonly value: string }[];
}

/** A change that the restore itself makes: it is the new epoch's, and central hears of it. */
export interface RestoredRecord {
  readonly type: RecordType;
  readonly key: string;
  readonly value: string;
}

const NOTHING: RiskState = {
  purses: [],
  positions: [],
  symbolSettings: [],
  accountSettings: [],
  marks: [],
  lastPrices: [],
  tradingStates: [],
  transfers: [],
};

interface StreamEnd {
  readonly seq: number;
  readonly hash: string;
}

/** Of a last change before the epoch: central has it. */
const BEFORE_EPOCH = 0;

export class RestoredFile {
  readonly #path: string;
  readonly #draft: string;
  readonly #database: Database;
  readonly claimId: string;
  readonly #now: number;
  #generationSize = 1;
  #generation = 0;
  #nextCommitSeq = 0;
  #keys: { readonly hash: number; readonly commitSeq: number; readonly at: number }[] = [];

  /** Makes the draft; at `path` is nothing, or a file that {@link isUnfinished}. */
  constructor(path: string, now: number) {
    this.#path = path;
    this.#now = now;
    this.#draft = `${path}.restoring`;
    removeDraft(this.#draft);
    this.#database = openForWriting(this.#draft);
    migrateShardFile(this.#database, this.#draft, now);
    this.claimId = readOrMakeClaim(this.#database);
  }

  begin(options: BeginOptions): void {
    const { config, grant, instruments, backlogRecordsMax, generationSize, now } = options;
    beginEpoch(this.#database, config, grant, backlogRecordsMax, now);
    seedInstruments(this.#database, instruments);
    this.#generationSize = generationSize;
    this.#nextCommitSeq = -options.outcomes;
  }

  /** Open orders, and those that the restore has changed: `lastCommitSeq` is of their record then. */
  addOrders(orders: readonly Order[], lastCommitSeq = BEFORE_EPOCH): void {
    const rows = new OrderRows(this.#database);
    const writes = orders.map((order) => ({ order, isNew: true, lastCommitSeq }));
    this.#database.transaction(() => rows.write(writes))();
  }

  /** Purses that are not named are RECONCILING too once they come up. */
  setReconciling(): void {
    this.#database.run("UPDATE bank_self SET is_reconciling = 1");
  }

  /**
   * Each purse, position, … once; allotments in the state that they have. `lastCommitSeq`: of the
   * records of this epoch that say the same.
   */
  addRisk(restored: RestoredRisk, lastCommitSeq = BEFORE_EPOCH): void {
    const { executions = [], quarantined = [], purses = [], ...rest } = restored;
    const risk = new RiskRows(this.#database);
    const rows = new ExecutionRows(this.#database);
    const writes = purses.map((purse) => ({ key: purse, before: undefined, after: purse }));
    this.#database.transaction(() => {
      risk.write({ ...NOTHING, ...rest, purses: writes }, lastCommitSeq);
      rows.remember(executions, this.#now);
      for (const { entityKey, value } of quarantined) rows.putAside(entityKey, value, BEFORE_EPOCH);
    })();
  }

  /** Behind the epoch's first records; gives the last one's commitSeq. */
  addRecords(records: readonly RestoredRecord[]): number {
    const { epoch, shard, partitionCount, commitSeq } = this.#database
      .query(
        "SELECT epoch, shard, partition_count AS partitionCount, commit_seq AS commitSeq " +
          "FROM cluster, sequence",
      )
      .get() as { epoch: number; shard: string; partitionCount: number; commitSeq: number };
    const journal = new Journal(this.#database, epoch, commitSeq + 1);
    const readEnd = this.#database.query("SELECT seq, hash FROM stream WHERE partition = ?");
    const writeEnd = this.#database.query(
      "UPDATE stream SET seq = ?, hash = ? WHERE partition = ?",
    );
    const bytes = records.reduce((sum, { value }) => sum + value.length, 0);
    const last = commitSeq + records.length;
    this.#database.transaction(() => {
      for (const [i, { type, key, value }] of records.entries()) {
        const partition = partitionOf(key, partitionCount);
        const { seq: before, hash: prevHash } = readEnd.get(partition) as StreamEnd;
        const end = { seq: before + 1, hash: chainHash(prevHash, value) };
        const place = { shard, epoch, partition, commitSeq: commitSeq + 1 + i, at: this.#now };
        journal.append({ type, key, value, prevHash, ...place, ...end });
        writeEnd.run(end.seq, end.hash, partition);
      }
      const counted = "UPDATE sequence SET commit_seq = ?, value_bytes = value_bytes + ?";
      this.#database.query(counted).run(last, bytes);
    })();
    return last;
  }

  /** The last that was given out, or may have been, before this file. */
  get orderCounter(): number {
    const read = "SELECT order_counter FROM sequence";
    return (this.#database.query(read).get() as { order_counter: number }).order_counter;
  }

  /** In the order in which they are to be forgotten. */
  addOutcomes(outcomes: readonly RestoredOutcome[]): void {
    const insert = this.#database.query("INSERT INTO journal VALUES (?, ?, ?, 0, ?, ?, ?, ?)");
    this.#database.transaction(() => {
      for (const { type, partition, at, symbol, value, ...key } of outcomes) {
        const commitSeq = this.#nextCommitSeq;
        invariant(commitSeq < 0, "outcomes of a restore stand before its epoch");
        const typeIndex = RECORD_TYPES.indexOf(type);
        insert.run(commitSeq, typeIndex, partition, at, symbol, value, ZERO_HASH);
        const hash = hashKey(`${key.accountId}:${symbol}:${key.clientOrderId}`);
        this.#keys.push({ hash, commitSeq, at });
        this.#nextCommitSeq++;
        if (this.#keys.length === this.#generationSize) this.#sealGeneration();
      }
    })();
  }

  /** Keys go into the index in the order of their hashes, as the writer moves them there. */
  #sealGeneration(): void {
    const first = this.#keys[0]?.commitSeq ?? 0;
    const last = this.#keys.at(-1)?.commitSeq ?? 0;
    const newestAt = this.#keys.reduce((newest, { at }) => Math.max(newest, at), 0);
    const filter = BloomFilter.forKeys(this.#keys.length);
    const insert = this.#database.query("INSERT OR IGNORE INTO outcome_index VALUES (?, ?, ?)");
    this.#generation++;
    for (const { hash, commitSeq } of this.#keys.sort((a, b) => a.hash - b.hash)) {
      filter.add(hash);
      insert.run(this.#generation, hash, commitSeq);
    }
    this.#database
      .query("INSERT INTO outcome_generation VALUES (?, ?, ?, ?, ?)")
      .run(this.#generation, first, last, newestAt, filter.bytes);
    this.#keys = [];
  }

  /** Makes it whole and durable, and gives it its name. */
  finish(): void {
    this.#database.transaction(() => {
      if (this.#keys.length > 0) this.#sealGeneration();
      if (this.#generation === 0) return;
      this.#database
        .query("INSERT INTO outcome_generation (generation, first_commit_seq) VALUES (?, 1)")
        .run(this.#generation + 1);
    })();
    const [row] = this.#database.query("PRAGMA wal_checkpoint(TRUNCATE)").values();
    invariant(row?.[0] === 0, "nobody else reads a draft");
    this.#database.close();
    removeLog(this.#path);
    renameSync(this.#draft, this.#path);
    removeDraft(this.#draft);
    const folder = openSync(dirname(this.#path), "r");
    fsyncSync(folder);
    closeSync(folder);
  }

  /** Leaves nothing behind. */
  abandon(): void {
    this.#database.close();
    removeDraft(this.#draft);
  }
}

/** What a start without a file leaves behind when it is refused: a file without any pin. */
export const isUnfinished = (path: string): boolean => {
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) === 0) {
    return (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) === 0;
  }
  let database: Database | undefined;
  try {
    database = openForReading(path);
    const tables = database.query("SELECT name FROM sqlite_master WHERE type = 'table'").all();
    return tables.length === 0 || readPinned(database) === undefined;
  } catch {
    return false;
  } finally {
    database?.close();
  }
};

const removeLog = (path: string): void => {
  for (const ending of ["-wal", "-shm"]) rmSync(`${path}${ending}`, { force: true });
};

const removeDraft = (draft: string): void => {
  rmSync(draft, { force: true });
  removeLog(draft);
};
