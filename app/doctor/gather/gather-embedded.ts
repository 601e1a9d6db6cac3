/** Reads the embedded central store beside its applier: short reads on a connection of its own. */
import { existsSync } from "node:fs";
import { openForReading } from "../../central/embedded/sqlite-file.ts";
import type { CentralFacts, StoppedFacts } from "../facts.ts";

/** null: there is no such file. Throws SQLite's error when it can't be read. */
export const gatherEmbedded = async (file: string): Promise<CentralFacts | null> => {
  if (!existsSync(file)) return null;
  const database = openForReading(file);
  try {
    return {
      epochs: database
        .query<{ shard: string; epoch: number }, []>(
          "SELECT shard, epoch FROM shard_epoch ORDER BY shard",
        )
        .all(),
      stopped: database
        .query<StoppedFacts, []>(
          `SELECT shard, epoch, partition, code, detail, stopped_at AS stoppedAt FROM stopped_stream
           ORDER BY shard, epoch, partition`,
        )
        .all(),
      quarantinedRecords: 0,
      positions: [],
    };
  } finally {
    database.close();
  }
};
