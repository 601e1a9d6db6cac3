import { describe, expect, test } from "bun:test";
import type { OrderRequest } from "../order.ts";
import { limit, market, type RequestChanges } from "../test-requests.ts";
import { codeOf, contextOf, TestView } from "../test-view.ts";

const bracket: RequestChanges = {
  takeProfit: { stopPrice: "55000", clientOrderId: "tp" },
  stopLoss: { stopPrice: "45000", price: "44900" },
};

describe("a client order id that was used", () => {
  test.each<[string, OrderRequest]>([
    ["acceptance", limit()],
    ["refusal", limit({ price: "1.01" })],
    ["bracket", limit(bracket)],
  ])("gives the stored %s again, and takes no id or stamp", (_, request) => {
    const view = new TestView();
    view.place(request);
    const before = [view.ids, view.stamps];
    const outcome = view.outcomes.get("42:BTCUSDT:a-1");
    expect(view.place(request)).toEqual({ kind: "replayed", outcome: outcome as never });
    expect([view.ids, view.stamps]).toEqual(before);
  });

  test.each<[string, RequestChanges]>([
    ["side", { ...bracket, side: "SELL" }],
    ["timeInForce", { ...bracket, timeInForce: "GTX" }],
    ["goodTillDate", { ...bracket, goodTillDate: 1 }],
    ["price", { ...bracket, price: "50001" }],
    ["quantity", { ...bracket, quantity: "0.011" }],
    ["stopPrice", { ...bracket, stopPrice: "1" }],
    ["workingType", { ...bracket, workingType: "LAST_PRICE" }],
    ["reduceOnly", { ...bracket, reduceOnly: true }],
    ["closePosition", { ...bracket, closePosition: true }],
    ["positionSide", { ...bracket, positionSide: "LONG" }],
    ["selfTradePrevention", { ...bracket, selfTradePrevention: "EXPIRE_MAKER" }],
    ["takeProfit", { ...bracket, takeProfit: null }],
    ["takeProfit", { ...bracket, takeProfit: { stopPrice: "55000" } }],
    ["stopLoss", { ...bracket, stopLoss: { stopPrice: "45000" } }],
    [
      "stopLoss",
      { ...bracket, stopLoss: { stopPrice: "45000", price: "44900", workingType: "LAST_PRICE" } },
    ],
  ])("with another %s is a reuse that names it", (field, change) => {
    const view = new TestView();
    view.place(limit(bracket));
    const decision = view.place(limit(change));
    expect(decision).toEqual({
      kind: "refused",
      problem: {
        code: "client_order_id_reused",
        detail: `a-1 was used for an order that differs in ${field}.`,
        context: { clientOrderId: "a-1", fields: [field] },
      },
    });
  });

  test("names every field that differs, in the contract's order", () => {
    const view = new TestView();
    view.place(limit());
    expect(contextOf(view.place(market({ side: "SELL" })))).toMatchObject({
      fields: ["side", "type", "timeInForce", "price"],
    });
  });
});

describe("a child's client order id", () => {
  test.each<[string, RequestChanges, string]>([
    ["of an order before", { takeProfit: { stopPrice: "55000", clientOrderId: "old" } }, "old"],
    ["of its parent", { stopLoss: { stopPrice: "45000", clientOrderId: "a-1" } }, "a-1"],
    [
      "of its sibling",
      {
        takeProfit: { stopPrice: "55000", clientOrderId: "x" },
        stopLoss: { stopPrice: "45000", clientOrderId: "x" },
      },
      "x",
    ],
  ])("%s is a reuse, and nothing is stored", (_, change, clientOrderId) => {
    const view = new TestView();
    view.place(limit({ clientOrderId: "old" }));
    const { stamps } = view;
    const decision = view.place(limit(change));
    expect(codeOf(decision)).toBe("client_order_id_reused");
    expect(contextOf(decision)).toMatchObject({ clientOrderId });
    expect(view.stamps).toBe(stamps);
  });

  test("is used from then on, and answers with the child", () => {
    const view = new TestView();
    view.place(limit(bracket));
    const child = market({
      clientOrderId: "tp",
      side: "SELL",
      type: "TAKE_PROFIT_MARKET",
      stopPrice: "55000",
      workingType: "MARK_PRICE",
      reduceOnly: true,
    });
    expect(view.place(child)).toMatchObject({ kind: "replayed", outcome: { orderId: 2049 } });
    expect(codeOf(view.place({ ...child, reduceOnly: false }))).toBe("client_order_id_reused");
  });

  test("made by the shard skips an order id whose made id the account has used", () => {
    const view = new TestView();
    view.place(limit({ clientOrderId: "sl-2049" }));
    const decision = view.place(limit(bracket));
    if (decision.kind !== "placed") throw new Error(decision.kind);
    const ids = decision.children.map(({ order }) => [Number(order.orderId), order.clientOrderId]);
    expect(ids).toEqual([
      [4097, "tp"],
      [5121, "sl-3073"],
    ] as never);
  });
});
