/**
 * One process per file. A transaction is held for the process's life on a tiny database of its own
 * beside the file: an exclusive lock on the file itself would shut its readers out, and a lock file
 * made by hand is stale after a kill -9.
 *
 * The kernel gives the lock back when the process dies, however it dies. It would also be lost if
 * this process opened and closed that file by other means, or if the connection were collected.
 */
import { codeOf, OperatingError, reasonOf, UsageError } from "./failure.ts";
import { randomId } from "./ids.ts";

/** The part of a SQLite connection that a lock needs. */
export interface LockConnection {
  run(sql: string, ...values: (string | number)[][]): unknown;
  query(sql: string): { get(): unknown };
  close(): void;
}

/** Held until `release`, or until the process ends. */
export interface FileLock {
  release(): void;
}

/** A killed process of several GB keeps its locks for some 300 ms. */
const DEAD_OWNER_MS_MAX = 3000;

/** Keeps the connections from being collected, whoever forgets his lock. */
const held = new Set<LockConnection>();

/**
 * Throws {@link UsageError} that names the owner when another process holds `path`, and a retryable
 * OperatingError when the disk does not take the lock, as one without space does not.
 */
export const holdLock = (
  connection: LockConnection,
  options: { readonly path: string; readonly rule: string; readonly now: number },
): FileLock => {
  try {
    connection.run(`PRAGMA busy_timeout = ${DEAD_OWNER_MS_MAX}`);
    hold(connection, options.now);
  } catch (error) {
    const owner = readOwner(connection);
    connection.close();
    if (!isHeld(error)) {
      const message = `lock ${options.path}: ${reasonOf(error)}`;
      throw new OperatingError("lock_failed", message, { retryable: true, cause: error });
    }
    const who = owner === null ? "another process" : `process ${owner.pid}`;
    throw new UsageError(
      `${options.path} is held by ${who}: ${options.rule}. ` +
        "Stop that one, or give this one another SLUICE_DATA_DIR.",
      { cause: error },
    );
  }
  held.add(connection);
  return { release: () => release(connection) };
};

const isHeld = (error: unknown): boolean => /^SQLITE_(BUSY|LOCKED)/.test(codeOf(error) ?? "");

/** A closed connection lives on until its statements are collected, so the lock goes first. */
const release = (connection: LockConnection): void => {
  held.delete(connection);
  connection.run("ROLLBACK");
  connection.close();
};

interface Owner {
  readonly token: string;
  readonly pid: number;
}

/** The row must be committed to be seen by others, so another may come between: then once more. */
const hold = (connection: LockConnection, now: number): void => {
  const token = randomId();
  connection.run("BEGIN IMMEDIATE");
  while (readOwner(connection)?.token !== token) {
    connection.run("CREATE TABLE IF NOT EXISTS owner (token TEXT, pid INTEGER, since INTEGER)");
    connection.run("DELETE FROM owner");
    connection.run("INSERT INTO owner VALUES (?, ?, ?)", [token, process.pid, now]);
    connection.run("COMMIT");
    connection.run("BEGIN IMMEDIATE");
  }
};

const readOwner = (connection: LockConnection): Owner | null => {
  try {
    return connection.query("SELECT token, pid FROM owner").get() as Owner | null;
  } catch {
    // the table is not there before the first owner
    return null;
  }
};
