/**
 * One writer per shard file. A transaction is held for the process's life on a small database of
 * its own beside the shard's file, because an exclusive lock on the file itself would shut the
 * relay out, and a lock file made by hand is stale after a kill -9.
 *
 * The kernel gives the lock back when the process dies. It would also be lost if this process
 * opened and closed the lock file by other means, or if the connection were collected.
 */
import { Database } from "bun:sqlite";
import { UsageError } from "../process/failure.ts";

/** A killed process of several GB takes the kernel some 300 ms to clear away. */
const WAIT_FOR_DEAD_OWNER_MS = 3000;

export interface FileLock {
  release(): void;
}

/** Throws {@link UsageError} that names the owner when another process writes this shard. */
export const acquireLock = (path: string, now: number): FileLock => {
  const database = new Database(path, { create: true, strict: true });
  try {
    database.exec(`PRAGMA busy_timeout = ${WAIT_FOR_DEAD_OWNER_MS}`);
    database.exec(
      "CREATE TABLE IF NOT EXISTS owner (pid INTEGER NOT NULL, since INTEGER NOT NULL)",
    );
    database.exec("BEGIN IMMEDIATE");
    database.exec("DELETE FROM owner");
    database.prepare("INSERT INTO owner VALUES (?, ?)").run(process.pid, now);
    database.exec("COMMIT; BEGIN IMMEDIATE");
  } catch (error) {
    const owner = ownerOf(database);
    database.close();
    throw new UsageError(
      `${path} is held by ${owner}: one process at a time writes a shard. Stop that one first.`,
      { cause: error },
    );
  }
  return { release: () => database.close() };
};

const ownerOf = (database: Database): string => {
  try {
    const row = database.query("SELECT pid FROM owner").get() as { pid: number } | null;
    return row === null ? "another process" : `process ${row.pid}`;
  } catch {
    return "another process";
  }
};
