import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { Decision } from "../decide.ts";
import type { Order } from "../order.ts";
import {
  ACCOUNT,
  BTC,
  ETH,
  limit,
  market,
  type RequestChanges,
  START_AT,
  stopMarket,
} from "../test-requests.ts";
import { codeOf, TestView } from "../test-view.ts";
import { QUARANTINE_REASONS, type QuarantineReason } from "./types.ts";

const resultOf = (decision: Decision): string => {
  if (decision.kind !== "executed") throw new Error(decision.kind);
  const { result } = decision;
  return result.status === "quarantined" ? result.reason : result.status;
};

describe("a fill", () => {
  test("moves the order, then the position, and says what it realised", () => {
    const view = new TestView();
    const order = view.placed(limit({ quantity: "0.03" }));
    view.now += 7;
    const decision = view.execute(order, "FILL", {
      executionId: "x-1",
      price: "49999.99",
      quantity: "0.01",
      fee: "0.25",
    });
    expect(decision).toMatchObject({
      kind: "executed",
      result: { status: "applied" },
      seen: { executionId: "x-1", symbol: BTC },
      quarantined: null,
      lastPriceUnits: 4_999_999,
      events: [
        {
          type: "order_changed",
          stamp: { commitSeq: 2 },
          reason: "FILLED",
          order: {
            status: "PARTIALLY_FILLED",
            executedUnits: 10,
            costUnits: 49_999_990n,
            version: 2,
            updatedAt: START_AT + 7,
          },
        },
        {
          type: "position_changed",
          stamp: { commitSeq: 3 },
          position: {
            accountId: ACCOUNT,
            symbol: BTC,
            side: "BOTH",
            quantityUnits: 10,
            costUnits: 49_999_990n,
            realisedMinor: 0n,
            feesMinor: 25_000_000n,
            version: 1,
            updatedAt: START_AT + 7,
          },
          fill: {
            executionId: "x-1",
            orderId: 1025,
            realisedMinor: 0n,
            feeMinor: 25_000_000n,
            feeAsset: "USDT",
          },
        },
      ],
    });
    view.fill(order, "0.02");
    expect(view.latest(order)).toMatchObject({ status: "FILLED", executedUnits: 30 });
  });

  test("that closes realises the difference; a fee in another asset is not the position's", () => {
    const view = new TestView();
    view.hold("0.01");
    const order = view.placed(market({ side: "SELL" }));
    const fee = { fee: "-0.001", feeAsset: "BNB" };
    const decision = view.execute(order, "FILL", { price: "51000", quantity: "0.01", ...fee });
    expect(decision).toMatchObject({
      events: [
        {},
        {
          position: {
            quantityUnits: 0,
            costUnits: 0n,
            realisedMinor: 1_000_000_000n,
            feesMinor: 0n,
          },
          fill: { realisedMinor: 1_000_000_000n, feeMinor: -100_000n, feeAsset: "BNB" },
        },
      ],
    });
  });

  test("that crosses a cancel is applied; the whole of it ends the order", () => {
    const view = new TestView();
    const order = view.placed(limit());
    view.run({ kind: "cancel", accountId: ACCOUNT, orderId: order.orderId });
    view.fill(order, "0.004");
    expect(view.latest(order)).toMatchObject({ status: "PENDING_CANCEL", executedUnits: 4 });
    view.fill(order, "0.006");
    expect(view.latest(order)).toMatchObject({ status: "FILLED", executedUnits: 10 });
  });

  test("beyond the old quantity counts on the amendment that was asked for", () => {
    const view = new TestView();
    const order = view.placed(limit());
    const amend = { kind: "amend", accountId: ACCOUNT, orderId: order.orderId } as const;
    view.run({ ...amend, price: null, quantity: "0.02" as never });
    view.fill(order, "0.01");
    expect(view.latest(order).status).toBe("PARTIALLY_FILLED");
    view.fill(order, "0.005");
    expect(resultOf(view.execute(order, "AMEND_REJECTED"))).toBe("overfill");
    expect(resultOf(view.execute(order, "AMENDED"))).toBe("applied");
    expect(view.latest(order)).toMatchObject({ status: "PARTIALLY_FILLED", quantityUnits: 20 });
    view.fill(order, "0.005");
    expect(view.latest(order).status).toBe("FILLED");
  });

  test("beyond an amendment that makes the order smaller leaves nothing of it to fill", () => {
    const view = new TestView();
    const order = view.placed(limit());
    const amend = { kind: "amend", accountId: ACCOUNT, orderId: order.orderId } as const;
    view.run({ ...amend, price: "49999" as never, quantity: "0.005" as never });
    view.fill(order, "0.006");
    expect(resultOf(view.execute(order, "AMENDED", { quantity: "0.005" }))).toBe("applied");
    expect(view.latest(order)).toMatchObject({
      ...{ status: "FILLED", priceUnits: 4_999_900, quantityUnits: 6, executedUnits: 6 },
      amendment: null,
    });
    expect(view.usedInMinor(ACCOUNT, BTC)).toBeGreaterThan(0n);
  });

  test("of the whole amendment ends the order as amended, if its confirmation is late", () => {
    const view = new TestView();
    const order = view.placed(limit());
    const amend = { kind: "amend", accountId: ACCOUNT, orderId: order.orderId } as const;
    view.run({ ...amend, price: "49999" as never, quantity: "0.02" as never });
    view.fill(order, "0.02");
    expect(view.latest(order)).toMatchObject({
      status: "FILLED",
      priceUnits: 4_999_900,
      quantityUnits: 20,
      amendment: null,
    });
  });

  test("that overtakes an amendment: its rejection then finds nothing to do", () => {
    const view = new TestView();
    const order = view.placed(limit());
    const amend = { kind: "amend", accountId: ACCOUNT, orderId: order.orderId } as const;
    view.run({ ...amend, price: "49999" as never, quantity: null });
    view.fill(order, "0.01");
    const filled = view.latest(order);
    expect(filled).toMatchObject({ status: "FILLED", amendment: null });
    expect(view.execute(order, "AMEND_REJECTED", { executionId: "late" })).toMatchObject({
      result: { status: "applied" },
      events: [],
      seen: { executionId: "late" },
    });
    expect(view.latest(order)).toEqual(filled);
  });

  test("of all that was there before the amendment ends the order when that is rejected", () => {
    const view = new TestView();
    const order = view.placed(limit());
    const amend = { kind: "amend", accountId: ACCOUNT, orderId: order.orderId } as const;
    view.run({ ...amend, price: null, quantity: "0.02" as never });
    view.fill(order, "0.01");
    view.execute(order, "AMEND_REJECTED");
    expect(view.latest(order)).toMatchObject({ status: "FILLED", amendment: null });
    expect(view.usedMinor(ACCOUNT)).toBe(5_000_000_000n);
  });
});

