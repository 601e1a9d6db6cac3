import { describe, expect, test } from "bun:test";
import type { CanonicalDecimal, OrderId } from "../brands.ts";
import type { Decision, Funding } from "../decide.ts";
import type { Order, OrderStatus } from "../order.ts";
import {
  ACCOUNT,
  BTC,
  bitcoin,
  limit,
  market,
  START_AT,
  STRANGER,
  stopMarket,
} from "../test-requests.ts";
import { codeOf, contextOf, TestView } from "../test-view.ts";

type Wish = { readonly price?: string; readonly quantity?: string };

const amend = (
  view: TestView,
  { orderId }: Pick<Order, "orderId">,
  { price, quantity }: Wish,
  accountId = ACCOUNT,
  funding?: Funding,
): Decision =>
  view.run(
    {
      kind: "amend",
      accountId,
      orderId,
      price: (price ?? null) as CanonicalDecimal | null,
      quantity: (quantity ?? null) as CanonicalDecimal | null,
    },
    funding,
  );

/** An order of the account that stands in `status`, put there by hand. */
const standing = (view: TestView, status: OrderStatus, changes: Partial<Order> = {}): Order => {
  const order = { ...view.placed(limit()), ...changes, status };
  view.orders.set(order.orderId, order);
  return order;
};

describe("an amendment that the shard decides", () => {
  test.each<[string, Wish, number, number]>([
    ["the price", { price: "50000.1" }, 5_000_010, 10],
    ["the quantity", { quantity: "0.02" }, 5_000_000, 20],
    ["both", { price: "51000", quantity: "1" }, 5_100_000, 1_000],
  ])("of %s changes nothing else but the margin", (_, wish, priceUnits, quantityUnits) => {
    const view = new TestView({ venue: "none" });
    const order = view.placed(limit());
    view.now += 5;
    expect(amend(view, order, wish)).toMatchObject({
      kind: "changed",
      event: { reason: "AMENDED" },
      more: [],
    });
    const openLossMinor = BigInt(priceUnits - 5_000_000) * BigInt(quantityUnits) * 1_000n;
    const change = { priceUnits, quantityUnits, marginPriceUnits: priceUnits, openLossMinor };
    expect(view.latest(order)).toEqual({
      ...order,
      ...change,
      version: 2,
      updatedAt: START_AT + 5,
    });
  });

  test("applies to conditional orders at once, whoever has the last word", () => {
    const view = new TestView();
    view.hold("0.02");
    const order = view.placed(stopMarket({ reduceOnly: true }));
    expect(amend(view, order, { quantity: "0.02" })).toMatchObject({
      event: { reason: "AMENDED" },
    });
    expect(view.latest(order)).toMatchObject({ quantityUnits: 20, amendment: null });
    expect(codeOf(amend(view, order, { quantity: "0.021" }))).toBe("reduce_only_rejected");
  });
});

describe("an amendment for a matching engine", () => {
  test("is a request; margin is held for the larger price and the larger quantity", () => {
    const view = new TestView();
    const order = view.placed(limit());
    const decision = amend(view, order, { price: "49000", quantity: "0.02" });
    expect(decision).toMatchObject({ kind: "changed", event: { reason: "AMEND_REQUESTED" } });
    expect(view.latest(order)).toMatchObject({
      priceUnits: 5_000_000,
      quantityUnits: 10,
      amendment: { priceUnits: 4_900_000, quantityUnits: 20 },
      status: "NEW",
      version: 2,
    });
    expect(view.usedMinor(ACCOUNT)).toBe(10_050_000_000n);
  });

  test("asked again is as it is; another one has to wait", () => {
    const view = new TestView();
    const order = view.placed(limit());
    amend(view, order, { price: "49000" });
    expect(amend(view, order, { price: "49000" }).kind).toBe("unchanged");
    for (const wish of [{ price: "48000" }, {}, { quantity: "0.02" }]) {
      expect(contextOf(amend(view, order, wish))).toEqual({
        orderId: String(order.orderId),
        price: "49000.00",
        quantity: "0.010",
      });
    }
    expect(codeOf(amend(view, order, {}))).toBe("amendment_pending");
  });

  test.each<[string, Wish, "AMENDED" | "AMEND_REJECTED", Partial<Order>, bigint]>([
    [
      "confirmed",
      { price: "49000", quantity: "0.005" },
      "AMENDED",
      { priceUnits: 4_900_000, quantityUnits: 5, marginPriceUnits: 4_900_000, openLossMinor: 0n },
      2_462_250_000n,
    ],
    [
      "rejected",
      { price: "51000", quantity: "0.02" },
      "AMEND_REJECTED",
      { priceUnits: 5_000_000, quantityUnits: 10, marginPriceUnits: 5_000_000, openLossMinor: 0n },
      5_025_000_000n,
    ],
  ])("that is %s leaves what then holds", (_, wish, kind, expected, usedMinor) => {
    const view = new TestView();
    const order = view.placed(limit());
    amend(view, order, wish);
    expect(view.usedMinor(ACCOUNT)).toBeGreaterThanOrEqual(usedMinor);
    expect(view.execute(order, kind)).toMatchObject({
      result: { status: "applied" },
      events: [{ type: "order_changed", reason: kind }],
    });
    expect(view.latest(order)).toMatchObject({ ...expected, amendment: null, status: "NEW" });
    expect(view.usedMinor(ACCOUNT)).toBe(usedMinor);
  });

  test("of a sell never leaves more held than before, wherever the mark went", () => {
    const view = new TestView();
    const order = view.placed(limit({ side: "SELL", price: "50000" }));
    amend(view, order, { price: "49000", quantity: "0.02" });
    const heldMinor = view.usedMinor(ACCOUNT);
    view.setMark(6_000_000);
    view.execute(order, "AMENDED");
    expect(view.usedMinor(ACCOUNT)).toBeLessThanOrEqual(heldMinor);
    expect(view.latest(order)).toMatchObject({
      priceUnits: 4_900_000,
      marginPriceUnits: 5_000_000,
    });
  });

  test("needs margin: the bank is asked, or it is a problem that is not stored", () => {
    const view = new TestView({ rightsMinor: 6_000_000_000n });
    const order = view.placed(limit());
    const { stamps } = view;
    expect(amend(view, order, { quantity: "0.02" }, ACCOUNT, "ask")).toEqual({
      kind: "short",
      key: { accountId: ACCOUNT, asset: "USDT" },
      needMinor: 5_025_000_000n,
    });
    const decision = amend(view, order, { quantity: "0.02" });
    expect([decision.kind, codeOf(decision)]).toEqual(["refused", "margin_insufficient"]);
    expect(view.stamps).toBe(stamps);
    expect(amend(view, order, { quantity: "0.005" }).kind).toBe("changed");
  });
});

