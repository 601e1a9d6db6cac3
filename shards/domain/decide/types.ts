/** What a decision reads and what it comes to; the rules stand in the files beside this one. */
import type { AccountId, ClientOrderId, InstrumentSymbol, OrderId } from "../brands.ts";
import type { Command } from "../command.ts";
import type { PurseKey } from "../escrow/types.ts";
import type {
  DomainEvent,
  OrderAccepted,
  OrderChanged,
  OrderRefused,
  SettingsChanged,
  TradingStateChanged,
} from "../event.ts";
import type { Instrument } from "../instrument.ts";
import type { Order, OrderRequest, PositionSide, Stamp } from "../order.ts";
import type { Problem } from "../problem.ts";
import type { Exposure } from "../risk/exposure.ts";
import type {
  MarkPrice,
  Position,
  PositionMode,
  RiskMode,
  RiskSettings,
  ScopedTradingState,
  SymbolSettings,
  TradingScope,
  TradingState,
  Venue,
} from "../risk/types.ts";

/** What is known of a client order id that was used before. */
export interface Outcome {
  readonly status: number;
  readonly body: string;
  readonly request: OrderRequest;
  /** Stamp of the record that holds the outcome, to wait for its replication. */
  readonly stamp: Stamp;
  /** null for a refusal. */
  readonly orderId: OrderId | null;
}

/**
 * The state as a decision sees it: what is committed, and what this batch decided before. A
 * decision takes ids and stamps only for the events that it gives back.
 */
export interface DecisionView {
  readonly risk: RiskMode;
  readonly venue: Venue;
  readonly riskSettings: RiskSettings;
  instrument(symbol: InstrumentSymbol): Instrument | undefined;
  /** Open or closed. */
  order(orderId: OrderId): Order | undefined;
  /** By order id, oldest first. */
  openOrdersOf(accountId: AccountId): readonly Order[];
  /** By order id, oldest first. */
  openOrdersIn(accountId: AccountId, symbol: InstrumentSymbol): readonly Order[];
  /** Asked for several ids in one decision: an order's own and its children's. */
  outcome(
    accountId: AccountId,
    symbol: InstrumentSymbol,
    clientOrderId: ClientOrderId,
  ): Outcome | undefined;
  /** Why no new order is taken now; undefined when they are. */
  admission(): Problem | undefined;
  nextOrderId(): OrderId;
  /** The next place in the shard's order and in the partition of a record with this key. */
  nextStamp(key: string): Stamp;
  position(
    accountId: AccountId,
    symbol: InstrumentSymbol,
    side: PositionSide,
  ): Position | undefined;
  /** All on this shard, the flat ones too. */
  positionsOf(accountId: AccountId): readonly Position[];
  exposure(accountId: AccountId, symbol: InstrumentSymbol): Exposure;
  /** undefined: the account has chosen nothing for it. */
  symbolSettings(accountId: AccountId, symbol: InstrumentSymbol): SymbolSettings | undefined;
  positionMode(accountId: AccountId): PositionMode;
  /** Of its latest choice; 0 when it has made none. */
  accountSettingsVersion(accountId: AccountId): number;
  mark(symbol: InstrumentSymbol): MarkPrice | undefined;
  /** Of the latest fill; units of 10^-priceScale. */
  lastPrice(symbol: InstrumentSymbol): number | undefined;
  /** The most restrictive of all that apply. */
  tradingState(accountId: AccountId, symbol: InstrumentSymbol): TradingState;
  /** What was said last for exactly this scope. */
  scopedTradingState(scope: TradingScope): ScopedTradingState | undefined;
  /** Applied or put aside. */
  hasExecution(symbol: InstrumentSymbol, executionId: string): boolean;
  /** Initial margin of one symbol's orders and positions; minor units of its margin asset. */
  usedInMinor(accountId: AccountId, symbol: InstrumentSymbol): bigint;
  /** Σ of the above over the symbols of this shard with this margin asset. */
  usedMinor(accountId: AccountId, asset: string): bigint;
  /** What this shard may use of the account's equity. */
  rightsMinor(accountId: AccountId, asset: string): bigint;
  /** Whether all that was realised on this shard has room for this much more; minor units. */
  canRealise(accountId: AccountId, asset: string, deltaMinor: bigint): boolean;
}

