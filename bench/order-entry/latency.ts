/** Times at half of the peak rate, by the open-loop generator, against echo and disk. */
import { generatorProblems, type OpenLoopResult, runOpenLoop } from "../load/open-loop.ts";
import { say } from "../support/options.ts";
import { fixed, type Headline, type Table, whole } from "../support/report.ts";
import { median } from "../support/statistics.ts";
import { type DiskSync, logBytesOfBatch, measureDiskSync } from "../system/disk-sync.ts";
import { type Bench, PATIENT, withSystem } from "./entry-system.ts";
import { orderPlacer } from "./probers.ts";
import { countsOf } from "./rate.ts";
import { entryTemplates } from "./requests.ts";
import { type Stages, startStageProbe } from "./stages.ts";

export interface LatencyRound {
  readonly round: number;
  readonly echo: OpenLoopResult;
  readonly orders: OpenLoopResult;
  readonly disk: DiskSync;
  /** Of single orders beside the load. */
  readonly stages: Stages;
  readonly batchMean: number;
  /** echo's p99 + 2 × the disk's p99, ms: what the orders' p99 may be. */
  readonly allowedMs: number;
  readonly invalid: readonly string[];
}

const CEILING_SECONDS = 3;
const QUICK_CEILING_SECONDS = 1;

/** Requests a second that the open-loop generator gets out of the echo when it never waits. */
export const measureCeiling = async (bench: Bench): Promise<number> => {
  const { port } = bench.echo;
  const { perSecond } = await runOpenLoop(
    {
      port,
      connections: bench.options.connections,
      perSecond: 0,
      seconds: bench.options.quick ? QUICK_CEILING_SECONDS : CEILING_SECONDS,
      warmUpSeconds: 1,
      templates: entryTemplates(bench.traders, port),
    },
    bench.folder,
  );
  return perSecond;
};

/** The base case. */
export const measureLatency = (bench: Bench, perSecond: number): Promise<LatencyRound[]> =>
  withSystem(bench, bench.options.base, PATIENT, async (system) => {
    const { options, folder } = bench;
    const { base, seconds } = options;
    const drive = (port: number, warmUpSeconds: number): Promise<OpenLoopResult> => {
      const templates = entryTemplates(bench.traders, port, base.ack);
      const { connections } = base;
      return runOpenLoop(
        { port, connections, perSecond, seconds, warmUpSeconds, templates },
        folder,
      );
    };
    const rounds: LatencyRound[] = [];
    for (let round = 1; round <= options.rounds; round++) {
      const echo = await drive(bench.echo.port, 1);
      const before = await countsOf(system);
      const warmUpSeconds = round === 1 ? options.warmUpSeconds : 1;
      const probe = startStageProbe(orderPlacer(bench, system.url), warmUpSeconds);
      const orders = await drive(system.port, warmUpSeconds);
      const stages = await probe.stop();
      const after = await countsOf(system);
      await system.untilQuiet();
      const batchMean = (after.accepted - before.accepted) / (after.batches - before.batches);
      const disk = await measureDiskSync(folder, {
        bytes: await logBytesOfBatch(folder, Math.max(1, Math.round(batchMean))),
        perSecond: perSecond / batchMean,
        seconds,
      });
      const allowedMs = echo.latencyMs.p99 + 2 * disk.latencyMs.p99;
      const invalid = [...problemsOf("echo", echo), ...problemsOf("orders", orders)];
      rounds.push({ round, echo, orders, disk, stages, batchMean, allowedMs, invalid });
      say(
        `half ${round}: p99 ${fixed(orders.latencyMs.p99, 1)} ms at ${whole(perSecond)}/s, ` +
          `allowed ${fixed(allowedMs, 1)}`,
      );
    }
    return rounds;
  });

const problemsOf = (side: string, result: OpenLoopResult): readonly string[] => [
  ...(result.refused > 0 ? [`${side}: ${result.refused} answers were no 201`] : []),
  ...(result.lost > 0 ? [`${side}: ${result.lost} answers did not come`] : []),
  ...generatorProblems(side, result),
];

/** Medians over the rounds. */
const summarize = (rounds: readonly LatencyRound[]) => {
  const of = (read: (round: LatencyRound) => number): number => median(rounds.map(read));
  return {
    perSecond: of(({ orders }) => orders.scheduledPerSecond),
    echo: of(({ echo }) => echo.latencyMs.p99),
    disk: of(({ disk }) => disk.latencyMs.p99),
    allowed: of(({ allowedMs }) => allowedMs),
    p50: of(({ orders }) => orders.latencyMs.p50),
    p99: of(({ orders }) => orders.latencyMs.p99),
    p999: of(({ orders }) => orders.latencyMs.p999),
    batch: of(({ batchMean }) => batchMean),
    bytes: of(({ disk }) => disk.bytes),
    sendDelay: of(({ orders }) => orders.sendDelayMs.p99),
  };
};

/** Rounds with a problem do not count. */
export const latencyHeadline = (rounds: readonly LatencyRound[]): Headline => {
  const valid = rounds.filter(({ invalid }) => invalid.length === 0);
  const { p99, allowed, perSecond } = summarize(valid);
  return {
    value: `${fixed(p99, 1)} ms`,
    what: `p99 at half of the peak, open loop (${whole(perSecond)} orders/s)`,
    target: `at most the echo's p99 + 2 × that of the disk, ${fixed(allowed, 1)} ms`,
    met: valid.length === 0 ? null : p99 <= allowed,
  };
};

export const latencyTable = (rounds: readonly LatencyRound[]): Table => {
  const s = summarize(rounds);
  return {
    columns: [
      "half of the peak, ms",
      "p50",
      "p99",
      "p99.9",
      "allowed p99",
      "echo p99",
      "disk p99",
      "batch",
      "KiB/batch",
      "late sends p99",
    ],
    rows: [
      [
        `${whole(s.perSecond)}/s`,
        fixed(s.p50, 1),
        fixed(s.p99, 1),
        fixed(s.p999, 1),
        fixed(s.allowed, 1),
        fixed(s.echo, 1),
        fixed(s.disk, 2),
        fixed(s.batch, 1),
        fixed(s.bytes / 1024, 1),
        fixed(s.sendDelay, 1),
      ],
    ],
  };
};
