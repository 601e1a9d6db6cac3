/**
 * Append-only SQL migrations of the central MySQL. Each runs once, in the order of its id. MySQL
 * commits every statement that makes a table, so a migration that breaks off is run again from its
 * first statement: all of them may run twice. A lock of the server keeps starters apart.
 */
import initial from "../../../migrations/central-mysql/0001_initial.sql" with { type: "text" };
import risk from "../../../migrations/central-mysql/0002_risk.sql" with { type: "text" };
import { OperatingError, UsageError } from "../../../shards/process/failure.ts";
import type { Migration } from "../../../shards/process/sqlite-migrations.ts";
import type { MysqlConnection } from "./mysql-connection.ts";

export const MYSQL_MIGRATIONS: readonly Migration[] = [
  { id: "0001_initial", sql: initial },
  { id: "0002_risk", sql: risk },
];

/** How long a starter waits for another that migrates. */
const LOCK_SECONDS = 120;
/** Names of locks are the whole server's and 64 characters at most. */
const LOCK_NAME = "CONCAT('sluice-migrate-', LEFT(SHA2(DATABASE(), 256), 40))";

const TABLE = `CREATE TABLE IF NOT EXISTS schema_migration (
  id VARCHAR(128) NOT NULL,
  checksum CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  applied_at BIGINT NOT NULL,
  PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin`;

const checksumOf = (text: string): string => Bun.CryptoHasher.hash("sha256", text, "hex");

/**
 * Brings the database to the newest state and gives the ids that it applied. Throws UsageError for
 * one that a newer version has written, or that has another text of a migration.
 */
export const migrateMysql = async (
  connection: MysqlConnection,
  migrations: readonly Migration[],
  now: number,
): Promise<readonly string[]> => {
  await takeLock(connection);
  try {
    await connection.query(TABLE);
    const done = await readApplied(connection);
    refuseUnknown(done, migrations);
    const missing = migrations.filter(({ id }) => !done.has(id));
    for (const { id, sql } of missing) {
      await connection.query(sql);
      await connection.query("INSERT INTO schema_migration VALUES (?, ?, ?)", [
        id,
        checksumOf(sql),
        now,
      ]);
    }
    return missing.map(({ id }) => id);
  } finally {
    // A connection that has broken gives its locks back by itself.
    await connection.query(`DO RELEASE_LOCK(${LOCK_NAME})`).catch(() => undefined);
  }
};

const takeLock = async (connection: MysqlConnection): Promise<void> => {
  const [row] = await connection.rows<{ taken: number | null }>(
    `SELECT GET_LOCK(${LOCK_NAME}, ${LOCK_SECONDS}) AS taken`,
  );
  if (row?.taken === 1) return;
  throw new OperatingError(
    "central_store_failed",
    `another process has been migrating central for ${LOCK_SECONDS} s`,
    { retryable: true },
  );
};

const readApplied = async (connection: MysqlConnection): Promise<ReadonlyMap<string, string>> => {
  const rows = await connection.rows<{ id: string; checksum: string }>(
    "SELECT id, checksum FROM schema_migration",
  );
  return new Map(rows.map(({ id, checksum }) => [id, checksum]));
};

const refuseUnknown = (
  done: ReadonlyMap<string, string>,
  migrations: readonly Migration[],
): void => {
  const known = new Map(migrations.map(({ id, sql }) => [id, checksumOf(sql)]));
  for (const [id, checksum] of done) {
    if (!known.has(id)) {
      throw new UsageError(
        `MYSQL_URL names a database that a newer version has written (${id}): start that one.`,
      );
    }
    if (known.get(id) !== checksum) {
      throw new UsageError(
        `MYSQL_URL names a database with another ${id} than this version: start the one it is of.`,
      );
    }
  }
};
