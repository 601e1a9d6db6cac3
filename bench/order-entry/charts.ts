/** What order entry draws. */
import {
  type Chart,
  cpuChart,
  LATENCY_AXES,
  latencySeries,
  type Series,
} from "../support/chart.ts";
import { whole } from "../support/report.ts";
import { median } from "../support/statistics.ts";
import type { BaselineRound } from "./baselines.ts";
import { KNEE, kneeOf } from "./knee.ts";
import type { LatencyRound } from "./latency.ts";
import type { RateRound } from "./rate.ts";
import { cpuMedians, cpuOfOrders, roundsByPart, STATIONS, singles } from "./rate-tables.ts";
import type { SweepPoint } from "./sweep.ts";

export interface Drawn {
  readonly rates: readonly RateRound[];
  readonly baselines: readonly BaselineRound[];
  readonly latencies: readonly LatencyRound[];
  readonly points: readonly SweepPoint[];
}

export const orderEntryCharts = ({
  rates,
  baselines,
  latencies,
  points,
}: Drawn): readonly Chart[] => {
  const middle = middleOf(latencies);
  return [
    ...(rates.length > 0 ? [rateChart(rates, baselines), cpuOf(rates)] : []),
    ...(points.length > 0 ? [offeredChart(points), lateChart(points)] : []),
    ...(middle === undefined ? [] : [latencyChart(middle), stagesChart(middle)]),
  ];
};

const rateChart = (rates: readonly RateRound[], baselines: readonly BaselineRound[]): Chart => {
  const raw = (read: (round: BaselineRound) => number): number => median(baselines.map(read));
  return {
    id: "rate",
    title: "Durable orders, each thing changed alone",
    caption:
      "Orders a second, closed loop, medians of the rounds; every order is synced to disk before " +
      "its answer. The lines are what the same machine does without storing anything, and what " +
      "SQLite does alone.",
    kind: "bars",
    x: { label: "row" },
    y: { label: "orders", unit: "a second" },
    series: [
      {
        name: "durable orders",
        points: roundsByPart(rates).map(([part, rounds]) => [
          part,
          median(rounds.map(({ ordersPerSecond }) => ordersPerSecond)),
        ]),
      },
    ],
    marks: [
      { label: "bare echo", at: median(singles(rates).map(({ echo }) => echo.perSecond)) },
      { label: "raw inserts", at: raw(({ rawInsertsPerSecond }) => rawInsertsPerSecond) },
    ],
    isMain: true,
  };
};

const cpuOf = (rates: readonly RateRound[]): Chart =>
  cpuChart(
    {
      title: "Where the processor's time of an order goes",
      caption:
        "CPU time of each process divided by the orders, closed loop, medians of the rounds.",
      isMain: true,
    },
    "row",
    STATIONS,
    [
      ["bare echo", cpuMedians(singles(rates).map(({ echoCpuUs }) => echoCpuUs))],
      ...roundsByPart(rates).map(([part, rounds]) => [part, cpuOfOrders(rounds)] as const),
    ],
  );

const OFFERED = { label: "offered", unit: "orders/s" } as const;

const lineOf = (
  points: readonly SweepPoint[],
  name: string,
  read: (point: SweepPoint) => number,
): Series => ({ name, points: points.map((point) => [point.offered, read(point)]) });

const kneeText = (points: readonly SweepPoint[]): string => {
  const knee = kneeOf(points);
  return knee === null ? "No offered rate was kept up with." : `The knee is at ${whole(knee)}/s.`;
};

const offeredChart = (points: readonly SweepPoint[]): Chart => ({
  id: "offered-rate",
  title: "What becomes of more and more orders",
  caption:
    "Open loop: orders come at their times whatever became of the ones before. Accepted, and " +
    `answered with a definite 503, by what was offered. ${kneeText(points)}`,
  kind: "lines",
  x: OFFERED,
  y: { label: "answers", unit: "a second" },
  series: [
    lineOf(points, "offered", ({ offered }) => offered),
    lineOf(points, "accepted", ({ accepted }) => accepted),
    lineOf(points, "shed (503)", ({ shed }) => shed),
  ],
  isMain: true,
});

const lateChart = (points: readonly SweepPoint[]): Chart => ({
  id: "offered-latency",
  title: "How late accepted orders are answered",
  caption:
    "From due to answered, open loop, by what was offered; cancels are those of other clients " +
    `beside the orders. ${kneeText(points)}`,
  kind: "lines",
  x: OFFERED,
  y: { label: "time", unit: "ms", scale: "log" },
  series: [
    lineOf(points, "p50", ({ p50Ms }) => p50Ms),
    lineOf(points, "p99", ({ p99Ms }) => p99Ms),
    lineOf(points, "p99.9", ({ p999Ms }) => p999Ms),
    lineOf(points, "cancels p99", ({ cancelP99Ms }) => cancelP99Ms),
  ],
  marks: [{ label: "most at the knee", at: KNEE.p99MsMax }],
  isMain: true,
});

const latencyChart = ({ orders, echo }: LatencyRound): Chart => ({
  id: "latency",
  title: "Time from due to answered, at half of the peak",
  caption:
    "Open loop: each order is due at its time whatever became of the ones before. The whole " +
    "distribution of the round with the middle p99, orders and the echo at the same rate.",
  kind: "lines",
  ...LATENCY_AXES,
  series: [latencySeries("orders", orders.latencyMs), latencySeries("echo", echo.latencyMs)],
  isMain: true,
});

const stagesChart = ({ stages: { meanMs } }: LatencyRound): Chart => ({
  id: "stages",
  title: "Where an order's time goes in the product",
  caption:
    "Server-Timing of single orders beside the load of the same round, means. What the order " +
    "waits for in sockets before the api reads it is in none of them.",
  kind: "stack",
  x: { label: "load" },
  y: { label: "time", unit: "ms" },
  series: Object.entries(meanMs).map(([name, ms]) => ({
    name,
    points: [["half of the peak", ms]],
  })),
});

/** Percentiles of different rounds make no distribution, so one round stands for all. */
const middleOf = (rounds: readonly LatencyRound[]): LatencyRound | undefined =>
  rounds.toSorted((a, b) => a.orders.latencyMs.p99 - b.orders.latencyMs.p99)[
    Math.floor((rounds.length - 1) / 2)
  ];
