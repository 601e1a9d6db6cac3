import { describe, expect, test } from "bun:test";
import { percentile } from "../support/statistics.ts";
import { Histogram } from "./histogram.ts";

/** A bucket is 2 % wide and its upper edge is what is told. */
const BUCKET = 1.02;

/** Numbers that repeat with the seed (mulberry32). */
const random = (seed: number) => (): number => {
  seed = (seed + 0x6d2b79f5) | 0;
  let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
};

const histogramOf = (values: readonly number[]): Histogram => {
  const histogram = new Histogram();
  for (const value of values) histogram.record(value);
  return histogram;
};

describe("the histogram of times", () => {
  test.each([
    ["even", (next: number) => next * 1000],
    ["long-tailed", (next: number) => 0.01 / (1 - next) ** 2],
    ["all alike", () => 5],
  ])("tells percentiles of %s times within one bucket of the sorted ones", (_, timeOf) => {
    const seed = 20_26;
    const next = random(seed);
    const values = Array.from({ length: 5000 }, () => timeOf(next()));
    const histogram = histogramOf(values);
    const sorted = Float64Array.from(values).toSorted();
    for (const share of [0.01, 0.5, 0.95, 0.99, 1]) {
      const exact = percentile(sorted, share);
      const found = histogram.percentile(share);
      expect(found, `share ${share}, seed ${seed}`).toBeGreaterThanOrEqual(exact * 0.999_999);
      expect(found, `share ${share}, seed ${seed}`).toBeLessThanOrEqual(exact * BUCKET * 1.000_001);
    }
  });

  test("gives the exact mean and count", () => {
    const histogram = histogramOf([1, 2, 6]);
    expect([histogram.count, histogram.mean]).toEqual([3, 3]);
  });

  test("has no percentile and no mean without times", () => {
    const histogram = new Histogram();
    expect([histogram.percentile(0.95), histogram.mean]).toEqual([Number.NaN, Number.NaN]);
  });
});
