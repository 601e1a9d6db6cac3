import { describe, expect, test } from "bun:test";
import type { AccountId, OrderId } from "../../shards/domain/brands.ts";
import { printedSeed, randomOf } from "../../tests/support/random.ts";
import { type Match, type MatchedOrder, Matcher } from "./matcher.ts";

let nextId = 0;
const order = (changes: Partial<Record<keyof MatchedOrder, unknown>> = {}): MatchedOrder =>
  ({
    orderId: ++nextId as OrderId,
    accountId: 1 as AccountId,
    side: "BUY",
    type: "LIMIT",
    timeInForce: "GTC",
    priceUnits: 100,
    quantityUnits: 10,
    executedUnits: 0,
    selfTradePrevention: "NONE",
    version: 1,
    ...changes,
  }) as MatchedOrder;

const sell = (changes: Parameters<typeof order>[0] = {}) => order({ side: "SELL", ...changes });
const market = { type: "MARKET", timeInForce: null, priceUnits: null };

/** `id FILL price quantity`, or `id kind`. */
const shown = (matches: readonly Match[]): string[] =>
  matches.map((match) =>
    match.kind === "FILL"
      ? `${match.orderId} ${match.quantityUnits} @ ${match.priceUnits}`
      : `${match.orderId} ${match.kind}`,
  );

describe("a matcher", () => {
  test("trades at the price of what rests, best first, then the oldest", () => {
    const matcher = new Matcher();
    const [dear, old, young] = [sell({ priceUnits: 101 }), sell(), sell()];
    for (const one of [dear, old, young]) expect(matcher.place(one)).toEqual([]);
    const taker = order({ priceUnits: 105, quantityUnits: 25 });
    expect(shown(matcher.place(taker))).toEqual([
      `${old.orderId} 10 @ 100`,
      `${taker.orderId} 10 @ 100`,
      `${young.orderId} 10 @ 100`,
      `${taker.orderId} 10 @ 100`,
      `${dear.orderId} 5 @ 101`,
      `${taker.orderId} 5 @ 101`,
    ]);
    expect(matcher.markUnits()).toBe(101);
  });

  test("leaves what does not cross resting, on both sides", () => {
    const matcher = new Matcher();
    expect(matcher.place(order({ priceUnits: 99 }))).toEqual([]);
    expect(matcher.markUnits()).toBeUndefined();
    expect(matcher.place(sell({ priceUnits: 102 }))).toEqual([]);
    expect(matcher.markUnits()).toBe(100);
  });

  test.each([
    ["IOC", { timeInForce: "IOC", quantityUnits: 15 }, ["10 @ 100", "EXPIRE"]],
    ["MARKET", { ...market, quantityUnits: 15 }, ["10 @ 100", "EXPIRE"]],
    ["STOP_MARKET", { ...market, type: "STOP_MARKET", quantityUnits: 15 }, ["10 @ 100", "EXPIRE"]],
    ["FOK that is too large", { timeInForce: "FOK", quantityUnits: 15 }, ["EXPIRE"]],
    ["FOK that fits", { timeInForce: "FOK" }, ["10 @ 100"]],
    ["GTX that would take", { timeInForce: "GTX" }, ["EXPIRE"]],
    ["GTX that rests", { timeInForce: "GTX", priceUnits: 99 }, []],
    ["MARKET that meets nobody", { ...market, side: "SELL" }, ["EXPIRE"]],
  ])("%s ends as it should", (_name, changes, expected) => {
    const matcher = new Matcher();
    matcher.place(sell());
    const taker = order(changes);
    const own = matcher.place(taker).filter(({ orderId }) => orderId === taker.orderId);
    expect(shown(own)).toEqual(expected.map((text) => `${taker.orderId} ${text}`));
  });

  test.each([
    ["NONE", ["maker 10 @ 100", "taker 10 @ 100"]],
    ["EXPIRE_TAKER", ["taker EXPIRE"]],
    ["EXPIRE_MAKER", ["maker EXPIRE"]],
    ["EXPIRE_BOTH", ["maker EXPIRE", "taker EXPIRE"]],
  ])("one account on both sides, %s", (selfTradePrevention, expected) => {
    const matcher = new Matcher();
    const maker = sell();
    matcher.place(maker);
    const taker = order({ selfTradePrevention });
    const names = { [maker.orderId]: "maker", [taker.orderId]: "taker" };
    const named = shown(matcher.place(taker)).map((text) =>
      text.replace(/^\d+/, (id) => names[Number(id)] ?? id),
    );
    expect(named).toEqual(expected);
  });

  test("cancels what rests, and says nothing of what does not", () => {
    const matcher = new Matcher();
    const one = order();
    matcher.place(one);
    expect(shown(matcher.cancel(one.orderId))).toEqual([`${one.orderId} CANCEL`]);
    expect(matcher.cancel(one.orderId)).toEqual([]);
    expect(shown(matcher.place(sell()))).toEqual([]);
  });

  test("an amendment keeps its place only when it gets smaller at its price", () => {
    const matcher = new Matcher();
    const [first, second] = [sell(), sell()];
    for (const one of [first, second]) matcher.place(one);
    const smaller = { priceUnits: 100, quantityUnits: 4, version: 2 };
    expect(shown(matcher.amend(first, smaller))).toEqual([`${first.orderId} AMENDED`]);
    expect(shown(matcher.place(order({ quantityUnits: 1 })))[0]).toBe(`${first.orderId} 1 @ 100`);
    matcher.amend(first, { priceUnits: 100, quantityUnits: 20, version: 3 });
    expect(shown(matcher.place(order({ quantityUnits: 1 })))[0]).toBe(`${second.orderId} 1 @ 100`);
    expect(shown(matcher.amend(first, { ...smaller, quantityUnits: 1 }))).toEqual([
      `${first.orderId} AMEND_REJECTED`,
    ]);
  });

  test("an amendment to a price that crosses trades at once", () => {
    const matcher = new Matcher();
    const [bid, ask] = [order({ priceUnits: 99 }), sell()];
    matcher.place(ask);
    matcher.place(bid);
    const wish = { priceUnits: 100, quantityUnits: 10, version: 2 };
    expect(shown(matcher.amend(bid, wish))).toEqual([
      `${bid.orderId} AMENDED`,
      `${ask.orderId} 10 @ 100`,
      `${bid.orderId} 10 @ 100`,
    ]);
  });

  test("takes from the book what the shard says is gone", () => {
    const matcher = new Matcher();
    const [ended, filled] = [sell(), sell()];
    for (const one of [ended, filled]) matcher.place(one);
    matcher.heard(ended.orderId, { executedUnits: 0, isOver: true });
    matcher.heard(filled.orderId, { executedUnits: 7, isOver: false });
    expect(shown(matcher.place(order()))[0]).toBe(`${filled.orderId} 3 @ 100`);
  });

  test("a shard that is behind takes nothing from the book", () => {
    const matcher = new Matcher();
    const one = sell({ quantityUnits: 5 });
    matcher.place(one);
    matcher.place(order({ quantityUnits: 2 }));
    matcher.amend(one, { priceUnits: 100, quantityUnits: 10, version: 3 });
    // The fill as the shard has it: it does not know yet that the order is larger.
    matcher.heard(one.orderId, { executedUnits: 2, isOver: false });
    expect(shown(matcher.place(order({ quantityUnits: 20 })))[0]).toBe(`${one.orderId} 8 @ 100`);
  });

  test("says nothing of an amendment that comes behind the last fill", () => {
    const matcher = new Matcher();
    const one = sell();
    matcher.place(one);
    matcher.place(order());
    expect(matcher.amend(one, { priceUnits: 101, quantityUnits: 10, version: 2 })).toEqual([]);
  });

  test("the same match after a new start has the same ids, a later one others", () => {
    const ids = (executedUnits: number) => {
      const matcher = new Matcher();
      matcher.place(sell({ orderId: 7 }));
      return matcher
        .place(order({ orderId: 8, executedUnits, quantityUnits: 10 + executedUnits }))
        .map(({ executionId }) => executionId);
    };
    expect(ids(0)).toEqual(ids(0));
    expect(new Set([...ids(0), ...ids(4)]).size).toBe(4);
  });
});