describe("any amendment", () => {
  test.each<[string, Wish]>([
    ["nothing", {}],
    ["the same price", { price: "50000" }],
    ["the same values", { price: "50000", quantity: "0.01" }],
  ])("to %s leaves the order as it is, whatever became of the instrument", (_, wish) => {
    const view = new TestView();
    const order = view.placed(limit());
    view.instruments.set(BTC, { ...bitcoin, status: "HALTED" });
    expect(amend(view, order, wish)).toEqual({ kind: "unchanged", order });
  });

  const nothing = (): void => {};
  test.each<[string, Wish, (view: TestView) => void]>([
    ["price_off_tick", { price: "50000.15" }, nothing],
    ["price_out_of_range", { price: "1" }, nothing],
    ["price_out_of_range", { price: "52500.1" }, nothing],
    ["quantity_off_step", { quantity: "0.0015" }, nothing],
    ["quantity_out_of_range", { quantity: "0" }, nothing],
    ["quantity_out_of_range", { quantity: "0.004" }, nothing],
    ["notional_too_small", { price: "9000" }, nothing],
    ["leverage_too_high", { quantity: "21" }, nothing],
    [
      "instrument_not_trading",
      { price: "50000.2" },
      (view) => view.instruments.set(BTC, { ...bitcoin, status: "HALTED" }),
    ],
    [
      "trading_halted",
      { price: "50000.2" },
      (view) => view.run({ kind: "trading_state", scope: { kind: "all" }, state: "REDUCE_ONLY" }),
    ],
    [
      "overloaded",
      { quantity: "0.02" },
      (view) => {
        view.closed = { code: "overloaded", detail: "Full." };
      },
    ],
  ])("that breaks a rule is refused as %s: %o", (code, wish, arrange) => {
    const view = new TestView();
    const order = view.placed(limit());
    view.fill(order, "0.004");
    arrange(view);
    const { stamps } = view;
    const decision = amend(view, order, wish);
    expect([decision.kind, codeOf(decision)]).toEqual(["refused", code]);
    expect(view.stamps).toBe(stamps);
  });

  test("of what an order does not have is not a valid request", () => {
    const view = new TestView();
    view.hold("0.02");
    const child = view.placed(limit({ stopLoss: { stopPrice: "45000" } })).children[0] as never;
    const close = view.placed(stopMarket({ closePosition: true, quantity: null }));
    const live = view.placed(market());
    for (const [order, wish] of [
      [child, { price: "1" }],
      [child, { quantity: "1" }],
      [close, { quantity: "1" }],
      [live, { quantity: "1" }],
    ] as const) {
      expect(codeOf(amend(view, order, wish))).toBe("invalid_request");
    }
  });

  test("of another account's order, or of none, finds no order", () => {
    const view = new TestView();
    const order = view.placed(limit());
    expect(codeOf(amend(view, order, { price: "1" }, STRANGER))).toBe("order_not_found");
    expect(amend(view, { orderId: 7 as OrderId }, {})).toEqual({
      kind: "refused",
      problem: {
        code: "order_not_found",
        detail: "The account has no order 7.",
        context: { orderId: "7" },
      },
    });
  });

  test.each(["FILLED", "CANCELED", "EXPIRED", "REJECTED", "PENDING_CANCEL"] as const)(
    "of a %s order is refused, even to the same values",
    (status) => {
      const view = new TestView();
      const decision = amend(view, standing(view, status), {});
      expect([codeOf(decision), contextOf(decision)]).toEqual([
        "order_not_open",
        { orderId: "1025", status },
      ]);
    },
  );
});
