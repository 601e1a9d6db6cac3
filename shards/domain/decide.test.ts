import { describe, expect, test } from "bun:test";
import {
  ACCOUNT,
  amend,
  bitcoin,
  cancel,
  limitRequest,
  marketRequest,
  orderOf,
  place,
  STAMP,
  START_AT,
} from "../../tests/support/shard-state.ts";
import type { AccountId, InstrumentSymbol, OrderId } from "./brands.ts";
import type { RefusalCode } from "./codes.ts";
import type { Command } from "./command.ts";
import { type Decision, type DecisionView, decide, type Outcome } from "./decide.ts";
import type { Instrument } from "./instrument.ts";
import {
  isOpen,
  ORDER_STATUSES,
  ORDER_TRANSITIONS,
  type Order,
  type OrderRequest,
  type OrderStatus,
} from "./order.ts";
import type { Problem } from "./problem.ts";

const STRANGER = 43 as AccountId;
const ID = orderOf().orderId;

interface Situation {
  readonly orders?: readonly Order[];
  readonly outcome?: Outcome;
  readonly admission?: Problem;
  readonly instrument?: Instrument | null;
}

const viewOf = ({ orders = [], outcome, admission, instrument = bitcoin }: Situation) => {
  const taken = { ids: 0, stamps: 0 };
  const view: DecisionView = {
    instrument: (symbol) => (symbol === instrument?.symbol ? instrument : undefined),
    order: (orderId) => orders.find((order) => order.orderId === orderId),
    openOrdersOf: (accountId) =>
      orders.filter((order) => order.accountId === accountId && isOpen(order.status)),
    outcome: () => outcome,
    admission: () => admission,
    nextOrderId: () => (++taken.ids * 1024 + 1) as OrderId,
    nextStamp: () => ({ epoch: 1, commitSeq: ++taken.stamps, partition: 0, seq: taken.stamps }),
  };
  return { view, taken };
};

const placed = (request: OrderRequest, situation: Situation = {}): Decision =>
  decide(viewOf(situation).view, { kind: "place", accountId: ACCOUNT, request }, START_AT);

const orderAfter = (decision: Decision): Order => {
  if (decision.kind === "changed") return decision.event.order;
  if (decision.kind === "placed" && decision.event.type === "order_accepted") {
    return decision.event.order;
  }
  throw new Error(`${decision.kind} has no order`);
};

const problemOf = (decision: Decision): Problem | null =>
  decision.kind === "refused" ? decision.problem : null;

