import { join } from "node:path";
import { systemClock } from "../../shards/process/clock.ts";
import { reasonOf, UsageError } from "../../shards/process/failure.ts";
import { CENTRAL_FILE, openForWriting } from "../central/embedded/sqlite-file.ts";
import { migrateCentralFile } from "../central/migrate.ts";
import { prepareDataDir } from "./data-dir.ts";

/** `sluice migrate`: the line to print. */
export const migrate = (dataDir: string): string => {
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
