/** Two programs under the same load in turns, and what of the second is slower beyond noise. */
import { detectGenerator, GENERATOR_NOTES } from "../load/load.ts";
import { makeEntryTraders, type OrdersBench, PATIENT } from "../order-entry/entry-system.ts";
import { type OrderEntryOptions, PART_NAMES, type Part, rowOf } from "../order-entry/options.ts";
import type { Chart } from "../support/chart.ts";
import { say } from "../support/options.ts";
import { type BenchReport, fixed, type Headline, type Table } from "../support/report.ts";
import { median } from "../support/statistics.ts";
import { withWorkFolder } from "../support/work-folder.ts";
import { BENCH_SETTINGS } from "../system/system.ts";
import { type Build, buildOf } from "./builds.ts";
import { MEASURES, type Measure, measurePair, type Pair } from "./measures.ts";
import { FALSE_ALARMS_MAX, judge, type PairedFinding, pairsMin } from "./statistics.ts";

/** Enough for an interval that leaves out the outermost pair at each end. */
export const PAIRS = 12;
export const QUICK_PAIRS = pairsMin(MEASURES.length);

export interface Builds {
  readonly a: Build;
  readonly b: Build;
}

export const benchCompare = (
  askedA: string,
  askedB: string,
  options: OrderEntryOptions,
  part: Part,
): Promise<BenchReport> =>
  withWorkFolder(async (folder) => {
    const builds = { a: buildOf(askedA), b: buildOf(askedB) };
    const generator = detectGenerator();
    say(GENERATOR_NOTES[generator]);
    const accounts = await makeEntryTraders(folder, options.accounts);
    const benchOf = ({ binary }: Build): OrdersBench => ({
      generator,
      ...accounts,
      folder,
      profileFolder: folder,
      options: { ...options, binary },
    });
    const benches = { a: benchOf(builds.a), b: benchOf(builds.b) };
    const pairs: Pair[] = [];
    for (let round = 1; round <= options.rounds; round++) {
      const pair = await measurePair(benches, rowOf(part, options.base), round);
      pairs.push(pair);
      const shown = MEASURES.map(({ name, read }) => `${name} × ${fixed(ratioOf(pair, read), 3)}`);
      say(`pair ${round} of ${options.rounds}: ${shown.join(", ")}`);
    }
    return reportOf(builds, options, part, pairs);
  });

const ratioOf = ({ a, b }: Pair, read: Measure["read"]): number => read(b) / read(a);

/** The report of finished pairs. A headline that is not met is a measure that got slower. */
export const reportOf = (
  builds: Builds,
  options: OrderEntryOptions,
  part: Part,
  pairs: readonly Pair[],
): BenchReport => {
  const counted = pairs.filter(({ invalid }) => invalid.length === 0);
  const findings = MEASURES.map((measure) => ({
    measure,
    finding: judge(
      counted.map((pair) => ratioOf(pair, measure.read)),
      measure.better,
      MEASURES.length,
    ),
  }));
  return {
    name: `compare-${slugOf(builds.a)}-${slugOf(builds.b)}`,
    headlines: findings.map(({ measure, finding }) => headline(builds, measure, finding)),
    tables: [findingTable(counted, findings), pairTable(pairs)],
    charts: [pairChart(pairs)],
    conditions: conditionsOf(builds, options, part),
    warnings: warningsOf(pairs, counted.length),
    runs: pairs,
  };
};

const slugOf = ({ name }: Build): string =>
  name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-|-$/g, "");

const intervalText = ({ interval }: PairedFinding): string =>
  interval === null ? "none" : `${fixed(interval[0], 3)} to ${fixed(interval[1], 3)}`;

const headline = ({ a, b }: Builds, { name }: Measure, finding: PairedFinding): Headline => ({
  value: `× ${fixed(finding.ratio, 3)}`,
  what: `${name} of ${b.name} for each of ${a.name}: ${finding.verdict}`,
  target: `no slower beyond noise, which is ${intervalText(finding)}`,
  met: finding.interval === null ? null : finding.verdict !== "slower",
});

const findingTable = (
  counted: readonly Pair[],
  findings: readonly { readonly measure: Measure; readonly finding: PairedFinding }[],
): Table => ({
  columns: ["medians", "A", "B", "B ÷ A", "interval", "verdict"],
  rows: findings.map(({ measure: { name, read, show }, finding }) => [
    name,
    show(median(counted.map(({ a }) => read(a)))),
    show(median(counted.map(({ b }) => read(b)))),
    fixed(finding.ratio, 3),
    intervalText(finding),
    finding.verdict,
  ]),
});

const pairTable = (pairs: readonly Pair[]): Table => ({
  columns: ["pair", "first", ...MEASURES.map(({ name }) => `${name}, B ÷ A`)],
  rows: pairs.map((pair) => [
    `${pair.round}${pair.invalid.length > 0 ? "!" : ""}`,
    pair.first,
    ...MEASURES.map(({ read }) => fixed(ratioOf(pair, read), 3)),
  ]),
});

const pairChart = (pairs: readonly Pair[]): Chart => ({
  id: "pairs",
  title: "B beside A, pair by pair",
  caption: "Each measure of B divided by that of A right before or after it; 1 is no difference.",
  kind: "lines",
  x: { label: "pair" },
  y: { label: "B ÷ A" },
  series: MEASURES.map(({ name, read }) => ({
    name,
    points: pairs.map((pair) => [`${pair.round}`, ratioOf(pair, read)]),
  })),
  marks: [{ label: "no difference", at: 1 }],
});

const conditionsOf = ({ a, b }: Builds, options: OrderEntryOptions, part: Part) => ({
  A: `${a.asked} (${a.name})`,
  B: `${b.asked} (${b.name})`,
  part: PART_NAMES[part],
  rule: `median of the ratios of the pairs with the sign test's interval; all measures together raise a false alarm in ${FALSE_ALARMS_MAX * 100} % of comparisons at most`,
  generator: GENERATOR_NOTES[detectGenerator()],
  connections: options.connections,
  rounds: options.rounds,
  seconds: options.seconds,
  warmUpSeconds: options.warmUpSeconds,
  quick: options.quick,
  programs: "both compiled from their own trees with their own packages; new processes each run",
  accounts: options.accounts,
  row: rowOf(part, options.base),
  settings: { ...BENCH_SETTINGS, SLUICE_VENUE: "external", ...PATIENT, ...options.settings },
});

const warningsOf = (pairs: readonly Pair[], counted: number): readonly string[] => [
  ...pairs.flatMap(({ round, invalid }) =>
    invalid.map((why) => `pair ${round} does not count: ${why}`),
  ),
  ...(counted < QUICK_PAIRS
    ? [`${counted} pairs cannot tell anything from noise: at least ${QUICK_PAIRS} must count`]
    : []),
];