describe("a new order", () => {
  test("is accepted with the request's values in units, its stamp as receipt", () => {
    const { view, taken } = viewOf({});
    const decision = decide(view, place({ selfTradePrevention: "EXPIRE_BOTH" }), START_AT);
    const receipt = { epoch: 1, commitSeq: 1, partition: 0, seq: 1 };
    expect(decision).toEqual({
      kind: "placed",
      event: {
        type: "order_accepted",
        stamp: receipt,
        request: limitRequest({ selfTradePrevention: "EXPIRE_BOTH" }),
        order: orderOf({
          selfTradePrevention: "EXPIRE_BOTH",
          createdAt: START_AT,
          updatedAt: START_AT,
          receipt,
        }),
      },
    });
    expect(taken).toEqual({ ids: 1, stamps: 1 });
  });

  const gtd = (goodTillDate: number) => limitRequest({ timeInForce: "GTD", goodTillDate });
  test.each<[string, OrderRequest, OrderStatus]>([
    ["GTC", limitRequest(), "NEW"],
    ["post only", limitRequest({ timeInForce: "GTX" }), "NEW"],
    ["GTD a moment from now", gtd(START_AT + 1), "NEW"],
    ["GTD now", gtd(START_AT), "EXPIRED"],
    ["GTD in the past", gtd(START_AT - 1), "EXPIRED"],
    ["IOC", limitRequest({ timeInForce: "IOC" }), "EXPIRED"],
    ["FOK", limitRequest({ timeInForce: "FOK" }), "EXPIRED"],
    ["MARKET", marketRequest(), "EXPIRED"],
  ])("without a matching engine: %s begins as it must", (_, request, status) => {
    expect(orderAfter(placed(request))).toMatchObject({ status, version: 1, executedUnits: 0 });
  });

  const halted = { instrument: { ...bitcoin, status: "HALTED" as const } };
  test.each<[RefusalCode, OrderRequest, Situation]>([
    ["unknown_symbol", limitRequest({ symbol: "NONE" }), {}],
    ["instrument_not_trading", limitRequest(), halted],
    ["price_off_tick", limitRequest({ price: "50000.15" }), {}],
    ["price_out_of_range", limitRequest({ price: "1" }), {}],
    ["quantity_off_step", limitRequest({ quantity: "0.0015" }), {}],
    ["quantity_out_of_range", limitRequest({ quantity: "1001" }), {}],
    ["notional_too_small", limitRequest({ quantity: "0.001" }), {}],
  ])("is refused as %s: an event with a stamp of its own and no order id", (code, request, s) => {
    const { view, taken } = viewOf(s);
    const command = { kind: "place", accountId: ACCOUNT, request } as const;
    expect(decide(view, command, START_AT)).toMatchObject({
      kind: "placed",
      event: {
        type: "order_refused",
        stamp: { commitSeq: 1 },
        accountId: ACCOUNT,
        request,
        at: START_AT,
        code,
        detail: expect.stringMatching(/^.+\.$/),
      },
    });
    expect(taken).toEqual({ ids: 0, stamps: 1 });
  });

  const admission: Problem = { code: "replication_backlog", detail: "Too much waits." };
  const outcome: Outcome = {
    status: 201,
    body: "{}",
    request: limitRequest(),
    stamp: STAMP,
    orderId: ID,
  };
  const everythingWrong = limitRequest({ symbol: "NONE", price: "1.01", quantity: "0.0001" });

  test.each<[string, OrderRequest, Situation, string]>([
    ["a known id", limitRequest(), { outcome, admission, instrument: null }, "replayed"],
    [
      "a reused id",
      everythingWrong,
      { outcome, admission, instrument: null },
      "client_order_id_reused",
    ],
    ["admission", everythingWrong, { admission, instrument: null }, "replication_backlog"],
    ["an unknown symbol", everythingWrong, {}, "unknown_symbol"],
    [
      "the instrument's state",
      limitRequest({ price: "1.01", quantity: "0.0001" }),
      halted,
      "instrument_not_trading",
    ],
    ["the price", limitRequest({ price: "1.01", quantity: "0.0001" }), {}, "price_off_tick"],
  ])("%s comes before what follows it", (_, request, situation, first) => {
    const decision = placed(request, situation);
    const code = decision.kind === "placed" ? decision.event : problemOf(decision);
    expect(code === null ? decision.kind : (code as { code: string }).code).toBe(first);
  });
});

describe("a client order id that was used", () => {
  const stored = (request: OrderRequest, status = 201): Outcome => ({
    status,
    body: `{"stored":true}`,
    request,
    stamp: STAMP,
    orderId: status === 201 ? ID : null,
  });

  test.each([201, 422])("gives the stored outcome of %d again, and takes no stamp", (status) => {
    const outcome = stored(limitRequest(), status);
    const { view, taken } = viewOf({ outcome });
    expect(decide(view, place(), START_AT)).toEqual({ kind: "replayed", outcome });
    expect(taken).toEqual({ ids: 0, stamps: 0 });
  });

  test.each<[keyof OrderRequest, Partial<Record<keyof OrderRequest, string | number | null>>]>([
    ["side", { side: "SELL" }],
    ["type", { type: "MARKET" }],
    ["timeInForce", { timeInForce: "GTX" }],
    ["goodTillDate", { goodTillDate: START_AT + 1000 }],
    ["price", { price: "50000.2" }],
    ["quantity", { quantity: "0.011" }],
    ["selfTradePrevention", { selfTradePrevention: "EXPIRE_MAKER" }],
  ])("with another %s is a reuse that names it", (field, change) => {
    const decision = placed(limitRequest(change), { outcome: stored(limitRequest()) });
    expect(problemOf(decision)).toEqual({
      code: "client_order_id_reused",
      detail: `a-1 was used for an order that differs in ${field}.`,
      context: { clientOrderId: "a-1", fields: [field] },
    });
  });

  test("names every field that differs, in the contract's order", () => {
    const decision = placed(marketRequest({ side: "SELL" }), { outcome: stored(limitRequest()) });
    expect(problemOf(decision)?.context).toMatchObject({
      fields: ["side", "type", "timeInForce", "price"],
    });
  });

  test("is a reuse also against a stored refusal", () => {
    const outcome = stored(limitRequest({ price: "1" }), 422);
    expect(problemOf(placed(limitRequest(), { outcome }))?.code).toBe("client_order_id_reused");
  });
});

