/** Offered rates up to and past the limit, open loop: what is accepted, shed, and how late. */
import { type OpenLoopResult, runOpenLoop } from "../load/open-loop.ts";
import type { Probes } from "../load/probe.ts";
import { say } from "../support/options.ts";
import { fixed, type Table, whole } from "../support/report.ts";
import { median } from "../support/statistics.ts";
import { type Bench, withSystem } from "./entry-system.ts";
import { kneeOf, type Offered } from "./knee.ts";
import { prepareCancels } from "./probers.ts";
import { entryTemplates } from "./requests.ts";

const FRACTIONS = [0.1, 0.25, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.15, 1.3] as const;
const QUICK_FRACTIONS = [0.5, 1.3] as const;
/** So many that orders wait in the product, which may shed them, and not in the generator. */
export const SWEEP_CONNECTIONS = 2000;
const CANCELS_PER_SECOND = 100;
const WARM_UP_SECONDS = 1;

export interface SweepRun {
  readonly round: number;
  /** Of the closed loop's peak. */
  readonly fraction: number;
  readonly offered: number;
  /** Orders a second, by when the answer came: what is late is not counted where it was due. */
  readonly accepted: number;
  /** 503 of all that was due. */
  readonly shedShare: number;
  readonly orders: OpenLoopResult;
  readonly cancels: Probes;
  readonly invalid: readonly string[];
}

/** One system for each round: it sees every rate, from the lowest up. */
export const measureSweep = async (bench: Bench, peak: number): Promise<readonly SweepRun[]> => {
  const { options } = bench;
  const fractions = options.quick ? QUICK_FRACTIONS : FRACTIONS;
  const runs: SweepRun[] = [];
  for (let round = 1; round <= options.rounds; round++) {
    await withSystem(bench, options.base, {}, async (system) => {
      for (const fraction of fractions) {
        const offered = Math.round(peak * fraction);
        const timing = {
          perSecond: CANCELS_PER_SECOND,
          warmUpSeconds: WARM_UP_SECONDS,
          seconds: options.seconds,
        };
        const startCancels = await prepareCancels(bench, system, timing);
        const [orders, cancels] = await Promise.all([
          runOpenLoop(
            {
              port: system.port,
              connections: SWEEP_CONNECTIONS,
              perSecond: offered,
              seconds: options.seconds,
              warmUpSeconds: WARM_UP_SECONDS,
              templates: entryTemplates(bench.traders, system.port, options.base.ack),
            },
            bench.folder,
          ),
          startCancels(),
        ]);
        await system.untilQuiet();
        const run = runOf(round, fraction, offered, orders, cancels);
        runs.push(run);
        say(
          `open ${round}: ${whole(offered)}/s offered, ${whole(run.accepted)} accepted, ` +
            `${fixed(run.shedShare * 100, 1)} % shed, p99 ${fixed(orders.accepted.p99, 1)} ms`,
        );
      }
    });
  }
  return runs;
};

const runOf = (
  round: number,
  fraction: number,
  offered: number,
  orders: OpenLoopResult,
  cancels: Probes,
): SweepRun => {
  const { answers, shed, accepted, lost } = orders;
  const other = answers - shed - accepted.answers;
  return {
    round,
    fraction,
    offered,
    accepted: orders.acceptedPerSecond,
    shedShare: shed / (answers + lost),
    orders,
    cancels,
    invalid: [
      ...(other > 0 ? [`${other} answers at ${whole(offered)}/s were neither 201 nor 503`] : []),
      ...(lost > 0 ? [`${lost} answers at ${whole(offered)}/s did not come`] : []),
    ],
  };
};

/** One offered rate, medians over its rounds. */
export interface SweepPoint extends Offered {
  readonly fraction: number;
  readonly shed: number;
  readonly shedShare: number;
  readonly p50Ms: number;
  readonly p999Ms: number;
  readonly cancelP99Ms: number;
  readonly sendDelayP99Ms: number;
}

export const pointsOf = (runs: readonly SweepRun[]): readonly SweepPoint[] => {
  const fractions = [...new Set(runs.map(({ fraction }) => fraction))];
  return fractions.map((fraction) => {
    const rounds = runs.filter((run) => run.fraction === fraction);
    const of = (read: (run: SweepRun) => number): number => median(rounds.map(read));
    return {
      fraction,
      offered: of(({ offered }) => offered),
      accepted: of(({ accepted }) => accepted),
      shed: of(({ offered, shedShare }) => offered * shedShare),
      shedShare: of(({ shedShare }) => shedShare),
      p50Ms: of(({ orders }) => orders.accepted.p50),
      p99Ms: of(({ orders }) => orders.accepted.p99),
      p999Ms: of(({ orders }) => orders.accepted.p999),
      cancelP99Ms: of(({ cancels }) => cancels.latencyMs.p99),
      sendDelayP99Ms: of(({ orders }) => orders.sendDelayMs.p99),
    };
  });
};

export const sweepTable = (points: readonly SweepPoint[]): Table => {
  const knee = kneeOf(points);
  return {
    columns: [
      "open loop, ms",
      "offered/s",
      "accepted/s",
      "shed",
      "p50",
      "p99",
      "p99.9",
      "cancels p99",
      "late sends p99",
      "",
    ],
    rows: points.map((point) => [
      `× ${fixed(point.fraction, 2)}`,
      whole(point.offered),
      whole(point.accepted),
      `${fixed(point.shedShare * 100, 1)} %`,
      fixed(point.p50Ms, 1),
      fixed(point.p99Ms, 1),
      fixed(point.p999Ms, 1),
      fixed(point.cancelP99Ms, 1),
      fixed(point.sendDelayP99Ms, 1),
      point.offered === knee ? "knee" : "",
    ]),
  };
};
