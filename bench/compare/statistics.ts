/**
 * Is B slower than A, or is it noise? The rule:
 *
 * Runs come in pairs, one of A and one of B right after the other, so that what the machine does
 * meanwhile meets both. Of each pair the ratio B ÷ A is taken. Their median is the finding; around
 * it stands the interval of the sign test, which asks nothing of how the noise is distributed: the
 * k-th smallest to the k-th largest ratio, with the largest k whose coverage is at least the
 * confidence. All measures together are to raise one false alarm in twenty comparisons at most, so
 * with m of them each has a confidence of 1 - 0.05 ÷ m (Bonferroni).
 *
 * B is slower when all of the interval is on the worse side of 1 and the median is more than
 * {@link EFFECT_MIN} from it: a smaller change is not worth an alarm.
 */
import { median } from "../support/statistics.ts";

/** False alarms over all measures of one comparison, share of the comparisons. */
export const FALSE_ALARMS_MAX = 0.05;
/** Of the median ratio, from 1. */
export const EFFECT_MIN = 0.02;

/** `higher`: more is better, as for a rate. */
export type Better = "higher" | "lower";
/** `no difference`: none that noise does not make too. `no verdict`: too few pairs for one. */
export type Verdict = "slower" | "faster" | "no difference" | "no verdict";

export interface PairedFinding {
  /** Median of B ÷ A over the pairs. */
  readonly ratio: number;
  /** null: too few pairs for any interval of that confidence. */
  readonly interval: readonly [low: number, high: number] | null;
  readonly verdict: Verdict;
}

/** Ratios B ÷ A of the pairs; `measures` is how many are looked at in the same comparison. */
export const judge = (
  ratios: readonly number[],
  better: Better,
  measures: number,
): PairedFinding => {
  const ratio = median(ratios);
  const interval = signInterval(ratios, 1 - FALSE_ALARMS_MAX / measures);
  return { ratio, interval, verdict: verdictOf(ratio, interval, better) };
};

const verdictOf = (ratio: number, interval: PairedFinding["interval"], better: Better): Verdict => {
  if (interval === null) return "no verdict";
  const [low, high] = interval;
  if (Math.abs(ratio - 1) <= EFFECT_MIN) return "no difference";
  if (high < 1) return better === "higher" ? "slower" : "faster";
  if (low > 1) return better === "higher" ? "faster" : "slower";
  return "no difference";
};

/** The interval of the sign test for the median; null when all values together do not suffice. */
export const signInterval = (
  values: readonly number[],
  confidence: number,
): PairedFinding["interval"] => {
  const sorted = values.toSorted((a, b) => a - b);
  let found: PairedFinding["interval"] = null;
  for (let k = 1; 2 * k <= sorted.length; k++) {
    if (coverage(sorted.length, k) < confidence) break;
    found = [sorted[k - 1] ?? Number.NaN, sorted[sorted.length - k] ?? Number.NaN];
  }
  return found;
};

/** That the median lies between the k-th smallest and the k-th largest of n: 1 - 2 P(X < k). */
const coverage = (n: number, k: number): number => {
  let ways = 1;
  let below = 0;
  for (let i = 0; i < k; i++) {
    below += ways;
    ways = (ways * (n - i)) / (i + 1);
  }
  return 1 - (2 * below) / 2 ** n;
};

/** The fewest pairs with which a verdict over so many measures can be reached at all. */
export const pairsMin = (measures: number): number => {
  let pairs = 2;
  while (coverage(pairs, 1) < 1 - FALSE_ALARMS_MAX / measures) pairs++;
  return pairs;
};
