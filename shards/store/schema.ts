/** The tables that drizzle reads or writes; `migrations/shard` makes these and all others. */
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

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

export const instrument = sqliteTable("instrument", {
  symbol: text().primaryKey(),
  version: integer().notNull(),
  definition: text().notNull(),
});
