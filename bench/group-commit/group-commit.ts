/**
 * How near the writer comes to SQLite alone. Each run makes a new shard file with the whole writer
 * (decide, render, chain, one transaction a batch), reads back the rows it made, and then writes
 * the same rows into another new file with prepared inserts and nothing else.
 */
import type { Chart, Series } from "../support/chart.ts";
import { type BenchOptions, say } from "../support/options.ts";
import { type BenchReport, fixed, type Headline, whole } from "../support/report.ts";
import { median } from "../support/statistics.ts";
import { withWorkFolder } from "../support/work-folder.ts";
import { type Cut, measureInserts, type Sync } from "../system/raw-inserts.ts";

const BATCH_SIZES = [1, 8, 64, 256, 1024] as const;
const SYNCS: readonly Sync[] = ["FULL", "NORMAL"];

const HEADLINE_BATCH = 256;
const RATIO_MIN = 0.6;
/** Orders of one run: enough batches of each size to see the disk, and not more. */
const ORDERS = { 1: 4000, 8: 24_000, 64: 64_000, 256: 102_400, 1024: 102_400 } as const;
const QUICK_PART = 8;
/** Not measured: the first batches of a process run uncompiled. */
const WARM_UP_ORDERS = 50_000;

interface Case extends Cut {
  readonly batch: (typeof BATCH_SIZES)[number];
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
  const { writerMs, rawMs } = await measureInserts(folder, one, orders);
  const perSecond = (ms: number): number => (orders / ms) * 1000;
  return {
    round,
    ...one,
    orders,
    writerPerSecond: perSecond(writerMs),
    rawPerSecond: perSecond(rawMs),
    ratio: rawMs / writerMs,
  };
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
