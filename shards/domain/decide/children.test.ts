import { describe, expect, test } from "bun:test";
import type { OrderId } from "../brands.ts";
import type { Decision } from "../decide.ts";
import type { Order } from "../order.ts";
import {
  ACCOUNT,
  BTC,
  bitcoin,
  limit,
  market,
  type RequestChanges,
  stopMarket,
} from "../test-requests.ts";
import { type TestOptions, TestView } from "../test-view.ts";

const BOTH: RequestChanges = {
  takeProfit: { stopPrice: "55000", clientOrderId: "tp", workingType: "LAST_PRICE" },
  stopLoss: { stopPrice: "45000", price: "44900" },
};

/** A bracket and what became of it: a parent to buy 0.010, its take-profit and its stop-loss. */
const bracket = (options: TestOptions = {}, changes: RequestChanges = {}) => {
  const view = new TestView(options);
  const parent = view.placed(limit({ ...BOTH, ...changes }));
  const idOf = (index: number): Pick<Order, "orderId"> => ({
    orderId: parent.children[index]?.orderId as OrderId,
  });
  const [takeProfit, stopLoss] = [idOf(0), idOf(1)];
  const statuses = (): readonly string[] =>
    [parent, takeProfit, stopLoss].map((order) => {
      const { status, quantityUnits } = view.latest(order);
      return `${status} ${quantityUnits}`;
    });
  const trigger = ({ orderId }: Pick<Order, "orderId">): Decision =>
    view.run({ kind: "trigger", orderId });
  return { view, parent, takeProfit, stopLoss, statuses, trigger };
};

