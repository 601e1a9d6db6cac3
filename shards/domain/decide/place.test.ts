import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { ClientOrderId } from "../brands.ts";
import type { Instrument } from "../instrument.ts";
import type { Order, OrderRequest, OrderStatus } from "../order.ts";
import {
  ACCOUNT,
  BTC,
  bitcoin,
  limit,
  market,
  type RequestChanges,
  START_AT,
  stopMarket,
} from "../test-requests.ts";
import { codeOf, contextOf, type TestOptions, TestView } from "../test-view.ts";

describe("a new order", () => {
  test("is accepted with the request's values in units, its stamp as receipt", () => {
    const view = new TestView();
    const decision = view.place(limit({ selfTradePrevention: "EXPIRE_BOTH" }));
    const stamp = { epoch: 1, commitSeq: 1, partition: 0, seq: 1 };
    expect(decision).toEqual({
      kind: "placed",
      children: [],
      after: { exposure: view.exposure(ACCOUNT, BTC), usedMinor: view.usedMinor(ACCOUNT) },
      event: {
        type: "order_accepted",
        stamp,
        request: limit({ selfTradePrevention: "EXPIRE_BOTH" }),
        order: {
          orderId: 1025,
          accountId: ACCOUNT,
          clientOrderId: "a-1",
          symbol: BTC,
          side: "BUY",
          type: "LIMIT",
          timeInForce: "GTC",
          goodTillDate: null,
          priceUnits: 5_000_000,
          quantityUnits: 10,
          executedUnits: 0,
          priceScale: 2,
          quantityScale: 3,
          selfTradePrevention: "EXPIRE_BOTH",
          stopPriceUnits: null,
          workingType: null,
          reduceOnly: false,
          closePosition: false,
          positionSide: "BOTH",
          children: [],
          parentId: null,
          costUnits: 0n,
          marginPriceUnits: 5_000_000,
          openLossMinor: 0n,
          amendment: null,
          status: "NEW",
          version: 1,
          createdAt: START_AT,
          updatedAt: START_AT,
          receipt: stamp,
        } as unknown as Order,
      },
    });
    expect([view.ids, view.stamps]).toEqual([1, 1]);
  });

  const gtd = (goodTillDate: number) => limit({ timeInForce: "GTD", goodTillDate });
  const statuses: readonly [string, OrderRequest, OrderStatus, OrderStatus][] = [
    ["GTC", limit(), "NEW", "NEW"],
    ["post only", limit({ timeInForce: "GTX" }), "NEW", "NEW"],
    ["GTD a moment from now", gtd(START_AT + 1), "NEW", "NEW"],
    ["GTD now", gtd(START_AT), "EXPIRED", "EXPIRED"],
    ["GTD in the past", gtd(START_AT - 1), "EXPIRED", "EXPIRED"],
    ["IOC", limit({ timeInForce: "IOC" }), "EXPIRED", "NEW"],
    ["FOK", limit({ timeInForce: "FOK" }), "EXPIRED", "NEW"],
    ["MARKET", market(), "EXPIRED", "NEW"],
    ["a stop", stopMarket(), "UNTRIGGERED", "UNTRIGGERED"],
  ];
  test.each(statuses)(
    "%s begins as it must, without and with an engine",
    (_, request, alone, engine) => {
      for (const [venue, status] of [
        ["none", alone],
        ["external", engine],
      ] as const) {
        expect(new TestView({ venue }).placed(request)).toMatchObject({ status, version: 1 });
      }
    },
  );

  test("holds margin by its own price, the mark and the buffer; none where nothing is asked", () => {
    const held = (request: OrderRequest, options: TestOptions = {}): [number, bigint] => {
      const order = new TestView(options).placed(request);
      return [order.marginPriceUnits, order.openLossMinor];
    };
    expect(held(limit({ price: "50100" }))).toEqual([5_010_000, 100_000_000n]);
    expect(held(limit({ side: "SELL", price: "49900" }))).toEqual([5_000_000, 100_000_000n]);
    expect(held(market())).toEqual([5_025_000, 0n]);
    expect(held(limit({ price: "50100" }), { risk: "none" })).toEqual([0, 0n]);
    expect(held(limit(), { markUnits: null })).toEqual([5_000_000, 0n]);
  });
});

