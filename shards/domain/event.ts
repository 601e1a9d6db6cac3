import type { AccountId } from "./brands.ts";
import type { Context, RefusalCode } from "./codes.ts";
import type { Order, OrderRequest, Stamp } from "./order.ts";

export const CHANGE_REASONS = ["CANCELED", "AMENDED", "EXPIRED"] as const;
export type ChangeReason = (typeof CHANGE_REASONS)[number];

/** The order stands; its receipt is this record's own stamp. */
export interface OrderAccepted {
  readonly type: "order_accepted";
  readonly stamp: Stamp;
  readonly request: OrderRequest;
  readonly order: Order;
}

/** A business refusal, stored as the outcome of its client order id. */
export interface OrderRefused {
  readonly type: "order_refused";
  readonly stamp: Stamp;
  readonly accountId: AccountId;
  readonly request: OrderRequest;
  readonly at: number;
  readonly code: RefusalCode;
  readonly detail: string;
  readonly context: Context;
}

/** An order moved; `order` is its state after the change. */
export interface OrderChanged {
  readonly type: "order_changed";
  readonly stamp: Stamp;
  readonly order: Order;
  readonly reason: ChangeReason;
}

export type DomainEvent = OrderAccepted | OrderRefused | OrderChanged;
