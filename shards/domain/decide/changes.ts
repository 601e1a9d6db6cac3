/** The changes that one decision brings about. */
import type { AccountId, InstrumentSymbol, OrderId } from "../brands.ts";
import type { ChangeReason, OrderChanged } from "../event.ts";
import { isOpen, mayBecome, type Order } from "../order.ts";
import type { DecisionView } from "./types.ts";

/** What may change in an order's life; the rest is as it was accepted. */
type OrderChange = Partial<
  Pick<
    Order,
    | "status"
    | "priceUnits"
    | "quantityUnits"
    | "executedUnits"
    | "costUnits"
    | "marginPriceUnits"
    | "openLossMinor"
    | "amendment"
  >
>;

/** Collects events in their order; a later step of the same decision sees the earlier ones. */
export class Changes {
  readonly view: DecisionView;
  readonly events: OrderChanged[] = [];
  readonly #now: number;
  readonly #orders = new Map<OrderId, Order>();

  constructor(view: DecisionView, now: number) {
    this.view = view;
    this.#now = now;
  }

  order(orderId: OrderId): Order | undefined {
    return this.#orders.get(orderId) ?? this.view.order(orderId);
  }

  /** By order id, oldest first. */
  openOrdersIn(accountId: AccountId, symbol: InstrumentSymbol): readonly Order[] {
    return this.view
      .openOrdersIn(accountId, symbol)
      .map((order) => this.#orders.get(order.orderId) ?? order)
      .filter(({ status }) => isOpen(status));
  }

  change(order: Order, change: OrderChange, reason: ChangeReason): OrderChanged {
    const { status = order.status } = change;
    if (status !== order.status && !mayBecome(order.status, status)) {
      throw new Error(`order ${order.orderId} may not become ${status} from ${order.status}`);
    }
    const event: OrderChanged = {
      type: "order_changed",
      stamp: this.view.nextStamp(order.symbol),
      reason,
      order: { ...order, ...change, version: order.version + 1, updatedAt: this.#now },
    };
    this.#orders.set(order.orderId, event.order);
    this.events.push(event);
    return event;
  }

  /**
   * Ends an order as far as the shard may: what the matching engine has is asked for, and is left
   * alone when it was asked for before. `reason` says why where it is not the account's wish.
   */
  cancel(order: Order, reason: "CANCELED" | "REDUCED" = "CANCELED"): void {
    if (order.status === "PENDING_CANCEL") return;
    const isHeldHere = order.status === "PENDING" || order.status === "UNTRIGGERED";
    if (isHeldHere || this.view.venue === "none") {
      this.change(order, { status: "CANCELED", amendment: null }, reason);
      this.dropPendingChildren(order);
    } else {
      const why = reason === "REDUCED" ? reason : "CANCEL_REQUESTED";
      this.change(order, { status: "PENDING_CANCEL" }, why);
    }
  }

  /** After the end of `parent`: children that never became live go with it. */
  dropPendingChildren(parent: Order): void {
    for (const { orderId } of parent.children) {
      const child = this.order(orderId);
      if (child?.status === "PENDING") this.change(child, { status: "CANCELED" }, "CANCELED");
    }
  }
}
