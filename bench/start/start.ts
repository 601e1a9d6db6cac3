/** How soon a shard serves again, and whether its memory stays what it is. */
import type { Chart } from "../support/chart.ts";
import { type BenchReport, fixed, type Headline, type Table, whole } from "../support/report.ts";
import { median } from "../support/statistics.ts";
import { withWorkFolder } from "../support/work-folder.ts";
import { BENCH_SETTINGS } from "../system/system.ts";
import { MEMORY_SETTINGS, type Memory, type MemorySample, measureMemory } from "./memory.ts";
import { OPEN_ORDERS, type StartOptions } from "./options.ts";
import { type Cache, measureServing, type Serving } from "./serving.ts";

const SERVING_MS_MAX = 2000;
/** Last quarter against second quarter: the first one fills caches and compiles. */
const GROWTH_MAX = 1.15;

export const benchStart = (options: StartOptions): Promise<BenchReport> =>
  withWorkFolder(async (folder) => {
    const serving = await measureServing(options, folder);
    const memory = await measureMemory(options, folder);
    return report(options, serving, memory);
  });

const of = (runs: readonly Serving[], cache: Cache, read: (one: Serving) => number): number =>
  median(runs.filter((one) => one.cache === cache).map(read));

const quarter = (samples: readonly MemorySample[], number: 1 | 2 | 3 | 4): number => {
  const from = Math.floor((samples.length * (number - 1)) / 4);
  const to = Math.floor((samples.length * number) / 4);
  return median(samples.slice(from, to).map(({ residentMiB }) => residentMiB));
};

const report = (
  options: StartOptions,
  serving: readonly Serving[],
  memory: Memory,
): BenchReport => ({
  name: "start",
  headlines: [servingHeadline(options, serving), memoryHeadline(options, memory)],
  tables: [servingTable(serving), memoryTable(memory)],
  charts: [memoryChart(memory)],
  conditions: {
    storedOrders: options.storedOrders,
    memoryOrders: options.memoryOrders,
    openOrders: OPEN_ORDERS,
    rounds: options.rounds,
    quick: options.quick,
    program: options.binary ?? "bun app/main.ts",
    serving: "one shard process on the filled file, no applier; until its first order is answered",
    cold: "the kernel was asked to drop the shard's files from its cache; the program's stay",
    ended: "each start was ended by SIGKILL, so the next one recovers",
    memory: "shard with relay, applier running; batches of 256 through the shard's own socket",
    settings: { ...BENCH_SETTINGS, ...MEMORY_SETTINGS, ...options.settings },
  },
  warnings: [],
  runs: [...serving, memory],
});

const servingHeadline = ({ storedOrders }: StartOptions, serving: readonly Serving[]): Headline => {
  const ms = of(serving, "cold", ({ firstOrderMs }) => firstOrderMs);
  return {
    value: `${fixed(ms, 0)} ms`,
    what: `from a cold start to the first order, ${whole(storedOrders)} stored, ${whole(OPEN_ORDERS)} open`,
    target: `at most ${SERVING_MS_MAX} ms`,
    met: ms <= SERVING_MS_MAX,
  };
};

const memoryHeadline = ({ memoryOrders }: StartOptions, { samples }: Memory): Headline => {
  const growth = quarter(samples, 4) / quarter(samples, 2);
  return {
    value: `× ${fixed(growth, 2)}`,
    what: `memory in the last quarter of ${whole(memoryOrders)} orders against the second`,
    target: `flat: at most × ${GROWTH_MAX}`,
    met: growth <= GROWTH_MAX,
  };
};

const servingTable = (serving: readonly Serving[]): Table => ({
  columns: ["start", "says it serves, ms", "first order, ms", "slowest"],
  rows: (["cold", "warm"] as const).map((cache) => [
    cache,
    fixed(
      of(serving, cache, ({ readyMs }) => readyMs),
      0,
    ),
    fixed(
      of(serving, cache, ({ firstOrderMs }) => firstOrderMs),
      0,
    ),
    fixed(
      Math.max(...serving.filter((one) => one.cache === cache).map((one) => one.firstOrderMs)),
      0,
    ),
  ]),
});

const memoryChart = ({ samples }: Memory): Chart => ({
  id: "memory",
  title: "Memory of a shard's process while orders come and go",
  caption: `Resident set, relay included; at most ${whole(OPEN_ORDERS)} orders are open at a time.`,
  kind: "lines",
  x: { label: "orders placed" },
  y: { label: "resident", unit: "MiB" },
  series: [
    { name: "resident", points: samples.map(({ orders, residentMiB }) => [orders, residentMiB]) },
  ],
});

const ROWS = 10;

const memoryTable = ({ samples }: Memory): Table => ({
  columns: ["orders placed", "open", "resident MiB"],
  rows: samples
    .filter((_, i) => (i + 1) % Math.ceil(samples.length / ROWS) === 0)
    .map(({ orders, open, residentMiB }) => [whole(orders), whole(open), fixed(residentMiB, 0)]),
});
