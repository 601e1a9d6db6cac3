/** What the relay needs: the shard's committed records, a way to carry them, and central's word. */
import type { ApplierWelcome, Cursor } from "../protocol/hello.ts";
import type { CommittedRecord } from "../protocol/record.ts";
import type { CentralStanding, Stopped } from "../protocol/relay.ts";

/** A record without the hash before it, which the relay knows from the stream. */
export type OutboxRecord = Omit<CommittedRecord, "prevHash">;

/** One partition's stream as the shard's file has it. */
export interface StreamStanding {
  readonly partition: number;
  readonly seq: number;
  readonly hash: string;
  /** The last record that the broker has; the hash is empty when it is not known. */
  readonly replicatedSeq: number;
  readonly replicatedHash: string;
  readonly appliedSeq: number;
}

/** Where a shard's own streams stand. */
export interface Standing {
  readonly epoch: number;
  /** Central is known to have every record up to here. */
  readonly appliedCommitSeq: number;
  readonly streams: readonly StreamStanding[];
}

/** From `firstCommitSeq` on a key's partition is its hash modulo `partitionCount`. */
export interface PartitionGeneration {
  readonly generation: number;
  readonly partitionCount: number;
  readonly firstCommitSeq: number;
}

/** The journal above the watermarks. */
export interface Outbox {
  /** At most `limit` records after `commitSeq`, in commit order. */
  read(commitSeq: number, limit: number): OutboxRecord[];
  standing(): Standing;
  /** Oldest first, at least one. */
  generations(): readonly PartitionGeneration[];
}

export type SendResult =
  /** The broker has them; how far central is, {@link CentralView} tells. */
  | { readonly kind: "replicated" }
  | { readonly kind: "applied"; readonly cursor: Cursor }
  | { readonly kind: "stopped"; readonly stopped: Stopped };

/**
 * Carries records towards central: directly to the applier, or through a broker. Records of one
 * `send` belong to one partition and are contiguous; a partition has one `send` at a time.
 */
export interface Transport {
  /**
   * Gives central's standing when the way leads straight there, null when it leads to a broker.
   * Throws a retryable OperatingError when the other side is down.
   */
  connect(): Promise<ApplierWelcome | null>;
  /** Resolves when the records are safe where they went. Throws when that is not known. */
  send(records: readonly CommittedRecord[], generation: number): Promise<SendResult>;
  close(): void;
}

/** Central's word on a shard whose records go through a broker. */
export interface CentralView {
  /** Throws a retryable OperatingError when central can't be asked now. */
  ask(): Promise<CentralStanding>;
  close(): void;
}
