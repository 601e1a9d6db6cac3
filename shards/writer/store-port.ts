/** What the writer needs from the shard's file; `shards/store` gives it. */
import type { OrderId } from "../domain/brands.ts";
import type { Outcome } from "../domain/decide.ts";
import type { Order } from "../domain/order.ts";
import type { CommittedRecord } from "../protocol/record.ts";

/** An order as one batch leaves it. */
export interface OrderWrite {
  readonly order: Order;
  readonly isNew: boolean;
  readonly lastCommitSeq: number;
}

/** A change of how keys are spread, which begins with the batch's first record. */
export interface PartitionRaise {
  readonly generation: number;
  readonly partitionCount: number;
}

/** Everything that one transaction makes durable. */
export interface BatchWrites {
  readonly at: number;
  /** null in every batch of commands. */
  readonly raise: PartitionRaise | null;
  readonly records: readonly CommittedRecord[];
  readonly orders: readonly OrderWrite[];
  readonly outcomeKeys: readonly { readonly hash: number; readonly commitSeq: number }[];
  readonly orderCounter: number;
  readonly commitSeq: number;
}

/** How far the broker and central have got. Durable with the next batch. */
export interface Watermarks {
  /** Every record up to here has reached central. */
  readonly appliedCommitSeq: number;
  /** Bytes of all values up to there, since the file's first record. */
  readonly appliedValueBytes: number;
  readonly partitions: readonly {
    readonly partition: number;
    readonly replicatedSeq: number;
    readonly replicatedHash: string;
    readonly appliedSeq: number;
  }[];
}

export interface FileSizes {
  readonly fileBytes: number;
  readonly walBytes: number;
  readonly freeBytes: number;
}

export interface WriterStore {
  /** One transaction, durable when it returns. Throws CommitError of shards/process. */
  commit(batch: BatchWrites): void;
  /** Background work between batches. Throws a retryable OperatingError when the disk refuses. */
  maintain(now: number): void;
  findOutcome(key: OutcomeLookup, now: number): Outcome | undefined;
  /** Open or terminal, as last committed. */
  readOrder(orderId: OrderId): Order | undefined;
  setWatermarks(watermarks: Watermarks): void;
  /** Bytes of all values committed, since the file's first record. */
  readonly valueBytes: number;
  sizes(): FileSizes;
}

export interface OutcomeLookup {
  readonly accountId: number;
  readonly symbol: string;
  readonly clientOrderId: string;
  readonly hash: number;
}
