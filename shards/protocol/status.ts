import { z } from "zod";

/** A shard as its operators see it; the answer to a `status` query. */
export const shardStatusSchema = z.strictObject({
  shard: z.string(),
  state: z.enum(["filling", "committing", "draining", "failed"]),
  /** Why it failed, or why it takes no new orders; null when all is well. */
  reason: z.string().nullable(),
  epoch: z.number().int(),
  /** Over how many partitions its records are spread now. */
  partitionCount: z.number().int(),
  /** Counts the changes of partitionCount, from 1. */
  generation: z.number().int(),
  sqliteVersion: z.string(),
  commitSeq: z.number().int(),
  openOrders: z.number().int(),
  /** Commands that wait for their batch. */
  queue: z.number().int(),
  /** Commands that wait for a bank's answer. */
  waitingForBanks: z.number().int(),
  ordersAccepted: z.number().int(),
  ordersRefused: z.number().int(),
  batches: z.number().int(),
  fileBytes: z.number().int(),
  walBytes: z.number().int(),
  freeBytes: z.number().int(),
  relay: z.strictObject({
    state: z.enum(["connecting", "running", "stopped"]),
    reason: z.string().nullable(),
    /** Committed records that the broker (embedded: central) has not acknowledged. */
    backlogRecords: z.number().int(),
    lagMs: z.number().int(),
  }),
  /** Of the accounts' margin; null with `risk: none`. */
  risk: z
    .strictObject({
      /** Restored without the other shards' files: it takes what only reduces, and cancels. */
      isReconciling: z.boolean(),
      /** Age of the oldest request that a bank has not answered. */
      pendingAgeMs: z.number().int(),
      /** Age of the oldest realised amount or give-back that a bank has not acknowledged. */
      outboxAgeMs: z.number().int(),
      /** Mark prices of symbols that trade, older than `margin.markAge`. */
      staleMarks: z.number().int(),
    })
    .nullable(),
  /** Executions that were put aside since the shard's start. */
  executionsQuarantined: z.number().int(),
  central: z.strictObject({
    /** Committed records that central has not applied. */
    lagRecords: z.number().int(),
    lagMs: z.number().int(),
    /** Partitions that central has stopped, which somebody must look at. */
    stoppedPartitions: z.array(z.number().int()),
  }),
});
export type ShardStatus = z.infer<typeof shardStatusSchema>;
