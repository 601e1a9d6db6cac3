/** What this host says without asking anybody. */
import { Database } from "bun:sqlite";
import { accessSync, constants, statfsSync, statSync } from "node:fs";
import { codeOf, reasonOf, UsageError } from "../../../shards/process/failure.ts";
import { requireSqliteVersion, sqliteVersion } from "../../../shards/store/open.ts";
import type { FolderFacts, HostFacts } from "../facts.ts";

export interface HostSources {
  readonly dataDir: string;
  /** Throws UsageError when the configured keys can't be used. */
  readonly loadKeys: () => Promise<unknown>;
}

export const gatherHost = async ({ dataDir, loadKeys }: HostSources): Promise<HostFacts> => ({
  folder: folderOf(dataDir),
  sqlite: sqliteFacts(),
  keysRefusal: await refusalOf(loadKeys),
});

const folderOf = (dataDir: string): FolderFacts | null => {
  try {
    const { mode } = statSync(dataDir);
    const { bavail, bsize } = statfsSync(dataDir);
    return { mode: mode & 0o777, writable: isWritable(dataDir), freeBytes: bavail * bsize };
  } catch (error) {
    if (codeOf(error) === "ENOENT") return null;
    throw new UsageError(`--data-dir ${dataDir} cannot be looked at: ${reasonOf(error)}.`);
  }
};

const isWritable = (folder: string): boolean => {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

const sqliteFacts = (): HostFacts["sqlite"] => {
  const database = new Database(":memory:");
  try {
    const version = sqliteVersion(database);
    return { version, refusal: refusalOfVersion(version) };
  } finally {
    database.close();
  }
};

const refusalOfVersion = (version: string): string | null => {
  try {
    requireSqliteVersion(version);
    return null;
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
};

const refusalOf = async (loadKeys: () => Promise<unknown>): Promise<string | null> => {
  try {
    await loadKeys();
    return null;
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
};
