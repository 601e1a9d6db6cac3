/**
 * How near the writer comes to SQLite alone. Each run makes a new shard file with the whole writer
 * (decide, render, chain, one transaction a batch), reads back the rows it made, and then writes
 * the same rows into another new file with prepared inserts and nothing else.
 */
import type { Database } from "bun:sqlite";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { shardSettingsSchema } from "../../shards/config.ts";
import { Checkpointer } from "../../shards/store/checkpointer.ts";
import type { Chart, Series } from "../support/chart.ts";
import { type BenchOptions, say } from "../support/options.ts";
import { type BenchReport, fixed, type Headline, whole } from "../support/report.ts";
import { median } from "../support/statistics.ts";
import { withWorkFolder } from "../support/work-folder.ts";
import { PlaceCommands } from "../system/commands.ts";
import { openFile, openWriter } from "../system/writer-in-process.ts";

const BATCH_SIZES = [1, 8, 64, 256, 1024] as const;
const SYNCS = ["FULL", "NORMAL"] as const;
type Sync = (typeof SYNCS)[number];

const HEADLINE_BATCH = 256;
const RATIO_MIN = 0.6;
/** Orders of one run: enough batches of each size to see the disk, and not more. */
const ORDERS = { 1: 4000, 8: 24_000, 64: 64_000, 256: 102_400, 1024: 102_400 } as const;
const QUICK_PART = 8;
/** Not measured: the first batches of a process run uncompiled. */
const WARM_UP_ORDERS = 50_000;

interface Case {
  readonly batch: (typeof BATCH_SIZES)[number];
  readonly sync: Sync;
}

interface Run extends Case {
  readonly round: number;
  readonly orders: number;
  readonly writerPerSecond: number;
  readonly rawPerSecond: number;
  /** writer ÷ raw. */
  readonly ratio: number;
}

export const benchGroupCommit = (options: BenchOptions): Promise<BenchReport> =>
  withWorkFolder(async (folder) => {
    const warmUp = options.quick ? WARM_UP_ORDERS / QUICK_PART : WARM_UP_ORDERS;
    await measure(folder, { batch: 64, sync: "NORMAL" }, 0, warmUp);
    const runs: Run[] = [];
    const cases = SYNCS.flatMap((sync) => BATCH_SIZES.map((batch): Case => ({ batch, sync })));
    for (let round = 1; round <= options.rounds; round++) {
      for (const one of cases) {
        const orders = ORDERS[one.batch] / (options.quick ? QUICK_PART : 1);
        runs.push(await measure(folder, one, round, orders));
      }
      say(`round ${round} of ${options.rounds}`);
    }
    return report(options, cases, runs);
  });

const measure = async (folder: string, one: Case, round: number, orders: number): Promise<Run> => {
  const { batch, sync } = one;
  const path = join(folder, "writer.sqlite");
  const rawPath = join(folder, "raw.sqlite");
  try {
    const written = await runWriter(path, one, orders);
    const rawMs = await runRaw(rawPath, one, written.rows);
    const perSecond = (ms: number): number => (orders / ms) * 1000;
    return {
      round,
      batch,
      sync,
      orders,
      writerPerSecond: perSecond(written.ms),
      rawPerSecond: perSecond(rawMs),
      ratio: rawMs / written.ms,
    };
  } finally {
    for (const file of [path, rawPath]) {
      for (const suffix of ["", "-wal", "-shm"]) rmSync(`${file}${suffix}`, { force: true });
    }
  }
};

type Row = readonly (string | number | null)[];

interface Rows {
  readonly table: string;
  /** In commit order; one for each order. */
  readonly rows: readonly Row[];
}

const runWriter = async (path: string, { batch, sync }: Case, orders: number) => {
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
  { batch, sync }: Case,
  all: readonly Rows[],
): Promise<number> => {
  const settings = shardSettingsSchema.parse({});
  const { database } = await openFile(path, settings);
  database.exec(`PRAGMA synchronous = ${sync}`);
  const checkpointer = new Checkpointer(database, {
    path,
    walBytesMax: settings.walMax,
    onPressure: () => {},
    onDied: (reason) => {
      throw new Error(`the checkpoint thread died: ${reason}`);
    },
  });
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

type Read = (run: Run) => number;

const rateChart = (of: (one: Case, read: Read) => number): Chart => {
  const line = (sync: Sync, name: string, read: Read): Series => ({
    name: `${name}, ${sync}`,
    points: BATCH_SIZES.map((batch) => [batch, of({ batch, sync }, read)]),
  });
  return {
    id: "rate",
    title: "What a bigger batch buys",
    caption:
      "Orders a second by the orders that share one transaction: the whole writer, and the same " +
      "rows written with prepared inserts alone.",
    kind: "lines",
    x: { label: "orders a transaction", scale: "log" },
    y: { label: "rate", unit: "orders/s", scale: "log" },
    series: SYNCS.flatMap((sync) => [
      line(sync, "writer", ({ writerPerSecond }) => writerPerSecond),
      line(sync, "raw inserts", ({ rawPerSecond }) => rawPerSecond),
    ]),
    isMain: true,
  };
};

const report = (
  options: BenchOptions,
  cases: readonly Case[],
  runs: readonly Run[],
): BenchReport => {
  const of = ({ batch, sync }: Case, read: Read): number =>
    median(runs.filter((run) => run.batch === batch && run.sync === sync).map(read));
  const headline = (sync: Sync): Headline => {
    const one: Case = { batch: HEADLINE_BATCH, sync };
    const ratio = of(one, (run) => run.ratio);
    const rate = whole(of(one, (run) => run.writerPerSecond));
    return {
      value: fixed(ratio, 2),
      what: `of raw prepared inserts at batches of ${HEADLINE_BATCH}, ${sync} (${rate} orders/s)`,
      target: sync === "FULL" ? `at least ${RATIO_MIN}` : "for comparison",
      met: sync === "FULL" ? ratio >= RATIO_MIN : null,
    };
  };
  return {
    name: "group-commit",
    headlines: [headline("FULL"), headline("NORMAL")],
    tables: [
      {
        columns: ["batch, sync", "ratio", "writer orders/s", "raw orders/s", "writer µs/order"],
        rows: cases.map((one) => [
          `${one.batch} ${one.sync}`,
          fixed(
            of(one, (run) => run.ratio),
            2,
          ),
          whole(of(one, (run) => run.writerPerSecond)),
          whole(of(one, (run) => run.rawPerSecond)),
          fixed(1e6 / of(one, (run) => run.writerPerSecond), 1),
        ]),
      },
    ],
    charts: [rateChart(of)],
    conditions: {
      rounds: options.rounds,
      quick: options.quick,
      writer: "Writer and ShardStore in this process, no socket, no relay; commands made before",
      raw: "the rows that the writer made, read back; prepared inserts, one transaction a batch, the sequence and one stream updated, the same checkpoints",
      files: "a new file for each run",
      order: "LIMIT GTC, random clientOrderId",
    },
    warnings: [],
    runs,
  };
};
