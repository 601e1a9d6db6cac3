import { describe, expect, test } from "bun:test";
import type { OrderRequest } from "../order.ts";
import { ACCOUNT, limit, market, START_AT } from "../test-requests.ts";
import { type TestOptions, TestView } from "../test-view.ts";
import { decideCheck } from "./check.ts";

const check = (view: TestView, request: OrderRequest): Record<string, unknown> =>
  JSON.parse(decideCheck(view, ACCOUNT, request, START_AT));

describe("a check", () => {
  const numbers = {
    asset: "USDT",
    required: "50.25000000",
    used: "0.00000000",
    rights: "60.00000000",
    unused: "60.00000000",
    leverage: 10,
    notional: "500.00000000",
    fees: "0.25000000",
    openLoss: "0.00000000",
    markPrice: "50000.00",
  };
  const options: TestOptions = { rightsMinor: 6_000_000_000n };

  test("says what the order would need and what is there, and takes nothing", () => {
    const view = new TestView(options);
    expect(check(view, limit())).toEqual({ decision: "accepted", ...numbers });
    expect([view.ids, view.stamps, view.outcomes.size]).toEqual([0, 0, 0]);
    expect(check(view, limit({ price: "50100" }))).toMatchObject({
      required: "51.35050000",
      openLoss: "1.00000000",
    });
  });

  test("refuses as the order would be, with the numbers once they are known", () => {
    const view = new TestView(options);
    view.placed(limit());
    expect(check(view, limit())).toEqual({
      decision: "refused",
      code: "margin_insufficient",
      detail: "50.25000000 USDT are needed and 9.75000000 are available.",
      context: { asset: "USDT", required: "50.25000000", available: "9.75000000" },
      ...numbers,
      used: "50.25000000",
      unused: "9.75000000",
    });
    expect(check(view, limit({ price: "50000.01" }))).toEqual({
      decision: "refused",
      code: "price_off_tick",
      detail: "The price is not on the tick.",
      context: { price: "50000.01", tickSize: "0.10" },
    });
    view.closed = { code: "overloaded", detail: "Full." };
    expect(check(view, limit())).toMatchObject({ decision: "refused", code: "overloaded" });
  });

  test("says why the account can have nothing here at all", () => {
    const view = new TestView(options);
    const closed = { code: "bank_unavailable", detail: "Not now." } as const;
    const ask = (price: string): unknown =>
      JSON.parse(decideCheck(view, ACCOUNT, limit({ price }), START_AT, () => closed));
    expect(ask("50000")).toMatchObject({ decision: "accepted" });
    view.placed(limit());
    expect(ask("50000")).toMatchObject({ decision: "refused", ...closed, required: "50.25000000" });
  });

  test("of what needs no margin asks for none", () => {
    const view = new TestView(options);
    view.hold("0.01");
    expect(check(view, market({ side: "SELL", reduceOnly: true }))).toEqual({
      decision: "accepted",
      ...numbers,
      required: "0.00000000",
      used: "50.00000000",
      unused: "10.00000000",
      leverage: null,
      notional: "0.00000000",
      fees: "0.00000000",
    });
  });

  test("of a client order id that was used says what its first answer was", () => {
    const view = new TestView(options);
    view.place(limit());
    expect(check(view, limit())).toEqual({ decision: "accepted", isReplay: true });
    expect(check(view, limit({ side: "SELL" }))).toMatchObject({
      decision: "refused",
      code: "client_order_id_reused",
    });
    const stored = { code: "price_off_tick", detail: "Off.", context: { price: "1" } };
    const key = `${ACCOUNT}:BTCUSDT:a-1`;
    const outcome = view.outcomes.get(key);
    if (outcome === undefined) throw new Error("no outcome");
    view.outcomes.set(key, { ...outcome, status: 422, body: JSON.stringify(stored) });
    expect(check(view, limit())).toEqual({ decision: "refused", ...stored, isReplay: true });
  });
});
