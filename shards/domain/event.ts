import type { AccountId } from "./brands.ts";
import type { Context, RefusalCode } from "./codes.ts";
import type { Order, OrderRequest, Stamp } from "./order.ts";
import type {
  AccountSettings,
  Position,
  ScopedTradingState,
  SymbolSettings,
} from "./risk/types.ts";

export const CHANGE_REASONS = [
  "CANCELED",
  "AMENDED",
  "EXPIRED",
  "CANCEL_REQUESTED",
  "AMEND_REQUESTED",
  "AMEND_REJECTED",
  "FILLED",
  "REJECTED",
  "TRIGGERED",
  /** A child whose parent was filled in part or whole: it now waits for its price, sized to the fill. */
  "ACTIVATED",
  /** The position no longer covers an order that may only reduce it: it ends, or is asked to. */
  "REDUCED",
] as const;
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

/** A fill moved a position; `position` is its state after it. */
export interface PositionChanged {
  readonly type: "position_changed";
  readonly stamp: Stamp;
  readonly position: Position;
  readonly fill: FillEffect;
}

/** What one fill came to; minor units of the margin asset, or of the fee's. */
export interface FillEffect {
  readonly executionId: string;
  readonly orderId: number;
  readonly realisedMinor: bigint;
  readonly feeMinor: bigint;
  readonly feeAsset: string;
}

export interface SettingsChanged {
  readonly type: "settings_changed";
  readonly stamp: Stamp;
  readonly settings:
    | ({ readonly of: "symbol" } & SymbolSettings)
    | ({ readonly of: "account" } & AccountSettings);
}

export interface TradingStateChanged {
  readonly type: "trading_state_changed";
  readonly stamp: Stamp;
  readonly tradingState: ScopedTradingState;
}

/** An execution that can't be applied: put aside, whole, for somebody to look at. */
export interface ExecutionQuarantined {
  readonly type: "execution_quarantined";
  readonly stamp: Stamp;
  readonly executionId: string;
  /** A word for programs: unknown_order, unknown_symbol, overfill, order_closed, unreadable, … */
  readonly reason: string;
  /** The execution as JSON. */
  readonly execution: string;
  readonly at: number;
}

/** The bank's table changed: a deposit, a withdrawal, a realised amount, rights granted or returned. */
export interface AccountChanged {
  readonly type: "account_changed";
  readonly stamp: Stamp;
  readonly accountId: AccountId;
  readonly asset: string;
  /** {@link renderAccount} of entities.ts. */
  readonly value: string;
}

/** A transfer was decided; its outcome may be told once this record is replicated. */
export interface TransferDecided {
  readonly type: "transfer_decided";
  readonly stamp: Stamp;
  readonly accountId: AccountId;
  readonly asset: string;
  readonly transferId: string;
  readonly amountMinor: bigint;
  readonly outcome: "PAID" | "REFUSED";
  readonly at: number;
}

/** What has a table of its own beside the orders. */
export type EntityEvent =
  | PositionChanged
  | SettingsChanged
  | TradingStateChanged
  | ExecutionQuarantined
  | AccountChanged
  | TransferDecided;

export type OrderEvent = OrderAccepted | OrderRefused | OrderChanged;
export type DomainEvent = OrderEvent | EntityEvent;
