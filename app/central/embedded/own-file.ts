import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../../../shards/process/clock.ts";
import { codeOf, OperatingError, reasonOf, UsageError } from "../../../shards/process/failure.ts";
import type { FileLock } from "../../../shards/process/file-lock.ts";
import type { CentralStore } from "../store.ts";
import { CENTRAL_FILE, CENTRAL_LOCK, lockCentral } from "./sqlite-file.ts";
import { openSqliteStore } from "./sqlite-store.ts";

/** The file's path in a data folder; history is read there. */
export const centralFileOf = (dataDir: string): string => join(dataDir, CENTRAL_FILE);

/** The embedded store of a data folder, with its lock. */
export interface OwnedStore {
  readonly store: CentralStore;
  close(): void;
}

/** Throws {@link UsageError} when folder, file or lock can't be had. */
export const ownCentralFile = (dataDir: string, clock: Clock): OwnedStore => {
  const lock = lockFolder(dataDir, clock);
  try {
    const store = openSqliteStore(centralFileOf(dataDir), clock);
    return {
      store,
      close: () => {
        store.close();
        lock.release();
      },
    };
  } catch (error) {
    lock.release();
    throw unusable(dataDir, error);
  }
};

const lockFolder = (dataDir: string, clock: Clock): FileLock => {
  try {
    mkdirSync(dataDir, { recursive: true });
    return lockCentral(join(dataDir, CENTRAL_LOCK), clock.now());
  } catch (error) {
    throw unusable(dataDir, error);
  }
};

/** What stands in the way for a while: the next start may find it gone. */
const PASSING = /^SQLITE_(BUSY|LOCKED|FULL|IOERR|NOMEM)/;

const unusable = (dataDir: string, error: unknown): Error => {
  if (error instanceof UsageError) return error;
  if (error instanceof OperatingError && error.retryable) return error;
  const cause = error instanceof OperatingError ? error.cause : error;
  const what = `The central store can't be opened in SLUICE_DATA_DIR=${dataDir}: ${reasonOf(cause)}`;
  return PASSING.test(codeOf(cause) ?? "")
    ? new OperatingError("central_store_failed", what, { retryable: true, cause })
    : new UsageError(`${what}. Give a folder that this user may write.`, { cause: error });
};
