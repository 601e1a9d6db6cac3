/** The rows that the writer made, written again with prepared inserts and nothing else. */
import type { Database } from "bun:sqlite";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { shardSettingsSchema } from "../../shards/config.ts";
import { startCheckpointer } from "./checkpointer.ts";
import { PlaceCommands } from "./commands.ts";
import { openFile, openWriter } from "./writer-in-process.ts";

export type Sync = "FULL" | "NORMAL";

/** How the rows are cut into transactions. */
export interface Cut {
  /** Orders in one. */
  readonly batch: number;
  readonly sync: Sync;
}

type Row = readonly (string | number | null)[];

interface Rows {
  readonly table: string;
  /** In commit order; one for each order. */
  readonly rows: readonly Row[];
}

/** The times of the whole writer and of the inserts alone, ms, each in a new file. */
export const measureInserts = async (
  folder: string,
  cut: Cut,
  orders: number,
): Promise<{ readonly writerMs: number; readonly rawMs: number }> => {
  const path = join(folder, "writer.sqlite");
  const rawPath = join(folder, "raw.sqlite");
  try {
    const { ms, rows } = await runWriter(path, cut, orders);
    return { writerMs: ms, rawMs: await runRaw(rawPath, cut, rows) };
  } finally {
    for (const file of [path, rawPath]) {
      for (const suffix of ["", "-wal", "-shm"]) rmSync(`${file}${suffix}`, { force: true });
    }
  }
};

const runWriter = async (path: string, { batch, sync }: Cut, orders: number) => {
  const writer = await openWriter({ path, synchronous: sync });
  const firstCommitSeq = writer.state.commitSeq + 1;
  const commands = new PlaceCommands(crypto.randomUUID(), "GTC").take(orders);
  Bun.gc(true);
  try {
    const start = performance.now();
    for (let at = 0; at < orders; at += batch) {
      await writer.commit(commands.slice(at, at + batch), 201);
    }
    const ms = performance.now() - start;
    return { ms, rows: readRows(writer.database, firstCommitSeq, orders) };
  } finally {
    await writer.close();
  }
};

/** What each order left behind, in whatever tables have a `commit_seq`. */
const readRows = (database: Database, firstCommitSeq: number, orders: number): readonly Rows[] => {
  const tables = database
    .query(
      "SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c " +
        "WHERE m.type = 'table' AND c.name = 'commit_seq' ORDER BY m.name",
    )
    .values()
    .map(([name]) => String(name));
  return tables.flatMap((table) => {
    const rows = database
      .query(`SELECT * FROM ${table} WHERE commit_seq >= ? ORDER BY commit_seq`)
      .values(firstCommitSeq) as Row[];
    // The one row of a table that counts, or an index that is filled later.
    if (rows.length < orders) return [];
    return [{ table, rows }];
  });
};

/** Gives the time of the transactions, ms. */
const runRaw = async (
  path: string,
  { batch, sync }: Cut,
  all: readonly Rows[],
): Promise<number> => {
  const settings = shardSettingsSchema.parse({});
  const { database } = await openFile(path, settings);
  database.exec(`PRAGMA synchronous = ${sync}`);
  const checkpointer = startCheckpointer(database, path, settings.walMax);
  const begin = database.prepare("BEGIN IMMEDIATE");
  const commit = database.prepare("COMMIT");
  const sequence = database.prepare("UPDATE sequence SET commit_seq = ?");
  const stream = database.prepare("UPDATE stream SET seq = ? WHERE partition = 0");
  const inserts = all.map(({ table, rows }) => {
    const places = rows[0]?.map(() => "?").join(", ");
    return { rows, insert: database.prepare(`INSERT INTO ${table} VALUES (${places})`) };
  });
  const count = all[0]?.rows.length ?? 0;
  Bun.gc(true);
  try {
    const start = performance.now();
    for (let at = 0; at < count; at += batch) {
      begin.run();
      for (const { rows, insert } of inserts) {
        for (let i = at; i < Math.min(count, at + batch); i++) insert.run(...(rows[i] ?? []));
      }
      sequence.run(at);
      stream.run(at);
      commit.run();
      checkpointer.afterBatch();
    }
    return performance.now() - start;
  } finally {
    void checkpointer.close();
    database.close();
  }
};