/** One order that breaks rule after rule; each row mends what the row before broke. */
const PRECEDENCE: readonly {
  readonly code: string;
  readonly broken: (view: TestView) => void;
  readonly mended: (view: TestView, request: OrderRequest) => OrderRequest;
}[] = [
  {
    code: "client_order_id_reused",
    broken: (view) => view.place(limit({ symbol: "NONE" })),
    mended: (_, request) => ({ ...request, clientOrderId: "b-1" as ClientOrderId }),
  },
  {
    code: "overloaded",
    broken: (view) => {
      view.closed = { code: "overloaded", detail: "Full." };
    },
    mended: (view, request) => {
      view.closed = undefined;
      return request;
    },
  },
  {
    code: "unknown_symbol",
    broken: () => {},
    mended: (_, request) => ({ ...request, symbol: BTC }),
  },
  {
    code: "trading_halted",
    broken: (view) => {
      view.run({ kind: "trading_state", scope: { kind: "all" }, state: "HALTED" });
    },
    mended: (view, request) => {
      view.run({ kind: "trading_state", scope: { kind: "all" }, state: "ACTIVE" });
      return request;
    },
  },
  {
    code: "instrument_not_trading",
    broken: (view) => change(view, { status: "SETTLING" }),
    mended: (view, request) => {
      change(view, { status: "TRADING" });
      return request;
    },
  },
  { code: "price_off_tick", broken: () => {}, mended: (_, request) => priced(request, "1") },
  { code: "price_out_of_range", broken: () => {}, mended: (_, r) => priced(r, "560000") },
  { code: "quantity_off_step", broken: () => {}, mended: (_, r) => sized(r, "2000") },
  { code: "quantity_out_of_range", broken: () => {}, mended: (_, r) => sized(r, "900") },
  {
    code: "position_side_mismatch",
    broken: () => {},
    mended: (_, request) => ({ ...request, positionSide: "BOTH" }),
  },
  {
    code: "mark_price_stale",
    broken: (view) => view.marks.delete(BTC),
    mended: (view, request) => {
      view.setMark(5_000_000);
      return request;
    },
  },
  // The limit price is 12 times its stop.
  { code: "price_out_of_range", broken: () => {}, mended: (_, r) => priced(r, "45000") },
  {
    code: "would_trigger_immediately",
    broken: () => {},
    mended: (_, r) => ({ ...r, stopPrice: "55000", price: "55000" }) as OrderRequest,
  },
  {
    code: "too_many_open_orders",
    broken: (view) => change(view, { maxConditionalOrders: 0 }),
    mended: (view, request) => {
      change(view, { maxConditionalOrders: 2 });
      return request;
    },
  },
  {
    code: "reduce_only_rejected",
    broken: () => {},
    mended: (_, request) => ({ ...request, reduceOnly: false }),
  },
  { code: "leverage_too_high", broken: () => {}, mended: (_, r) => sized(r, "2") },
  {
    code: "margin_insufficient",
    broken: () => {},
    mended: (view, request) => {
      view.rights = 10n ** 15n;
      return request;
    },
  },
];

const change = (view: TestView, changes: Partial<Instrument>): void => {
  view.instruments.set(BTC, { ...(view.instrument(BTC) ?? bitcoin), ...changes });
};
const priced = (request: OrderRequest, price: string): OrderRequest =>
  ({ ...request, price }) as OrderRequest;
const sized = (request: OrderRequest, quantity: string): OrderRequest =>
  ({ ...request, quantity }) as OrderRequest;

test("the first rule that is broken decides, in the documented order", () => {
  const view = new TestView({ rightsMinor: 0n });
  for (const { broken } of PRECEDENCE) broken(view);
  let request = limit({
    symbol: "NONE",
    type: "STOP",
    price: "1.01",
    quantity: "0.0001",
    stopPrice: "45000",
    workingType: "MARK_PRICE",
    reduceOnly: true,
    positionSide: "LONG",
  });
  view.place(limit({ symbol: "NONE" }));
  for (const [index, { code, mended }] of PRECEDENCE.entries()) {
    expect([index, codeOf(view.place(request))]).toEqual([index, code]);
    request = mended(view, request);
    // A refusal is its id's outcome: the next try needs an id of its own.
    if (index > 0) request = { ...request, clientOrderId: `b-${index}` as ClientOrderId };
  }
  expect(codeOf(view.place(request))).toBe("placed");
});

test("the documented order is this one", async () => {
  const page = await Bun.file(join(import.meta.dir, "../../../docs/RULES.md")).text();
  const codes = [...page.matchAll(/^\| \d+ +\| `([a-z_]+)` +\|/gm)].map(([, code]) => code);
  // What only reduces, as the order above does, has no minimum.
  const tried = codes.filter((code) => code !== "notional_too_small");
  expect(tried).toEqual(PRECEDENCE.map(({ code }) => code));
  expect(codes.length).toBe(tried.length + 1);
});

