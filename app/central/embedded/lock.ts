/**
 * One applier per central file. A transaction is held for the process's life on a tiny database of
 * its own beside it, so that readers of the central file are not shut out; the kernel frees it when
 * the process dies, however it dies. Nothing else here may open that file: closing it by other
 * means would drop the lock.
 */
import { Database } from "bun:sqlite";
import { UsageError } from "../../../shards/process/failure.ts";
import { randomId } from "../../../shards/process/ids.ts";

export const CENTRAL_LOCK = "central.lock";

/** A killed process of some GB keeps its locks for up to 300 ms. */
const DEAD_OWNER_MS_MAX = 2000;

/** Held until `release`; the connection lives as long as this object. */
export interface CentralLock {
  release(): void;
}

/** Throws {@link UsageError} with the owner's pid when another process has it. */
export const lockCentral = (path: string, now: number): CentralLock => {
  const database = new Database(path, { create: true, readwrite: true, strict: true });
  try {
    database.run(`PRAGMA busy_timeout = ${DEAD_OWNER_MS_MAX}`);
    hold(database, now);
  } catch (error) {
    const owner = readOwner(database);
    database.close();
    const who = owner === null ? "another process" : `process ${owner.pid}`;
    throw new UsageError(
      `${path} is held by ${who}: one applier at a time owns a central store. ` +
        "Stop that one, or give this one another SLUICE_DATA_DIR.",
      { cause: error },
    );
  }
  return { release: () => database.close() };
};

interface Owner {
  readonly token: string;
  readonly pid: number;
}

/** The row must be committed to be seen by others, so another may come between: then once more. */
const hold = (database: Database, now: number): void => {
  const token = randomId();
  database.run("BEGIN IMMEDIATE");
  while (readOwner(database)?.token !== token) {
    database.run("CREATE TABLE IF NOT EXISTS owner (token TEXT, pid INTEGER, since INTEGER)");
    database.run("DELETE FROM owner");
    database.prepare("INSERT INTO owner VALUES (?, ?, ?)").run(token, process.pid, now);
    database.run("COMMIT");
    database.run("BEGIN IMMEDIATE");
  }
};

const readOwner = (database: Database): Owner | null => {
  try {
    return database.query<Owner, []>("SELECT token, pid FROM owner").get();
  } catch {
    // The table is not there before the first owner.
    return null;
  }
};
