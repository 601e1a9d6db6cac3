import { describe, expect, test } from "bun:test";
import { printedSeed, randomOf, wholeOf } from "../../../tests/support/random.ts";
import { orderOf, SYMBOLS } from "../../../tests/support/shard-state.ts";
import type { InstrumentSymbol, OrderId } from "../../domain/brands.ts";
import { isTriggeredAt } from "../../domain/decide.ts";
import type { Order, OrderType, Side } from "../../domain/order.ts";
import { Triggers } from "./triggers.ts";

const [BTC, ETH] = SYMBOLS as [InstrumentSymbol, InstrumentSymbol];

const waiting = (id: number, stopPriceUnits: number, changes: Partial<Order> = {}): Order =>
  orderOf({
    orderId: id as OrderId,
    type: "STOP_MARKET",
    symbol: BTC,
    status: "UNTRIGGERED",
    workingType: "MARK_PRICE",
    stopPriceUnits,
    ...changes,
  });

const ids = (orderIds: readonly OrderId[]): number[] => orderIds.map(Number);

describe("triggers", () => {
  test.each<[OrderType, Side, number, number]>([
    ["STOP_MARKET", "BUY", 100, 99],
    ["STOP", "BUY", 101, 99],
    ["STOP", "SELL", 100, 101],
    ["STOP_MARKET", "SELL", 99, 101],
    ["TAKE_PROFIT", "BUY", 100, 101],
    ["TAKE_PROFIT_MARKET", "SELL", 100, 99],
  ])("a %s %s at 100 is reached at %d and not at %d", (type, side, reached, short) => {
    const triggers = new Triggers();
    triggers.note(waiting(1, 100, { type, side }));
    expect(triggers.due(BTC, "MARK_PRICE", short)).toEqual([]);
    expect(ids(triggers.due(BTC, "MARK_PRICE", reached))).toEqual([1]);
    expect(triggers.due(BTC, "MARK_PRICE", reached)).toEqual([]);
  });

  test("wait for their own symbol's and kind of price", () => {
    const triggers = new Triggers();
    triggers.note(waiting(1, 100));
    triggers.note(waiting(2, 100, { workingType: "LAST_PRICE" }));
    triggers.note(waiting(3, 100, { symbol: ETH }));
    expect(ids(triggers.due(BTC, "LAST_PRICE", 200))).toEqual([2]);
    expect(ids(triggers.due(ETH, "MARK_PRICE", 200))).toEqual([3]);
    expect(ids(triggers.due(BTC, "MARK_PRICE", 200))).toEqual([1]);
  });

  test("give the nearest first, and of equal ones the older", () => {
    const triggers = new Triggers();
    for (const [id, stop] of [
      [4, 102],
      [3, 101],
      [2, 101],
      [1, 103],
    ] as const) {
      triggers.note(waiting(id, stop));
    }
    expect(ids(triggers.due(BTC, "MARK_PRICE", 102))).toEqual([2, 3, 4]);
    expect(triggers.size).toBe(1);
  });

  test("forget an order that ended, and move one that was amended", () => {
    const triggers = new Triggers();
    triggers.note(waiting(1, 100));
    triggers.note(waiting(2, 100));
    triggers.note(waiting(1, 100, { status: "CANCELED" }));
    triggers.note(waiting(2, 150));
    expect(triggers.due(BTC, "MARK_PRICE", 149)).toEqual([]);
    expect(ids(triggers.due(BTC, "MARK_PRICE", 150))).toEqual([2]);
  });

  test("give an order again that was noted again, since nothing came of it", () => {
    const triggers = new Triggers();
    triggers.note(waiting(1, 100));
    expect(ids(triggers.due(BTC, "MARK_PRICE", 100))).toEqual([1]);
    triggers.note(waiting(1, 100));
    expect(ids(triggers.due(BTC, "MARK_PRICE", 100))).toEqual([1]);
  });

  test("do not look at orders that are no conditional ones", () => {
    const triggers = new Triggers();
    triggers.note(orderOf());
    triggers.note(waiting(2, 100, { status: "PENDING" }));
    expect([triggers.size, triggers.due(BTC, "MARK_PRICE", 1_000).length]).toEqual([0, 0]);
  });
});

test("any stream of orders and prices triggers what a look at every order would", () => {
  const random = randomOf(printedSeed("triggers"));
  const triggers = new Triggers();
  const orders = new Map<OrderId, Order>();
  const types = ["STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"] as const;
  let given = 0;
  for (let step = 0; step < 20_000; step++) {
    const id = wholeOf(random, 1, 500) as OrderId;
    const known = orders.get(id);
    if (step % 7 === 0) {
      const price = wholeOf(random, 1, 1_000);
      const expected = [...orders.values()].filter((order) => isTriggeredAt(order, price));
      const due = triggers.due(BTC, "MARK_PRICE", price);
      expect(ids(due).toSorted((a, b) => a - b)).toEqual(
        expected.map(({ orderId }) => Number(orderId)).toSorted((a, b) => a - b),
      );
      given += due.length;
      for (const orderId of due) orders.delete(orderId);
    } else if (known !== undefined && random() < 0.5) {
      triggers.note({ ...known, status: "CANCELED" });
      orders.delete(id);
    } else {
      const type = known?.type ?? types[wholeOf(random, 0, 3)] ?? "STOP";
      const side = known?.side ?? (random() < 0.5 ? "BUY" : "SELL");
      // Far from today's prices, so that many wait for long.
      const isRising = type.startsWith("STOP") === (side === "BUY");
      const stop = wholeOf(random, isRising ? 900 : 1, isRising ? 1_000 : 100);
      const order = waiting(id, stop, { type, side });
      triggers.note(order);
      orders.set(id, order);
    }
    expect(triggers.size).toBe(orders.size);
  }
  expect(given).toBeGreaterThan(1_000);
});
