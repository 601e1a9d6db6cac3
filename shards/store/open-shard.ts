/** Opens a shard's file for its writer: refuse, make, migrate, compare, load. */
import { Database } from "bun:sqlite";
import type { InstrumentSymbol } from "../domain/brands.ts";
import type { Instrument } from "../domain/instrument.ts";
import { codeOf, OperatingError, reasonOf, UsageError } from "../process/failure.ts";
import { type FileLock, holdLock } from "../process/file-lock.ts";
import { RECORD_TYPES } from "../protocol/record.ts";
import {
  beginEpoch,
  type ClusterConfig,
  comparePinned,
  type NewEpoch,
  type Pinned,
  readOrMakeClaim,
  readPinned,
} from "./cluster.ts";
import { checkFileIsWhole } from "./file-check.ts";
import { type Loaded, loadShard, seedInstruments } from "./load-shard.ts";
import { migrateShardFile } from "./migrate.ts";
import { openForWriting } from "./open.ts";

export interface OpenedShard extends Pinned {
  readonly database: Database;
  readonly sqliteVersion: string;
  readonly loaded: Loaded;
}

export interface OpenOptions {
  readonly path: string;
  readonly config: ClusterConfig;
  readonly instruments: readonly Instrument[];
  readonly backlogRecordsMax: number;
  readonly now: number;
  /** Asked only when there is no file yet (or one that was never finished). */
  readonly claimEpoch: (claimId: string) => Promise<NewEpoch>;
}

export const openShardFile = async (options: OpenOptions): Promise<OpenedShard> => {
  const { path, config, now } = options;
  checkFileIsWhole(path);
  let database: Database | undefined;
  try {
    database = openForWriting(path);
    migrateShardFile(database, path, now);
    if (readPinned(database) === undefined) {
      const grant = await options.claimEpoch(readOrMakeClaim(database));
      beginEpoch(database, config, grant, options.backlogRecordsMax, now);
    }
    const opened = database;
    comparePinned(database, config, () => symbolsWithRows(opened), path);
    seedInstruments(database, options.instruments);
    const pinned = readPinned(database);
    if (pinned === undefined) throw new UsageError(`${path} has no cluster row.`);
    const sqliteVersion = String(database.query("SELECT sqlite_version()").values()[0]?.[0]);
    return { database, ...pinned, sqliteVersion, loaded: loadShard(database) };
  } catch (error) {
    database?.close();
    throw asRefusal(error, path);
  }
};

/**
 * Symbols of this file's orders, positions, settings, trading states and executions, and of the
 * client order ids that it remembers, which outlive the orders. Reads the whole journal: asked only when the map has changed.
 */
const symbolsWithRows = (database: Database): InstrumentSymbol[] => {
  const outcomes = ["order_accepted", "order_refused"] as const;
  const types = outcomes.map((type) => RECORD_TYPES.indexOf(type)).join(", ");
  const rows = database
    .query(
      `SELECT symbol FROM orders UNION SELECT key FROM journal WHERE type IN (${types})
       UNION SELECT symbol FROM position UNION SELECT symbol FROM symbol_setting
       UNION SELECT symbol FROM execution
       UNION SELECT scope FROM trading_state WHERE scope <> 'all' AND scope NOT LIKE 'account:%'`,
    )
    .values();
  return rows.map(([symbol]) => String(symbol) as InstrumentSymbol);
};

/** Throws UsageError when another process writes this shard. */
export const lockShardFile = (path: string, now: number): FileLock =>
  holdLock(new Database(path, { create: true, strict: true }), {
    path,
    rule: "one process at a time writes a shard",
    now,
  });

/** What is read is not what was written. A disk that does not take a write may be well again. */
const DAMAGE = /^SQLITE_(CORRUPT|NOTADB|IOERR_(READ|SHORT_READ|DATA|CORRUPTFS))/;

const asRefusal = (error: unknown, path: string): unknown => {
  const cause = error instanceof OperatingError ? error.cause : error;
  const code = codeOf(cause) ?? "";
  if (!DAMAGE.test(code)) {
    if (!code.startsWith("SQLITE_")) return error;
    const message = `open ${path}: ${code} ${reasonOf(cause)}`;
    return new OperatingError("shard_file_failed", message, { retryable: true, cause });
  }
  return new UsageError(
    `${path} cannot be read (${code}): it is damaged and is not served. Put the disk's own copy ` +
      "back, or move the file and its -wal away and rebuild it with `sluice restore`, which says what cannot be known.",
    { cause: error },
  );
};