describe("the end of an order", () => {
  test.each([
    ["CANCEL", 0, "CANCELED", "CANCELED"],
    ["EXPIRE", 0, "EXPIRED", "EXPIRED"],
    ["REJECT", 0, "REJECTED", "REJECTED"],
    ["CANCEL", 4, "CANCELED", "CANCELED"],
    ["EXPIRE", 4, "EXPIRED", "EXPIRED"],
    // What has traded was not rejected.
    ["REJECT", 4, "CANCELED", "REJECTED"],
  ] as const)("by %s after %d thousandths: %s, said to be %s", (kind, executed, status, reason) => {
    const view = new TestView();
    const order = view.placed(limit());
    if (executed > 0) view.fill(order, `0.00${executed}`);
    expect(view.execute(order, kind)).toMatchObject({
      result: { status: "applied" },
      events: [{ type: "order_changed", reason }],
      lastPriceUnits: null,
    });
    expect(view.latest(order).status).toBe(status);
    expect(view.usedMinor(ACCOUNT)).toBe(BigInt(executed) * 500_000_000n);
  });
});

describe("an execution that comes again", () => {
  test("changes nothing, whatever it says; another symbol's id is another's", () => {
    const view = new TestView();
    const order = view.placed(limit());
    const other = view.placed(limit({ symbol: ETH }));
    const fill = { executionId: "x", price: "50000", quantity: "0.004" };
    view.execute(order, "FILL", fill);
    const { stamps } = view;
    for (const again of [view.execute(order, "FILL", fill), view.execute(order, "CANCEL", fill)]) {
      expect(again).toEqual({
        kind: "executed",
        events: [],
        result: { status: "duplicate" },
        seen: null,
        quarantined: null,
        lastPriceUnits: null,
      });
    }
    expect(view.stamps).toBe(stamps);
    expect(resultOf(view.execute(other, "FILL", fill))).toBe("applied");
  });

  test("stays put aside: its id is used", () => {
    const view = new TestView();
    const order = view.placed(limit());
    const fill = { executionId: "x", price: "50000", quantity: "1" };
    expect(resultOf(view.execute(order, "FILL", fill))).toBe("overfill");
    expect(resultOf(view.execute(order, "FILL", { ...fill, quantity: "0.01" }))).toBe("duplicate");
  });
});

