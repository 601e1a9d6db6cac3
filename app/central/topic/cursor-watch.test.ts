import { expect, test } from "bun:test";
import { CursorWatch } from "./cursor-watch.ts";

test("a cursor that is behind an earlier one of its stream shows that central went back", () => {
  const watch = new CursorWatch();
  const look = (shard: string, partition: number, epoch: number, seq: number): boolean =>
    watch.wentBack({ shard, cursor: { partition, epoch, seq, hash: "" } });
  expect(look("shard1", 0, 1, 10)).toBe(false);
  expect(look("shard1", 0, 1, 10)).toBe(false);
  expect(look("shard2", 0, 1, 5)).toBe(false);
  expect(look("shard1", 1, 1, 5)).toBe(false);
  expect(look("shard1", 0, 2, 1)).toBe(false);
  expect(look("shard1", 0, 1, 12)).toBe(true);
  expect(look("shard1", 0, 1, 13)).toBe(false);
  expect(look("shard1", 0, 1, 12)).toBe(true);
  watch.clear();
  expect(look("shard1", 0, 1, 1)).toBe(false);
});
