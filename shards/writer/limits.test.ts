import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { emptyState, orderOf, PARTITIONS } from "../../tests/support/shard-state.ts";
import type { OrderId } from "../domain/brands.ts";
import type { Order, OrderStatus } from "../domain/order.ts";
import { ZERO_HASH } from "../protocol/record.ts";
import { Admission } from "./admission.ts";
import { EXPIRY_TICK_MS, Expiry } from "./expiry.ts";
import { type Carried, ProgressTracker } from "./progress.ts";

const dated = (id: number, goodTillDate: number | null, changes: Partial<Order> = {}): Order =>
  orderOf({ orderId: id as OrderId, goodTillDate, ...changes });

const MANY = 10_000_000;

describe("the expiry", () => {
  test("gives an order once, after its date, and at most two ticks after", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(5_000), { maxLength: 50 }),
        fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 30, maxLength: 60 }),
        (dates, steps) => {
          const expiry = new Expiry();
          for (const [id, date] of dates.entries()) expiry.note(dated(id, date));
          const given = new Map<number, { at: number; before: number }>();
          let before = 0;
          for (let at = 0, i = 0; at < 5_300; i++) {
            at += Math.min(EXPIRY_TICK_MS, steps[i % steps.length] ?? 1);
            for (const id of expiry.due(at, MANY)) {
              expect(given.has(id)).toBe(false);
              given.set(id, { at, before });
            }
            before = at;
          }
          expect(given.size).toBe(dates.length);
          for (const [id, { at }] of given) {
            const date = dates[id] ?? 0;
            expect(at).toBeGreaterThanOrEqual(date);
            expect(at - date).toBeLessThanOrEqual(2 * EXPIRY_TICK_MS);
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  test.each<[string, Order, boolean]>([
    ["takes a good-till-date order", dated(1, 50), true],
    ["takes one that was amended before it was seen", dated(1, 50, { version: 2 }), true],
    ["leaves an order without a date", dated(1, null), false],
    ["leaves one that has ended", dated(1, 50, { status: "CANCELED" as OrderStatus }), false],
  ])("%s", (_, order, isTaken) => {
    const expiry = new Expiry();
    expiry.note(order);
    expect(expiry.due(1_000, MANY)).toEqual(isTaken ? [order.orderId] : []);
  });

  test("gives a date that has passed with the next tick", () => {
    const expiry = new Expiry();
    expect(expiry.due(10_000, MANY)).toEqual([]);
    expiry.note(dated(1, 5));
    expect(expiry.due(10_000, MANY)).toEqual([]);
    expect(expiry.due(10_000 + EXPIRY_TICK_MS, MANY)).toEqual([1 as OrderId]);
  });

  test("gives an order again whose end could not be written", () => {
    const expiry = new Expiry();
    expiry.note(dated(1, 5));
    expect(expiry.due(200, MANY)).toEqual([1 as OrderId]);
    expiry.retry(1 as OrderId);
    expect(expiry.due(200, MANY)).toEqual([]);
    expect(expiry.due(300, MANY)).toEqual([1 as OrderId]);
    expect(expiry.due(400, MANY)).toEqual([]);
  });

  test("gives no more than there is room for, and the rest after it, in the order of time", () => {
    const expiry = new Expiry();
    for (let id = 1; id <= 5; id++) expiry.note(dated(id, id < 4 ? 50 : 150));
    expect(expiry.due(1_000, 2)).toEqual([1, 2] as OrderId[]);
    expect(expiry.due(1_000, 0)).toEqual([]);
    expect(expiry.due(1_000, 2)).toEqual([3, 4] as OrderId[]);
    expect(expiry.due(1_000, 2)).toEqual([5] as OrderId[]);
    expect(expiry.due(2_000, 2)).toEqual([]);
  });

  test("forgets an order that ends before its date", () => {
    const expiry = new Expiry();
    expiry.note(dated(1, 500));
    expiry.note(dated(1, 500, { status: "CANCELED" as OrderStatus }));
    expect(expiry.due(1_000, MANY)).toEqual([]);
  });

  test("takes a million orders of one date", () => {
    const expiry = new Expiry();
    for (let id = 0; id < 1_000_000; id++) expiry.note(dated(id, 5));
    expect(expiry.due(1_000, MANY)).toHaveLength(1_000_000);
  });
});

