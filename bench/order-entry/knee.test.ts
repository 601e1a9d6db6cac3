import { describe, expect, test } from "bun:test";
import { kneeOf, type Offered } from "./knee.ts";

const at = (offered: number, share: number, p99Ms: number): Offered => ({
  offered,
  accepted: offered * share,
  p99Ms,
});

const CASES: readonly (readonly [string, readonly Offered[], number | null])[] = [
  ["is the highest rate when all are kept up with", [at(100, 1, 2), at(200, 1, 3)], 200],
  ["is the last rate before one that is shed", [at(100, 1, 2), at(200, 0.98, 3)], 100],
  ["is the last rate before one that is late", [at(100, 1, 2), at(200, 1, 51)], 100],
  ["allows what the rule allows", [at(100, 0.99, 50)], 100],
  [
    "is not a rate beyond one that was not kept up with",
    [at(100, 1, 2), at(200, 1, 90), at(300, 1, 3)],
    100,
  ],
  ["does not depend on the order of the points", [at(300, 0.5, 900), at(100, 1, 2)], 100],
  ["is nowhere when the lowest rate is too much", [at(100, 0.5, 2), at(200, 1, 2)], null],
  ["is nowhere without points", [], null],
  ["is nowhere when nothing was accepted", [{ offered: 100, accepted: 0, p99Ms: NaN }], null],
];

describe("the knee", () => {
  for (const [name, points, knee] of CASES) {
    test(name, () => expect(kneeOf(points)).toBe(knee));
  }
});