describe("an execution that can't be applied", () => {
  const fill = { price: "50000", quantity: "0.01" };
  const hedged = (): [TestView, Order] => {
    const view = new TestView();
    const positionMode = "HEDGE";
    view.run({ kind: "account_settings", accountId: ACCOUNT, positionMode, isTrial: false });
    view.hold("0.010", "BUY", { positionSide: "LONG" });
    const close: RequestChanges = { side: "SELL", positionSide: "LONG", quantity: "0.010" };
    const order = view.placed(limit(close));
    // Another order has closed what this one was to close.
    const position = view.position(ACCOUNT, BTC, "LONG");
    if (position === undefined) throw new Error("no position");
    view.positions.set(`${ACCOUNT}:${BTC}:LONG`, { ...position, quantityUnits: 5 });
    return [view, order];
  };
  const closing = (): [TestView, Order] => {
    const view = new TestView();
    view.hold("0.010");
    return [view, view.placed(limit({ side: "SELL", price: "50001" }))];
  };
  const withAmendment = (): [TestView, Order] => {
    const view = new TestView();
    const order = view.placed(limit());
    const { orderId } = order;
    const wish = { price: "49000" as never, quantity: null };
    view.run({ kind: "amend", accountId: ACCOUNT, orderId, ...wish });
    return [view, order];
  };
  const plain = (request = limit()): [TestView, Order] => {
    const view = new TestView();
    return [view, view.placed(request)];
  };
  const closed = (): [TestView, Order] => {
    const [view, order] = plain();
    view.execute(order, "CANCEL");
    return [view, order];
  };

  const rows: readonly [QuarantineReason, () => [TestView, Order], string, object][] = [
    ["unknown_symbol", plain, "FILL", { ...fill, symbol: "NONE" }],
    ["unknown_order", plain, "FILL", { ...fill, orderId: 7 }],
    ["symbol_mismatch", plain, "FILL", { ...fill, symbol: ETH }],
    ["order_closed", closed, "FILL", fill],
    ["order_closed", closed, "CANCEL", {}],
    ["order_not_live", () => plain(stopMarket()), "FILL", fill],
    ["order_not_live", () => plain(stopMarket()), "CANCEL", {}],
    ["unreadable", plain, "FILL", { price: "50000.001", quantity: "0.01" }],
    ["unreadable", plain, "FILL", { price: "50000", quantity: "0.0001" }],
    ["unreadable", plain, "FILL", { price: "0", quantity: "0.01" }],
    ["unreadable", plain, "FILL", { price: "50000", quantity: "0" }],
    ["unreadable", plain, "FILL", { price: null, quantity: "0.01" }],
    ["unreadable", plain, "FILL", { price: "9999999999999999", quantity: "0.01" }],
    ["unreadable", plain, "FILL", { ...fill, fee: "0.000000001" }],
    ["unreadable", plain, "FILL", { ...fill, fee: "1000000000.00000001" }],
    ["no_amendment", plain, "AMENDED", {}],
    ["no_amendment", plain, "AMEND_REJECTED", {}],
    ["amendment_mismatch", withAmendment, "AMENDED", { price: "49000.1" }],
    ["amendment_mismatch", withAmendment, "AMENDED", { price: "49000", quantity: "0.02" }],
    ["overfill", plain, "FILL", { price: "50000", quantity: "0.011" }],
    ["position_impossible", hedged, "FILL", fill],
    ["position_impossible", closing, "FILL", { price: "90000000000000", quantity: "0.01" }],
  ];

  test.each(rows)("is put aside whole as %s", (reason, arrange, kind, changes) => {
    const [view, order] = arrange();
    const before = view.latest(order);
    const decision = view.execute(order, kind as "FILL", { executionId: "x", ...changes });
    if (decision.kind !== "executed") throw new Error(decision.kind);
    const symbol = "symbol" in changes ? changes.symbol : BTC;
    const [event, ...more] = decision.events;
    expect(more).toEqual([]);
    expect(event).toMatchObject({ type: "execution_quarantined", executionId: "x", reason });
    expect(decision).toMatchObject({
      result: { status: "quarantined", reason },
      seen: { executionId: "x", symbol },
      quarantined: { executionId: "x", reason },
      lastPriceUnits: null,
    });
    expect(JSON.parse(decision.quarantined?.execution ?? "")).toMatchObject({ kind, ...changes });
    expect(view.latest(order)).toEqual(before);
  });

  test("has every reason in the table", () => {
    const tried = new Set(rows.map(([reason]) => reason));
    expect(QUARANTINE_REASONS.filter((reason) => !tried.has(reason))).toEqual([]);
  });

  test("has every reason in the documents, in their order of precedence", async () => {
    const page = await Bun.file(join(import.meta.dir, "../../../docs/RULES.md")).text();
    const documented = [...page.matchAll(/^\| `([a-z_]+)` +\|/gm)].map(([, reason]) => reason);
    expect(documented).toEqual([...QUARANTINE_REASONS]);
  });
});