describe("a refusal", () => {
  const rows: readonly [string, OrderRequest, object, ((view: TestView) => void)?][] = [
    ["unknown_symbol", limit({ symbol: "NONE" }), { symbol: "NONE" }],
    ["price_off_tick", limit({ price: "1.01" }), { price: "1.01", tickSize: "0.10" }],
    [
      "price_off_tick",
      stopMarket({ stopPrice: "45000.01" }),
      { field: "stopPrice", price: "45000.01", tickSize: "0.10" },
    ],
    [
      "price_off_tick",
      limit({ price: "1", takeProfit: { stopPrice: "60000", price: "60000.01" } }),
      { field: "takeProfit.price", price: "60000.01", tickSize: "0.10" },
    ],
    [
      "price_out_of_range",
      limit({ stopLoss: { stopPrice: "1" } }),
      { field: "stopLoss.stopPrice", price: "1.00", minPrice: "556.80", maxPrice: "4529764.00" },
    ],
    [
      "price_out_of_range",
      limit({ price: "52500.1" }),
      { price: "52500.10", markPrice: "50000.00", highest: "52500.00" },
    ],
    [
      "price_out_of_range",
      limit({ side: "SELL", price: "47499.9" }),
      { price: "47499.90", markPrice: "50000.00", lowest: "47500.00" },
    ],
    [
      "price_out_of_range",
      limit({ stopLoss: { stopPrice: "40000", price: "37999.9" } }),
      { field: "stopLoss.price", price: "37999.90", stopPrice: "40000.00", lowest: "38000.00" },
    ],
    [
      "position_side_mismatch",
      limit({ positionSide: "LONG" }),
      { positionSide: "LONG", positionMode: "ONE_WAY" },
    ],
    ["mark_price_stale", market(), { markPriceAt: null }, (view) => view.marks.clear()],
    [
      "mark_price_stale",
      market(),
      { markPriceAt: String(START_AT - 10_001), ageMs: "10001", ageMsMax: "10000" },
      (view) => view.setMark(5_000_000, START_AT - 10_001),
    ],
    [
      "would_trigger_immediately",
      stopMarket({ stopPrice: "50000" }),
      { field: "stopPrice", stopPrice: "50000.00", markPrice: "50000.00" },
      (view) => view.hold("0.01"),
    ],
    [
      "would_trigger_immediately",
      limit({ takeProfit: { stopPrice: "50000" } }),
      { field: "takeProfit.stopPrice", stopPrice: "50000.00", price: "50000.00" },
    ],
    [
      "would_trigger_immediately",
      market({ stopLoss: { stopPrice: "50100", workingType: "LAST_PRICE" } }),
      { field: "stopLoss.stopPrice", stopPrice: "50100.00", lastPrice: "50050.00" },
      (view) => view.lastPrices.set(BTC, 5_005_000),
    ],
    [
      "leverage_too_high",
      limit({ quantity: "21" }),
      { leverage: "10", notional: "1050000.00000000", maxNotional: "1000000.00000000" },
    ],
    [
      "margin_insufficient",
      limit(),
      { asset: "USDT", required: "50.25000000", available: "50.24999999" },
      (view) => {
        view.rights = 5_024_999_999n;
      },
    ],
    [
      "reduce_only_rejected",
      limit({ side: "SELL", reduceOnly: true }),
      { positionQuantity: "0.000", openReduceOnlyQuantity: "0.000", quantity: "0.010" },
    ],
  ];
  test.each(rows.map((row) => [row[0], row[2], row] as const))("as %s says %o", (_, __, row) => {
    const [code, request, context, arrange] = row;
    const view = new TestView();
    arrange?.(view);
    const [ids, stamps] = [view.ids, view.stamps];
    const decision = view.place(request);
    expect([codeOf(decision), contextOf(decision)]).toEqual([code, context]);
    expect(decision).toMatchObject({
      kind: "placed",
      children: [],
      event: { type: "order_refused", at: START_AT, detail: expect.stringMatching(/^.+\.$/) },
    });
    expect([view.ids - ids, view.stamps - stamps]).toEqual([0, 1]);
  });

  test("for the number of orders counts conditional ones apart, and per symbol", () => {
    const view = new TestView();
    view.hold("0.01");
    const stop = stopMarket({ quantity: "0.01" });
    view.placed(stop);
    view.placed(stop);
    expect(contextOf(view.attempt(stop))).toEqual({
      conditionalOrders: "2",
      maxConditionalOrders: "2",
    });
    for (let count = 2; count < bitcoin.maxOrders; count++) view.placed(limit());
    expect(contextOf(view.attempt(limit()))).toEqual({ openOrders: "5", maxOrders: "5" });
    expect(codeOf(view.attempt(limit({ symbol: "ETHUSDT" })))).toBe("placed");
  });

  test("has the least notional for everything but what reduces", () => {
    const view = new TestView();
    view.hold("0.01");
    const small: RequestChanges = { side: "SELL", quantity: "0.001" };
    expect(codeOf(view.attempt(limit(small)))).toBe("notional_too_small");
    expect(codeOf(view.attempt(limit({ ...small, reduceOnly: true })))).toBe("placed");
  });
});
