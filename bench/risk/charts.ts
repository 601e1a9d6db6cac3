/** What the benchmark of risk draws. */
import { type Chart, cpuSeries, LATENCY_AXES, latencySeries } from "../support/chart.ts";
import { median } from "../support/statistics.ts";
import { CPU_COLUMNS, type Found, loadsOf, valid } from "./tables.ts";

export const riskCharts = (found: Found): readonly Chart[] => [
  cpuChart(found),
  ...grantChart(found),
];

const cpuChart = (found: Found): Chart => ({
  id: "cpu",
  title: "What margin and brackets cost",
  caption: "CPU time of each process divided by the orders, closed loop, medians of the rounds.",
  kind: "stack",
  x: { label: "orders" },
  y: { label: "CPU time an order", unit: "µs" },
  series: cpuSeries(
    CPU_COLUMNS,
    loadsOf(found)
      .filter(([, rounds]) => rounds.length > 0)
      .map(([name, rounds]) => [
        name,
        Object.fromEntries(
          CPU_COLUMNS.map((station) => [
            station,
            median(rounds.map(({ cpuUs }) => cpuUs[station] ?? 0)),
          ]),
        ),
      ]),
  ),
  isMain: true,
});

const grantChart = ({ grants }: Found): readonly Chart[] => {
  const groups = valid(grants)[0]?.result.groups;
  if (groups === undefined) return [];
  return [
    {
      id: "grants",
      title: "An order that has to fetch margin from another shard",
      caption: "Open loop, the first round that counts; plain orders of the same run beside it.",
      kind: "lines",
      ...LATENCY_AXES,
      series: Object.entries(groups).map(([name, latency]) =>
        latencySeries(name === "grant" ? "with a grant on the way" : name, latency),
      ),
    },
  ];
};
