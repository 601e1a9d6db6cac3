/** What millions of remembered client order ids cost, and whether checkpoints are felt. */
import { generatorProblems } from "../load/open-loop.ts";
import { LATENCY_AXES, latencySeries } from "../support/chart.ts";
import type { BenchOptions } from "../support/options.ts";
import { type BenchReport, fixed, type Headline, whole } from "../support/report.ts";
import { median } from "../support/statistics.ts";
import { withWorkFolder } from "../support/work-folder.ts";
import { BENCH_SETTINGS } from "../system/system.ts";
import type { OutcomesOptions } from "./options.ts";
import { BATCH, measureRates, type OutcomesRound } from "./rate.ts";
import { measureStalls, STALL_SETTINGS, type Stalls } from "./stalls.ts";

const RATIO_MIN = 0.8;
const STALL_P999_MS_MAX = 60;
const MIB = 1024 ** 2;

export const benchOutcomes = (options: OutcomesOptions): Promise<BenchReport> =>
  withWorkFolder(async (folder) => {
    const rounds = await measureRates(options, folder);
    const stalls = await measureStalls(options, folder);
    return report(options, rounds, stalls);
  });

const report = (
  options: OutcomesOptions,
  rounds: readonly OutcomesRound[],
  stalls: Stalls,
): BenchReport => ({
  name: "outcomes",
  headlines: [rateHeadline(options, rounds), stallHeadline(options, stalls)],
  tables: [
    {
      columns: ["writer, batches of 64", "ratio", "orders/s filled", "orders/s empty"],
      rows: rounds.map((one) => [
        `round ${one.round}`,
        fixed(one.ratio, 3),
        whole(one.filledPerSecond),
        whole(one.emptyPerSecond),
      ]),
    },
    {
      columns: ["open loop, ms", "rate/s", "p50", "p99", "p99.9", "max", "late sends p99"],
      rows: [["orders", stalls.orders] as const, ["echo", stalls.echo] as const].map(
        ([name, { latencyMs, scheduledPerSecond, sendDelayMs }]) => [
          name,
          whole(scheduledPerSecond),
          fixed(latencyMs.p50, 1),
          fixed(latencyMs.p99, 1),
          fixed(latencyMs.p999, 1),
          fixed(latencyMs.max, 1),
          fixed(sendDelayMs.p99, 1),
        ],
      ),
    },
    {
      columns: ["while stalls were looked for", ""],
      rows: [
        ["log at most, MiB", fixed(stalls.walBytesMax / MIB, 1)],
        ["records that central lacked, at most", whole(stalls.lagRecordsMax)],
        ["orders a batch", fixed(stalls.batchMean, 1)],
      ],
    },
  ],
  charts: [
    {
      id: "stalls",
      title: "Do checkpoints show?",
      caption: `Open loop at half of the peak for ${options.stallSeconds} s; the echo at the same rate.`,
      kind: "lines",
      ...LATENCY_AXES,
      series: [
        latencySeries("orders", stalls.orders.latencyMs),
        latencySeries("echo", stalls.echo.latencyMs),
      ],
    },
  ],
  conditions: conditionsOf(options),
  warnings: warningsOf(stalls),
  runs: [...rounds, stalls],
});

const rateHeadline = (
  { outcomes }: OutcomesOptions,
  rounds: readonly OutcomesRound[],
): Headline => {
  const ratio = median(rounds.map((round) => round.ratio));
  return {
    value: fixed(ratio, 2),
    what: `of the empty file's rate with ${whole(outcomes)} outcomes stored, random client ids`,
    target: `at least ${RATIO_MIN}`,
    met: ratio >= RATIO_MIN,
  };
};

const stallHeadline = ({ stallSeconds }: OutcomesOptions, { orders }: Stalls): Headline => ({
  value: `${fixed(orders.latencyMs.p999, 1)} ms`,
  what: `p99.9 of the acknowledgement at half of the peak over ${stallSeconds} s`,
  target: `under ${STALL_P999_MS_MAX} ms`,
  met: failuresOf(orders) > 0 ? null : orders.latencyMs.p999 < STALL_P999_MS_MAX,
});

const failuresOf = ({ refused, lost }: Stalls["orders"]): number => refused + lost;

const warningsOf = ({ orders }: Stalls): readonly string[] => [
  ...(failuresOf(orders) > 0
    ? [`stalls: ${orders.refused} answers were no 201, ${orders.lost} did not come`]
    : []),
  ...generatorProblems("stalls", orders),
];

const conditionsOf = (options: OutcomesOptions & BenchOptions) => ({
  outcomes: options.outcomes,
  rounds: options.rounds,
  seconds: options.seconds,
  stallSeconds: options.stallSeconds,
  connections: options.connections,
  quick: options.quick,
  rate: `Writer and ShardStore in this process, batches of ${BATCH}, FULL sync, LIMIT IOC, generations of the default size; the filled file goes on being filled and indexed during its runs`,
  filled: "made by the writer; rows of ended orders have left, as after their retention",
  stalls: "api, shard, applier as processes, replicated; LIMIT IOC, so that memory stays small",
  settings: { ...BENCH_SETTINGS, ...STALL_SETTINGS, ...options.settings },
});
