import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { cancel, limitRequest, SYMBOLS } from "../../tests/support/shard-state.ts";
import type { AccountId, InstrumentSymbol, OrderId } from "../domain/brands.ts";
import type { Command } from "../domain/command.ts";
import { IntakeQueue, type Waiting } from "./intake-queue.ts";

const account = (id: number): AccountId => id as AccountId;
const order = (id: number): OrderId => id as OrderId;

const placeOf = (id: number, changes: Parameters<typeof limitRequest>[0] = {}): Command => ({
  kind: "place",
  accountId: account(id),
  request: limitRequest(changes),
});

/** Orders 1, 2 and 3 are open, each in the symbol of that place. */
const symbolOf = (orderId: OrderId) => SYMBOLS[orderId - 1];

const waitingOf = (requestId: number, command: Command): Waiting<null> => ({
  sender: null,
  requestId,
  deadlineAt: 0,
  command,
  arrivedMs: 0,
});

/** What a queue that is full gives, one after the other. */
const sorted = (commands: readonly Command[]): number[] => {
  const queue = queueOf(commands.length, commands);
  return [...ids(queue.take(1)), ...ids(queue.take(commands.length))];
};

const queueOf = (max: number, commands: readonly Command[]): IntakeQueue<null> => {
  const queue = new IntakeQueue<null>(max, symbolOf);
  for (const [i, command] of commands.entries()) queue.push(waitingOf(i, command));
  return queue;
};

const ids = (batch: readonly Waiting<null>[]): number[] => batch.map(({ requestId }) => requestId);

describe("the intake queue", () => {
  test("gives batches in the order of arrival", () => {
    const queue = queueOf(
      100,
      [1, 2, 3, 4, 5].map((id) => placeOf(id)),
    );
    expect(ids(queue.take(2))).toEqual([0, 1]);
    expect(queue.length).toBe(3);
    expect(ids(queue.take(10))).toEqual([2, 3, 4]);
    expect(ids(queue.take(10))).toEqual([]);
  });

  const bank = { kind: "bank" } as Command;
  const execute = { kind: "execute" } as Command;
  test.each<[string, Command, number]>([
    ["new orders", placeOf(1), 2],
    ["amendments", { kind: "amend" } as Command, 2],
    ["transfers", { kind: "transfer" } as Command, 2],
    ["reduce-only orders", placeOf(1, { reduceOnly: true }), 4],
    ["cancels", cancel(order(1), account(1)), 4],
    ["executions", execute, 4],
    ["what banks say", bank, 4],
    ["its own commands", { kind: "trigger", orderId: order(1) }, 4],
  ])("of at most 2 new orders has room for %s", (_, command, room) => {
    const queue = queueOf(2, []);
    for (let held = 0; held < 6; held++) {
      expect([held, queue.hasRoomFor(command)]).toEqual([held, held < room]);
      queue.push(waitingOf(held, placeOf(2)));
    }
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
    expect(ids(queue.take(10))).toEqual([7, 0, 2, 5]);
  });

  const reduce = { reduceOnly: true };
  const eth = { symbol: SYMBOLS[2] as string };
  test.each<[string, Command, number[]]>([
    ["a reduce-only order", placeOf(1, reduce), [1, 3, 0, 2]],
    ["an order that closes a position", placeOf(1, { closePosition: true }), [1, 3, 0, 2]],
    ["a cancel of an order in the symbol", cancel(order(1), account(1)), [1, 3, 0, 2]],
    ["a cancel in another symbol", cancel(order(3), account(1)), [2, 3, 0, 1]],
    ["a cancel of an order nobody knows", cancel(order(9), account(1)), [1, 2, 3, 0]],
    ["a cancel-all", { kind: "cancel_many", accountId: account(1), symbol: null }, [1, 2, 3, 0]],
    ["a mark", { kind: "mark", symbol: SYMBOLS[0], price: "1", at: 1 } as Command, [3, 0, 1, 2]],
    ["a new order", placeOf(1), [0, 1, 2, 3]],
  ])("over half full, %s takes along what its own pair sent before", (_, last, expected) => {
    expect(sorted([placeOf(2), placeOf(1), placeOf(1, eth), last])).toEqual(expected);
  });

  test("over half full, a change for all symbols passes with the order that waits for it", () => {
    const mode = { kind: "account_settings", accountId: account(1) } as Command;
    const commands = [placeOf(2), placeOf(1, eth), mode, placeOf(1, reduce)];
    expect(sorted(commands)).toEqual([1, 2, 3, 0]);
  });

  test("up to half full, nobody passes", () => {
    expect(ids(queueOf(crowd.length * 2, crowd).take(4))).toEqual([0, 1, 2, 3]);
  });

  test("never loses, doubles or reorders what one account sent about one symbol", () => {
    const command = fc
      .tuple(fc.integer({ min: 1, max: 4 }), fc.nat(5), fc.nat(2), fc.boolean())
      .map(([id, kind, nth, reduceOnly]): Command => {
        const symbol = SYMBOLS[nth] as InstrumentSymbol;
        if (kind === 0) return cancel(order(nth + 1), account(id));
        if (kind === 1) return { kind: "cancel_many", accountId: account(id), symbol: null };
        return placeOf(id, { symbol, reduceOnly });
      });
    const commands = fc.array(command, { maxLength: 60 });
    fc.assert(
      fc.property(commands, fc.integer({ min: 1, max: 9 }), (all, most) => {
        const queue = queueOf(20, all);
        const taken: number[] = [];
        while (queue.length > 0) taken.push(...ids(queue.take(most)));
        expect(taken.toSorted((a, b) => a - b)).toEqual(all.map((_, i) => i));
        const scope = (i: number): { accountId: number; symbol: string | null } => {
          const one = all[i] as Extract<Command, { accountId: AccountId }>;
          const { accountId } = one;
          if (one.kind === "place") return { accountId, symbol: one.request.symbol };
          return {
            accountId,
            symbol: one.kind === "cancel" ? (symbolOf(one.orderId) ?? "") : null,
          };
        };
        for (const [place, i] of taken.entries()) {
          for (const later of taken.slice(place)) {
            const [a, b] = [scope(i), scope(later)];
            const isOwn = a.accountId === b.accountId;
            const isPair = a.symbol === null || b.symbol === null || a.symbol === b.symbol;
            if (isOwn && isPair) expect(later).toBeGreaterThanOrEqual(i);
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});
