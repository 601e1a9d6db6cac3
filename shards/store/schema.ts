/** The shard file's tables as drizzle sees them; `migrations/shard` makes them. */

import { sql } from "drizzle-orm";
import { blob, index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";
import {
  ORDER_STATUSES,
  ORDER_TYPES,
  SELF_TRADE_PREVENTIONS,
  SIDES,
  TIMES_IN_FORCE,
} from "../domain/order.ts";

export const cluster = sqliteTable("cluster", {
  id: integer().primaryKey(),
  shard: text().notNull(),
  shardIndex: integer("shard_index").notNull(),
  epoch: integer().notNull(),
  centralId: text("central_id").notNull(),
  shardMap: text("shard_map").notNull(),
  shardCount: integer("shard_count").notNull(),
  partitionCount: integer("partition_count").notNull(),
  risk: text().notNull(),
  venue: text().notNull(),
  createdAt: integer("created_at").notNull(),
});

export const epochClaim = sqliteTable("epoch_claim", {
  id: integer().primaryKey(),
  claimId: text("claim_id").notNull(),
});

export const sequence = sqliteTable("sequence", {
  id: integer().primaryKey(),
  orderCounter: integer("order_counter").notNull(),
  commitSeq: integer("commit_seq").notNull(),
  appliedCommitSeq: integer("applied_commit_seq").notNull(),
  valueBytes: integer("value_bytes").notNull().default(0),
  appliedValueBytes: integer("applied_value_bytes").notNull().default(0),
});

export const stream = sqliteTable("stream", {
  partition: integer().primaryKey(),
  seq: integer().notNull(),
  hash: text().notNull(),
  replicatedSeq: integer("replicated_seq").notNull(),
  appliedSeq: integer("applied_seq").notNull(),
  replicatedHash: text("replicated_hash").notNull().default(""),
});

export const partitionGeneration = sqliteTable("partition_generation", {
  generation: integer().primaryKey(),
  partitionCount: integer("partition_count").notNull(),
  firstCommitSeq: integer("first_commit_seq").notNull(),
});

export const journal = sqliteTable("journal", {
  commitSeq: integer("commit_seq").primaryKey(),
  type: integer().notNull(),
  partition: integer().notNull(),
  seq: integer().notNull(),
  at: integer().notNull(),
  key: text().notNull(),
  value: text().notNull(),
  hash: text().notNull(),
});

export const orders = sqliteTable(
  "orders",
  {
    orderId: integer("order_id").primaryKey(),
    accountId: integer("account_id").notNull(),
    clientOrderId: text("client_order_id").notNull(),
    symbol: text().notNull(),
    side: text({ enum: SIDES }).notNull(),
    type: text({ enum: ORDER_TYPES }).notNull(),
    timeInForce: text("time_in_force", { enum: TIMES_IN_FORCE }),
    goodTillDate: integer("good_till_date"),
    priceUnits: integer("price_units"),
    quantityUnits: integer("quantity_units").notNull(),
    executedUnits: integer("executed_units").notNull(),
    priceScale: integer("price_scale").notNull(),
    quantityScale: integer("quantity_scale").notNull(),
    selfTradePrevention: text("self_trade_prevention", { enum: SELF_TRADE_PREVENTIONS }).notNull(),
    status: text({ enum: ORDER_STATUSES }).notNull(),
    version: integer().notNull(),
    createdAt: integer("created_at").notNull(),
    updatedAt: integer("updated_at").notNull(),
    epoch: integer().notNull(),
    commitSeq: integer("commit_seq").notNull(),
    partition: integer().notNull(),
    seq: integer().notNull(),
    lastCommitSeq: integer("last_commit_seq").notNull(),
  },
  (t) => [
    index("orders_open")
      .on(t.orderId)
      .where(
        sql`status IN ('PENDING', 'UNTRIGGERED', 'NEW', 'PARTIALLY_FILLED', 'PENDING_CANCEL')`,
      ),
  ],
);

export const outcomeKey = sqliteTable("outcome_key", {
  commitSeq: integer("commit_seq").primaryKey(),
  keyHash: integer("key_hash").notNull(),
});

export const outcomeGeneration = sqliteTable("outcome_generation", {
  generation: integer().primaryKey(),
  firstCommitSeq: integer("first_commit_seq").notNull(),
  lastCommitSeq: integer("last_commit_seq"),
  newestAt: integer("newest_at"),
  filter: blob({ mode: "buffer" }),
});

export const outcomeIndex = sqliteTable(
  "outcome_index",
  {
    generation: integer().notNull(),
    keyHash: integer("key_hash").notNull(),
    commitSeq: integer("commit_seq").notNull(),
  },
  (t) => [primaryKey({ columns: [t.generation, t.keyHash, t.commitSeq] })],
);

export const instrument = sqliteTable("instrument", {
  symbol: text().primaryKey(),
  version: integer().notNull(),
  definition: text().notNull(),
});
