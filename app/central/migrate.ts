import type { Database } from "bun:sqlite";
import initial from "../../migrations/central/0001_initial.sql" with { type: "text" };
import risk from "../../migrations/central/0002_risk.sql" with { type: "text" };
import { applyMigrations, type Migration } from "../../shards/process/sqlite-migrations.ts";

export const CENTRAL_MIGRATIONS: readonly Migration[] = [
  { id: "0001_initial", sql: initial },
  { id: "0002_risk", sql: risk },
];

/** Brings central's file to this version's tables; gives the ids of what was applied. */
export const migrateCentralFile = (
  database: Database,
  file: string,
  now: number,
): readonly string[] =>
  applyMigrations(
    {
      exec: (sql) => database.run(sql),
      all: (sql, ...values) => database.prepare(sql).all(...values),
    },
    CENTRAL_MIGRATIONS,
    file,
    now,
  );