describe("an amendment", () => {
  const amended = (
    change: { readonly price?: string; readonly quantity?: string },
    situation: Situation = { orders: [orderOf()] },
    accountId = ACCOUNT,
  ): Decision => decide(viewOf(situation).view, amend(ID, change, accountId), START_AT);

  test.each<[string, { price?: string; quantity?: string }, number, number]>([
    ["the price", { price: "50000.2" }, 5_000_020, 10],
    ["the quantity", { quantity: "0.02" }, 5_000_010, 20],
    ["both", { price: "60000", quantity: "1" }, 6_000_000, 1_000],
  ])("of %s changes nothing else", (_, change, priceUnits, quantityUnits) => {
    const decision = amended(change);
    expect(decision).toMatchObject({ kind: "changed", event: { reason: "AMENDED" } });
    expect(orderAfter(decision)).toEqual(
      orderOf({ priceUnits, quantityUnits, version: 2, updatedAt: START_AT }),
    );
  });

  test.each<[string, { price?: string; quantity?: string }]>([
    ["nothing", {}],
    ["the same price", { price: "50000.1" }],
    ["the same values", { price: "50000.1", quantity: "0.01" }],
  ])("to %s leaves the order as it is", (_, change) => {
    expect(amended(change)).toEqual({ kind: "unchanged", order: orderOf() });
    const halted = { ...bitcoin, status: "HALTED" as const };
    const { view } = viewOf({ orders: [orderOf()], instrument: halted });
    expect(decide(view, amend(ID, change), START_AT).kind).toBe("unchanged");
  });

  test.each<[string, { price?: string; quantity?: string }, Situation]>([
    ["price_off_tick", { price: "50000.15" }, { orders: [orderOf()] }],
    ["price_out_of_range", { price: "1" }, { orders: [orderOf()] }],
    ["quantity_off_step", { quantity: "0.0015" }, { orders: [orderOf()] }],
    ["quantity_out_of_range", { quantity: "0" }, { orders: [orderOf()] }],
    ["notional_too_small", { quantity: "0.001" }, { orders: [orderOf()] }],
    [
      "instrument_not_trading",
      { price: "50000.2" },
      { orders: [orderOf()], instrument: { ...bitcoin, status: "HALTED" } },
    ],
  ])("that breaks a rule is refused as %s", (code, change, situation) => {
    expect(problemOf(amended(change, situation))?.code as string).toBe(code);
  });

  test("of another account's order, or of none, finds no order", () => {
    const situation = { orders: [orderOf()] };
    expect(problemOf(amended({ price: "1" }, situation, STRANGER))?.code).toBe("order_not_found");
    expect(problemOf(amended({ price: "1" }, {}))).toEqual({
      code: "order_not_found",
      detail: "The account has no order 1025.",
      context: { orderId: "1025" },
    });
  });

  test.each(["FILLED", "CANCELED", "EXPIRED", "REJECTED"] as const)(
    "of a %s order is refused, even to the same values",
    (status) => {
      expect(problemOf(amended({}, { orders: [orderOf({ status })] }))).toMatchObject({
        code: "order_not_open",
        context: { orderId: "1025", status },
      });
    },
  );
});

describe("a cancel", () => {
  const cancelled = (situation: Situation, accountId = ACCOUNT): Decision =>
    decide(viewOf(situation).view, cancel(ID, accountId), START_AT);

  test("ends an open order", () => {
    const decision = cancelled({ orders: [orderOf({ version: 3 })] });
    expect(decision).toMatchObject({ kind: "changed", event: { reason: "CANCELED" } });
    expect(orderAfter(decision)).toEqual(
      orderOf({ status: "CANCELED", version: 4, updatedAt: START_AT }),
    );
  });

  test("that is repeated finds the order as it is", () => {
    const order = orderOf({ status: "CANCELED", version: 2 });
    expect(cancelled({ orders: [order] })).toEqual({ kind: "unchanged", order });
  });

  test.each(["FILLED", "EXPIRED", "REJECTED"] as const)("of a %s order is refused", (status) => {
    expect(problemOf(cancelled({ orders: [orderOf({ status })] }))?.code).toBe("order_not_open");
  });

  test("of another account's order, or of none, finds no order", () => {
    expect(problemOf(cancelled({ orders: [orderOf()] }, STRANGER))?.code).toBe("order_not_found");
    expect(problemOf(cancelled({}))?.code).toBe("order_not_found");
  });

  test("works when the instrument does not trade, and when no new order is taken", () => {
    const admission: Problem = { code: "shard_unavailable", detail: "The disk is full." };
    const instrument = { ...bitcoin, status: "CLOSED" as const };
    const situation = { orders: [orderOf()], admission, instrument };
    expect(cancelled(situation).kind).toBe("changed");
  });
});

