/** Cancels and the end of a good-till date. */
import type { AccountId, InstrumentSymbol, OrderId } from "../brands.ts";
import { isOpen } from "../order.ts";
import { Changes } from "./changes.ts";
import { orderNotFound, orderNotOpen } from "./problems.ts";
import type { Decision, DecisionView } from "./types.ts";

/** The decision that `changes` come to; the first event is the order that was asked about. */
export const changedDecision = ({ events }: Changes): Decision => {
  const [event, ...more] = events;
  return event === undefined ? { kind: "ignored" } : { kind: "changed", event, more };
};

/** One order; a repeat finds it as it is. */
export const decideCancel = (
  view: DecisionView,
  { accountId, orderId }: { readonly accountId: AccountId; readonly orderId: OrderId },
  now: number,
): Decision => {
  const order = view.order(orderId);
  if (order === undefined || order.accountId !== accountId) return orderNotFound(orderId);
  if (order.status === "CANCELED" || order.status === "PENDING_CANCEL") {
    return { kind: "unchanged", order };
  }
  if (!isOpen(order.status)) return orderNotOpen(order);
  const changes = new Changes(view, now);
  changes.cancel(order);
  return changedDecision(changes);
};

/** All of the account's orders on this shard, or those of one symbol. */
export const decideCancelMany = (
  view: DecisionView,
  {
    accountId,
    symbol,
  }: { readonly accountId: AccountId; readonly symbol: InstrumentSymbol | null },
  now: number,
): Decision => {
  const changes = new Changes(view, now);
  const open =
    symbol === null ? view.openOrdersOf(accountId) : view.openOrdersIn(accountId, symbol);
  for (const { orderId } of open) {
    // Its parent's cancel may have ended it a moment ago.
    const order = changes.order(orderId);
    if (order !== undefined && isOpen(order.status)) changes.cancel(order);
  }
  return {
    kind: "cancelled",
    events: changes.events,
    orderIds: open.map(({ orderId }) => orderId),
  };
};

/**
 * The good-till date has come. The timer may be late or twice: an order that is no longer open is
 * left alone. What the matching engine has is asked for, as by a cancel.
 */
export const decideExpire = (view: DecisionView, orderId: OrderId, now: number): Decision => {
  const order = view.order(orderId);
  if (order === undefined || !isOpen(order.status) || order.status === "PENDING") {
    return { kind: "ignored" };
  }
  const changes = new Changes(view, now);
  if (order.status === "UNTRIGGERED" || view.venue === "none") {
    changes.change(order, { status: "EXPIRED", amendment: null }, "EXPIRED");
    changes.dropPendingChildren(order);
  } else {
    changes.cancel(order);
  }
  return changedDecision(changes);
};