/**
 * What to do when this shard's rights do not cover an order: `ask` the bank for more, or decide
 * with what is held, since the bank has answered that the account has no more.
 */
export type Funding = "ask" | BankAnswered;

export interface BankAnswered {
  /** What the bank had free, beside all rights, when it answered; minor units. */
  readonly freeMinor: bigint;
}

/** What the first event of a placement makes of its (account, symbol). */
export interface BookAfter {
  readonly exposure: Exposure;
  /** Initial margin of that exposure; minor units. */
  readonly usedMinor: bigint;
}

/** An execution's id, never applied again. */
export interface SeenExecution {
  readonly executionId: string;
  readonly symbol: InstrumentSymbol;
}

export type ExecutionResult =
  | { readonly status: "applied" }
  | { readonly status: "duplicate" }
  | { readonly status: "quarantined"; readonly reason: QuarantineReason };

/** Why an execution is put aside, whole; in order of precedence. */
export const QUARANTINE_REASONS = [
  "unknown_symbol",
  "unknown_order",
  "symbol_mismatch",
  "order_closed",
  "order_not_live",
  "unreadable",
  "no_amendment",
  "amendment_mismatch",
  "overfill",
  "position_impossible",
] as const;
export type QuarantineReason = (typeof QUARANTINE_REASONS)[number];

/** What a command comes to. Where `event` is null or `events` empty nothing is committed for it. */
export type Decision =
  /** `children` stand behind their parent, in the same transaction; none with a refusal. */
  | {
      readonly kind: "placed";
      readonly event: OrderAccepted | OrderRefused;
      readonly children: readonly OrderAccepted[];
      /** null where no margin was reckoned for it. */
      readonly after: BookAfter | null;
    }
  | { readonly kind: "replayed"; readonly outcome: Outcome }
  /** `more`: what the change brings about for other orders. */
  | {
      readonly kind: "changed";
      readonly event: OrderChanged;
      readonly more: readonly OrderChanged[];
    }
  | { readonly kind: "unchanged"; readonly order: Order }
  /** `orderIds`: all that are now cancelled or asked to be, those of an earlier request too. */
  | {
      readonly kind: "cancelled";
      readonly events: readonly OrderChanged[];
      readonly orderIds: readonly OrderId[];
    }
  | { readonly kind: "refused"; readonly problem: Problem }
  | { readonly kind: "ignored" }
  /** Rights of `needMinor` more than what is used would do, and the account may have them. */
  | { readonly kind: "short"; readonly key: PurseKey; readonly needMinor: bigint }
  | {
      readonly kind: "executed";
      /** Added in this order: the order, its position, then the orders that follow from it. */
      readonly events: readonly DomainEvent[];
      readonly result: ExecutionResult;
      /** null for a duplicate. */
      readonly seen: SeenExecution | null;
      /** `execution` as JSON. */
      readonly quarantined: {
        readonly executionId: string;
        readonly reason: QuarantineReason;
        readonly execution: string;
      } | null;
      /** The fill's price; null when there was none. */
      readonly lastPriceUnits: number | null;
    }
  /** null: an older one than what is known. */
  | { readonly kind: "marked"; readonly mark: MarkPrice | null }
  | { readonly kind: "settings"; readonly event: SettingsChanged | null; readonly body: string }
  | {
      readonly kind: "trading_state";
      readonly event: TradingStateChanged | null;
      readonly body: string;
    };

/** What is decided here; transfers, bank messages and timers of purses belong to the purses. */
export type DecidedCommand = Exclude<Command, { kind: "transfer" | "bank" | "purse_tick" }>;
