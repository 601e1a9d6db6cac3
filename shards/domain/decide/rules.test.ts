import { describe, expect, test } from "bun:test";
import type { OrderRequest } from "../order.ts";
import {
  ACCOUNT,
  BTC,
  limit,
  market,
  type RequestChanges,
  START_AT,
  stopMarket,
} from "../test-requests.ts";
import { codeOf, contextOf, type TestOptions, TestView } from "../test-view.ts";

describe("what the mark is needed for", () => {
  const withoutMark: readonly [string, OrderRequest, TestOptions, string][] = [
    ["a limit order", limit(), {}, "placed"],
    ["a market order", market(), {}, "mark_price_stale"],
    ["a market order without risk", market(), { risk: "none" }, "placed"],
    ["a stop by the mark, without risk", stopMarket(), { risk: "none" }, "mark_price_stale"],
    [
      "a limit stop by the last price",
      limit({ type: "STOP", price: "60000", stopPrice: "60000", workingType: "LAST_PRICE" }),
      {},
      "placed",
    ],
    ["children of a limit order", limit({ stopLoss: { stopPrice: "45000" } }), {}, "placed"],
    [
      "children of a market order, without risk",
      market({ stopLoss: { stopPrice: "45000" } }),
      { risk: "none" },
      "mark_price_stale",
    ],
  ];
  test.each(withoutMark)("%s without one", (_, request, options, code) => {
    expect(codeOf(new TestView({ ...options, markUnits: null }).place(request))).toBe(code);
  });

  test("a market order that reduces passes with a stale one: it needs no margin", () => {
    const view = new TestView();
    view.hold("0.01");
    view.setMark(5_000_000, START_AT - 60_000);
    expect(codeOf(view.attempt(market({ side: "SELL", reduceOnly: true })))).toBe("placed");
    expect(codeOf(view.attempt(market({ side: "SELL" })))).toBe("mark_price_stale");
  });

  test("without risk there is no band, no number of orders, no bracket and no margin", () => {
    const view = new TestView({ risk: "none", rightsMinor: 0n });
    const large = () => limit({ price: "450000", quantity: "100" });
    for (let n = 0; n < 10; n++) view.placed(large());
    expect(codeOf(view.attempt(large()))).toBe("placed");
  });
});

describe("a shortfall", () => {
  test("under `ask` is not decided: the bank may have more, and nothing is taken", () => {
    const view = new TestView({ rightsMinor: 0n });
    const before = [view.ids, view.stamps];
    expect(view.place(limit(), ACCOUNT, "ask")).toEqual({
      kind: "short",
      key: { accountId: ACCOUNT, asset: "USDT" },
      needMinor: 5_025_000_000n,
    });
    expect([view.ids, view.stamps]).toEqual(before);
  });

  const NEED = 5_025_000_000n;
  test.each([
    ["what the bank has free", 0n, NEED - 1n, "50.24999999"],
    ["that and what is unused here", 25_000_000n, NEED - 25_000_001n, "50.24999999"],
    ["nothing where losses ate more", 1n, -2n, "0.00000000"],
  ])("refused, names what the account has left: %s", (_, rightsMinor, freeMinor, available) => {
    const view = new TestView({ rightsMinor });
    expect(contextOf(view.place(limit(), ACCOUNT, { freeMinor }))).toEqual({
      asset: "USDT",
      required: "50.25000000",
      available,
    });
  });

  test("that the account can cover since the bank has answered is asked for again", () => {
    const view = new TestView({ rightsMinor: 1n });
    expect(view.place(limit(), ACCOUNT, { freeMinor: NEED - 1n }).kind).toBe("short");
  });

  test("is what two orders need together beyond the rights, to the last unit", () => {
    const view = new TestView({ rightsMinor: 2n * 5_025_000_000n });
    view.placed(limit());
    view.placed(limit());
    view.rights -= 1n;
    expect(codeOf(view.attempt(limit()))).toBe("margin_insufficient");
    expect(view.usedMinor(ACCOUNT)).toBe(2n * 5_025_000_000n);
  });

  test("never stops what reduces", () => {
    const view = new TestView();
    view.hold("0.01");
    view.rights = 0n;
    expect(codeOf(view.attempt(market({ side: "SELL", reduceOnly: true })))).toBe("placed");
  });
});

