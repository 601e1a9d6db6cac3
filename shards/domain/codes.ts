/**
 * The closed list of codes that an answer may carry. HTTP status, title and what happened to the
 * order stand here and nowhere else; the table in the documents is generated from it.
 */
export interface CodeEntry {
  readonly status: number;
  readonly title: string;
  /** `stored`: the refusal is an outcome of its client order id and is given again on a replay. */
  readonly effect: "none" | "stored" | "unknown";
}

const entry = <E extends CodeEntry["effect"] = "none">(
  status: number,
  title: string,
  effect?: E,
): CodeEntry & { readonly effect: E } => ({ status, title, effect: effect ?? ("none" as E) });

export const CODES = {
  invalid_request: entry(400, "The request is not valid"),
  unauthenticated: entry(401, "The token is missing or not valid"),
  token_expired: entry(401, "The token has expired"),
  scope_missing: entry(403, "The token lacks the scope for this"),
  order_not_found: entry(404, "There is no such order"),
  account_not_found: entry(404, "There is no such account"),
  not_found: entry(404, "There is nothing here"),
  method_not_allowed: entry(405, "The method is not allowed here"),
  body_too_large: entry(413, "The body is too large"),
  unsupported_media_type: entry(415, "The body must be application/json"),
  client_order_id_reused: entry(409, "The client order id was used for another order"),
  order_not_open: entry(409, "The order is no longer open"),
  amendment_pending: entry(409, "An earlier amendment waits for the matching engine"),
  position_or_orders_open: entry(409, "Positions or orders are open"),
  transfer_id_reused: entry(409, "The transfer id was used for another transfer"),
  unknown_symbol: entry(422, "There is no such instrument", "stored"),
  trading_halted: entry(422, "Trading is halted", "stored"),
  instrument_not_trading: entry(422, "The instrument is not trading", "stored"),
  price_off_tick: entry(422, "The price is not on the tick", "stored"),
  price_out_of_range: entry(422, "The price is out of range", "stored"),
  quantity_off_step: entry(422, "The quantity is not on the step", "stored"),
  quantity_out_of_range: entry(422, "The quantity is out of range", "stored"),
  notional_too_small: entry(422, "Price times quantity is too small", "stored"),
  position_side_mismatch: entry(422, "The position side does not fit the account's mode", "stored"),
  mark_price_stale: entry(422, "The mark price is missing or too old", "stored"),
  would_trigger_immediately: entry(422, "The order would trigger immediately", "stored"),
  too_many_open_orders: entry(422, "Too many orders are open", "stored"),
  reduce_only_rejected: entry(422, "The order would not only reduce a position", "stored"),
  leverage_too_high: entry(422, "The leverage is too high for this size", "stored"),
  margin_insufficient: entry(422, "The margin is not enough", "stored"),
  insufficient_funds: entry(422, "The account does not have this much free"),
  not_supported: entry(422, "This version does not support this yet"),
  rate_limited: entry(429, "Too many requests"),
  overloaded: entry(503, "Too many orders are waiting"),
  shard_unavailable: entry(503, "The shard of this symbol does not answer"),
  replication_backlog: entry(503, "Too many orders wait for replication"),
  bank_unavailable: entry(503, "The account's bank does not answer"),
  internal_error: entry(500, "An unexpected error", "unknown"),
  outcome_unknown: entry(504, "The outcome is not known yet", "unknown"),
} as const satisfies Record<string, CodeEntry>;

export type Code = keyof typeof CODES;

/** A refusal that is stored as the outcome of its client order id. */
export type RefusalCode = {
  [C in Code]: (typeof CODES)[C]["effect"] extends "stored" ? C : never;
}[Code];

/** Numbers and names that explain a code: JSON-safe, decimals as text. */
export type Context = Readonly<
  Record<string, string | number | boolean | readonly string[] | null>
>;
