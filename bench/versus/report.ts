/** What the comparison found: headlines, tables, drawings. */
import type { StageSummary } from "../predecessor/profiler.ts";
import { STAGES } from "../predecessor/profiler.ts";
import { type Chart, cpuSeries } from "../support/chart.ts";
import { type BenchReport, fixed, type Headline, type Table, whole } from "../support/report.ts";
import { median } from "../support/statistics.ts";
import { BENCH_SETTINGS } from "../system/system.ts";
import type { Ground } from "./contestant.ts";
import type { Run } from "./measure.ts";
import {
  type Generator,
  K6_MISSING,
  PACED_PER_SECOND,
  PACED_USERS,
  PUBLISHED,
  PUBLISHED_MACHINES,
  USERS,
  VERSUS_TARGETS,
} from "./options.ts";
import { MARKETS } from "./scenario.ts";

/** The rebuilt predecessor where it was fastest: medians over the rounds of one combination. */
export interface Best {
  readonly name: string;
  readonly users: number;
  readonly perSecond: number;
  readonly p95Ms: number;
}

export interface Found {
  readonly closed: readonly Run[];
  readonly best: Best;
  /** Ours, offered the rate of {@link best}. */
  readonly oursAtBest: readonly Run[];
  /** Ours, at {@link PACED_PER_SECOND}. */
  readonly paced: readonly Run[];
}

const medianOf = (runs: readonly Run[], read: (run: Run) => number): number =>
  median(runs.map(read));

const groupsOf = (runs: readonly Run[]): ReadonlyMap<string, readonly Run[]> =>
  Map.groupBy(runs, ({ name, users, load }) => `${name} ${load.generator} ${users}`);

/** Of wrk's runs, which takes least from what it measures. */
export const bestOf = (closed: readonly Run[]): Best => {
  const rebuilt = closed.filter(({ isOurs, load }) => !isOurs && load.generator === "wrk");
  const candidates = [...groupsOf(rebuilt).values()].map((runs): Best => {
    const [{ name, users }] = runs as readonly [Run, ...Run[]];
    return {
      name,
      users,
      perSecond: medianOf(runs, ({ perSecond }) => perSecond),
      p95Ms: medianOf(runs, ({ load }) => load.latencyMs.p95),
    };
  });
  return candidates.toSorted((a, b) => b.perSecond - a.perSecond)[0] as Best;
};

export const reportOf = (
  ground: Ground,
  found: Found,
  warnings: readonly string[],
): BenchReport => {
  const hasK6 = found.closed.some(({ load }) => load.generator === "k6");
  return {
    name: "versus",
    headlines: [
      timesHeadline(found, "wrk"),
      p95Headline(found),
      ...(hasK6 ? [timesHeadline(found, "k6")] : []),
      pacedHeadline(found),
    ],
    tables: [
      ...USERS.filter((users) => found.closed.some((run) => run.users === users)).map((users) =>
        resultTable(found, users),
      ),
      pacedTable(found),
      stageTable(found),
      statementTable(found),
      cpuTable(found),
    ],
    charts: chartsOf(found),
    conditions: conditionsOf(ground),
    warnings: [
      PUBLISHED_MACHINES,
      ...warnings,
      ...(hasK6 ? [] : [K6_MISSING]),
      ...[...found.closed, ...found.oursAtBest, ...found.paced].flatMap(
        ({ name, load, users, problems }) =>
          problems.map((one) => `${name}, ${load.generator}, ${users} users: ${one}`),
      ),
    ],
    runs: [...found.closed, ...found.oursAtBest, ...found.paced],
  };
};

const runsWith = (
  { closed }: Found,
  generator: Generator,
  users: number,
): ReadonlyMap<string, readonly Run[]> =>
  Map.groupBy(
    closed.filter(({ load, users: own }) => load.generator === generator && own === users),
    ({ name }) => name,
  );

const ratesOf = (runs: ReadonlyMap<string, readonly Run[]>) => {
  const all = [...runs.values()];
  const rate = (one: readonly Run[]): number => medianOf(one, ({ perSecond }) => perSecond);
  const ours = all.filter(([run]) => run?.isOurs === true).map(rate);
  const rebuilt = all.filter(([run]) => run?.isOurs === false).map(rate);
  return { ours: ours[0] ?? Number.NaN, rebuilt: Math.max(...rebuilt) };
};

