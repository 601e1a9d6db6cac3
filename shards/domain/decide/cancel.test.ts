import { describe, expect, test } from "bun:test";
import type { CanonicalDecimal, OrderId } from "../brands.ts";
import type { Decision, Funding } from "../decide.ts";
import {
  isOpen,
  ORDER_STATUSES,
  ORDER_TRANSITIONS,
  type Order,
  type OrderStatus,
} from "../order.ts";
import { ACCOUNT, BTC, bitcoin, ETH, limit, STRANGER } from "../test-requests.ts";
import { codeOf, TestView } from "../test-view.ts";

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
const cancel = (
  view: TestView,
  { orderId }: Pick<Order, "orderId">,
  accountId = ACCOUNT,
): Decision => view.run({ kind: "cancel", accountId, orderId });

/** An order of the account that stands in `status`, put there by hand. */
const standing = (view: TestView, status: OrderStatus, changes: Partial<Order> = {}): Order => {
  const order = { ...view.placed(limit()), ...changes, status };
  view.orders.set(order.orderId, order);
  return order;
};

/** What becomes of an order in each status: without and with a matching engine. */
const ENDS: Record<OrderStatus, { cancel: [string, string]; expire: [string, string] }> = {
  PENDING: { cancel: ["CANCELED", "CANCELED"], expire: ["ignored", "ignored"] },
  UNTRIGGERED: { cancel: ["CANCELED", "CANCELED"], expire: ["EXPIRED", "EXPIRED"] },
  NEW: { cancel: ["CANCELED", "PENDING_CANCEL"], expire: ["EXPIRED", "PENDING_CANCEL"] },
  PARTIALLY_FILLED: {
    cancel: ["CANCELED", "PENDING_CANCEL"],
    expire: ["EXPIRED", "PENDING_CANCEL"],
  },
  PENDING_CANCEL: { cancel: ["unchanged", "unchanged"], expire: ["EXPIRED", "ignored"] },
  FILLED: { cancel: ["order_not_open", "order_not_open"], expire: ["ignored", "ignored"] },
  CANCELED: { cancel: ["unchanged", "unchanged"], expire: ["ignored", "ignored"] },
  EXPIRED: { cancel: ["order_not_open", "order_not_open"], expire: ["ignored", "ignored"] },
  REJECTED: { cancel: ["order_not_open", "order_not_open"], expire: ["ignored", "ignored"] },
};

describe("a cancel and an expiry", () => {
  const becomes = (decision: Decision): string =>
    decision.kind === "changed" ? decision.event.order.status : codeOf(decision);

  test.each(ORDER_STATUSES)("of an order that is %s do what the table says", (status) => {
    for (const [index, venue] of (["none", "external"] as const).entries()) {
      const view = new TestView({ venue });
      const orderId = standing(view, status).orderId;
      const expected = ENDS[status];
      expect([venue, becomes(cancel(view, { orderId }))]).toEqual([
        venue,
        expected.cancel[index] ?? "",
      ]);
      const other = new TestView({ venue });
      standing(other, status);
      const expired = other.run({ kind: "expire", orderId });
      expect([venue, becomes(expired)]).toEqual([venue, expected.expire[index] ?? ""]);
    }
  });

  test("need no rule's consent", () => {
    const view = new TestView();
    const order = view.placed(limit());
    view.instruments.set(BTC, { ...bitcoin, status: "CLOSED" });
    view.closed = { code: "shard_unavailable", detail: "The disk is full." };
    view.run({ kind: "trading_state", scope: { kind: "all" }, state: "HALTED" });
    expect(cancel(view, order)).toMatchObject({ event: { reason: "CANCEL_REQUESTED" } });
    expect(view.usedMinor(ACCOUNT)).toBe(5_025_000_000n);
    view.execute(order, "CANCEL");
    expect([view.latest(order).status, view.usedMinor(ACCOUNT)]).toEqual(["CANCELED", 0n]);
  });

  test("of another account's order, or of none, finds no order", () => {
    const view = new TestView();
    const order = view.placed(limit());
    expect(codeOf(cancel(view, order, STRANGER))).toBe("order_not_found");
    expect(codeOf(cancel(view, { orderId: 7 as OrderId }))).toBe("order_not_found");
    expect(view.run({ kind: "expire", orderId: 7 as OrderId })).toEqual({ kind: "ignored" });
  });
});