describe("attached children", () => {
  test("are accepted behind their parent, with ids, stamps and records of their own", () => {
    const view = new TestView();
    const decision = view.place(limit({ ...BOTH, selfTradePrevention: "EXPIRE_TAKER" }));
    if (decision.kind !== "placed" || decision.event.type !== "order_accepted") throw new Error();
    const [parent, children] = [decision.event.order, decision.children];
    expect(parent.children).toEqual([
      {
        orderId: 2049 as OrderId,
        clientOrderId: "tp" as never,
        type: "TAKE_PROFIT_MARKET",
        stopPrice: "55000.00",
        price: null,
        workingType: "LAST_PRICE",
      },
      {
        orderId: 3073 as OrderId,
        clientOrderId: "sl-1025" as never,
        type: "STOP",
        stopPrice: "45000.00",
        price: "44900.00",
        workingType: "MARK_PRICE",
      },
    ]);
    expect(children.map(({ stamp, order }) => [stamp.commitSeq, order.receipt === stamp])).toEqual([
      [2, true],
      [3, true],
    ]);
    const common = {
      accountId: ACCOUNT,
      symbol: BTC,
      side: "SELL",
      quantityUnits: 10,
      executedUnits: 0,
      reduceOnly: true,
      closePosition: false,
      parentId: 1025,
      children: [],
      marginPriceUnits: 0,
      selfTradePrevention: "EXPIRE_TAKER",
      status: "PENDING",
      version: 1,
    };
    expect(children.map(({ order }) => order) as unknown[]).toMatchObject([
      {
        ...common,
        orderId: 2049,
        type: "TAKE_PROFIT_MARKET",
        priceUnits: null,
        stopPriceUnits: 5_500_000,
        timeInForce: null,
      },
      {
        ...common,
        orderId: 3073,
        type: "STOP",
        priceUnits: 4_490_000,
        stopPriceUnits: 4_500_000,
        timeInForce: "GTC",
      },
    ]);
    for (const { order, request } of children) {
      expect(request).toMatchObject({
        clientOrderId: order.clientOrderId,
        side: "SELL",
        type: order.type,
        quantity: "0.01",
        reduceOnly: true,
        takeProfit: null,
      });
    }
  });

  test("need no margin of their own, and are no open orders until they wait for a price", () => {
    const { view, parent } = bracket();
    expect(view.usedMinor(ACCOUNT)).toBe(5_025_000_000n);
    expect(view.exposure(ACCOUNT, BTC)).toMatchObject({ openOrders: 1, conditionalOrders: 0 });
    view.fill(parent, "0.01");
    expect(view.exposure(ACCOUNT, BTC)).toMatchObject({ openOrders: 2, conditionalOrders: 2 });
  });

  test("of an order that ends in its own commit end with it", () => {
    const { statuses } = bracket({ venue: "none" }, { timeInForce: "IOC" });
    expect(statuses()).toEqual(["EXPIRED 10", "CANCELED 10", "CANCELED 10"]);
  });

  test("wait until the parent fills, then for their price, sized to what is filled", () => {
    const { view, parent, statuses } = bracket();
    const decision = view.fill(parent, "0.003");
    if (decision.kind !== "executed") throw new Error(decision.kind);
    expect(decision.events.map((event) => event.type)).toEqual([
      "order_changed",
      "position_changed",
      "order_changed",
      "order_changed",
    ]);
    expect(decision.events.slice(2)).toMatchObject([
      { reason: "ACTIVATED", order: { orderId: 2049 } },
      { reason: "ACTIVATED", order: { orderId: 3073 } },
    ]);
    expect(statuses()).toEqual(["PARTIALLY_FILLED 10", "UNTRIGGERED 3", "UNTRIGGERED 3"]);
    view.fill(parent, "0.004");
    expect(statuses()).toEqual(["PARTIALLY_FILLED 10", "UNTRIGGERED 7", "UNTRIGGERED 7"]);
    view.fill(parent, "0.003");
    expect(statuses()).toEqual(["FILLED 10", "UNTRIGGERED 10", "UNTRIGGERED 10"]);
  });

  test.each(["CANCEL", "EXPIRE", "REJECT"] as const)(
    "go with a parent that ends by %s without a fill, and stay with one that was filled in part",
    (kind) => {
      const untouched = bracket();
      untouched.view.execute(untouched.parent, kind);
      expect(untouched.statuses().slice(1)).toEqual(["CANCELED 10", "CANCELED 10"]);
      const partly = bracket();
      partly.view.fill(partly.parent, "0.003");
      partly.view.execute(partly.parent, kind);
      expect(partly.statuses().slice(1)).toEqual(["UNTRIGGERED 3", "UNTRIGGERED 3"]);
    },
  );

  test("go with a parent's cancel only once the engine has confirmed it", () => {
    const { view, parent, statuses } = bracket();
    view.run({ kind: "cancel", accountId: ACCOUNT, orderId: parent.orderId });
    expect(statuses()).toEqual(["PENDING_CANCEL 10", "PENDING 10", "PENDING 10"]);
    view.fill(parent, "0.004");
    expect(statuses()).toEqual(["PENDING_CANCEL 10", "UNTRIGGERED 4", "UNTRIGGERED 4"]);
    view.execute(parent, "CANCEL");
    expect(statuses()).toEqual(["CANCELED 10", "UNTRIGGERED 4", "UNTRIGGERED 4"]);
  });

  test("without an engine go in the cancel's own commit", () => {
    const { view, parent, statuses } = bracket({ venue: "none" });
    const { orderId } = parent;
    const decision = view.run({ kind: "cancel", accountId: ACCOUNT, orderId });
    expect(decision).toMatchObject({ kind: "changed", more: [{}, {}] });
    expect(statuses()).toEqual(["CANCELED 10", "CANCELED 10", "CANCELED 10"]);
  });

  test("may be cancelled alone; the other and the parent stay", () => {
    const { view, parent, takeProfit, statuses } = bracket();
    view.run({ kind: "cancel", accountId: ACCOUNT, ...takeProfit });
    expect(statuses()).toEqual(["NEW 10", "CANCELED 10", "PENDING 10"]);
    view.fill(parent, "0.01");
    expect(statuses()).toEqual(["FILLED 10", "CANCELED 10", "UNTRIGGERED 10"]);
  });
});

