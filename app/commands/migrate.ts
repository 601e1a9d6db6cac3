import { existsSync, renameSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../shards/process/clock.ts";
import { reasonOf, UsageError } from "../../shards/process/failure.ts";
import { createLogger } from "../../shards/process/logger.ts";
import { CENTRAL_FILE, openForWriting } from "../central/embedded/sqlite-file.ts";
import { migrateCentralFile } from "../central/migrate.ts";
import { type CopiedRows, type CopyResult, copyCentral } from "../central/migrate-central.ts";
import { openMysqlStore } from "../central/mysql/mysql-store.ts";
import type { Config } from "../config.ts";
import { prepareDataDir } from "./data-dir.ts";

/** What is left of an embedded store that has moved, so that nobody goes on with it by mistake. */
const MOVED_FILE = `${CENTRAL_FILE}.moved`;

/** `sluice migrate`: the line to print. `centralFrom`: the data folder of the embedded store. */
export const migrate = (config: Config, centralFrom: string | undefined): Promise<string> => {
  if (centralFrom !== undefined) return moveCentral(config, centralFrom);
  return config.mysqlUrl === undefined
    ? Promise.resolve(migrateEmbedded(config.dataDir))
    : migrateServer(config.mysqlUrl);
};

const migrateEmbedded = (dataDir: string): string => {
  prepareDataDir(dataDir);
  const file = join(dataDir, CENTRAL_FILE);
  const applied = migrateFile(file);
  return applied.length === 0
    ? `${file} is at this version's tables already.`
    : `${file}: applied ${applied.join(", ")}.`;
};

const migrateFile = (file: string): readonly string[] => {
  let database: ReturnType<typeof openForWriting>;
  try {
    database = openForWriting(file);
  } catch (error) {
    throw new UsageError(
      `${file} cannot be opened (${reasonOf(error)}): choose another folder with --data-dir.`,
    );
  }
  try {
    return migrateCentralFile(database, file, systemClock.now());
  } finally {
    database.close();
  }
};

const migrateServer = async (url: string): Promise<string> => {
  const store = await openMysqlStore(url, systemClock, createLogger("migrate", "error"));
  await store.close();
  return `MySQL is at this version's tables: central ${store.centralId}.`;
};

const moveCentral = async ({ mysqlUrl }: Config, dataDir: string): Promise<string> => {
  if (mysqlUrl === undefined) {
    throw new UsageError("--central-from needs MYSQL_URL (and KAFKA_BROKERS): where to move to.");
  }
  const file = join(dataDir, CENTRAL_FILE);
  const moved = join(dataDir, MOVED_FILE);
  if (!existsSync(file) && existsSync(moved)) {
    return `${file} has been moved already; its copy is ${moved}.`;
  }
  const result = await copyCentral({
    fromDataDir: dataDir,
    url: mysqlUrl,
    clock: systemClock,
    onProgress: showProgress,
  });
  renameSync(file, moved);
  return `${describe(result)}\nThe old file is ${moved}. Start the system with KAFKA_BROKERS and MYSQL_URL.`;
};

/** On a terminal; a log has the end. */
const showProgress = ({ orders, outcomes, entities }: CopiedRows): void => {
  if (!process.stderr.isTTY) return;
  process.stderr.write(`\r${orders} orders, ${outcomes} refusals, ${entities} entities`);
};

const describe = ({ centralId, wasDone, copied }: CopyResult): string =>
  `${process.stderr.isTTY ? "\n" : ""}Central ${centralId} ${wasDone ? "was" : "is"} on MySQL: ` +
  `${copied.orders} orders, ${copied.outcomes} refusals, ${copied.entities} entities, ` +
  `${copied.cursors} cursors, ${copied.epochs} shards.`;
