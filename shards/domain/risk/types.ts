/** What the shard knows of an account's risk. Money is a bigint of 10^-8 of the asset (minor units). */
import type { AccountId, InstrumentSymbol } from "../brands.ts";
import type { PositionSide } from "../order.ts";

/** What a shard checks before it takes an order: `none` leaves that to somebody behind it. */
export const RISK_MODES = ["margin", "none"] as const;
export type RiskMode = (typeof RISK_MODES)[number];

/** Who has the last word on a live order: the shard itself, or a matching engine behind it. */
export const VENUES = ["external", "none"] as const;
export type Venue = (typeof VENUES)[number];

export const MARGIN_MODES = ["CROSS", "ISOLATED"] as const;
export type MarginMode = (typeof MARGIN_MODES)[number];

export const POSITION_MODES = ["ONE_WAY", "HEDGE"] as const;
export type PositionMode = (typeof POSITION_MODES)[number];

/** From the least to the most restrictive. */
export const TRADING_STATES = ["ACTIVE", "REDUCE_ONLY", "HALTED"] as const;
export type TradingState = (typeof TRADING_STATES)[number];

/** Net holding of one account in an instrument; in hedge mode one for each side. */
export interface Position {
  readonly accountId: AccountId;
  readonly symbol: InstrumentSymbol;
  readonly side: PositionSide;
  /** Signed: long > 0, short < 0. Units of 10^-quantityScale. */
  readonly quantityUnits: number;
  /** What the quantity cost at its entry, ≥ 0. Units of 10^-(priceScale + quantityScale). */
  readonly costUnits: bigint;
  readonly priceScale: number;
  readonly quantityScale: number;
  /** All that it has ever realised, fees not taken off; minor units of the margin asset. */
  readonly realisedMinor: bigint;
  /** All fees in the margin asset; minor units. */
  readonly feesMinor: bigint;
  /** 1 with its first fill, one more with each change. */
  readonly version: number;
  /** Milliseconds since 1970. */
  readonly updatedAt: number;
}

/** An account's choice for one symbol. */
export interface SymbolSettings {
  readonly accountId: AccountId;
  readonly symbol: InstrumentSymbol;
  /** 1 … the first bracket's. */
  readonly leverage: number;
  readonly marginMode: MarginMode;
  readonly version: number;
}

/** An account's choice for all symbols of a shard. */
export interface AccountSettings {
  readonly accountId: AccountId;
  readonly positionMode: PositionMode;
  readonly version: number;
}

/** What a symbol is held to be worth, by the exchange's index. */
export interface MarkPrice {
  readonly symbol: InstrumentSymbol;
  /** Units of 10^-priceScale. */
  readonly priceUnits: number;
  /** When its sender made it; milliseconds since 1970. An older one never replaces a newer one. */
  readonly at: number;
}

/** To whom a trading state applies: all, one symbol, or one account. */
export type TradingScope =
  | { readonly kind: "all" }
  | { readonly kind: "symbol"; readonly symbol: InstrumentSymbol }
  | { readonly kind: "account"; readonly accountId: AccountId };

export interface ScopedTradingState {
  readonly scope: TradingScope;
  readonly state: TradingState;
  readonly version: number;
}

/** Rates and limits that one exchange sets for all. Ratios are integers of 10^-8. */
export interface RiskSettings {
  /** What a fill is taken to cost while the order is open; of its notional. */
  readonly feeRateUnits: number;
  /** By how much a market order may trade worse than the mark. */
  readonly marketBufferUnits: number;
  /** Older marks stop market orders. */
  readonly markAgeMsMax: number;
  /** Of an account that has chosen none, if the instrument allows it. */
  readonly leverageDefault: number;
}
