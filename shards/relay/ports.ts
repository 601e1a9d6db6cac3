/** What the relay needs: the shard's committed records, and a way to carry them. */
import type { Cursor } from "../protocol/hello.ts";
import type { CommittedRecord } from "../protocol/record.ts";
import type { Stopped } from "../protocol/relay.ts";

/** A record without the hash before it, which the relay knows from the stream. */
export type OutboxRecord = Omit<CommittedRecord, "prevHash">;

/** Where a shard's own streams stand. */
export interface Standing {
  readonly epoch: number;
  /** Central is known to have every record up to here. */
  readonly appliedCommitSeq: number;
  readonly streams: readonly {
    readonly partition: number;
    readonly seq: number;
    readonly hash: string;
    readonly appliedSeq: number;
  }[];
}

/** The journal above the watermarks. */
export interface Outbox {
  /** At most `limit` records after `commitSeq`, in commit order. */
  read(commitSeq: number, limit: number): OutboxRecord[];
  standing(): Standing;
}

export type SendResult =
  | { readonly kind: "applied"; readonly cursor: Cursor }
  | { readonly kind: "stopped"; readonly stopped: Stopped };

/**
 * Carries records towards central: directly to the applier, or through a broker. Records of one
 * `send` belong to one partition and are contiguous; a partition has one `send` at a time.
 */
export interface Transport {
  /** Says where central stands with this shard. Throws a retryable OperatingError when down. */
  connect(): Promise<{ readonly centralId: string; readonly cursors: readonly Cursor[] }>;
  /** Resolves when the records are safe where they went. Throws when that is not known. */
  send(records: readonly CommittedRecord[]): Promise<SendResult>;
  close(): void;
}
