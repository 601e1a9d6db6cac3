/** Everything that was measured, and how it is put together. */
import { median } from "../support/statistics.ts";
import type { Run } from "./measure.ts";
import type { Generator } from "./options.ts";

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
  /** Ours, at the rate that `options.ts` fixes. */
  readonly paced: readonly Run[];
}

export const medianOf = (runs: readonly Run[], read: (run: Run) => number): number =>
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

export const runsWith = (
  { closed }: Found,
  generator: Generator,
  users: number,
): ReadonlyMap<string, readonly Run[]> =>
  Map.groupBy(
    closed.filter(({ load, users: own }) => load.generator === generator && own === users),
    ({ name }) => name,
  );

/** How often a rate holds the best one that the rebuilt predecessor had in the same round. */
export const timesOf = (
  runs: readonly Run[],
  among: ReadonlyMap<string, readonly Run[]>,
): number => {
  const rebuilt = [...among.values()].flat().filter(({ isOurs }) => !isOurs);
  const bestIn = (round: number): number =>
    Math.max(...rebuilt.filter((run) => run.round === round).map(({ perSecond }) => perSecond));
  return medianOf(runs, ({ round, perSecond }) => perSecond / bestIn(round));
};