describe("cancel all", () => {
  const ids = [1025, 2049, 3073, 4097, 5121] as OrderId[];
  const ether = "ETHUSDT" as InstrumentSymbol;
  const orders = [
    orderOf({ orderId: ids[0] as OrderId }),
    orderOf({ orderId: ids[1] as OrderId, symbol: ether }),
    orderOf({ orderId: ids[2] as OrderId, status: "FILLED" }),
    orderOf({ orderId: ids[3] as OrderId, accountId: STRANGER }),
    orderOf({ orderId: ids[4] as OrderId, status: "PARTIALLY_FILLED" }),
  ];

  test.each<[string, InstrumentSymbol | null, number[]]>([
    ["without a symbol ends the account's open orders", null, [1025, 2049, 5121]],
    ["with a symbol ends those of that symbol", ether, [2049]],
    ["of a symbol without orders ends none", "NONE" as InstrumentSymbol, []],
  ])("%s", (_, symbol, expected) => {
    const { view, taken } = viewOf({ orders });
    const command = { kind: "cancel_many", accountId: ACCOUNT, symbol } as const;
    const decision = decide(view, command, START_AT);
    if (decision.kind !== "cancelled") throw new Error(decision.kind);
    expect(decision.events.map(({ order }) => Number(order.orderId))).toEqual(expected);
    expect(decision.events.map(({ stamp }) => stamp.commitSeq)).toEqual(
      expected.map((_id, i) => i + 1),
    );
    for (const { order, reason } of decision.events) {
      expect({ status: order.status, version: order.version, reason }).toEqual({
        status: "CANCELED",
        version: 2,
        reason: "CANCELED",
      });
    }
    expect(taken.stamps).toBe(expected.length);
  });
});

describe("the expiry of an order", () => {
  const expired = (orders: readonly Order[]): Decision =>
    decide(viewOf({ orders }).view, { kind: "expire", orderId: ID }, START_AT);

  test.each(ORDER_STATUSES)("that is %s ends it only while it is live", (status) => {
    const decision = expired([orderOf({ status })]);
    if (status === "NEW" || status === "PARTIALLY_FILLED") {
      expect(orderAfter(decision)).toMatchObject({ status: "EXPIRED", version: 2 });
    } else {
      expect(decision).toEqual({ kind: "ignored" });
    }
  });

  test("that nobody knows is ignored", () => {
    expect(expired([])).toEqual({ kind: "ignored" });
  });
});

test("a status changes only as the table allows, whatever the commands", () => {
  const commands: readonly Command[] = [
    amend(ID, { price: "50000.2" }),
    cancel(ID),
    { kind: "cancel_many", accountId: ACCOUNT, symbol: null },
    { kind: "expire", orderId: ID },
  ];
  // Attached children and requests to a matching engine do not exist yet.
  const possible = ORDER_STATUSES.filter((one) => one !== "PENDING" && one !== "PENDING_CANCEL");
  let changes = 0;
  for (const status of possible) {
    for (const command of commands) {
      const decision = decide(viewOf({ orders: [orderOf({ status })] }).view, command, START_AT);
      const events =
        decision.kind === "cancelled"
          ? decision.events
          : decision.kind === "changed"
            ? [decision.event]
            : [];
      for (const { order } of events) {
        changes++;
        if (order.status !== status) expect(ORDER_TRANSITIONS[status]).toContain(order.status);
      }
    }
  }
  // UNTRIGGERED is cancelled and amended, never expired.
  expect(changes).toBe(3 * commands.length - 1);
});
