import { expect, test } from "bun:test";
import type { AccountId } from "../domain/brands.ts";
import { homeShardOf } from "./home-shard.ts";

const shards = [{ index: 3 }, { index: 1 }, { index: 7 }];

test("an account's home is the same whatever the order of the map, and all shards are homes", () => {
  const accounts = Array.from({ length: 300 }, (_, n) => (n + 1) as AccountId);
  const homes = accounts.map((account) => homeShardOf(account, shards).index);
  expect(accounts.map((account) => homeShardOf(account, shards.toReversed()).index)).toEqual(homes);
  for (const { index } of shards) {
    expect(homes.filter((home) => home === index).length).toBeGreaterThan(60);
  }
});

test("an account's home is never another than recorded", () => {
  const homes = [1, 2, 42, 43, 9_007_199_254_740_991].map(
    (account) => homeShardOf(account as AccountId, shards).index,
  );
  expect(homes).toEqual([1, 7, 3, 1, 1]);
});
