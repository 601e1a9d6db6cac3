/**
 * How much of a bare echo's rate is left when every answer is a durable order, and how much later
 * the answers come at half of that rate.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { detectGenerator, GENERATOR_NOTES } from "../load/load.ts";
import { ACCOUNTS, makeAccounts } from "../load/orders.ts";
import { ROOT } from "../support/machine.ts";
import { say } from "../support/options.ts";
import { type BenchReport, fixed, type Headline, type Table, whole } from "../support/report.ts";
import { median } from "../support/statistics.ts";
import { withWorkFolder } from "../support/work-folder.ts";
import { startEcho } from "../system/echo.ts";
import { BENCH_SETTINGS } from "../system/system.ts";
import { orderEntryCharts } from "./charts.ts";
import { type LatencyRound, latencyTable, measureCeiling, measureLatency } from "./latency.ts";
import { type OrderEntryOptions, PART_NAMES, PARTS, type Part, RATE_TARGETS } from "./options.ts";
import { type Bench, measureRate, type RateRound } from "./rate.ts";

interface Found {
  readonly rates: Readonly<Record<Part, readonly RateRound[]>>;
  readonly latencies: readonly (readonly LatencyRound[])[];
  /** Of the open-loop generator; null when it was not used. */
  readonly ceiling: number | null;
}

export const benchOrderEntry = (options: OrderEntryOptions): Promise<BenchReport> =>
  withWorkFolder(async (folder) => {
    const generator = detectGenerator();
    say(GENERATOR_NOTES[generator]);
    const profileFolder = join(ROOT, ".sluice/bench/profiles");
    mkdirSync(profileFolder, { recursive: true });
    const accounts = await makeAccounts();
    const echo = await startEcho(folder);
    const bench: Bench = { options, generator, accounts, echo, folder, profileFolder };
    try {
      return report(bench, await measure(bench));
    } finally {
      await echo.kill();
      if (options.cpuProf !== undefined) say(`profiles are in ${profileFolder}`);
    }
  });

const measure = async (bench: Bench): Promise<Found> => {
  const { rounds, parts, latency, latencyAt } = bench.options;
  const rates: Record<Part, RateRound[]> = { hot: [], replicated: [] };
  for (let round = 1; round <= rounds && latencyAt === undefined; round++) {
    for (const part of parts) rates[part].push(await measureRate(bench, part, round));
  }
  if (!latency && latencyAt === undefined) return { rates, latencies: [], ceiling: null };
  const ceiling = await measureCeiling(bench);
  const latencies: LatencyRound[][] = [];
  for (const part of parts) {
    const rate = latencyAt ?? median(rates[part].map(({ orders }) => orders.perSecond)) / 2;
    latencies.push(await measureLatency(bench, part, Math.round(rate)));
  }
  return { rates, latencies, ceiling };
};

const report = (bench: Bench, found: Found): BenchReport => {
  const { rates, latencies } = found;
  return {
    name: "order-entry",
    headlines: [headline("hot", rates.hot), headline("replicated", rates.replicated)],
    tables: [
      rateTable(rates),
      cpuTable(rates),
      ...(latencies.length === 0 ? [] : [latencyTable(latencies)]),
    ],
    charts: orderEntryCharts(rates, latencies),
    conditions: conditionsOf(bench, found),
    warnings: warningsOf(bench, found),
    runs: [...rates.hot, ...rates.replicated, ...latencies.flat()],
  };
};

const valid = (rounds: readonly RateRound[]): readonly RateRound[] =>
  rounds.filter(({ invalid }) => invalid.length === 0);

const headline = (part: Part, rounds: readonly RateRound[]): Headline => {
  const { least, aim } = RATE_TARGETS[part];
  const ratio = median(valid(rounds).map((round) => round.ratio));
  return {
    value: fixed(ratio, 2),
    what: `durable acks for each answer of the bare echo, ${PART_NAMES[part]}`,
    target: `at least ${least}, aim ${aim}`,
    met: Number.isNaN(ratio) ? null : ratio >= least,
  };
};

