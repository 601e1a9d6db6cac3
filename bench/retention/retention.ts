/** The size of a shard's file while orders come and go for many retentions. */
import { join } from "node:path";
import type { Chart } from "../support/chart.ts";
import type { BenchOptions } from "../support/options.ts";
import { say } from "../support/options.ts";
import { type BenchReport, fixed, type Table, whole } from "../support/report.ts";
import { median } from "../support/statistics.ts";
import { withWorkFolder } from "../support/work-folder.ts";
import { PlaceCommands } from "../system/commands.ts";
import { openWriter } from "../system/writer-in-process.ts";

export interface RetentionOptions extends BenchOptions {
  readonly orders: number;
}

interface Sample {
  readonly orders: number;
  readonly fileMiB: number;
  /** Pages that are free in the file, to be used again. */
  readonly freeMiB: number;
  /** Records that the journal holds. */
  readonly records: number;
}

const BATCH = 256;
const SAMPLES = 100;
const MIB = 1024 * 1024;
/** Short, so that many of them pass; the product's defaults are 24 h and 1 h. */
const RETENTIONS = {
  outcomeRetention: 10_000,
  orderRetention: 5_000,
  outcomeGenerationSize: 50_000,
} as const;
/** Last quarter's median ÷ second quarter's. */
const GROWTH_MAX = 1.15;

export const benchRetention = (options: RetentionOptions): Promise<BenchReport> =>
  withWorkFolder(async (folder) => {
    const start = performance.now();
    const samples = await measure(options, join(folder, "retention.sqlite"));
    return report(options, samples, (performance.now() - start) / 1000);
  });

const measure = async ({ orders }: RetentionOptions, path: string): Promise<readonly Sample[]> => {
  const writer = await openWriter({ path, settings: RETENTIONS });
  const commands = new PlaceCommands(crypto.randomUUID(), "IOC");
  const samples: Sample[] = [];
  const pragma = (name: string): number =>
    Number(writer.database.query(`PRAGMA ${name}`).values()[0]?.[0]);
  const recordsOf = (): number =>
    Number(
      writer.database
        .query("SELECT max(commit_seq) - min(commit_seq) + 1 FROM journal")
        .values()[0]?.[0],
    );
  try {
    const pageMiB = pragma("page_size") / MIB;
    const every = Math.max(BATCH, Math.ceil(orders / SAMPLES / BATCH) * BATCH);
    for (let placed = BATCH; placed <= orders; placed += BATCH) {
      await writer.commit(commands.take(BATCH), 201);
      writer.reportAllApplied();
      if (placed % every !== 0) continue;
      const fileMiB = pragma("page_count") * pageMiB;
      const freeMiB = pragma("freelist_count") * pageMiB;
      samples.push({ orders: placed, fileMiB, freeMiB, records: recordsOf() });
      if (samples.length % 10 === 0) say(`${whole(placed)} orders: ${fixed(fileMiB, 0)} MiB`);
    }
    return samples;
  } finally {
    await writer.close();
  }
};

const report = (
  options: RetentionOptions,
  samples: readonly Sample[],
  seconds: number,
): BenchReport => {
  const quarter = (n: number): number =>
    median(
      samples
        .slice(((n - 1) * samples.length) / 4, (n * samples.length) / 4)
        .map(({ fileMiB }) => fileMiB),
    );
  const growth = quarter(4) / quarter(2);
  const most = Math.max(...samples.map(({ fileMiB }) => fileMiB));
  return {
    name: "retention",
    headlines: [
      {
        value: fixed(growth, 2),
        what: "size of the file in the last quarter for each MiB in the second",
        target: `at most ${GROWTH_MAX}`,
        met: growth <= GROWTH_MAX,
      },
      {
        value: `${fixed(most, 0)} MiB`,
        what: `at most, over ${whole(options.orders)} orders`,
        target: "bounded by rate × retention",
        met: null,
      },
    ],
    tables: [samplesTable(samples)],
    charts: [sizeChart(samples)],
    conditions: {
      ...options,
      ...RETENTIONS,
      seconds,
      ordersPerSecond: options.orders / seconds,
      orders: "LIMIT IOC, finished at once, random client ids; central has all at once",
    },
    warnings: seconds * 1000 < 3 * RETENTIONS.outcomeRetention ? ["too short to say much"] : [],
    runs: samples,
  };
};

const sizeChart = (samples: readonly Sample[]): Chart => ({
  id: "size",
  title: "The size of a shard's file over many retentions",
  caption: "All of the file, and what of it is free to be used again.",
  kind: "lines",
  x: { label: "orders placed" },
  y: { label: "size", unit: "MiB" },
  series: [
    { name: "file", points: samples.map(({ orders, fileMiB }) => [orders, fileMiB]) },
    { name: "free in it", points: samples.map(({ orders, freeMiB }) => [orders, freeMiB]) },
  ],
});

const samplesTable = (samples: readonly Sample[]): Table => ({
  columns: ["orders", "file MiB", "free in it MiB", "records in the journal"],
  rows: samples
    .filter((_, i) => (i + 1) % Math.max(1, Math.floor(samples.length / 10)) === 0)
    .map(({ orders, fileMiB, freeMiB, records }) => [
      whole(orders),
      fixed(fileMiB, 0),
      fixed(freeMiB, 0),
      whole(records),
    ]),
});
