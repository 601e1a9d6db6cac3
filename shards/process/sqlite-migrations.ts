/**
 * Append-only SQL migrations of a SQLite file. Each runs once, in the order of its id, in a
 * transaction together with its row in `schema_migration`; several processes may start at once.
 */
import { OperatingError, UsageError } from "./failure.ts";

export interface Migration {
  /** The file's name without its ending: `0001_initial`. */
  readonly id: string;
  readonly sql: string;
}

/** The part of a SQLite connection that migrations need. */
export interface MigrationConnection {
  exec(sql: string): unknown;
  all(sql: string, ...values: (string | number)[]): unknown[];
}

const TABLE = `CREATE TABLE IF NOT EXISTS schema_migration (
  id TEXT PRIMARY KEY, checksum TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT`;

const checksumOf = (text: string): string => Bun.CryptoHasher.hash("sha256", text, "hex");

/**
 * Brings the file to the newest state and gives the ids that it applied. A file that a newer
 * version has written, or a migration whose text has changed since, is refused.
 */
export const applyMigrations = (
  connection: MigrationConnection,
  migrations: readonly Migration[],
  file: string,
  now: number,
): readonly string[] => {
  connection.exec("BEGIN IMMEDIATE");
  try {
    connection.exec(TABLE);
    const done = readApplied(connection);
    refuseUnknown(done, migrations, file);
    const missing = migrations.filter(({ id }) => !done.has(id));
    for (const { id, sql } of missing) {
      connection.exec(sql);
      connection.all(
        "INSERT INTO schema_migration (id, checksum, applied_at) VALUES (?, ?, ?)",
        id,
        checksumOf(sql),
        now,
      );
    }
    connection.exec("COMMIT");
    return missing.map(({ id }) => id);
  } catch (error) {
    rollBack(connection);
    if (error instanceof UsageError) throw error;
    throw new OperatingError("migration_failed", `migrate ${file}`, {
      retryable: false,
      cause: error,
    });
  }
};

/** A full or failing disk has ended the transaction already; the first error is the one to show. */
const rollBack = (connection: MigrationConnection): void => {
  try {
    connection.exec("ROLLBACK");
  } catch {
    // it is gone
  }
};

const readApplied = (connection: MigrationConnection): ReadonlyMap<string, string> => {
  const rows = connection.all("SELECT id, checksum FROM schema_migration") as {
    id: string;
    checksum: string;
  }[];
  return new Map(rows.map(({ id, checksum }) => [id, checksum]));
};

const refuseUnknown = (
  done: ReadonlyMap<string, string>,
  migrations: readonly Migration[],
  file: string,
): void => {
  const known = new Map(migrations.map(({ id, sql }) => [id, checksumOf(sql)]));
  for (const [id, checksum] of done) {
    if (!known.has(id)) {
      throw new UsageError(`${file} was written by a newer version (${id}): start that one.`);
    }
    if (known.get(id) !== checksum) {
      throw new UsageError(`${file} has another ${id} than this version: start the one it is of.`);
    }
  }
};