describe("a position that shrinks", () => {
  const reducing = (quantity: string): RequestChanges => ({
    side: "SELL",
    quantity,
    reduceOnly: true,
  });

  test.each(["external", "none"] as const)(
    "asks the newest live orders back that no longer fit, and leaves conditional ones (%s)",
    (venue) => {
      const view = new TestView({ venue });
      view.hold("0.010");
      const oldest = view.placed(limit(reducing("0.004")));
      const stop = view.placed(stopMarket(reducing("0.010")));
      const middle = view.placed(limit(reducing("0.003")));
      const newest = view.placed(limit(reducing("0.003")));
      const seller = view.placed(limit({ side: "SELL", quantity: "0.005" }));
      const decision = view.fill(seller, "0.005");
      if (decision.kind !== "executed") throw new Error(decision.kind);
      const cut = decision.events.slice(2);
      expect(cut as unknown[]).toMatchObject([
        { reason: "REDUCED", order: { orderId: newest.orderId } },
        { reason: "REDUCED", order: { orderId: middle.orderId } },
      ]);
      const ended = venue === "external" ? "PENDING_CANCEL" : "CANCELED";
      expect([oldest, stop, middle, newest].map((order) => view.latest(order).status)).toEqual([
        "NEW",
        "UNTRIGGERED",
        ended,
        ended,
      ]);
    },
  );

  test("by the reducing orders' own fills leaves the others", () => {
    const view = new TestView();
    view.hold("0.010");
    const first = view.placed(limit(reducing("0.006")));
    const second = view.placed(limit(reducing("0.004")));
    view.fill(first, "0.006");
    expect(view.latest(second).status).toBe("NEW");
    view.fill(second, "0.004");
    expect(view.position(ACCOUNT, BTC, "BOTH")).toMatchObject({ quantityUnits: 0 });
  });

  test("or turns ends all that would reduce the old one", () => {
    const view = new TestView();
    view.hold("0.010");
    const order = view.placed(limit(reducing("0.010")));
    view.hold("0.030", "SELL");
    expect(view.latest(order).status).toBe("PENDING_CANCEL");
    expect(codeOf(view.attempt(limit({ side: "BUY", reduceOnly: true })))).toBe("placed");
  });
});
