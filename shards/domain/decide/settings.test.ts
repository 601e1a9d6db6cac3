import { describe, expect, test } from "bun:test";
import type { CanonicalDecimal } from "../brands.ts";
import type { Decision, Funding } from "../decide.ts";
import type { TradingScope, TradingState } from "../risk/types.ts";
import { ACCOUNT, BTC, bitcoin, ETH, limit, START_AT, STRANGER } from "../test-requests.ts";
import { codeOf, contextOf, TestView } from "../test-view.ts";

type SymbolWish = { leverage?: number; marginMode?: "CROSS" | "ISOLATED" };

const choose = (view: TestView, wish: SymbolWish, symbol = BTC, funding?: Funding): Decision =>
  view.run(
    {
      kind: "symbol_settings",
      accountId: ACCOUNT,
      symbol,
      leverage: null,
      marginMode: null,
      ...wish,
    },
    funding,
  );

const bodyOf = (decision: Decision): unknown => {
  if (decision.kind !== "settings" && decision.kind !== "trading_state") {
    throw new Error(codeOf(decision));
  }
  return JSON.parse(decision.body);
};

describe("leverage", () => {
  test("is the account's for the symbol, told whole, with a version", () => {
    const view = new TestView();
    expect(bodyOf(choose(view, {}))).toEqual({
      accountId: "42",
      symbol: "BTCUSDT",
      leverage: 10,
      marginMode: "CROSS",
      version: 0,
    });
    const decision = choose(view, { leverage: 5 });
    expect(decision).toMatchObject({
      event: { type: "settings_changed", stamp: { commitSeq: 1 }, settings: { of: "symbol" } },
    });
    expect(bodyOf(decision)).toMatchObject({ leverage: 5, marginMode: "CROSS", version: 1 });
    expect(bodyOf(choose(view, { marginMode: "ISOLATED" }))).toMatchObject({
      leverage: 5,
      marginMode: "ISOLATED",
      version: 2,
    });
    expect(choose(view, { leverage: 5 })).toMatchObject({ event: null });
    expect(view.stamps).toBe(2);
    expect(bodyOf(choose(view, {}, ETH))).toMatchObject({ leverage: 10, version: 0 });
  });

  test("is limited by the instrument, and by what is open", () => {
    const view = new TestView();
    expect(contextOf(choose(view, { leverage: 21 }))).toEqual({
      leverage: "21",
      maxLeverage: "20",
    });
    view.placed(limit({ quantity: "2.2" }));
    expect(contextOf(choose(view, { leverage: 20 }))).toEqual({
      leverage: "20",
      notional: "110000.00000000",
      maxNotional: "100000.00000000",
    });
    expect(codeOf(choose(view, {}, "NONE" as typeof BTC))).toBe("unknown_symbol");
  });

  test("that is lower needs margin for what is open: asked for, or a problem", () => {
    const view = new TestView({ rightsMinor: 10_000_000_000n });
    view.placed(limit());
    const { stamps } = view;
    expect(choose(view, { leverage: 4 }, BTC, "ask")).toEqual({
      kind: "short",
      key: { accountId: ACCOUNT, asset: "USDT" },
      needMinor: 7_500_000_000n,
    });
    const decision = choose(view, { leverage: 4 });
    expect([decision.kind, codeOf(decision)]).toEqual(["refused", "margin_insufficient"]);
    expect(view.stamps).toBe(stamps);
    expect(choose(view, { leverage: 8 }).kind).toBe("settings");
    expect(view.usedMinor(ACCOUNT)).toBe(6_275_000_000n);
    expect(choose(view, { leverage: 20 }, BTC, "ask").kind).toBe("settings");
  });

  test("that is too high for a table that shrank stops new exposure, never closing", () => {
    const view = new TestView();
    view.hold("0.1");
    const [first] = bitcoin.leverageBrackets;
    if (first === undefined) throw new Error("no bracket");
    view.instruments.set(BTC, {
      ...bitcoin,
      leverageBrackets: [{ ...first, initialLeverage: 5 }],
    });
    choose(view, { leverage: 5 });
    view.settings.set(`${ACCOUNT}:${BTC}`, {
      accountId: ACCOUNT,
      symbol: BTC,
      leverage: 10,
      marginMode: "CROSS",
      version: 2,
    });
    expect(codeOf(view.attempt(limit()))).toBe("leverage_too_high");
    expect(codeOf(view.attempt(limit({ side: "SELL" })))).toBe("placed");
  });
});

describe("the margin mode", () => {
  test("is fixed while an order is open or a position held in the symbol", () => {
    const view = new TestView();
    const order = view.placed(limit());
    expect(contextOf(choose(view, { marginMode: "ISOLATED" }))).toEqual({
      openOrders: "1",
      openPositions: "0",
      symbols: ["BTCUSDT"],
    });
    view.fill(order, "0.01");
    expect(codeOf(choose(view, { marginMode: "ISOLATED" }))).toBe("position_or_orders_open");
    expect(choose(view, { marginMode: "CROSS" }).kind).toBe("settings");
    expect(choose(view, { marginMode: "ISOLATED" }, ETH).kind).toBe("settings");
    view.hold("0.01", "SELL");
    expect(choose(view, { marginMode: "ISOLATED" }).kind).toBe("settings");
  });
});

