/** What replication draws. */
import { type Chart, cpuChart, LATENCY_AXES, latencySeries } from "../support/chart.ts";
import { CPU_COLUMNS, type SustainedRun } from "./sustained.ts";
import type { VisibleRun } from "./visible.ts";

export const replicationCharts = (
  sustained: readonly SustainedRun[],
  visible: VisibleRun | null,
): readonly Chart[] => [
  ...sustained.flatMap((run) => [cpuOf(run), lagChart(run)]),
  ...(visible === null ? [] : [visibleChart(visible)]),
];

const cpuOf = ({ cpuUs }: SustainedRun): Chart =>
  cpuChart(
    {
      title: "What an order costs on its whole way to MySQL",
      caption:
        "CPU time of each process divided by the orders, while all of them run on this machine.",
      isMain: true,
    },
    "run",
    CPU_COLUMNS,
    [["one order", cpuUs]],
  );

const lagChart = ({ lag }: SustainedRun): Chart => ({
  id: "lag",
  title: "What MySQL lacks while orders come in as fast as they can",
  caption: "Records that the shard has committed and central has not applied, once a second.",
  kind: "lines",
  x: { label: "time", unit: "s" },
  y: { label: "lag", unit: "records" },
  series: [{ name: "lag", points: lag.map((records, second) => [second, records]) }],
});

const visibleChart = ({ latencyMs, perSecond }: VisibleRun): Chart => ({
  id: "visible",
  title: "From an order's answer to its row in MySQL",
  caption: `Single orders, while ${perSecond} others come in each second.`,
  kind: "lines",
  ...LATENCY_AXES,
  series: [latencySeries("ack to row", latencyMs)],
});