const rateTable = (rates: Found["rates"]): Table => ({
  columns: [
    "closed loop",
    "ratio",
    "(each round)",
    "orders/s",
    "echo/s",
    "p50 ms",
    "p99 ms",
    "batch",
    "lag at end",
    "caught up ms",
  ],
  rows: PARTS.filter((part) => rates[part].length > 0).map((part) => {
    const rounds = rates[part];
    const of = (read: (round: RateRound) => number): number => median(rounds.map(read));
    const lags = part === "replicated";
    return [
      part,
      fixed(median(valid(rounds).map(({ ratio }) => ratio)), 3),
      rounds
        .map(({ ratio, invalid }) => fixed(ratio, 2) + (invalid.length > 0 ? "!" : ""))
        .join(" "),
      whole(of(({ orders }) => orders.perSecond)),
      whole(of(({ echo }) => echo.perSecond)),
      fixed(
        of(({ orders }) => orders.latencyMs.p50),
        1,
      ),
      fixed(
        of(({ orders }) => orders.latencyMs.p99),
        1,
      ),
      fixed(
        of(({ batchMean }) => batchMean),
        0,
      ),
      lags ? whole(of(({ lagRecords }) => lagRecords ?? 0)) : "-",
      lags ? whole(of(({ catchUpMs }) => catchUpMs ?? 0)) : "-",
    ];
  }),
});

const CPU_COLUMNS = ["generator", "echo", "api", "shard", "applier"] as const;

const cpuTable = (rates: Found["rates"]): Table => ({
  columns: ["CPU µs an answer", ...CPU_COLUMNS, "all"],
  rows: PARTS.filter((part) => rates[part].length > 0).flatMap((part) => [
    cpuRow(
      `${part}: echo`,
      rates[part].map(({ echoCpuUs }) => echoCpuUs),
    ),
    cpuRow(
      `${part}: orders`,
      rates[part].map(({ orderCpuUs }) => orderCpuUs),
    ),
  ]),
});

const cpuRow = (
  name: string,
  rounds: readonly Readonly<Record<string, number>>[],
): (string | number)[] => {
  const values = CPU_COLUMNS.map((column) =>
    median(rounds.map((cpu) => cpu[column] ?? Number.NaN)),
  );
  const all = values.reduce((sum, value) => sum + (Number.isNaN(value) ? 0 : value), 0);
  return [name, ...values.map((value) => fixed(value, 1)), fixed(all, 1)];
};

const conditionsOf = ({ options, generator }: Bench, { ceiling, rates }: Found) => ({
  generator: GENERATOR_NOTES[generator],
  generatorCeilingPerSecond: median(
    [...rates.hot, ...rates.replicated].map(({ echo }) => echo.perSecond),
  ),
  openLoopCeilingPerSecond: ceiling,
  connections: options.connections,
  rounds: options.rounds,
  seconds: options.seconds,
  warmUpSeconds: options.warmUpSeconds,
  quick: options.quick,
  program: options.binary ?? "bun app/main.ts",
  accounts: ACCOUNTS,
  order: "LIMIT GTC, unique clientOrderId, HS256 token of its account, all on one shard",
  echo: "Bun.serve + Hono, the same request bytes, await c.req.json(), c.json of a 201's size",
  system: "new data folder and new processes each round; shard, api (and applier) on this machine",
  hot: "the applier ends after it has given the epoch: the relay finds nobody, records wait",
  replicated: "the applier runs all the time and takes every record",
  settings: { ...BENCH_SETTINGS, ...options.settings },
});

const warningsOf = (bench: Bench, { rates, latencies, ceiling }: Found): readonly string[] => {
  const rounds = [...rates.hot, ...rates.replicated, ...latencies.flat()];
  const invalid = rounds.flatMap(({ part, round, invalid: why }) =>
    why.map((one) => `${part}, round ${round} does not count: ${one}`),
  );
  const limits = latencies
    .flat()
    .filter(({ orders }) => orders.scheduledPerSecond > (ceiling ?? 0));
  return [
    ...(bench.generator === "autocannon" ? [GENERATOR_NOTES.autocannon] : []),
    ...(limits.length > 0 ? [`the open-loop generator reaches ${whole(ceiling ?? 0)}/s only`] : []),
    ...invalid,
  ];
};
