import type {
  AccountId,
  CanonicalDecimal,
  ClientOrderId,
  InstrumentSymbol,
  OrderId,
} from "./brands.ts";

export const SIDES = ["BUY", "SELL"] as const;
export type Side = (typeof SIDES)[number];

export const ORDER_TYPES = ["LIMIT", "MARKET"] as const;
export type OrderType = (typeof ORDER_TYPES)[number];

export const TIMES_IN_FORCE = ["GTC", "IOC", "FOK", "GTX", "GTD"] as const;
export type TimeInForce = (typeof TIMES_IN_FORCE)[number];

export const SELF_TRADE_PREVENTIONS = [
  "NONE",
  "EXPIRE_TAKER",
  "EXPIRE_MAKER",
  "EXPIRE_BOTH",
] as const;
export type SelfTradePrevention = (typeof SELF_TRADE_PREVENTIONS)[number];

/**
 * Where an order stands. PENDING, UNTRIGGERED and PENDING_CANCEL belong to attached children,
 * conditional orders and matching engines; an order here is born NEW or EXPIRED.
 */
export const ORDER_STATUSES = [
  "PENDING",
  "UNTRIGGERED",
  "NEW",
  "PARTIALLY_FILLED",
  "PENDING_CANCEL",
  "FILLED",
  "CANCELED",
  "EXPIRED",
  "REJECTED",
] as const;
export type OrderStatus = (typeof ORDER_STATUSES)[number];

type Transitions = Readonly<Record<OrderStatus, readonly OrderStatus[]>>;

/** Every legal change of status; a change that is not here is never decided. */
export const ORDER_TRANSITIONS: Transitions = {
  PENDING: ["NEW", "UNTRIGGERED", "CANCELED"],
  UNTRIGGERED: ["NEW", "CANCELED"],
  NEW: ["PARTIALLY_FILLED", "FILLED", "PENDING_CANCEL", "CANCELED", "EXPIRED", "REJECTED"],
  PARTIALLY_FILLED: ["FILLED", "PENDING_CANCEL", "CANCELED", "EXPIRED"],
  PENDING_CANCEL: ["CANCELED", "FILLED"],
  FILLED: [],
  CANCELED: [],
  EXPIRED: [],
  REJECTED: [],
};

export const isOpen = (status: OrderStatus): boolean => ORDER_TRANSITIONS[status].length > 0;

export const mayBecome = (status: OrderStatus, next: OrderStatus): boolean =>
  ORDER_TRANSITIONS[status].includes(next);

/** An order as its sender meant it: parsed, defaults filled, decimals canonical. */
export interface OrderRequest {
  readonly clientOrderId: ClientOrderId;
  readonly symbol: InstrumentSymbol;
  readonly side: Side;
  readonly type: OrderType;
  /** null for MARKET. */
  readonly timeInForce: TimeInForce | null;
  /** Milliseconds since 1970; null unless GTD. */
  readonly goodTillDate: number | null;
  /** null for MARKET. */
  readonly price: CanonicalDecimal | null;
  readonly quantity: CanonicalDecimal;
  readonly selfTradePrevention: SelfTradePrevention;
}

/** Where a record stands: its shard's order (commitSeq) and its partition's (seq), both gapless. */
export interface Stamp {
  readonly epoch: number;
  readonly commitSeq: number;
  readonly partition: number;
  readonly seq: number;
}

export interface Order {
  readonly orderId: OrderId;
  readonly accountId: AccountId;
  readonly clientOrderId: ClientOrderId;
  readonly symbol: InstrumentSymbol;
  readonly side: Side;
  readonly type: OrderType;
  readonly timeInForce: TimeInForce | null;
  readonly goodTillDate: number | null;
  /** Units of 10^-priceScale; null for MARKET. */
  readonly priceUnits: number | null;
  /** Units of 10^-quantityScale. */
  readonly quantityUnits: number;
  readonly executedUnits: number;
  readonly priceScale: number;
  readonly quantityScale: number;
  readonly selfTradePrevention: SelfTradePrevention;
  readonly status: OrderStatus;
  /** 1 at acceptance, one more with each change; central never lets an older one win. */
  readonly version: number;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** Of the acceptance; never changes. */
  readonly receipt: Stamp;
}