describe("a child's trigger", () => {
  test("ends its sibling in the same commit", () => {
    const { view, parent, stopLoss, statuses, trigger } = bracket();
    view.fill(parent, "0.01");
    expect(trigger(stopLoss)).toMatchObject({
      kind: "changed",
      event: { reason: "TRIGGERED", order: { orderId: 3073, status: "NEW" } },
      more: [{ reason: "CANCELED", order: { orderId: 2049, status: "CANCELED" } }],
    });
    expect(statuses()).toEqual(["FILLED 10", "CANCELED 10", "NEW 10"]);
    expect(trigger(stopLoss)).toEqual({ kind: "ignored" });
    view.fill(view.latest(stopLoss), "0.01", "44900");
    expect(statuses()).toEqual(["FILLED 10", "CANCELED 10", "FILLED 10"]);
    expect(view.position(ACCOUNT, BTC, "BOTH")).toMatchObject({ quantityUnits: 0 });
  });

  test.each(["external", "none"] as const)("ends what rests of the parent too (%s)", (venue) => {
    const { view, parent, takeProfit, statuses, trigger } = bracket({ venue });
    view.fill(parent, "0.004");
    trigger(takeProfit);
    expect(statuses()).toEqual(
      venue === "external"
        ? ["PENDING_CANCEL 10", "NEW 4", "CANCELED 4"]
        : ["CANCELED 10", "EXPIRED 4", "CANCELED 4"],
    );
  });

  test("finds its sibling also when the parent is no longer known", () => {
    const { view, parent, takeProfit, stopLoss, trigger } = bracket();
    view.fill(parent, "0.01");
    view.orders.delete(parent.orderId);
    trigger(takeProfit);
    expect(view.latest(stopLoss).status).toBe("CANCELED");
  });

  test("is sized to what is left of the position, and ends both where nothing is", () => {
    const smaller = bracket();
    smaller.view.fill(smaller.parent, "0.01");
    smaller.view.hold("0.007", "SELL");
    smaller.trigger(smaller.stopLoss);
    expect(smaller.statuses()).toEqual(["FILLED 10", "CANCELED 10", "NEW 3"]);
    const flat = bracket();
    flat.view.fill(flat.parent, "0.01");
    flat.view.hold("0.01", "SELL");
    expect(flat.trigger(flat.stopLoss)).toMatchObject({ event: { reason: "REDUCED" } });
    expect(flat.statuses()).toEqual(["FILLED 10", "CANCELED 10", "CANCELED 10"]);
  });
});

