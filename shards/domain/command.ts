import type {
  AccountId,
  CanonicalDecimal,
  ClientOrderId,
  InstrumentSymbol,
  OrderId,
} from "./brands.ts";
import type { BankMessage } from "./escrow/messages.ts";
import type { OrderRequest } from "./order.ts";
import type { MarginMode, PositionMode, TradingScope, TradingState } from "./risk/types.ts";

/** What a client may send; decided in arrival order. */
export type ClientCommand =
  | { readonly kind: "place"; readonly accountId: AccountId; readonly request: OrderRequest }
  | {
      readonly kind: "amend";
      readonly accountId: AccountId;
      readonly orderId: OrderId;
      /** null: stays as it is. */
      readonly price: CanonicalDecimal | null;
      readonly quantity: CanonicalDecimal | null;
    }
  | { readonly kind: "cancel"; readonly accountId: AccountId; readonly orderId: OrderId }
  | {
      readonly kind: "cancel_many";
      readonly accountId: AccountId;
      /** null: all of the account's orders on this shard. */
      readonly symbol: InstrumentSymbol | null;
    }
  | {
      readonly kind: "symbol_settings";
      readonly accountId: AccountId;
      readonly symbol: InstrumentSymbol;
      /** null: stays as it is. */
      readonly leverage: number | null;
      readonly marginMode: MarginMode | null;
    }
  | {
      readonly kind: "account_settings";
      readonly accountId: AccountId;
      readonly positionMode: PositionMode;
      /** Only say whether it could be done. */
      readonly isTrial: boolean;
    };

export const EXECUTION_KINDS = [
  "FILL",
  "CANCEL",
  "EXPIRE",
  "REJECT",
  "AMENDED",
  "AMEND_REJECTED",
] as const;
export type ExecutionKind = (typeof EXECUTION_KINDS)[number];

/** What a matching engine did to an order. Decimals canonical text, `fee` signed (a rebate is < 0). */
export interface Execution {
  readonly executionId: string;
  readonly orderId: OrderId;
  readonly symbol: InstrumentSymbol;
  readonly kind: ExecutionKind;
  /** FILL: the trade's. AMENDED: the order's new ones. Else null. */
  readonly price: CanonicalDecimal | null;
  readonly quantity: CanonicalDecimal | null;
  /** FILL only; null is none. */
  readonly fee: CanonicalDecimal | null;
  /** null: the instrument's margin asset. */
  readonly feeAsset: string | null;
  /** The engine's time, milliseconds since 1970. */
  readonly at: number;
}

/** What those who run the exchange send; each may be sent again. */
export type VenueCommand =
  | { readonly kind: "execute"; readonly execution: Execution }
  | {
      readonly kind: "mark";
      readonly symbol: InstrumentSymbol;
      readonly price: CanonicalDecimal;
      readonly at: number;
    }
  | {
      readonly kind: "trading_state";
      readonly scope: TradingScope;
      readonly state: TradingState;
    }
  | {
      readonly kind: "transfer";
      readonly accountId: AccountId;
      readonly asset: string;
      readonly transferId: string;
      /** Signed decimal text: > 0 deposits. */
      readonly amount: CanonicalDecimal;
    };

/** What the shard tells itself, and what other shards say. */
export type OwnCommand =
  | { readonly kind: "expire"; readonly orderId: OrderId }
  | { readonly kind: "trigger"; readonly orderId: OrderId }
  | { readonly kind: "bank"; readonly message: BankMessage }
  /** Timers of one purse: what has no answer is sent again, what has waited too long ends. */
  | { readonly kind: "purse_tick"; readonly accountId: AccountId; readonly asset: string };

/** What may change a shard's state; decided in arrival order. */
export type Command = ClientCommand | VenueCommand | OwnCommand;

/** What an operator asks of a shard. Each may be asked again. */
export type Administration =
  /** From now on records are spread over this many partitions; never fewer than before. */
  | { readonly kind: "raise_partitions"; readonly partitionCount: number }
  /** Send everything again that central lacks. */
  | { readonly kind: "resend" };

/** What only reads; answered from the state after the latest commit. */
export type Query =
  | { readonly kind: "get_order"; readonly accountId: AccountId; readonly orderId: OrderId }
  | {
      readonly kind: "find_order";
      readonly accountId: AccountId;
      readonly symbol: InstrumentSymbol;
      readonly clientOrderId: ClientOrderId;
    }
  | {
      readonly kind: "open_orders";
      readonly accountId: AccountId;
      readonly symbol: InstrumentSymbol | null;
    }
  /** Decides as `place` does, and stores nothing. */
  | { readonly kind: "check"; readonly accountId: AccountId; readonly request: OrderRequest }
  | { readonly kind: "positions"; readonly accountId: AccountId }
  /** What this shard holds of the account, and what its bank knows where this is its home. */
  | { readonly kind: "account"; readonly accountId: AccountId }
  | { readonly kind: "instruments" }
  | { readonly kind: "status" }
  | { readonly kind: "metrics" };
