import { describe, expect, test } from "bun:test";
import type { OrderType, Side } from "../order.ts";
import { BTC, limit, stopMarket } from "../test-requests.ts";
import { codeOf, TestView } from "../test-view.ts";
import { isTriggeredAt, workingPriceOf } from "./trigger.ts";

const STOP_UNITS = 5_000_000;

describe("the price that triggers", () => {
  const above = [false, true, true] as const;
  const below = [true, true, false] as const;
  test.each<[OrderType, Side, readonly [boolean, boolean, boolean]]>([
    ["STOP", "BUY", above],
    ["STOP_MARKET", "BUY", above],
    ["STOP", "SELL", below],
    ["STOP_MARKET", "SELL", below],
    ["TAKE_PROFIT", "BUY", below],
    ["TAKE_PROFIT_MARKET", "BUY", below],
    ["TAKE_PROFIT", "SELL", above],
    ["TAKE_PROFIT_MARKET", "SELL", above],
  ])("a %s %s below, at and above its stop price: %o", (type, side, expected) => {
    const order = { type, side, stopPriceUnits: STOP_UNITS };
    const found = [-1, 0, 1].map((units) => isTriggeredAt(order, STOP_UNITS + units));
    expect(found).toEqual([...expected]);
  });

  test("is the mark or the last fill's, as the order says", () => {
    const view = new TestView({ markUnits: 5_000_000 });
    view.lastPrices.set(BTC, 4_000_000);
    const by = (workingType: "MARK_PRICE" | "LAST_PRICE") =>
      workingPriceOf(view, { symbol: BTC, workingType });
    expect([by("MARK_PRICE"), by("LAST_PRICE")]).toEqual([5_000_000, 4_000_000]);
    expect(isTriggeredAt({ type: "LIMIT", side: "BUY", stopPriceUnits: null }, 1)).toBe(false);
  });

  test("is looked at before the order is taken, and passes where there is none yet", () => {
    const view = new TestView();
    const byLast = { workingType: "LAST_PRICE", stopPrice: "51000" };
    expect(codeOf(view.attempt(stopMarket(byLast)))).toBe("placed");
    view.lastPrices.set(BTC, 5_000_000);
    expect(codeOf(view.attempt(stopMarket(byLast)))).toBe("would_trigger_immediately");
  });

  test.each([
    [-1, "NEW"],
    [0, "EXPIRED"],
  ] as const)("finds an order %d ms from its good-till date %s", (ms, status) => {
    const view = new TestView();
    const goodTillDate = view.now + 10;
    const gtd = { timeInForce: "GTD", goodTillDate, price: "51000", stopPrice: "51000" } as const;
    const order = view.placed(limit({ type: "STOP", workingType: "MARK_PRICE", ...gtd }));
    expect(order.status).toBe("UNTRIGGERED");
    view.now = goodTillDate + ms;
    view.run({ kind: "trigger", orderId: order.orderId });
    expect(view.latest(order).status).toBe(status);
  });

  test.each<[string, object, string]>([
    [
      "a take-profit at the price of a buy",
      { takeProfit: { stopPrice: "49000" } },
      "would_trigger_immediately",
    ],
    ["one above it, though below the mark", { takeProfit: { stopPrice: "49000.1" } }, "placed"],
    ["a stop-loss at it", { stopLoss: { stopPrice: "49000" } }, "would_trigger_immediately"],
    ["one below it", { stopLoss: { stopPrice: "48999.9" } }, "placed"],
  ])("of a child of a limit order is its parent's: %s", (_, children, code) => {
    expect(codeOf(new TestView().attempt(limit({ price: "49000", ...children })))).toBe(code);
  });
});
