import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type Clock, systemClock } from "../../shards/process/clock.ts";
import type { Progress, RecordPlace } from "../../shards/protocol/answer.ts";
import { ProgressBoard } from "./progress-board.ts";

const PLACE: RecordPlace = { partition: 4, epoch: 2, seq: 10 };
const LATE = systemClock.monotonicMs() + 60_000;

const progress = (change: Partial<Progress>): Progress => ({
  partition: 4,
  epoch: 2,
  committedSeq: 20,
  replicatedSeq: 0,
  appliedSeq: 0,
  lagMs: 0,
  ...change,
});
const soon = (): number => systemClock.monotonicMs() + 20;

let board: ProgressBoard;
beforeEach(() => {
  board = new ProgressBoard(systemClock);
});
afterEach(() => board.stop());

describe("a record at seq 10 of epoch 2, as its shard's progress shows it", () => {
  test.each([
    ["nothing is known", "local", []],
    ["the broker is one record short of it", "local", [{ replicatedSeq: 9 }]],
    ["the broker has it", "replicated", [{ replicatedSeq: 10 }]],
    ["central has it", "central", [{ replicatedSeq: 10, appliedSeq: 10 }]],
    ["central has it by another way than the broker", "central", [{ appliedSeq: 10 }]],
    ["another partition is further", "local", [{ partition: 5, appliedSeq: 99 }]],
    ["an earlier epoch was further", "local", [{ epoch: 1, appliedSeq: 99 }]],
    ["a later epoch is further", "local", [{ epoch: 3, appliedSeq: 99 }]],
  ] as const)("when %s it is %s", async (_, level, known) => {
    for (const change of known) board.update(progress(change));
    expect(await board.waitFor(PLACE, "central", soon())).toBe(level);
  });
});

describe("who waits for a record", () => {
  test.each([
    ["replicated", "replicated", { replicatedSeq: 10 }],
    ["replicated", "central", { replicatedSeq: 10, appliedSeq: 11 }],
    ["central", "central", { replicatedSeq: 10, appliedSeq: 10 }],
  ] as const)(
    "at level %s is told that it is %s as soon as it is",
    async (level, reached, change) => {
      const waiting = board.waitFor(PLACE, level, LATE);
      board.update(progress({ replicatedSeq: 9, appliedSeq: 9 }));
      board.update(progress(change));
      expect(await waiting).toBe(reached);
    },
  );

  test("is told at the deadline what it has come to", async () => {
    const waiting = board.waitFor(PLACE, "central", soon());
    board.update(progress({ replicatedSeq: 10 }));
    expect(await waiting).toBe("replicated");
  });

  test("keeps what was reached when a new epoch begins", async () => {
    const waiting = board.waitFor(PLACE, "central", soon());
    board.update(progress({ replicatedSeq: 10 }));
    board.update(progress({ epoch: 3 }));
    expect(await waiting).toBe("replicated");
  });

  test("with the nearer deadline is told first, whenever it came", async () => {
    const order: string[] = [];
    const far = board
      .waitFor(PLACE, "central", systemClock.monotonicMs() + 80)
      .then(() => order.push("far"));
    const near = board.waitFor(PLACE, "central", soon()).then(() => order.push("near"));
    await Promise.all([far, near]);
    expect(order).toEqual(["near", "far"]);
  });

  test("is told at the end of the board", async () => {
    const waiting = board.waitFor(PLACE, "central", LATE);
    board.stop();
    expect(await waiting).toBe("local");
  });
});

describe("the lag", () => {
  let nowMs = 0;
  const clock: Clock = { now: () => nowMs, monotonicMs: () => nowMs };

  test("is the oldest partition's, and grows while nothing new is said", () => {
    const lagging = new ProgressBoard(clock);
    expect(lagging.lagMs()).toBe(0);
    lagging.update(progress({ partition: 1, lagMs: 30 }));
    lagging.update(progress({ partition: 2, lagMs: 50 }));
    expect(lagging.lagMs()).toBe(50);
    nowMs += 25;
    expect(lagging.lagMs()).toBe(75);
    lagging.update(progress({ partition: 2, lagMs: 0 }));
    expect(lagging.lagMs()).toBe(55);
    lagging.update(progress({ partition: 1, lagMs: 0 }));
    nowMs += 25;
    expect(lagging.lagMs()).toBe(0);
  });
});
