/** What order entry draws. */
import {
  type Chart,
  cpuSeries,
  LATENCY_AXES,
  latencySeries,
  type Series,
} from "../support/chart.ts";
import { median } from "../support/statistics.ts";
import type { LatencyRound } from "./latency.ts";
import { PARTS, type Part } from "./options.ts";
import type { RateRound } from "./rate.ts";

type Rates = Readonly<Record<Part, readonly RateRound[]>>;

export const orderEntryCharts = (
  rates: Rates,
  latencies: readonly (readonly LatencyRound[])[],
): readonly Chart[] => {
  const parts = PARTS.filter((part) => rates[part].length > 0);
  return [
    ...(parts.length > 0 ? [rateChart(rates, parts), cpuChart(rates, parts)] : []),
    ...(latencies.length > 0 ? [latencyChart(latencies), stagesChart(latencies)] : []),
  ];
};

const rateChart = (rates: Rates, parts: readonly Part[]): Chart => {
  const side = (name: "echo" | "orders"): Series => ({
    name: name === "echo" ? "bare echo" : "durable orders",
    points: parts.map((part) => [part, median(rates[part].map((round) => round[name].perSecond))]),
  });
  return {
    id: "rate",
    title: "Durable orders beside a bare echo",
    caption:
      "Answers a second of the same generator, closed loop, medians of the rounds: an echo that " +
      "stores nothing, and the whole system with each order synced to disk before its answer.",
    kind: "bars",
    x: { label: "part" },
    y: { label: "answers", unit: "a second" },
    series: [side("echo"), side("orders")],
    isMain: true,
  };
};

const STATIONS = ["generator", "echo", "api", "shard", "applier"] as const;

const cpuChart = (rates: Rates, parts: readonly Part[]): Chart => {
  const medians = (rounds: readonly Readonly<Record<string, number>>[]) =>
    Object.fromEntries(
      STATIONS.filter((name) => rounds.some((cpu) => name in cpu)).map((name) => [
        name,
        median(rounds.map((cpu) => cpu[name] ?? 0)),
      ]),
    );
  return {
    id: "cpu",
    title: "Where the processor's time of an order goes",
    caption: "CPU time of each process divided by the answers, closed loop, medians of the rounds.",
    kind: "stack",
    x: { label: "run" },
    y: { label: "CPU time an answer", unit: "µs" },
    series: cpuSeries(
      STATIONS,
      parts.flatMap((part) => [
        [`${part}: echo`, medians(rates[part].map(({ echoCpuUs }) => echoCpuUs))] as const,
        [`${part}: orders`, medians(rates[part].map(({ orderCpuUs }) => orderCpuUs))] as const,
      ]),
    ),
    isMain: true,
  };
};

const latencyChart = (latencies: readonly (readonly LatencyRound[])[]): Chart => ({
  id: "latency",
  title: "Time from due to answered, at half of the peak",
  caption:
    "Open loop: each order is due at its time whatever became of the ones before. The whole " +
    "distribution of the round with the middle p99, orders and the echo at the same rate.",
  kind: "lines",
  ...LATENCY_AXES,
  series: latencies.flatMap((rounds) => {
    const one = middleOf(rounds);
    return one === undefined
      ? []
      : [
          latencySeries(`${one.part}: orders`, one.orders.latencyMs),
          latencySeries(`${one.part}: echo`, one.echo.latencyMs),
        ];
  }),
  isMain: true,
});

const stagesChart = (latencies: readonly (readonly LatencyRound[])[]): Chart => {
  const bars = latencies.flatMap((rounds) => {
    const one = middleOf(rounds);
    return one === undefined ? [] : [[one.part, one.stages.meanMs] as const];
  });
  const stages = [...new Set(bars.flatMap(([, meanMs]) => Object.keys(meanMs)))];
  return {
    id: "stages",
    title: "Where an order's time goes in the product",
    caption:
      "Server-Timing of single orders beside the load of the same round, means. What the order " +
      "waits for in sockets before the api reads it is in none of them.",
    kind: "stack",
    x: { label: "part" },
    y: { label: "time", unit: "ms" },
    series: stages.map((name) => ({
      name,
      points: bars.map(([part, meanMs]) => [part, meanMs[name] ?? null]),
    })),
  };
};

/** Percentiles of different rounds make no distribution, so one round stands for all. */
const middleOf = (rounds: readonly LatencyRound[]): LatencyRound | undefined =>
  rounds.toSorted((a, b) => a.orders.latencyMs.p99 - b.orders.latencyMs.p99)[
    Math.floor((rounds.length - 1) / 2)
  ];
