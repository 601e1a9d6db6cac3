import { expect, test } from "bun:test";
import type { Clock } from "../../shards/process/clock.ts";
import { TokenCache } from "./token-cache.ts";

const NEVER = Number.MAX_SAFE_INTEGER;

class TestClock implements Clock {
  ms = 1_790_000_000_000;
  now = (): number => this.ms;
  monotonicMs = (): number => this.ms;
}

test("a full cache forgets the least recently used", () => {
  const clock = new TestClock();
  const cache = new TokenCache<number>(clock, 3);
  for (const [token, value] of [
    ["a", 1],
    ["b", 2],
    ["c", 3],
  ] as const) {
    cache.set(token, value, NEVER);
  }
  clock.ms += 1000;
  cache.get("a");
  cache.set("d", 4, NEVER);
  cache.set("e", 5, NEVER);
  expect(["a", "b", "c", "d", "e"].map((token) => cache.get(token))).toEqual([
    1,
    undefined,
    undefined,
    4,
    5,
  ]);
});

test("a token set again takes one place", () => {
  const cache = new TokenCache<number>(new TestClock(), 2);
  cache.set("a", 1, NEVER);
  cache.set("b", 2, NEVER);
  cache.set("b", 3, NEVER);
  expect([cache.get("a"), cache.get("b")]).toEqual([1, 3]);
});

test.each<[string, number, number, boolean]>([
  ["kept just short of a minute", NEVER, 59_999, true],
  ["gone after a minute", NEVER, 60_000, false],
  ["kept just short of its end", 1_790_000_010_000, 9_999, true],
  ["gone at its end", 1_790_000_010_000, 10_000, false],
  ["never kept when it has ended", 1_790_000_000_000, 0, false],
])("a token is %s", (_, expiresAt, laterMs, kept) => {
  const clock = new TestClock();
  const cache = new TokenCache<number>(clock, 10);
  cache.set("a", 1, expiresAt);
  clock.ms += laterMs;
  expect(cache.get("a")).toBe(kept ? 1 : undefined);
});

test("use does not make a token live longer", () => {
  const clock = new TestClock();
  const cache = new TokenCache<number>(clock, 10);
  cache.set("a", 1, NEVER);
  for (let i = 0; i < 6; i++) {
    clock.ms += 10_000;
    cache.get("a");
  }
  expect(cache.get("a")).toBeUndefined();
});
