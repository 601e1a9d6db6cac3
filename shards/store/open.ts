import { Database } from "bun:sqlite";
import { UsageError } from "../process/failure.ts";

/** Older ones may corrupt the file when the write-ahead log restarts (sqlite.org/wal.html). */
const SQLITE_VERSION_MIN = [3, 51, 3] as const;

const BUSY_TIMEOUT_MS = 5000;
/** The log file is cut back to this when it starts again. */
const WAL_FILE_BYTES = 64 * 1024 ** 2;

export const requireSqliteVersion = (version: string): void => {
  const parts = version.split(".").map(Number);
  for (const [i, least] of SQLITE_VERSION_MIN.entries()) {
    const part = parts[i] ?? 0;
    if (part > least) return;
    if (part < least) {
      throw new UsageError(
        `This runtime has SQLite ${version}; a shard needs ${SQLITE_VERSION_MIN.join(".")} or ` +
          "newer, because older ones may corrupt its file. Use the Bun version of package.json.",
      );
    }
  }
};

export const sqliteVersion = (database: Database): string =>
  (database.query("SELECT sqlite_version() AS version").get() as { version: string }).version;

/** The one connection that writes. Checkpoints are the checkpointer's business. */
export const openForWriting = (path: string): Database => {
  const database = new Database(path, { create: true, strict: true });
  requireSqliteVersion(sqliteVersion(database));
  database.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
  database.exec("PRAGMA journal_mode = WAL");
  database.exec("PRAGMA synchronous = FULL");
  database.exec("PRAGMA foreign_keys = ON");
  database.exec("PRAGMA wal_autocheckpoint = 0");
  database.exec(`PRAGMA journal_size_limit = ${WAL_FILE_BYTES}`);
  database.exec("PRAGMA cache_size = -65536");
  return database;
};

/** For the relay and for checks: short reads, or the log cannot be truncated. */
export const openForReading = (path: string): Database => {
  const database = new Database(path, { readonly: true, strict: true });
  database.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
  return database;
};

/** For the thread that copies the log back: it writes the file, never the log. */
export const openForCheckpoints = (path: string): Database => {
  const database = new Database(path, { strict: true });
  database.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
  database.exec("PRAGMA synchronous = FULL");
  database.exec("PRAGMA wal_autocheckpoint = 0");
  return database;
};