describe("a stand-alone conditional order", () => {
  const cases: readonly [string, RequestChanges, string, string][] = [
    ["a market type", { type: "STOP_MARKET" }, "EXPIRED", "NEW"],
    ["a limit type", { type: "STOP", price: "45000", timeInForce: "GTC" }, "NEW", "NEW"],
    ["IOC", { type: "STOP", price: "45000", timeInForce: "IOC" }, "EXPIRED", "NEW"],
  ];
  test.each(cases)("of %s goes live when it triggers", (_, changes, alone, engine) => {
    for (const [venue, status] of [
      ["none", alone],
      ["external", engine],
    ] as const) {
      const view = new TestView({ venue });
      const order = view.placed(stopMarket(changes));
      const heldMinor = view.usedMinor(ACCOUNT);
      expect(heldMinor).toBeGreaterThan(0n);
      const decision = view.run({ kind: "trigger", orderId: order.orderId });
      expect(decision).toMatchObject({ kind: "changed", event: { reason: "TRIGGERED" }, more: [] });
      expect(view.latest(order)).toMatchObject({ status, quantityUnits: 10 });
      expect(view.usedMinor(ACCOUNT)).toBe(status === "NEW" ? heldMinor : 0n);
    }
  });

  describe("beside resting orders that close the same position", () => {
    const scene = (changes: RequestChanges = {}, venue: "external" | "none" = "external") => {
      const view = new TestView({ venue });
      view.hold("0.010");
      const stop = view.placed(stopMarket({ closePosition: true, quantity: null, ...changes }));
      const resting = (quantity: string) =>
        view.placed(limit({ side: "SELL", quantity, reduceOnly: true }));
      const orders = [resting("0.004"), resting("0.004")] as const;
      const trigger = () => view.run({ kind: "trigger", orderId: stop.orderId });
      const statuses = () =>
        [stop, ...orders].map((order) => {
          const { status, quantityUnits } = view.latest(order);
          return `${status} ${quantityUnits}`;
        });
      return { view, stop, orders, trigger, statuses };
    };

    test("waits until they are out of the way, and takes the whole position", () => {
      const { view, orders, trigger, statuses } = scene();
      const [waits] = statuses();
      trigger();
      const asked = [waits, "PENDING_CANCEL 4", "PENDING_CANCEL 4"] as string[];
      expect(statuses()).toEqual(asked);
      expect(trigger()).toEqual({ kind: "ignored" });
      view.execute(view.latest(orders[1]), "CANCEL");
      expect(trigger()).toEqual({ kind: "ignored" });
      view.execute(view.latest(orders[0]), "CANCEL");
      expect(trigger()).toMatchObject({ kind: "changed", event: { reason: "TRIGGERED" } });
      expect(statuses()).toEqual(["NEW 10", "CANCELED 4", "CANCELED 4"]);
      expect(view.exposure(ACCOUNT, BTC).both.sells.reducingUnits).toBe(10n);
    });

    test("takes what a fill that crossed them has left", () => {
      const { view, orders, trigger, statuses } = scene();
      trigger();
      view.fill(view.latest(orders[0]), "0.004");
      view.execute(view.latest(orders[1]), "CANCEL");
      trigger();
      expect(statuses()).toEqual(["NEW 6", "FILLED 4", "CANCELED 4"]);
    });

    test("ends the newest only, and only when there is not room for all", () => {
      const fits = scene({ closePosition: false, reduceOnly: true, quantity: "0.002" });
      fits.trigger();
      expect(fits.statuses()).toEqual(["NEW 2", "NEW 4", "NEW 4"]);
      const larger = scene({ closePosition: false, reduceOnly: true, quantity: "0.005" });
      larger.trigger();
      expect(larger.statuses()).toEqual(["UNTRIGGERED 5", "NEW 4", "PENDING_CANCEL 4"]);
      larger.view.execute(larger.view.latest(larger.orders[1]), "CANCEL");
      larger.trigger();
      expect(larger.statuses()).toEqual(["NEW 5", "NEW 4", "CANCELED 4"]);
    });

    test("goes live at once where the shard has the last word", () => {
      const { trigger, statuses } = scene({}, "none");
      trigger();
      expect(statuses()).toEqual(["EXPIRED 10", "CANCELED 4", "CANCELED 4"]);
    });

    test("takes what is left beside market orders, which trade at once or never", () => {
      const view = new TestView({ instruments: [{ ...bitcoin, maxConditionalOrders: 100 }] });
      view.hold("0.010");
      const stops = ["0.006", "0.010", "0.010"].map((quantity) =>
        view.placed(stopMarket({ reduceOnly: true, quantity })),
      );
      for (const { orderId } of stops) view.run({ kind: "trigger", orderId });
      const now = stops.map((order) => view.latest(order));
      expect(now.map(({ status }) => status)).toEqual(["NEW", "NEW", "CANCELED"]);
      expect(now.map(({ quantityUnits }) => quantityUnits).slice(0, 2)).toEqual([6, 4]);
    });
  });

  test("triggers once, and never when it is not waiting", () => {
    const view = new TestView();
    const live = view.placed(market());
    expect(view.run({ kind: "trigger", orderId: live.orderId }).kind).toBe("ignored");
    expect(view.run({ kind: "trigger", orderId: 7 as OrderId }).kind).toBe("ignored");
  });

  test("is checked against its own band and price when it is placed", () => {
    const view = new TestView({ instruments: [{ ...bitcoin, maxConditionalOrders: 100 }] });
    const stop = { type: "STOP", timeInForce: "GTC", stopPrice: "45000" } as const;
    expect(() => view.placed(stopMarket({ ...stop, price: "42750" }))).not.toThrow();
    expect(() => view.placed(stopMarket({ ...stop, price: "42749.9" }))).toThrow(
      "price_out_of_range",
    );
  });
});
