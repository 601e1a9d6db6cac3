/**
 * How much of a bare echo's rate is left when every answer is a durable order, how much later the
 * answers come, and what becomes of orders that are more than the system can take.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { detectGenerator, GENERATOR_NOTES } from "../load/load.ts";
import { ROOT } from "../support/machine.ts";
import { say } from "../support/options.ts";
import { type BenchReport, whole } from "../support/report.ts";
import { median } from "../support/statistics.ts";
import { withWorkFolder } from "../support/work-folder.ts";
import { BENCH_SETTINGS } from "../system/system.ts";
import { type BaselineRound, measureBaselines, RAW_BATCH } from "./baselines.ts";
import { orderEntryCharts } from "./charts.ts";
import {
  type Bench,
  makeEntryTraders,
  PATIENT,
  servicesOfEnvironment,
  withEchoes,
} from "./entry-system.ts";
import { KNEE_RULE } from "./knee.ts";
import {
  type LatencyRound,
  latencyHeadline,
  latencyTable,
  measureCeiling,
  measureLatency,
} from "./latency.ts";
import { isPossible, type OrderEntryOptions, OVERLOAD, type Part, rowOf } from "./options.ts";
import {
  measureOverload,
  type OverloadRound,
  overloadHeadlines,
  overloadSettings,
  overloadTable,
} from "./overload.ts";
import { measureOrders, measureRate, type RateRound } from "./rate.ts";
import { cpuTable, kneeHeadline, rateHeadlines, rateTable } from "./rate-tables.ts";
import { measureSweep, pointsOf, SWEEP_CONNECTIONS, type SweepRun, sweepTable } from "./sweep.ts";

export interface Found {
  readonly baselines: readonly BaselineRound[];
  readonly rates: readonly RateRound[];
  /** Orders a second of the base case; NaN when nothing needed it. */
  readonly peak: number;
  /** Of the open-loop generator; null when it was not used. */
  readonly ceiling: number | null;
  readonly latencies: readonly LatencyRound[];
  readonly sweep: readonly SweepRun[];
  readonly overload: readonly OverloadRound[];
}

export const benchOrderEntry = (options: OrderEntryOptions): Promise<BenchReport> =>
  withWorkFolder(async (folder) => {
    const generator = detectGenerator();
    say(GENERATOR_NOTES[generator]);
    const profileFolder = join(ROOT, ".sluice/bench/profiles");
    mkdirSync(profileFolder, { recursive: true });
    const accounts = await makeEntryTraders(folder, options.accounts);
    const common = { options, generator, ...accounts, folder, profileFolder };
    const result = await withEchoes(common, async (bench) => report(bench, await measure(bench)));
    if (options.cpuProf !== undefined) say(`profiles are in ${profileFolder}`);
    return result;
  });

const measure = async (bench: Bench): Promise<Found> => {
  const { steps, rounds, base } = bench.options;
  const baselines: BaselineRound[] = [];
  const rates: RateRound[] = [];
  const { parts } = partsOf(bench);
  for (let round = 1; round <= rounds && steps.includes("closed"); round++) {
    baselines.push(await measureBaselines(bench, round));
    for (const part of parts) {
      rates.push(await measureRate(bench, part, rowOf(part, base), round));
    }
  }
  const isOpen = steps.includes("half") || steps.includes("open");
  const peak = isOpen ? await peakOf(bench, rates) : Number.NaN;
  return {
    baselines,
    rates,
    peak,
    ceiling: isOpen ? await measureCeiling(bench) : null,
    latencies: steps.includes("half") ? await measureLatency(bench, Math.round(peak / 2)) : [],
    sweep: steps.includes("open") ? await measureSweep(bench, peak) : [],
    overload: steps.includes("overload") ? await measureOverload(bench) : [],
  };
};

const peakOf = async (bench: Bench, rates: readonly RateRound[]): Promise<number> => {
  const { base, peak } = bench.options;
  if (peak !== undefined) return peak;
  const known = rates.filter(({ part }) => part === "base");
  if (known.length > 0) return median(known.map(({ ordersPerSecond }) => ordersPerSecond));
  const { load } = await measureOrders(bench, base);
  return load.perSecond;
};

