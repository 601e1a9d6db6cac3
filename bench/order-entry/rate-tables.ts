/** The closed loop's rows and its headlines, and the knee's. */
import { fixed, type Headline, type Table, whole } from "../support/report.ts";
import { median } from "../support/statistics.ts";
import { type BaselineRound, RAW_BATCH } from "./baselines.ts";
import { kneeOf } from "./knee.ts";
import { PART_NAMES, PARTS, type Part, RATE_TARGETS, RAW_SHARE_MIN } from "./options.ts";
import type { RateRound } from "./rate.ts";
import type { SweepPoint } from "./sweep.ts";

/** A row's rounds, in the order in which rows stand everywhere. */
export const roundsByPart = (
  rates: readonly RateRound[],
): readonly (readonly [Part, readonly RateRound[]])[] =>
  PARTS.map((part) => [part, rates.filter((round) => round.part === part)] as const).filter(
    ([, rounds]) => rounds.length > 0,
  );

const validOf = (rounds: readonly RateRound[]): readonly RateRound[] =>
  rounds.filter(({ invalid }) => invalid.length === 0);

export const rateHeadlines = (
  rates: readonly RateRound[],
  baselines: readonly BaselineRound[],
): readonly Headline[] =>
  roundsByPart(rates).flatMap(([part, rounds]) => {
    if (part === "batch-100") return [batchHeadline(rounds, baselines)];
    const target = RATE_TARGETS[part];
    if (target === undefined) return [];
    const ratio = median(validOf(rounds).map((round) => round.ratio));
    return [
      {
        value: fixed(ratio, 2),
        what: `durable acks for each answer of the bare echo, ${PART_NAMES[part]}`,
        target: `at least ${target.least}, aim ${target.aim}`,
        met: Number.isNaN(ratio) ? null : ratio >= target.least,
      },
    ];
  });

/** The baseline of the same round. */
const rawShares = (
  rounds: readonly RateRound[],
  baselines: readonly BaselineRound[],
): readonly number[] =>
  rounds.flatMap(({ round, ordersPerSecond }) => {
    const baseline = baselines.find((one) => one.round === round);
    if (baseline === undefined) return [];
    return [ordersPerSecond / baseline.rawInsertsPerSecond];
  });

const batchHeadline = (
  rounds: readonly RateRound[],
  baselines: readonly BaselineRound[],
): Headline => {
  const share = median(rawShares(validOf(rounds), baselines));
  return {
    value: fixed(share, 2),
    what: `orders in batches of 100 for each raw insert in transactions of ${RAW_BATCH}`,
    target: `at least ${RAW_SHARE_MIN}`,
    met: Number.isNaN(share) ? null : share >= RAW_SHARE_MIN,
  };
};

export const kneeHeadline = (points: readonly SweepPoint[]): Headline => {
  const knee = kneeOf(points);
  const point = points.find(({ offered }) => offered === knee);
  return {
    value: knee === null ? "none" : `${whole(knee)}/s`,
    what:
      point === undefined
        ? "is the knee: not even the lowest offered rate was kept up with"
        : `is the knee, × ${fixed(point.fraction, 2)} of the closed loop's peak, p99 ${fixed(point.p99Ms, 1)} ms`,
    target: "for comparison",
    met: null,
  };
};

export const rateTable = (
  rates: readonly RateRound[],
  baselines: readonly BaselineRound[],
): Table => {
  const baseline = (name: string, read: (round: BaselineRound) => number) => [
    name,
    ...["", "", whole(median(baselines.map(read))), "", "", "", "", "", "", ""],
  ];
  return {
    columns: [
      "closed loop",
      "ratio",
      "(each round)",
      "orders/s",
      "echo/s",
      "p50 ms",
      "p99 ms",
      "batch",
      "carried on",
      "lag at end",
      "caught up ms",
    ],
    rows: [
      ...roundsByPart(rates).map(([part, rounds]) => rateRow(part, rounds)),
      baseline("raw Bun.serve", ({ rawEchoPerSecond }) => rawEchoPerSecond),
      baseline("raw inserts", ({ rawInsertsPerSecond }) => rawInsertsPerSecond),
    ],
  };
};

const rateRow = (part: Part, rounds: readonly RateRound[]): (string | number)[] => {
  const of = (read: (round: RateRound) => number): number => median(rounds.map(read));
  const lags = rounds.some(({ lagRecords }) => lagRecords !== null);
  const p50 = of(({ orders }) => orders.latencyMs.p50);
  const p99 = of(({ orders }) => orders.latencyMs.p99);
  return [
    part,
    fixed(median(validOf(rounds).map(({ ratio }) => ratio)), 3),
    rounds.map(({ ratio, invalid }) => fixed(ratio, 2) + (invalid.length > 0 ? "!" : "")).join(" "),
    whole(of(({ ordersPerSecond }) => ordersPerSecond)),
    whole(of(({ echo }) => echo.perSecond)),
    fixed(p50, 1),
    fixed(p99, 1),
    whole(of(({ batchMean }) => batchMean)),
    lags ? `${fixed(of(({ carriedShare }) => carriedShare) * 100, 1)} %` : "-",
    lags ? whole(of(({ lagRecords }) => lagRecords ?? 0)) : "-",
    lags ? whole(of(({ catchUpMs }) => catchUpMs ?? 0)) : "-",
  ];
};

export const STATIONS = ["generator", "echo", "api", "shard", "applier"] as const;

/** Medians by station; only of those that had a part. */
export const cpuMedians = (
  runs: readonly Readonly<Record<string, number>>[],
): Readonly<Partial<Record<(typeof STATIONS)[number], number>>> =>
  Object.fromEntries(
    STATIONS.filter((name) => runs.some((cpu) => name in cpu)).map((name) => [
      name,
      median(runs.map((cpu) => cpu[name] ?? 0)),
    ]),
  );

/** Of a batch too: µs an order. */
export const cpuOfOrders = (rounds: readonly RateRound[]) =>
  cpuMedians(
    rounds.map(({ orderCpuUs, row }) =>
      Object.fromEntries(Object.entries(orderCpuUs).map(([name, us]) => [name, us / row.batch])),
    ),
  );

export const cpuTable = (rates: readonly RateRound[]): Table => ({
  columns: ["CPU µs an order", ...STATIONS, "all"],
  rows: [
    cpuRow("echo, an answer", cpuMedians(singles(rates).map(({ echoCpuUs }) => echoCpuUs))),
    ...roundsByPart(rates).map(([part, rounds]) => cpuRow(part, cpuOfOrders(rounds))),
  ],
});

/** Rounds whose echo got single orders. */
export const singles = (rates: readonly RateRound[]): readonly RateRound[] =>
  rates.filter(({ row }) => row.batch === 1);

const cpuRow = (name: string, cpu: ReturnType<typeof cpuMedians>): (string | number)[] => {
  const all = Object.values(cpu).reduce((sum, us) => sum + us, 0);
  return [name, ...STATIONS.map((station) => fixed(cpu[station] ?? Number.NaN, 1)), fixed(all, 1)];
};
