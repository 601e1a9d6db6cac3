/** What the benchmark of risk draws. */
import { type Chart, cpuChart, LATENCY_AXES, latencySeries } from "../support/chart.ts";
import { median } from "../support/statistics.ts";
import { CPU_COLUMNS, type Found, loadsOf, valid } from "./tables.ts";

export const riskCharts = (found: Found): readonly Chart[] => [cpuOf(found), ...grantChart(found)];

const cpuOf = (found: Found): Chart =>
  cpuChart(
    {
      title: "What margin and brackets cost",
      caption:
        "CPU time of each process divided by the orders, closed loop, medians of the rounds.",
      isMain: true,
    },
    "orders",
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
  );

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
