import type {
  AccountId,
  CanonicalDecimal,
  ClientOrderId,
  InstrumentSymbol,
  OrderId,
} from "./brands.ts";

export const SIDES = ["BUY", "SELL"] as const;
export type Side = (typeof SIDES)[number];

export const ORDER_TYPES = [
  "LIMIT",
  "MARKET",
  "STOP_MARKET",
  "STOP",
  "TAKE_PROFIT_MARKET",
  "TAKE_PROFIT",
] as const;
export type OrderType = (typeof ORDER_TYPES)[number];

/** The price that triggers a conditional order. */
export const WORKING_TYPES = ["MARK_PRICE", "LAST_PRICE"] as const;
export type WorkingType = (typeof WORKING_TYPES)[number];

/** BOTH in one-way mode; LONG and SHORT, each a position of its own, in hedge mode. */
export const POSITION_SIDES = ["BOTH", "LONG", "SHORT"] as const;
export type PositionSide = (typeof POSITION_SIDES)[number];

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
 * Where an order stands. PENDING: an attached child whose parent has not filled. UNTRIGGERED: a
 * conditional order that waits for its price. PENDING_CANCEL: a matching engine was asked to end it.
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
  PENDING: ["UNTRIGGERED", "CANCELED"],
  UNTRIGGERED: ["NEW", "CANCELED", "EXPIRED"],
  NEW: ["PARTIALLY_FILLED", "FILLED", "PENDING_CANCEL", "CANCELED", "EXPIRED", "REJECTED"],
  PARTIALLY_FILLED: ["FILLED", "PENDING_CANCEL", "CANCELED", "EXPIRED"],
  PENDING_CANCEL: ["CANCELED", "FILLED", "EXPIRED", "REJECTED"],
  FILLED: [],
  CANCELED: [],
  EXPIRED: [],
  REJECTED: [],
};

export const isConditional = (type: OrderType): boolean => type !== "LIMIT" && type !== "MARKET";
/** Whether an order of this type trades at any price once it is live. */
export const isMarket = (type: OrderType): boolean =>
  type === "MARKET" || type === "STOP_MARKET" || type === "TAKE_PROFIT_MARKET";

export const isOpen = (status: OrderStatus): boolean => ORDER_TRANSITIONS[status].length > 0;

export const mayBecome = (status: OrderStatus, next: OrderStatus): boolean =>
  ORDER_TRANSITIONS[status].includes(next);

/** A take-profit or stop-loss that is attached to an order, as its sender meant it. */
export interface ChildRequest {
  /** null: made by the shard from the parent's order id ({@link childClientOrderId}). */
  readonly clientOrderId: ClientOrderId | null;
  readonly stopPrice: CanonicalDecimal;
  /** null: a market order once triggered. */
  readonly price: CanonicalDecimal | null;
  readonly workingType: WorkingType;
}

/** An order as its sender meant it: parsed, defaults filled, decimals canonical. */
export interface OrderRequest {
  readonly clientOrderId: ClientOrderId;
  readonly symbol: InstrumentSymbol;
  readonly side: Side;
  readonly type: OrderType;
  /** null for the market types. */
  readonly timeInForce: TimeInForce | null;
  /** Milliseconds since 1970; null unless GTD. */
  readonly goodTillDate: number | null;
  /** null for the market types. */
  readonly price: CanonicalDecimal | null;
  /** null with closePosition: the position's size when it triggers. */
  readonly quantity: CanonicalDecimal | null;
  /** null unless conditional. */
  readonly stopPrice: CanonicalDecimal | null;
  /** null unless conditional. */
  readonly workingType: WorkingType | null;
  readonly reduceOnly: boolean;
  /** STOP_MARKET and TAKE_PROFIT_MARKET only. */
  readonly closePosition: boolean;
  readonly positionSide: PositionSide;
  readonly selfTradePrevention: SelfTradePrevention;
  readonly takeProfit: ChildRequest | null;
  readonly stopLoss: ChildRequest | null;
}

/** The id of a child whose sender gave none; `tp` or `sl` and the parent's order id. */
export const childClientOrderId = (kind: "tp" | "sl", parentId: OrderId): ClientOrderId =>
  `${kind}-${parentId}` as ClientOrderId;

/** What an order's body says of an attached child; never changes. Prices in the instrument's decimals. */
export interface OrderChild {
  readonly orderId: OrderId;
  readonly clientOrderId: ClientOrderId;
  readonly type: OrderType;
  readonly stopPrice: string;
  readonly price: string | null;
  readonly workingType: WorkingType;
}

/** A wish that the matching engine has not confirmed. Units as the order's. */
export interface PendingAmendment {
  readonly priceUnits: number;
  readonly quantityUnits: number;
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
  /** Units of 10^-priceScale; null unless conditional. */
  readonly stopPriceUnits: number | null;
  readonly workingType: WorkingType | null;
  readonly reduceOnly: boolean;
  readonly closePosition: boolean;
  readonly positionSide: PositionSide;
  /** Take-profit first. */
  readonly children: readonly OrderChild[];
  /** Of an attached child. */
  readonly parentId: OrderId | null;
  /** Σ price × quantity of the fills, units of 10^-(priceScale + quantityScale). */
  readonly costUnits: bigint;
  /**
   * The price at which the order's open part needs margin, units of 10^-priceScale; fixed at
   * acceptance and by an amendment. 0: it needs none (reduce-only, closing, children, `risk: none`).
   */
  readonly marginPriceUnits: number;
  /** What its whole quantity would lose at once against the mark; minor units, fixed as above. */
  readonly openLossMinor: bigint;
  /** null when none waits for the matching engine. */
  readonly amendment: PendingAmendment | null;
  readonly status: OrderStatus;
  /** 1 at acceptance, one more with each change; central never lets an older one win. */
  readonly version: number;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** Of the acceptance; never changes. */
  readonly receipt: Stamp;
}