describe("the position mode", () => {
  const mode = (view: TestView, positionMode: "HEDGE" | "ONE_WAY", isTrial = false): Decision =>
    view.run({ kind: "account_settings", accountId: ACCOUNT, positionMode, isTrial });

  test("is the account's; a trial only says whether it could be", () => {
    const view = new TestView();
    expect(mode(view, "HEDGE", true)).toMatchObject({ kind: "settings", event: null });
    expect([view.positionMode(ACCOUNT), view.stamps]).toEqual(["ONE_WAY", 0]);
    const decision = mode(view, "HEDGE");
    expect(bodyOf(decision)).toEqual({ accountId: "42", positionMode: "HEDGE", version: 1 });
    expect(view.positionMode(ACCOUNT)).toBe("HEDGE");
    expect(mode(view, "HEDGE")).toMatchObject({ event: null });
    expect(view.positionMode(STRANGER)).toBe("ONE_WAY");
  });

  test.each([true, false])(
    "is fixed while anything is open on the shard (trial: %p)",
    (isTrial) => {
      const view = new TestView();
      const order = view.placed(limit({ symbol: ETH }));
      expect(codeOf(mode(view, "HEDGE", isTrial))).toBe("position_or_orders_open");
      view.fill(order, "0.01");
      expect(contextOf(mode(view, "HEDGE", isTrial))).toEqual({
        openOrders: "0",
        openPositions: "1",
        symbols: ["ETHUSDT"],
      });
      expect(mode(view, "ONE_WAY", isTrial).kind).toBe("settings");
    },
  );
});

describe("a mark price", () => {
  const mark = (view: TestView, price: string, at: number, symbol = BTC): Decision =>
    view.run({ kind: "mark", symbol, price: price as CanonicalDecimal, at });

  test.each<[string, number, boolean]>([
    ["newer", START_AT + 1, true],
    ["as old", START_AT, true],
    ["older", START_AT - 1, false],
  ])("that is %s than what is known counts: at %d, %p", (_, at, counts) => {
    const view = new TestView();
    const priceUnits = 4_900_000;
    const expected = counts ? { symbol: BTC, priceUnits, at } : null;
    expect(mark(view, "49000", at)).toEqual({ kind: "marked", mark: expected });
    expect(view.mark(BTC)?.priceUnits).toBe(counts ? priceUnits : 5_000_000);
  });

  test.each([
    ["49000.001", "price_off_tick"],
    ["0", "price_out_of_range"],
    ["9999999999999999", "price_out_of_range"],
  ])("of %s is refused: %s", (price, code) => {
    const decision = mark(new TestView(), price, START_AT);
    expect([decision.kind, codeOf(decision)]).toEqual(["refused", code]);
    expect(contextOf(decision)).toEqual({ symbol: "BTCUSDT", price, priceDecimals: "2" });
  });

  test.each([
    [60_000, "marked"],
    [60_001, "refused"],
  ])(
    "%d ms ahead of the clock is %s: a wrong unit of time must not hold up all later ones",
    (aheadMs, kind) => {
      const view = new TestView();
      expect(mark(view, "49000", START_AT + aheadMs).kind).toBe(kind as Decision["kind"]);
      expect(mark(view, "49001", START_AT + 1).kind).toBe("marked");
      expect(view.mark(BTC)?.at).toBe(kind === "marked" ? START_AT + aheadMs : START_AT + 1);
    },
  );

  test("may be off the tick, and needs a symbol that is known", () => {
    const view = new TestView();
    expect(mark(view, "49000.01", START_AT).kind).toBe("marked");
    expect(codeOf(mark(view, "49000", START_AT, "NONE" as typeof BTC))).toBe("unknown_symbol");
  });
});

describe("a trading state", () => {
  const set = (view: TestView, scope: TradingScope, state: TradingState): Decision =>
    view.run({ kind: "trading_state", scope, state });

  test.each<[TradingScope, string]>([
    [{ kind: "all" }, "all"],
    [{ kind: "symbol", symbol: BTC }, "BTCUSDT"],
    [{ kind: "account", accountId: ACCOUNT }, "account:42"],
  ])("of %o is told with its scope %s; said again it changes nothing", (scope, name) => {
    const view = new TestView();
    const body = (state: TradingState): unknown => bodyOf(set(view, scope, state));
    expect(body("ACTIVE")).toEqual({ scope: name, state: "ACTIVE", version: 0 });
    expect(body("HALTED")).toEqual({ scope: name, state: "HALTED", version: 1 });
    expect(body("HALTED")).toEqual({ scope: name, state: "HALTED", version: 1 });
    expect(view.stamps).toBe(1);
    expect(body("ACTIVE")).toEqual({ scope: name, state: "ACTIVE", version: 2 });
  });

  test("the most restrictive one holds, and an unknown symbol has none", () => {
    const view = new TestView();
    set(view, { kind: "all" }, "REDUCE_ONLY");
    set(view, { kind: "symbol", symbol: BTC }, "HALTED");
    expect(view.tradingState(ACCOUNT, BTC)).toBe("HALTED");
    expect(view.tradingState(ACCOUNT, ETH)).toBe("REDUCE_ONLY");
    const scope = { kind: "symbol", symbol: "NONE" as typeof BTC } as const;
    expect(codeOf(set(view, scope, "HALTED"))).toBe("unknown_symbol");
  });
});
