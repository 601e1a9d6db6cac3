import { fixed, type Table, whole } from "../support/report.ts";
import { median } from "../support/statistics.ts";
import type { GrantRound } from "./grants.ts";
import { TARGETS } from "./options.ts";
import { type BracketRound, type RateRound, systemCpuUs } from "./rate.ts";
import type { Measured } from "./systems.ts";
import { CASES, type WriterRound } from "./writer.ts";

export interface Found {
  readonly writer: readonly WriterRound[];
  readonly rates: readonly RateRound[];
  readonly grants: readonly GrantRound[];
  readonly brackets: readonly BracketRound[];
}

/** The rounds that count. */
export const valid = <R extends { readonly invalid: readonly string[] }>(
  rounds: readonly R[],
): readonly R[] => rounds.filter(({ invalid }) => invalid.length === 0);

export const tablesOf = (found: Found): readonly Table[] => [
  targetTable(found),
  rateTable(found),
  cpuTable(found),
  writerTable(found),
  grantTable(found),
];

/** NaN: no round counts. */
const verdict = (value: number, below: number): string => {
  if (Number.isNaN(value)) return "no verdict";
  return value < below ? "met" : "NOT met";
};

const targetTable = ({ writer, rates, grants, brackets }: Found): Table => {
  const counted = valid(grants);
  const share = 100 * median(valid(rates).map(({ margin }) => margin.grantShare));
  const p50 = median(counted.map(({ result }) => result.groups.grant?.p50 ?? Number.NaN));
  const p99Times = median(counted.map(p99TimesOf));
  const times = median(valid(brackets).map((round) => round.times));
  const cpuTimes = median(valid(brackets).map((round) => round.cpuTimes));
  const inProcess = median(writer.map((round) => round.times));
  const inProcessCpu = median(writer.map((round) => round.cpuTimes));
  const { grantShareMax, grantP50MsMax, grantP99TimesMax, bracketTimesMax } = TARGETS;
  const row = (name: string, value: number, digits: number, below: number): string[] => [
    name,
    fixed(value, digits),
    String(below),
    verdict(value, below),
  ];
  return {
    columns: ["also", "", "under", "verdict"],
    rows: [
      row("orders that need a grant, %", share, 3, 100 * grantShareMax),
      row("p50 with a grant on the way, ms", p50, 2, grantP50MsMax),
      row("p99 of it against a plain order's, times", p99Times, 2, grantP99TimesMax),
      row("bracket against plain order, HTTP at saturation, times", times, 2, bracketTimesMax),
      row("the same, CPU time of the system", cpuTimes, 2, bracketTimesMax),
      row("bracket against plain order, writer alone, times", inProcess, 2, bracketTimesMax),
      row("the same, CPU time", inProcessCpu, 2, bracketTimesMax),
    ],
  };
};

const p99TimesOf = ({ result: { groups } }: GrantRound): number =>
  (groups.grant?.p99 ?? Number.NaN) / (groups.plain?.p99 ?? Number.NaN);

/** Loads by name; each with all its rounds, counted or not. */
export const loadsOf = ({
  rates,
  brackets,
}: Found): readonly (readonly [string, readonly Measured[]])[] => [
  ["risk none", rates.map(({ none }) => none)],
  ["risk margin", rates.map(({ margin }) => margin)],
  ["margin, plain beside brackets", brackets.map(({ plain }) => plain)],
  ["margin, brackets", brackets.map(({ bracket }) => bracket)],
];

const rateTable = (found: Found): Table => ({
  columns: [
    "closed loop",
    "orders/s",
    "(each round)",
    "p50 ms",
    "p99 ms",
    "batch",
    "grants %",
    "idle system, cores",
  ],
  rows: loadsOf(found).map(([name, rounds]) => {
    const of = (read: (one: Measured) => number): number => median(rounds.map(read));
    const each = rounds.map(
      ({ load, problems }) => whole(load.perSecond) + (problems.length > 0 ? "!" : ""),
    );
    return [
      name,
      whole(of(({ load }) => load.perSecond)),
      each.join(" | "),
      fixed(
        of(({ load }) => load.latencyMs.p50),
        1,
      ),
      fixed(
        of(({ load }) => load.latencyMs.p99),
        1,
      ),
      fixed(
        of(({ batchMean }) => batchMean),
        0,
      ),
      fixed(100 * of(({ grantShare }) => grantShare), 3),
      fixed(
        of(({ othersCpu }) => othersCpu),
        2,
      ),
    ];
  }),
});

export const CPU_COLUMNS = ["generator", "api", "shard1", "shard2", "shard3", "applier"] as const;

const cpuTable = (found: Found): Table => ({
  columns: ["CPU µs an order", ...CPU_COLUMNS, "system"],
  rows: loadsOf(found).map(([name, rounds]) => [
    name,
    ...CPU_COLUMNS.map((process) =>
      fixed(median(rounds.map(({ cpuUs }) => cpuUs[process] ?? Number.NaN)), 1),
    ),
    fixed(median(rounds.map(systemCpuUs)), 1),
  ]),
});

const writerTable = ({ writer }: Found): Table => ({
  columns: ["writer alone", "decide p50 µs", "decide p99 µs", "orders/s", "CPU µs/order"],
  rows: CASES.map((name) => {
    const runs = writer.map((round) => round.runs[name]);
    return [
      name === "bracket" ? "risk margin, brackets" : `risk ${name}`,
      fixed(median(runs.map(({ decideP50Us }) => decideP50Us)), 0),
      fixed(median(runs.map(({ decideP99Us }) => decideP99Us)), 0),
      whole(median(runs.map(({ perSecond }) => perSecond))),
      fixed(median(runs.map(({ cpuUs }) => cpuUs)), 1),
    ];
  }),
});

const grantTable = ({ grants }: Found): Table => ({
  columns: ["open loop, ms", "rate/s", "orders", "p50", "p99", "max", "late sends p99"],
  rows: (["plain", "grant"] as const).map((group) => {
    const of = (read: (one: NonNullable<Group>) => number): number =>
      median(
        grants.map(({ result }) => {
          const times = result.groups[group];
          return times === undefined ? Number.NaN : read(times);
        }),
      );
    return [
      group === "plain" ? "plain" : "with a grant on the way",
      whole(median(grants.map(({ result }) => result.scheduledPerSecond))),
      whole(of(({ answers }) => answers)),
      fixed(
        of(({ p50 }) => p50),
        2,
      ),
      fixed(
        of(({ p99 }) => p99),
        2,
      ),
      fixed(
        of(({ max }) => max),
        1,
      ),
      fixed(median(grants.map(({ result }) => result.sendDelayMs.p99)), 2),
    ];
  }),
});

type Group = GrantRound["result"]["groups"][string];
