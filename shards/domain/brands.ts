/** A type that only its own parser can make, so that illegal values don't get in. */
export type Brand<T, Name extends string> = T & { readonly __brand: Name };

/** Owner of orders, decimal integer 1 … 2^53 - 1 (a string in the native API). */
export type AccountId = Brand<number, "AccountId">;
/** `counter × 1024 + shardIndex`, 1 … 2^53 - 1; the shard is read from the id alone. */
export type OrderId = Brand<number, "OrderId">;
/** Text key of an instrument, `^[A-Z0-9_-]{1,32}$`; used for routing. */
export type InstrumentSymbol = Brand<string, "InstrumentSymbol">;
/** The sender's idempotency key, `^[.A-Z:/a-z0-9_-]{1,36}$`; unique per account and symbol. */
export type ClientOrderId = Brand<string, "ClientOrderId">;
/** Decimal text without trailing zeros, at most 16 digits before and 18 after the point. */
export type CanonicalDecimal = Brand<string, "CanonicalDecimal">;
/** `shard1` … `shard1023`; the number is the shard's index. */
export type ShardName = Brand<string, "ShardName">;

const ORDER_ID_SHARDS = 1024;

/** The order id for the `counter`-th order (1 …) of the shard with `shardIndex` (1 … 1023). */
export const makeOrderId = (counter: number, shardIndex: number): OrderId =>
  (counter * ORDER_ID_SHARDS + shardIndex) as OrderId;

export const shardIndexOf = (orderId: OrderId): number => orderId % ORDER_ID_SHARDS;
export const counterOf = (orderId: OrderId): number => Math.floor(orderId / ORDER_ID_SHARDS);
