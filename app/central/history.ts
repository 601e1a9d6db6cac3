/**
 * Orders as central has them, for the api. Central is late, never wrong: each body has the values of
 * the last applied change.
 */
import type {
  AccountId,
  ClientOrderId,
  InstrumentSymbol,
  OrderId,
} from "../../shards/domain/brands.ts";

/** The last order of a page; the next page starts after it. */
export interface HistoryPlace {
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly orderId: number;
}

export interface HistoryQuery {
  readonly accountId: AccountId;
  readonly symbol: InstrumentSymbol | null;
  /** Creation in ms since 1970, inclusive; null: from the first. */
  readonly from: number | null;
  /** Exclusive; null: to the newest. */
  readonly to: number | null;
  /** Orders of one page, 1 or more. */
  readonly limit: number;
  readonly after: HistoryPlace | null;
}

export interface HistoryPage {
  /** JSON text of each order, newest first by (createdAt, orderId). */
  readonly bodies: string[];
  /** null on the last page. */
  readonly next: HistoryPlace | null;
}

/** Every method throws a retryable `OperatingError` when central can't be read now. */
export interface OrderHistory {
  /** The order as it is in central, in the shape of `renderOrder`. */
  order(accountId: AccountId, orderId: OrderId): Promise<string | undefined>;
  /** The newest with that client order id. May walk the account's orders: for single questions. */
  find(
    accountId: AccountId,
    symbol: InstrumentSymbol,
    clientOrderId: ClientOrderId,
  ): Promise<string | undefined>;
  page(query: HistoryQuery): Promise<HistoryPage>;
}
