import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { cancel, limitRequest } from "../../tests/support/shard-state.ts";
import type { AccountId, OrderId } from "../domain/brands.ts";
import type { Command } from "../domain/command.ts";
import { IntakeQueue, type Waiting } from "./intake-queue.ts";

const account = (id: number): AccountId => id as AccountId;
const order = (id: number): OrderId => id as OrderId;

const placeOf = (id: number): Command => ({
  kind: "place",
  accountId: account(id),
  request: limitRequest(),
});

const waitingOf = (requestId: number, command: Command): Waiting<null> => ({
  sender: null,
  requestId,
  deadlineAt: 0,
  command,
  arrivedMs: 0,
});

const queueOf = (max: number, commands: readonly Command[]): IntakeQueue<null> => {
  const queue = new IntakeQueue<null>(max);
  for (const [i, command] of commands.entries()) queue.push(waitingOf(i, command));
  return queue;
};

const ids = (batch: readonly Waiting<null>[]): number[] => batch.map(({ requestId }) => requestId);

describe("the intake queue", () => {
  test("gives batches in the order of arrival", () => {
    const queue = queueOf(100, [1, 2, 3, 4, 5].map(placeOf));
    expect(ids(queue.take(2))).toEqual([0, 1]);
    expect(queue.length).toBe(3);
    expect(ids(queue.take(10))).toEqual([2, 3, 4]);
    expect(ids(queue.take(10))).toEqual([]);
  });

  test("is full at its limit", () => {
    const queue = queueOf(2, [placeOf(1)]);
    expect(queue.isFull).toBe(false);
    queue.push(waitingOf(9, placeOf(1)));
    expect(queue.isFull).toBe(true);
  });

  const crowd: readonly Command[] = [
    placeOf(1),
    placeOf(2),
    placeOf(1),
    placeOf(3),
    cancel(order(1), account(2)),
    placeOf(2),
    { kind: "cancel_many", accountId: account(3), symbol: null },
    { kind: "expire", orderId: order(1) },
  ];

  test("over half full, cancels go first with what their accounts sent before them", () => {
    const queue = queueOf(crowd.length, crowd);
    expect(ids(queue.take(4))).toEqual([1, 3, 4, 6]);
    expect(ids(queue.take(10))).toEqual([0, 2, 5, 7]);
  });

  test("up to half full, nobody passes", () => {
    expect(ids(queueOf(crowd.length * 2, crowd).take(4))).toEqual([0, 1, 2, 3]);
  });

  test("never loses, doubles or reorders an account's commands", () => {
    const command = fc
      .tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 3 }))
      .map(([id, kind]) => (kind === 0 ? cancel(order(1), account(id)) : placeOf(id)));
    const commands = fc.array(command, { maxLength: 60 });
    fc.assert(
      fc.property(commands, fc.integer({ min: 1, max: 9 }), (all, most) => {
        const queue = queueOf(20, all);
        const taken: number[] = [];
        while (queue.length > 0) taken.push(...ids(queue.take(most)));
        expect(taken.toSorted((a, b) => a - b)).toEqual(all.map((_, i) => i));
        for (const id of [1, 2, 3, 4]) {
          const own = taken.filter((i) => (all[i] as { accountId: number }).accountId === id);
          expect(own).toEqual(own.toSorted((a, b) => a - b));
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
