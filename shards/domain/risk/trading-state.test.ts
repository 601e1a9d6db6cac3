import { expect, test } from "bun:test";
import { mostRestrictive } from "./trading-state.ts";
import type { TradingState } from "./types.ts";

test.each<[TradingState, TradingState[]]>([
  ["ACTIVE", []],
  ["ACTIVE", ["ACTIVE", "ACTIVE"]],
  ["REDUCE_ONLY", ["ACTIVE", "REDUCE_ONLY", "ACTIVE"]],
  ["HALTED", ["HALTED", "REDUCE_ONLY"]],
  ["HALTED", ["REDUCE_ONLY", "ACTIVE", "HALTED"]],
])("%p holds where %p apply", (expected, states) => {
  expect(mostRestrictive(...states)).toBe(expected);
});