/** Rows that can be measured here, and why the others cannot. */
const partsOf = ({ options, generator }: Bench) => {
  const parts: Part[] = [];
  const leftOut: string[] = [];
  for (const part of options.parts) {
    const row = rowOf(part, options.base);
    if (row.replication === "services" && servicesOfEnvironment() === null) {
      leftOut.push(`${part} is left out: KAFKA_BROKERS and MYSQL_URL are not set`);
    } else if (!isPossible(row)) {
      leftOut.push(`${part} is left out: without replication nothing is more than local`);
    } else if (row.batch > 1 && generator !== "wrk") {
      leftOut.push(`${part} is left out: wrk alone makes batches`);
    } else {
      parts.push(part);
    }
  }
  return { parts, leftOut };
};

const report = (bench: Bench, found: Found): BenchReport => {
  const { rates, baselines, latencies, sweep, overload } = found;
  const points = pointsOf(sweep);
  return {
    name: "order-entry",
    headlines: [
      ...rateHeadlines(rates, baselines),
      ...(latencies.length > 0 ? [latencyHeadline(latencies)] : []),
      ...(points.length > 0 ? [kneeHeadline(points)] : []),
      ...(overload.length > 0 ? overloadHeadlines(overload) : []),
    ],
    tables: [
      ...(rates.length > 0 ? [rateTable(rates, baselines), cpuTable(rates)] : []),
      ...(latencies.length > 0 ? [latencyTable(latencies)] : []),
      ...(points.length > 0 ? [sweepTable(points)] : []),
      ...(overload.length > 0 ? [overloadTable(overload)] : []),
    ],
    charts: orderEntryCharts({ rates, baselines, latencies, points }),
    conditions: conditionsOf(bench, found),
    warnings: warningsOf(bench, found),
    runs: [...baselines, ...rates, ...latencies, ...sweep, ...overload],
  };
};

const conditionsOf = (bench: Bench, { ceiling, rates, peak }: Found) => {
  const { options, generator } = bench;
  return {
    generator: GENERATOR_NOTES[generator],
    generatorCeilingPerSecond: median(rates.map(({ echo }) => echo.perSecond)),
    openLoopCeilingPerSecond: ceiling,
    base: options.base,
    peakPerSecond: peak,
    rounds: options.rounds,
    seconds: options.seconds,
    warmUpSeconds: options.warmUpSeconds,
    quick: options.quick,
    program: options.binary ?? "bun app/main.ts",
    accounts: options.accounts,
    order: "LIMIT GTC, unique clientOrderId, HS256 token of its account, all on one shard",
    echo: "Bun.serve + Hono, the same request bytes, await c.req.json(), c.json of a 201's size",
    rawInserts: `the writer's rows, prepared, synchronous=FULL, ${RAW_BATCH} orders a transaction`,
    system: "new data folder and new processes for each row; shard, api, applier on this machine",
    sweepConnections: SWEEP_CONNECTIONS,
    knee: KNEE_RULE,
    overload: { connections: OVERLOAD.connections, ...overloadSettings(bench) },
    settings: { ...BENCH_SETTINGS, SLUICE_VENUE: "external", ...options.settings },
    closedLoopSettings: PATIENT,
  };
};

const warningsOf = (bench: Bench, found: Found): readonly string[] => {
  const { rates, latencies, sweep, overload, ceiling } = found;
  const invalid = [
    ...rates.map((run) => ({ what: run.part, ...run })),
    ...latencies.map((run) => ({ what: "half of the peak", ...run })),
    ...sweep.map((run) => ({ what: "open loop", ...run })),
    ...overload.map((run) => ({ what: "overload", ...run })),
  ].flatMap(({ what, round, invalid: why }) =>
    why.map((one) => `${what}, round ${round} does not count: ${one}`),
  );
  const isLimit = sweep.some(({ offered }) => offered > (ceiling ?? 0));
  return [
    ...(bench.generator === "autocannon" ? [GENERATOR_NOTES.autocannon] : []),
    ...(bench.options.steps.includes("closed") ? partsOf(bench).leftOut : []),
    ...(isLimit ? [`the open-loop generator reaches ${whole(ceiling ?? 0)}/s only`] : []),
    ...invalid,
  ];
};
