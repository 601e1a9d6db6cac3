import { describe, expect, test } from "bun:test";
import { acceptedProblems } from "./rate.ts";

const CASES = [
  ["single orders", { answers: 500, batch: 1, accepted: 500, connections: 50 }, true],
  [
    "single orders under way at the end",
    { answers: 500, batch: 1, accepted: 550, connections: 50 },
    true,
  ],
  [
    "more orders than could be under way",
    { answers: 500, batch: 1, accepted: 551, connections: 50 },
    false,
  ],
  ["an answer without an order", { answers: 500, batch: 1, accepted: 499, connections: 50 }, false],
  ["whole batches", { answers: 50, batch: 10, accepted: 500, connections: 5 }, true],
  ["batches under way at the end", { answers: 50, batch: 10, accepted: 550, connections: 5 }, true],
  [
    "a batch with an order that was not accepted",
    { answers: 50, batch: 10, accepted: 499, connections: 5 },
    false,
  ],
  ["batches counted as orders", { answers: 500, batch: 10, accepted: 500, connections: 5 }, false],
] as const;

describe("answers and what the shard accepted", () => {
  for (const [name, counts, agree] of CASES) {
    test(`${agree ? "agree" : "differ"}: ${name}`, () => {
      expect(acceptedProblems(counts)).toHaveLength(agree ? 0 : 1);
    });
  }

  test("a difference is told in orders and batches", () => {
    const [problem] = acceptedProblems({ answers: 50, batch: 10, accepted: 499, connections: 5 });
    expect(problem).toBe("50 answers for 10 orders each, but the shard accepted 499 orders");
  });
});
