import type { Database } from "bun:sqlite";
import initial from "../../migrations/shard/0001_initial.sql" with { type: "text" };
import generations from "../../migrations/shard/0002_generations.sql" with { type: "text" };
import risk from "../../migrations/shard/0003_risk.sql" with { type: "text" };
import { applyMigrations, type Migration } from "../process/sqlite-migrations.ts";

export const SHARD_MIGRATIONS: readonly Migration[] = [
  { id: "0001_initial", sql: initial },
  { id: "0002_generations", sql: generations },
  { id: "0003_risk", sql: risk },
];

/** Brings a shard's file to this version's tables; gives the ids of what was applied. */
export const migrateShardFile = (
  database: Database,
  file: string,
  now: number,
): readonly string[] =>
  applyMigrations(
    {
      exec: (sql) => database.exec(sql),
      all: (sql, ...values) => database.prepare(sql).all(...values),
    },
    SHARD_MIGRATIONS,
    file,
    now,
  );
