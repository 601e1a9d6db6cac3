import { describe, expect, test } from "bun:test";
import { DEFAULT_ESCROW_POLICY } from "../../shards/domain/escrow/policy.ts";
import { type Bounds, explore } from "./escrow-explorer.ts";
import { falseRefusal } from "./escrow-properties.ts";
import { World } from "./escrow-world.ts";

const isLong = process.env.SLUICE_TEST_LONG === "1";

const NOTHING = { crashes: 0, fills: 0, deltas: [], withdrawals: [], deposits: [] };
/** The bank on shard 1, which trades nothing; orders on two others. */
const APART = { shardIndexes: [1, 2, 3], depositMinor: 3n, requestsMax: 1, ...NOTHING };
/** The bank on shard 1, which trades as well. */
const TOGETHER = { shardIndexes: [1, 2], depositMinor: 3n, requestsMax: 2, ...NOTHING };

const order = (shardIndex: number, needMinor: bigint) => ({ shardIndex, needMinor });
const apart = [order(2, 2n), order(3, 2n)];
const four = [order(2, 2n), order(2, 1n), order(3, 2n), order(3, 1n)];
const together = [order(1, 2n), order(2, 2n)];

const moves = { withdrawals: [1n], deposits: [1n] };

const short: readonly Bounds[] = [
  { name: "two shards, two crashes", ...APART, orders: apart, crashes: 2 },
  { name: "two shards, a fill", ...APART, orders: apart, fills: 1, deltas: [1n, -1n, -3n] },
  {
    name: "the home trades, a crash",
    ...TOGETHER,
    orders: together,
    crashes: 1,
    withdrawals: [1n],
  },
];

const long: readonly Bounds[] = [
  { name: "three orders", ...APART, requestsMax: 2, orders: [...apart, order(3, 1n)] },
  { name: "four orders", ...APART, requestsMax: 2, depositMinor: 4n, orders: four, crashes: 0 },
  { name: "a loss between rounds", ...APART, orders: apart, fills: 1, deltas: [-3n], ...moves },
  {
    name: "the home trades, fills and crashes",
    ...TOGETHER,
    orders: together,
    crashes: 2,
    fills: 1,
    deltas: [1n, -3n],
    withdrawals: [1n],
  },
];

describe("every state within these bounds keeps all properties", () => {
  for (const bounds of isLong ? [...short, ...long] : short) {
    test(bounds.name, () => {
      const policy = { ...DEFAULT_ESCROW_POLICY, recallWaitMs: 40, resendMs: 8 };
      const { shardIndexes } = bounds;
      const settings = { shardIndexes, homeIndex: 1, policy, overhangs: false };
      const explored = explore(new World(settings, falseRefusal), bounds);
      expect(explored.broken).toBeNull();
      expect(explored.states).toBeGreaterThan(100);
    });
  }
});