describe("random orders", () => {
  test("never leave a book that crosses, and fill both sides of each trade alike", () => {
    const seed = printedSeed("random orders");
    const random = randomOf(seed);
    const matcher = new Matcher();
    const left = new Map<OrderId, MatchedOrder & { left: number }>();
    for (let n = 0; n < 3000; n++) {
      const one = order({
        side: random() < 0.5 ? "BUY" : "SELL",
        priceUnits: 95 + Math.floor(random() * 10),
        quantityUnits: 1 + Math.floor(random() * 20),
        accountId: 1 + Math.floor(random() * 3),
      });
      left.set(one.orderId, { ...one, left: one.quantityUnits });
      const fills = matcher.place(one).filter((match) => match.kind === "FILL");
      for (const { orderId, quantityUnits } of fills) {
        const filled = left.get(orderId);
        expect(filled, `seed ${seed}`).toBeDefined();
        if (filled === undefined) continue;
        filled.left -= quantityUnits;
        expect(filled.left, `seed ${seed}`).toBeGreaterThanOrEqual(0);
        if (filled.left === 0) left.delete(orderId);
      }
      const traded = (isTaker: boolean) =>
        fills
          .filter((fill) => fill.isTaker === isTaker)
          .reduce((sum, { quantityUnits }) => sum + quantityUnits, 0);
      expect(traded(true), `seed ${seed}`).toBe(traded(false));
    }
    const prices = (side: string) =>
      [...left.values()]
        .filter((one) => one.side === side)
        .map(({ priceUnits }) => priceUnits ?? 0);
    expect(Math.max(...prices("BUY")), `seed ${seed}`).toBeLessThan(Math.min(...prices("SELL")));
  });
});
