import { describe, expect, test } from "bun:test";
import { judge, pairsMin, signInterval } from "./statistics.ts";

const MEASURES = 3;
const PAIRS = 12;

/** Deterministic numbers in [0, 1) (mulberry32), so that a failure can be repeated. */
const randomOf = (seed: number) => {
  let state = seed;
  return (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
};

/**
 * Ratios of pairs on a machine whose speed wanders by ±30 % from pair to pair, with ±`noise` within
 * a pair; B takes `slowdown` times as long.
 */
const ratiosOf = (seed: number, noise: number, slowdown = 1, pairs = PAIRS): number[] => {
  const random = randomOf(seed);
  return Array.from({ length: pairs }, () => {
    const machine = 0.7 + 0.6 * random();
    const run = (): number => machine * (1 + noise * (2 * random() - 1));
    const a = run();
    return run() / slowdown / a;
  });
};

describe("the verdict on B", () => {
  const seeds = Array.from({ length: 1000 }, (_, i) => i + 1);
  const share = (verdict: string, noise: number, slowdown: number): number =>
    seeds.filter(
      (seed) => judge(ratiosOf(seed, noise, slowdown), "higher", MEASURES).verdict === verdict,
    ).length / seeds.length;

  test("is no difference when there is none, however much the machine wanders", () => {
    for (const noise of [0.02, 0.1, 0.3]) {
      // Each of three measures may raise a third of the alarms, half of them for the worse.
      expect([noise, share("slower", noise, 1) < 0.05 / MEASURES]).toEqual([noise, true]);
      expect([noise, share("faster", noise, 1) < 0.05 / MEASURES]).toEqual([noise, true]);
    }
  });

  test("is slower when it is 10 % slower and runs repeat within ±5 %", () => {
    expect(share("slower", 0.05, 1.1)).toBeGreaterThan(0.99);
  });

  test("is faster when it is 10 % faster", () => {
    expect(share("faster", 0.05, 1 / 1.1)).toBeGreaterThan(0.99);
  });

  test("is left open when 10 % drown in noise of ±50 %", () => {
    expect(share("slower", 0.5, 1.1)).toBeLessThan(0.5);
  });

  test.each([
    ["higher", 0.9, "slower"],
    ["higher", 1.1, "faster"],
    ["lower", 0.9, "faster"],
    ["lower", 1.1, "slower"],
    ["higher", 0.99, "no difference"],
    ["lower", 1.01, "no difference"],
  ] as const)("where %s is better and each ratio is near %d: %s", (better, ratio, verdict) => {
    const ratios = Array.from({ length: PAIRS }, (_, i) => ratio + (i - PAIRS / 2) * 0.0005);
    expect(judge(ratios, better, MEASURES).verdict).toBe(verdict);
  });

  test("one pair on the other side does not hide what the others say, three do", () => {
    const ratios = (odd: number) => [
      ...Array.from({ length: PAIRS - odd }, () => 0.9),
      ...Array.from({ length: odd }, () => 1.1),
    ];
    expect(judge(ratios(1), "higher", MEASURES).verdict).toBe("slower");
    expect(judge(ratios(3), "higher", MEASURES).verdict).toBe("no difference");
  });

  test("is none with too few pairs", () => {
    const few = Array.from({ length: pairsMin(MEASURES) - 1 }, () => 0.5);
    expect(judge(few, "higher", MEASURES)).toEqual({
      ratio: 0.5,
      interval: null,
      verdict: "no verdict",
    });
    expect(judge([...few, 0.5], "higher", MEASURES).verdict).toBe("slower");
    expect(judge([], "higher", MEASURES).verdict).toBe("no verdict");
  });
});

describe("the sign test's interval", () => {
  // The ranks are those of the usual tables for the median at 95 % and 99 %.
  test.each([
    [5, 0.95, null],
    [6, 0.95, [1, 6]],
    [12, 0.95, [3, 10]],
    [12, 0.99, [2, 11]],
    [20, 0.95, [6, 15]],
    [25, 0.95, [8, 18]],
  ] as const)("of %d values at %d", (count, confidence, ranks) => {
    const values = Array.from({ length: count }, (_, i) => i + 1).toReversed();
    expect(signInterval(values, confidence)).toEqual(ranks === null ? null : [...ranks]);
  });
});