describe("cancel all", () => {
  const all = (view: TestView, symbol: typeof BTC | null): readonly number[] => {
    const decision = view.run({ kind: "cancel_many", accountId: ACCOUNT, symbol });
    if (decision.kind !== "cancelled") throw new Error(decision.kind);
    return decision.orderIds.map(Number);
  };

  test.each<[string, typeof BTC | null, readonly number[]]>([
    ["without a symbol", null, [1025, 2049]],
    ["with a symbol", ETH, [2049]],
    ["of a symbol without orders", "NONE" as typeof BTC, []],
  ])("%s ends what is open there, and none of another account's", (_, symbol, expected) => {
    for (const venue of ["none", "external"] as const) {
      const view = new TestView({ venue });
      view.placed(limit());
      view.placed(limit({ symbol: ETH }));
      view.placed(limit(), STRANGER);
      view.placed(limit({ timeInForce: "GTD", goodTillDate: 1 }));
      expect(all(view, symbol)).toEqual([...expected]);
      const status = venue === "none" ? "CANCELED" : "PENDING_CANCEL";
      for (const id of expected) expect(view.orders.get(id as OrderId)?.status).toBe(status);
      // A repeat names what the engine has not answered for, and changes nothing.
      const { stamps } = view;
      expect(all(view, symbol)).toEqual(venue === "none" ? [] : [...expected]);
      expect(view.stamps).toBe(stamps);
    }
  });

  test("ends a bracket's orders once each", () => {
    const view = new TestView({ venue: "none" });
    const bracket = { takeProfit: { stopPrice: "55000" }, stopLoss: { stopPrice: "45000" } };
    view.placed(limit(bracket));
    expect(all(view, null)).toEqual([1025, 2049, 3073]);
    expect([...view.orders.values()].map(({ status, version }) => [status, version])).toEqual(
      Array.from({ length: 3 }, () => ["CANCELED", 2]),
    );
  });
});

test("a status changes only as the table allows, whatever the commands", () => {
  let changes = 0;
  for (const venue of ["none", "external"] as const) {
    for (const status of ORDER_STATUSES) {
      const executedUnits = status === "PARTIALLY_FILLED" ? 3 : 0;
      const amendment = { priceUnits: 4_900_000, quantityUnits: 20 };
      const steps: readonly ((view: TestView, order: Order) => Decision)[] = [
        (view, order) => amend(view, order, { price: "50000.2" }),
        cancel,
        (view) => view.run({ kind: "cancel_many", accountId: ACCOUNT, symbol: null }),
        (view, { orderId }) => view.run({ kind: "expire", orderId }),
        (view, { orderId }) => view.run({ kind: "trigger", orderId }),
        (view, order) => view.fill(order, "0.001"),
        (view, order) => view.fill(order, "0.02"),
        (view, order) => view.fill(order, "0.017"),
        (view, order) => view.execute(order, "CANCEL"),
        (view, order) => view.execute(order, "EXPIRE"),
        (view, order) => view.execute(order, "REJECT"),
        (view, order) => view.execute(order, "AMENDED"),
        (view, order) => view.execute(order, "AMEND_REJECTED"),
      ];
      for (const step of steps) {
        const view = new TestView({ venue });
        const wished = isOpen(status) ? amendment : null;
        const order = standing(view, status, { executedUnits, amendment: wished });
        step(view, order);
        const after = view.latest(order);
        if (after.version > order.version) changes++;
        if (after.status !== status) expect(ORDER_TRANSITIONS[status]).toContain(after.status);
        if (!isOpen(after.status)) expect(after.amendment).toBeNull();
      }
    }
  }
  expect(changes).toBeGreaterThan(60);
});
