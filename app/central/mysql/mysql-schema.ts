/**
 * Central's tables on MySQL as drizzle sees them; `migrations/central-mysql` makes them. The same
 * tables, names and order as `../schema.ts`, which a test keeps; what is more stands at the end.
 */

import { sql } from "drizzle-orm";
import {
  bigint,
  char,
  decimal,
  index,
  int,
  mediumtext,
  mysqlTable,
  primaryKey,
  text,
  tinyint,
  unique,
  varchar,
} from "drizzle-orm/mysql-core";
import { ENTITY_TYPES } from "../../../shards/domain/entities.ts";

/** Whole numbers up to 2^53 - 1, as everywhere. */
const whole = (name: string) => bigint(name, { mode: "number" });
const positive = (name: string) => bigint(name, { mode: "number", unsigned: true });
const name = (column: string, length: number) => varchar(column, { length });
/** Price or quantity: 20 digits before the point and 18 after it. */
const exact = (column: string) => decimal(column, { precision: 38, scale: 18 });

export const central = mysqlTable("central", {
  id: tinyint("id", { unsigned: true }).primaryKey(),
  centralId: name("central_id", 64).notNull(),
  createdAt: whole("created_at").notNull(),
});

export const shardEpoch = mysqlTable("shard_epoch", {
  shard: name("shard", 64).primaryKey(),
  epoch: whole("epoch").notNull(),
  claimId: name("claim_id", 255).notNull(),
  grantedAt: whole("granted_at").notNull(),
});

export const streamCursor = mysqlTable(
  "stream_cursor",
  {
    shard: name("shard", 64).notNull(),
    partition: int("partition").notNull(),
    epoch: whole("epoch").notNull(),
    seq: whole("seq").notNull(),
    hash: char("hash", { length: 64 }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.shard, table.partition] })],
);

export const stoppedStream = mysqlTable(
  "stopped_stream",
  {
    shard: name("shard", 64).notNull(),
    epoch: whole("epoch").notNull(),
    partition: int("partition").notNull(),
    code: varchar("code", {
      length: 32,
      enum: ["gap", "hash_mismatch", "old_epoch", "unreadable", "refused_by_store"],
    }).notNull(),
    detail: name("detail", 1000).notNull(),
    stoppedAt: whole("stopped_at").notNull(),
  },
  (table) => [primaryKey({ columns: [table.shard, table.epoch, table.partition] })],
);

export const orders = mysqlTable(
  "orders",
  {
    orderId: positive("order_id").primaryKey(),
    accountId: whole("account_id").notNull(),
    clientOrderId: name("client_order_id", 64).notNull(),
    symbol: name("symbol", 32).notNull(),
    side: name("side", 8).notNull(),
    type: name("type", 32).notNull(),
    timeInForce: name("time_in_force", 8),
    goodTillDate: whole("good_till_date"),
    price: exact("price"),
    quantity: exact("quantity").notNull(),
    executedQuantity: exact("executed_quantity").notNull(),
    averagePrice: exact("average_price"),
    status: name("status", 32).notNull(),
    /** 0 or 1. */
    reduceOnly: tinyint("reduce_only").notNull(),
    positionSide: name("position_side", 8).notNull(),
    selfTradePrevention: name("self_trade_prevention", 32).notNull(),
    createdAt: whole("created_at").notNull(),
    updatedAt: whole("updated_at").notNull(),
    /** These five are the receipt: where the order was accepted. */
    shard: name("shard", 64).notNull(),
    epoch: whole("epoch").notNull(),
    commitSeq: whole("commit_seq").notNull(),
    partition: int("partition").notNull(),
    seq: whole("seq").notNull(),
    version: whole("version").notNull(),
    /** As accepted, never updated: the outcome of the order's client order id. */
    acceptedPrice: exact("accepted_price"),
    acceptedQuantity: exact("accepted_quantity").notNull(),
    acceptedStatus: name("accepted_status", 32).notNull(),
    /** Of a conditional order; null in others. */
    stopPrice: exact("stop_price"),
    workingType: name("working_type", 16),
    /** 0 or 1. */
    closePosition: tinyint("close_position").notNull().default(0),
    /** Of an attached child. */
    parentOrderId: positive("parent_order_id"),
    /** JSON as in the order's text; empty when there are none. */
    children: name("children", 1000).notNull().default(""),
    /** Both null when the matching engine was asked for nothing. */
    amendmentPrice: exact("amendment_price"),
    amendmentQuantity: exact("amendment_quantity"),
    /** Digits after the point in the order's text; null where there is no price. */
    priceScale: tinyint("price_scale"),
    quantityScale: tinyint("quantity_scale").notNull(),
    averagePriceScale: tinyint("average_price_scale"),
  },
  (table) => [
    index("orders_history").on(table.accountId, table.createdAt, table.orderId, table.symbol),
    index("orders_client").on(table.accountId, sql`(CRC32(${table.clientOrderId}))`),
  ],
);