const timesHeadline = (found: Found, generator: Generator): Headline => {
  const [users] = USERS;
  const { ours, rebuilt } = ratesOf(runsWith(found, generator, users));
  const times = ours / rebuilt;
  const { least, aim } = VERSUS_TARGETS.times[generator];
  const isValid = found.closed.every(({ isOurs, problems }) => !isOurs || problems.length === 0);
  return {
    value: `${fixed(times, 1)} ×`,
    what:
      `orders a second of the rebuilt predecessor, ${generator} with ${users} users ` +
      `(${whole(ours)} ÷ ${whole(rebuilt)})`,
    target: `at least ${least}${aim > least ? `, aim ${aim}` : ""}`,
    met: isValid ? times >= least : null,
  };
};

const p95Headline = ({ best, oursAtBest }: Found): Headline => {
  const p95 = medianOf(oursAtBest, ({ load }) => load.latencyMs.p95);
  const share = p95 / best.p95Ms;
  return {
    value: fixed(share, 3),
    what:
      `P95 at the rebuilt predecessor's best rate, ${whole(best.perSecond)}/s, ÷ its own ` +
      `(${fixed(p95, 1)} ÷ ${fixed(best.p95Ms, 0)} ms)`,
    target: `at most ${VERSUS_TARGETS.p95Share}`,
    met: share <= VERSUS_TARGETS.p95Share,
  };
};

const pacedHeadline = ({ paced }: Found): Headline => {
  const p50 = medianOf(paced, ({ load }) => load.latencyMs.p50);
  const success = Math.min(...paced.map((run) => run.success));
  const { pacedMedianMs } = VERSUS_TARGETS;
  return {
    value: `${fixed(p50, 2)} ms`,
    what:
      `median at ${whole(PACED_PER_SECOND)} orders/s offered by ${PACED_USERS} users, ` +
      `success ${fixed(100 * success, 2)} %`,
    target: `100 % and under ${pacedMedianMs} ms`,
    met: success === 1 && p50 < pacedMedianMs,
  };
};

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
      const { rebuilt } = ratesOf(runs);
      return [...runs.values()].map((own) => resultRow(own, rebuilt));
    }),
  ],
});

const nameOf = ({ name, isOurs }: Run): string => (isOurs ? name : `rebuilt: ${name}`);

const resultRow = (runs: readonly Run[], rebuilt: number): (string | number)[] => {
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
    fixed(perSecond / rebuilt, 1),
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

const chartsOf = (found: Found): readonly Chart[] => {
  const names = mainRuns(found).map(([run]) => nameOf(run as Run));
  const [users] = USERS;
  const rateAt = (runs: readonly (readonly Run[])[]) =>
    runs.map((one, i) => [names[i] ?? "", medianOf(one, (run) => run.perSecond)] as const);
  return [
    {
      id: "versus-rate",
      title: "Orders a second against the rebuilt predecessor",
      caption: `${users} users, wrk, both on one machine with the same broker, MySQL and Redis.`,
      kind: "bars",
      x: { label: "system" },
      y: { label: "accepted and stored", unit: "orders/s", scale: "log" },
      series: [{ name: "orders/s", points: rateAt(mainRuns(found)) }],
      isMain: true,
    },
    {
      id: "versus-cpu",
      title: "Where an order's CPU time goes",
      caption: "Microseconds of CPU time an order at saturation, by process and service.",
      kind: "stack",
      x: { label: "CPU time", unit: "µs" },
      y: { label: "system" },
      series: cpuSeries(
        CPU_COLUMNS,
        mainRuns(found).map((runs, i) => [names[i] ?? "", cpuOf(runs)]),
      ),
    },
  ];
};

const conditionsOf = ({ options }: Ground) => ({
  scenario:
    "LIMIT GTC, buys and sells in turns a little off the mark, every fifth with take-profit and " +
    "stop-loss, a third of the orders to each shard of the predecessor's sharding map, unique " +
    "clientOrderId, HS256 token of its account; both systems get the same bytes but for the port",
  accounts: options.accounts,
  symbols: MARKETS.length,
  rounds: options.rounds,
  seconds: options.seconds,
  warmUpSeconds: options.warmUpSeconds,
  quick: options.quick,
  program: options.binary ?? "bun app/main.ts",
  success: "answered 201 and found in MySQL with the right content and children, of all requests",
  rate: "accepted orders a second; Sluice's times the share that MySQL had when the load ended",
  carriedOn: "share of what was accepted that the applier, or the consumers, had done by then",
  services:
    "one Kafka broker (acks all, no fsync per record), MySQL (every commit synced) and Redis on " +
    "this machine, the same for all, who run all the time; one of them is under load, in turns",
  sluice: "api, three shards, applier, ten partitions, risk margin, venue external, ack=local",
  rebuilt:
    "one api process, its consumers in another, 20 MySQL connections; Redis has every account and " +
    "instrument when a run begins",
  openLoop: "a request is due at its time and is counted from then",
  published: PUBLISHED_MACHINES,
  settings: { ...BENCH_SETTINGS, ...options.settings },
});
