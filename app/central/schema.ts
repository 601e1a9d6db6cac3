/** Central's tables as drizzle sees them; `migrations/central` makes them. */
import { index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { ENTITY_TYPES } from "../../shards/domain/entities.ts";

export const central = sqliteTable("central", {
  id: integer().primaryKey(),
  centralId: text("central_id").notNull(),
  createdAt: integer("created_at").notNull(),
});

export const shardEpoch = sqliteTable("shard_epoch", {
  shard: text().primaryKey(),
  epoch: integer().notNull(),
  claimId: text("claim_id").notNull(),
  grantedAt: integer("granted_at").notNull(),
});

export const streamCursor = sqliteTable(
  "stream_cursor",
  {
    shard: text().notNull(),
    partition: integer().notNull(),
    epoch: integer().notNull(),
    seq: integer().notNull(),
    hash: text().notNull(),
  },
  (table) => [primaryKey({ columns: [table.shard, table.partition] })],
);

export const stoppedStream = sqliteTable(
  "stopped_stream",
  {
    shard: text().notNull(),
    epoch: integer().notNull(),
    partition: integer().notNull(),
    code: text({
      enum: ["gap", "hash_mismatch", "old_epoch", "unreadable", "refused_by_store"],
    }).notNull(),
    detail: text().notNull(),
    stoppedAt: integer("stopped_at").notNull(),
  },
  (table) => [primaryKey({ columns: [table.shard, table.epoch, table.partition] })],
);

export const orders = sqliteTable(
  "orders",
  {
    orderId: integer("order_id").primaryKey(),
    accountId: integer("account_id").notNull(),
    clientOrderId: text("client_order_id").notNull(),
    symbol: text().notNull(),
    side: text().notNull(),
    type: text().notNull(),
    timeInForce: text("time_in_force"),
    goodTillDate: integer("good_till_date"),
    price: text(),
    quantity: text().notNull(),
    executedQuantity: text("executed_quantity").notNull(),
    averagePrice: text("average_price"),
    status: text().notNull(),
    /** 0 or 1. */
    reduceOnly: integer("reduce_only").notNull(),
    positionSide: text("position_side").notNull(),
    selfTradePrevention: text("self_trade_prevention").notNull(),
    createdAt: integer("created_at").notNull(),
    updatedAt: integer("updated_at").notNull(),
    /** These five are the receipt: where the order was accepted. */
    shard: text().notNull(),
    epoch: integer().notNull(),
    commitSeq: integer("commit_seq").notNull(),
    partition: integer().notNull(),
    seq: integer().notNull(),
    version: integer().notNull(),
    /** As accepted, never updated: the outcome of the order's client order id. */
    acceptedPrice: text("accepted_price"),
    acceptedQuantity: text("accepted_quantity").notNull(),
    acceptedStatus: text("accepted_status").notNull(),
    /** Of a conditional order; null in others. */
    stopPrice: text("stop_price"),
    workingType: text("working_type"),
    /** 0 or 1. */
    closePosition: integer("close_position").notNull().default(0),
    /** Of an attached child. */
    parentOrderId: integer("parent_order_id"),
    /** JSON as in the order's text; empty when there are none. */
    children: text().notNull().default(""),
    /** Both null when the matching engine was asked for nothing. */
    amendmentPrice: text("amendment_price"),
    amendmentQuantity: text("amendment_quantity"),
  },
  (table) => [
    index("orders_history").on(table.accountId, table.createdAt, table.orderId, table.symbol),
  ],
);

/** Refusals: an accepted order's outcome is its own row. */
export const outcomes = sqliteTable(
  "outcomes",
  {
    shard: text().notNull(),
    epoch: integer().notNull(),
    commitSeq: integer("commit_seq").notNull(),
    /** Milliseconds since 1970, at the shard's commit; decides the retention. */
    at: integer().notNull(),
    value: text().notNull(),
  },
  (table) => [primaryKey({ columns: [table.shard, table.epoch, table.commitSeq] })],
);

/** What is kept beside the orders: the newest value of each key, with its record's place. */
export const entities = sqliteTable(
  "entities",
  {
    shard: text().notNull(),
    type: text({ enum: ENTITY_TYPES }).notNull(),
    entityKey: text("entity_key").notNull(),
    value: text().notNull(),
    /** Milliseconds since 1970, at the shard's commit. */
    at: integer().notNull(),
    epoch: integer().notNull(),
    commitSeq: integer("commit_seq").notNull(),
    partition: integer().notNull(),
    seq: integer().notNull(),
  },
  (table) => [primaryKey({ columns: [table.shard, table.type, table.entityKey] })],
);

export const schemaMigration = sqliteTable("schema_migration", {
  id: text().primaryKey(),
  /** SHA-256 of the file's text, hex. */
  checksum: text().notNull(),
  appliedAt: integer("applied_at").notNull(),
});

/** All of central's tables, for the test that compares them with the migrated file. */
export const CENTRAL_TABLES = {
  central,
  shardEpoch,
  streamCursor,
  stoppedStream,
  orders,
  outcomes,
  entities,
  schemaMigration,
};