/** Refusals: an accepted order's outcome is its own row. */
export const outcomes = mysqlTable(
  "outcomes",
  {
    shard: name("shard", 64).notNull(),
    epoch: whole("epoch").notNull(),
    commitSeq: whole("commit_seq").notNull(),
    /** Milliseconds since 1970, at the shard's commit; decides the retention. */
    at: whole("at").notNull(),
    value: mediumtext("value").notNull(),
  },
  (table) => [primaryKey({ columns: [table.shard, table.epoch, table.commitSeq] })],
);

/** What is kept beside the orders: the newest value of each key, with its record's place. */
export const entities = mysqlTable(
  "entities",
  {
    shard: name("shard", 64).notNull(),
    type: varchar("type", { length: 32, enum: ENTITY_TYPES }).notNull(),
    entityKey: name("entity_key", 255).notNull(),
    value: mediumtext("value").notNull(),
    /** Milliseconds since 1970, at the shard's commit. */
    at: whole("at").notNull(),
    epoch: whole("epoch").notNull(),
    commitSeq: whole("commit_seq").notNull(),
    partition: int("partition").notNull(),
    seq: whole("seq").notNull(),
  },
  (table) => [primaryKey({ columns: [table.shard, table.type, table.entityKey] })],
);

export const schemaMigration = mysqlTable("schema_migration", {
  id: name("id", 128).primaryKey(),
  /** SHA-256 of the file's text, hex. */
  checksum: char("checksum", { length: 64 }).notNull(),
  appliedAt: whole("applied_at").notNull(),
});

export const topicPosition = mysqlTable("topic_position", {
  partition: int("partition").primaryKey(),
  nextOffset: whole("next_offset").notNull(),
});

export const quarantine = mysqlTable(
  "quarantine",
  {
    id: positive("id").autoincrement().primaryKey(),
    partition: int("partition").notNull(),
    /** null for a record that stopped its stream: shard, epoch and seq name it. */
    offset: whole("offset"),
    shard: name("shard", 255),
    epoch: whole("epoch"),
    seq: whole("seq"),
    code: varchar("code", {
      length: 32,
      enum: ["gap", "hash_mismatch", "old_epoch", "unreadable", "refused_by_store"],
    }).notNull(),
    detail: name("detail", 1000).notNull(),
    recordKey: text("record_key").notNull(),
    headers: mediumtext("headers").notNull(),
    value: mediumtext("value").notNull(),
    quarantinedAt: whole("quarantined_at").notNull(),
  },
  (table) => [unique("quarantine_place").on(table.partition, table.offset)],
);

/** The tables that are on SQLite too, for the test that compares them. */
export const SHARED_TABLES = {
  central,
  shardEpoch,
  streamCursor,
  stoppedStream,
  orders,
  outcomes,
  entities,
  schemaMigration,
};

/** All of them. */
export const MYSQL_TABLES = { ...SHARED_TABLES, topicPosition, quarantine };