describe("trading states", () => {
  const reduces = market({ side: "SELL", reduceOnly: true });
  test.each([
    ["all", { kind: "all" }],
    ["the symbol", { kind: "symbol", symbol: BTC }],
    ["the account", { kind: "account", accountId: ACCOUNT }],
  ] as const)("of %s: REDUCE_ONLY takes what reduces, HALTED nothing", (_, scope) => {
    const view = new TestView();
    view.hold("0.1");
    view.run({ kind: "trading_state", scope, state: "REDUCE_ONLY" });
    expect(contextOf(view.attempt(limit()))).toEqual({ tradingState: "REDUCE_ONLY" });
    expect(codeOf(view.attempt(reduces))).toBe("placed");
    view.run({ kind: "trading_state", scope, state: "HALTED" });
    expect(codeOf(view.attempt(reduces))).toBe("trading_halted");
  });
});

describe("orders that may only reduce", () => {
  const reducing = (quantity: string, changes: RequestChanges = {}): OrderRequest =>
    limit({ side: "SELL", reduceOnly: true, quantity, ...changes });

  test("fit together into the position, and never turn it", () => {
    const view = new TestView();
    view.hold("0.010");
    view.placed(reducing("0.006"));
    expect(contextOf(view.attempt(reducing("0.005")))).toEqual({
      positionQuantity: "0.010",
      openReduceOnlyQuantity: "0.006",
      quantity: "0.005",
    });
    expect(codeOf(view.attempt(reducing("0.004")))).toBe("placed");
    expect(codeOf(view.attempt(reducing("0.001", { side: "BUY" })))).toBe("reduce_only_rejected");
  });

  test("while they wait for their price each may close all of it", () => {
    const view = new TestView();
    view.hold("0.010");
    const conditional = { reduceOnly: true, quantity: "0.010" };
    view.placed(stopMarket(conditional));
    view.placed(stopMarket({ ...conditional, type: "TAKE_PROFIT_MARKET", stopPrice: "55000" }));
    expect(codeOf(view.attempt(reducing("0.010")))).toBe("placed");
    expect(codeOf(view.attempt(stopMarket({ reduceOnly: true, quantity: "0.011" })))).toBe(
      "too_many_open_orders",
    );
  });

  test("closePosition needs a position of the other direction", () => {
    const view = new TestView();
    const close = stopMarket({ closePosition: true, quantity: null });
    expect(codeOf(view.attempt(close))).toBe("reduce_only_rejected");
    view.hold("0.010");
    const order = view.placed(close);
    expect(order).toMatchObject({ quantityUnits: 0, marginPriceUnits: 0, closePosition: true });
  });

  test("in hedge mode are those against their side, flagged or not", () => {
    const view = new TestView();
    view.run({
      kind: "account_settings",
      accountId: ACCOUNT,
      positionMode: "HEDGE",
      isTrial: false,
    });
    const closing = limit({ side: "SELL", positionSide: "LONG" });
    expect(codeOf(view.attempt(closing))).toBe("reduce_only_rejected");
    view.hold("0.010", "BUY", { positionSide: "LONG" });
    expect(view.placed(closing).marginPriceUnits).toBe(0);
    expect(codeOf(view.attempt(limit({ side: "BUY", positionSide: "SHORT" })))).toBe(
      "reduce_only_rejected",
    );
    expect(codeOf(view.attempt(limit({ positionSide: "BOTH" })))).toBe("position_side_mismatch");
  });
});