describe("admission", () => {
  const fresh = () =>
    new Admission({ freeSpaceFloorBytes: 100, backlogRecordsMax: 10, backlogBytesMax: 1_000 });

  test("takes new orders until a limit is passed, and again when it is not", () => {
    const admission = fresh();
    expect(admission.problem()).toBeUndefined();
    admission.setFreeSpace(99);
    expect(admission.problem()).toMatchObject({
      code: "shard_unavailable",
      detail: expect.stringContaining("99 bytes free, below the floor of 100"),
    });
    admission.setFreeSpace(100);
    admission.setBacklog(10, 1_000);
    expect(admission.problem()).toBeUndefined();
    admission.setBacklog(11, 1_000);
    expect(admission.problem()).toMatchObject({
      code: "replication_backlog",
      detail: expect.stringContaining("11 records wait for central, over the limit of 10"),
    });
    admission.setBacklog(10, 1_001);
    expect(admission.problem()).toMatchObject({
      code: "replication_backlog",
      detail: expect.stringContaining("1001 bytes wait for central, over the limit of 1000"),
    });
    admission.setBacklog(0, 0);
    expect(admission.problem()).toBeUndefined();
  });

  test("a disk that failed is named until it has room again", () => {
    const admission = fresh();
    admission.diskFailed("it is full");
    admission.setFreeSpace(50);
    expect(admission.problem()?.detail).toContain("(it is full)");
    admission.setFreeSpace(500);
    expect(admission.problem()).toBeUndefined();
  });
});

describe("progress", () => {
  const BYTES = 100;
  const carried = (
    appliedCommitSeq: number,
    seqs: readonly number[] = [],
    stoppedPartitions: readonly number[] = [],
  ): Carried => ({
    appliedCommitSeq,
    replicatedCommitSeq: appliedCommitSeq,
    stoppedPartitions,
    partitions: Array.from({ length: PARTITIONS }, (_, partition) => ({
      partition,
      replicatedSeq: seqs[partition] ?? 0,
      replicatedHash: ZERO_HASH,
      appliedSeq: seqs[partition] ?? 0,
    })),
  });
  const begun = () => {
    const state = emptyState();
    const progress = new ProgressTracker(state, { ...carried(0), appliedValueBytes: 0 });
    /** A batch of records up to `commitSeq`, each of {@link BYTES}. */
    const commit = (commitSeq: number, at: number): void => {
      state.commitSeq = commitSeq;
      progress.committed(commitSeq, at, commitSeq * BYTES);
    };
    return { state, progress, commit };
  };

  test("tells each partition's ends and the lag's size and age", () => {
    const { state, progress, commit } = begun();
    commit(3, 1_000);
    commit(5, 1_400);
    state.setStreamEnd(2, { seq: 5, hash: ZERO_HASH });
    expect(progress.lagRecords).toBe(5);
    expect(progress.lagMs(1_500)).toBe(500);
    progress.advance(carried(3, [0, 0, 3], [3, 1]));
    expect(progress.lagMs(1_500)).toBe(100);
    expect(progress.stoppedPartitions).toEqual([1, 3]);
    expect(progress.snapshot(1_500)[2]).toEqual({
      partition: 2,
      epoch: 1,
      committedSeq: 5,
      replicatedSeq: 3,
      appliedSeq: 3,
      lagMs: 100,
    });
    progress.advance(carried(5, [0, 0, 5]));
    expect([progress.lagRecords, progress.lagMs(9_999)]).toEqual([0, 0]);
  });

  test("a batch without records does not make the next one's lag older", () => {
    const { progress, commit } = begun();
    commit(0, 1_000);
    commit(1, 60_000);
    expect(progress.lagMs(60_010)).toBe(10);
  });

  test("keeps the oldest record's age over any number of batches", () => {
    const { progress, commit } = begun();
    for (let i = 1; i <= 20_000; i++) commit(i, i);
    expect(progress.lagMs(20_000)).toBe(19_999);
    progress.advance(carried(19_000));
    expect(progress.lagMs(20_000)).toBeWithin(0, 1_000);
  });

  test("counts the bytes that central lacks, never fewer, and none when it has all", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.nat(20)), { maxLength: 60 }),
        (steps) => {
          const { progress, state, commit } = begun();
          let applied = 0;
          for (const [records, more] of steps) {
            commit(state.commitSeq + records, 0);
            applied = Math.min(state.commitSeq, applied + more);
            const { appliedValueBytes } = progress.advance(carried(applied));
            const lacked = (state.commitSeq - applied) * BYTES;
            expect(progress.lagBytes).toBeGreaterThanOrEqual(lacked);
            // Only the batch that central has a part of is counted whole.
            expect(progress.lagBytes).toBeLessThan(lacked + 9 * BYTES);
            expect(appliedValueBytes).toBe(state.commitSeq * BYTES - progress.lagBytes);
          }
          progress.advance(carried(state.commitSeq));
          expect(progress.lagBytes).toBe(0);
        },
      ),
    );
  });

  test("tells what the broker lacks apart from what central lacks", () => {
    const { progress, commit } = begun();
    commit(3, 1_000);
    commit(5, 1_400);
    progress.advance({ ...carried(0), replicatedCommitSeq: 3 });
    expect([progress.backlogRecords, progress.backlogMs(1_500)]).toEqual([2, 100]);
    expect([progress.lagRecords, progress.lagMs(1_500)]).toEqual([5, 500]);
    progress.advance({ ...carried(0), replicatedCommitSeq: 5 });
    expect([progress.backlogRecords, progress.backlogMs(1_500)]).toEqual([0, 0]);
    expect(progress.lagMs(1_500)).toBe(500);
  });
});
