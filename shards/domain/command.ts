import type {
  AccountId,
  CanonicalDecimal,
  ClientOrderId,
  InstrumentSymbol,
  OrderId,
} from "./brands.ts";
import type { OrderRequest } from "./order.ts";

/** What may change a shard's state; decided in arrival order. */
export type Command =
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
  | { readonly kind: "expire"; readonly orderId: OrderId };

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
  | { readonly kind: "instruments" }
  | { readonly kind: "status" }
  | { readonly kind: "metrics" };
