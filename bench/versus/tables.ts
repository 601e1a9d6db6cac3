/** The comparison's tables and drawings. */
import { STAGES, type StageSummary } from "../predecessor/profiler.ts";
import { type Chart, cpuChart } from "../support/chart.ts";
import { fixed, type Table, whole } from "../support/report.ts";
import { median } from "../support/statistics.ts";
import { type Found, medianOf, runsWith, timesOf } from "./found.ts";
import type { Run } from "./measure.ts";
import { PUBLISHED, USERS } from "./options.ts";

export const tablesOf = (found: Found): readonly Table[] => [
  ...USERS.filter((users) => found.closed.some((run) => run.users === users)).map((users) =>
    resultTable(found, users),
  ),
  pacedTable(found),
  stageTable(found),
  statementTable(found),
  cpuTable(found),
];

const percent = (share: number): string => `${fixed(100 * share, 2)} %`;

const resultTable = (found: Found, users: number): Table => ({
  columns: [
    `${users} users, closed loop`,
    "generator",
    "orders/s",
    "success",
    "median ms",
    "P95 ms",
    "carried on",
    "× best rebuilt",
  ],
  rows: [
    ...PUBLISHED.filter((row) => row.users === users).map((row) => [
      "predecessor, as published",
      "k6",
      fixed(row.perSecond, 1),
      percent(row.success),
      row.medianMs,
      row.p95Ms,
      "-",
      "-",
    ]),
    ...(["wrk", "k6"] as const).flatMap((generator) => {
      const runs = runsWith(found, generator, users);
      return [...runs.values()].map((own) => resultRow(own, timesOf(own, runs)));
    }),
  ],
});

const nameOf = ({ name, isOurs }: Run): string => (isOurs ? name : `rebuilt: ${name}`);

const resultRow = (runs: readonly Run[], times: number): (string | number)[] => {
  const [first] = runs as readonly [Run, ...Run[]];
  const perSecond = medianOf(runs, (run) => run.perSecond);
  return [
    nameOf(first),
    first.load.generator,
    fixed(perSecond, 1),
    percent(Math.min(...runs.map(({ success }) => success))),
    fixed(
      medianOf(runs, ({ load }) => load.latencyMs.p50),
      1,
    ),
    fixed(
      medianOf(runs, ({ load }) => load.latencyMs.p95),
      1,
    ),
    `${fixed(100 * medianOf(runs, ({ doneShare }) => doneShare), 0)} %`,
    fixed(times, 1),
  ];
};

const pacedTable = ({ oursAtBest, paced }: Found): Table => ({
  columns: ["open loop, Sluice", "users", "answers/s", "success", "median ms", "P95 ms", "p99 ms"],
  rows: [oursAtBest, paced].map((runs) => {
    const [first] = runs as readonly [Run, ...Run[]];
    const of = (read: (run: Run) => number, digits: number): string =>
      fixed(medianOf(runs, read), digits);
    return [
      `${whole(first.offeredPerSecond ?? 0)}/s offered`,
      first.users,
      of(({ load }) => load.perSecond, 1),
      percent(Math.min(...runs.map(({ success }) => success))),
      of(({ load }) => load.latencyMs.p50, 2),
      of(({ load }) => load.latencyMs.p95, 2),
      of(({ load }) => load.latencyMs.p99, 2),
    ];
  }),
});

/** With wrk and the most users. */
const mainRuns = (found: Found): readonly (readonly Run[])[] => [
  ...runsWith(found, "wrk", USERS[0]).values(),
];
const rebuiltRuns = (found: Found): readonly (readonly Run[])[] =>
  mainRuns(found).filter(([run]) => run?.isOurs === false);

const stageTable = (found: Found): Table => ({
  columns: [`mean / P95 ms, wrk, ${USERS[0]} users`, ...STAGES],
  rows: rebuiltRuns(found).map((runs) => {
    const [first] = runs as readonly [Run, ...Run[]];
    const summaries = runs.map(({ stages }) => new Map(stages.map((one) => [one.stage, one])));
    return [
      nameOf(first),
      ...STAGES.map((stage) => {
        const of = (read: (summary: StageSummary) => number): string =>
          fixed(median(summaries.flatMap((one) => one.get(stage) ?? []).map(read)), 1);
        return `${of(({ meanMs }) => meanMs)} / ${of(({ p95Ms }) => p95Ms)}`;
      }),
    ];
  }),
});

const STATEMENTS = ["select", "insert", "update", "transaction"] as const;

const statementTable = (found: Found): Table => ({
  columns: ["MySQL statements an order", ...STATEMENTS, "all"],
  rows: rebuiltRuns(found).map((runs) => {
    const [first] = runs as readonly [Run, ...Run[]];
    const counts = STATEMENTS.map((kind) =>
      medianOf(runs, ({ statementsAnOrder }) => statementsAnOrder[kind] ?? 0),
    );
    const all = counts.reduce((sum, count) => sum + count, 0);
    return [nameOf(first), ...[...counts, all].map((count) => fixed(count, 2))];
  }),
});

const CPU_COLUMNS = [
  "generator",
  "api",
  "shard",
  "applier",
  "consumer",
  "kafka",
  "mysql",
  "redis",
] as const;

const cpuOf = (runs: readonly Run[]): Readonly<Record<string, number>> =>
  Object.fromEntries(
    CPU_COLUMNS.map((name) => [name, medianOf(runs, ({ cpuUs }) => cpuUs[name] ?? 0)]),
  );

const cpuTable = (found: Found): Table => ({
  columns: ["CPU µs an order", ...CPU_COLUMNS, "all"],
  rows: mainRuns(found).map((runs) => {
    const [first] = runs as readonly [Run, ...Run[]];
    const us = cpuOf(runs);
    const all = Object.values(us).reduce((sum, one) => sum + one, 0);
    return [nameOf(first), ...CPU_COLUMNS.map((name) => whole(us[name] ?? 0)), whole(all)];
  }),
});

export const chartsOf = (found: Found): readonly Chart[] => {
  const names = mainRuns(found).map(([run]) => nameOf(run as Run));
  const [users] = USERS;
  const rateAt = (runs: readonly (readonly Run[])[]) =>
    runs.map((one, i) => [names[i] ?? "", medianOf(one, (run) => run.perSecond)] as const);
  return [
    {
      id: "rate",
      title: "Orders a second against the rebuilt predecessor",
      caption: `${users} users, wrk, both on one machine with the same broker, MySQL and Redis.`,
      kind: "bars",
      x: { label: "system" },
      y: { label: "accepted and stored", unit: "orders/s", scale: "log" },
      series: [{ name: "orders/s", points: rateAt(mainRuns(found)) }],
      isMain: true,
    },
    cpuChart(
      {
        title: "Where an order's CPU time goes",
        caption: "Microseconds of CPU time an order at saturation, by process and service.",
      },
      "system",
      CPU_COLUMNS,
      mainRuns(found).map((runs, i) => [names[i] ?? "", cpuOf(runs)]),
    ),
  ];
};
