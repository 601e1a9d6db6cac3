import { z } from "zod";
import { entryReader } from "./frame.ts";

/** The first message each way on every connection between our processes. */
export const HELLO = "hello";
export const WELCOME = "welcome";

const helloSchema = z.strictObject({
  role: z.enum(["api", "shard", "applier"]),
  name: z.string(),
  /** The cluster secret; empty on loopback. */
  secret: z.string(),
});
export type Hello = z.infer<typeof helloSchema>;

const shardWelcomeSchema = z.strictObject({
  shard: z.string(),
  shardIndex: z.number().int().min(1).max(1023),
  epoch: z.number().int().min(1),
  centralId: z.string(),
});
/** What a shard says to an api that has connected. */
export type ShardWelcome = z.infer<typeof shardWelcomeSchema>;

export const cursorSchema = z.strictObject({
  partition: z.number().int().min(0),
  epoch: z.number().int().min(0),
  seq: z.number().int().min(0),
  /** Hex of 32 bytes. */
  hash: z.string().length(64),
});
/** The last record of one (shard, partition) that central has applied. All zero: none yet. */
export type Cursor = z.infer<typeof cursorSchema>;

/** The epoch that central gave the shard last; 0 when it gave none, or does not say. */
export const grantedEpochSchema = z.number().int().min(0).default(0);

const applierWelcomeSchema = z.strictObject({
  centralId: z.string(),
  epoch: grantedEpochSchema,
  cursors: z.array(cursorSchema),
});
/** What central says to a shard's relay that has connected: where it stands with that shard. */
export type ApplierWelcome = z.infer<typeof applierWelcomeSchema>;

export const readHello = entryReader("a greeting", helloSchema);
export const readShardWelcome = entryReader("a greeting", shardWelcomeSchema);
export const readApplierWelcome = entryReader("a greeting", applierWelcomeSchema);

/** The WebSocket path for each kind of connection. */
export const SHARD_PATH = "/shard";
export const APPLIER_PATH = "/applier";
