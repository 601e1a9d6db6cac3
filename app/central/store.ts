/**
 * The port of the central store. Embedded it is a SQLite file; the same rules hold on a server's
 * database. Everything that a call of `apply` is given becomes durable in one transaction, the
 * cursors with the rows, so that a push which is repeated after a crash finds itself applied.
 */
import type { Cursor } from "../../shards/protocol/hello.ts";
import type { CommittedRecord } from "../../shards/protocol/record.ts";
import type { Claim, Grant, Stopped } from "../../shards/protocol/relay.ts";

/** Contiguous records of one (shard, epoch, partition), at least one. */
export type Push = readonly CommittedRecord[];

/** What became of one push; the same place in the answer as the push in the question. */
export interface PushResult {
  /** The stream's last applied record after this push; epoch and seq 0 when there is none. */
  readonly cursor: Cursor;
  readonly applied: number;
  /** Dropped, because an earlier push had brought them. */
  readonly duplicates: number;
  /** Why the rest was not taken, now or in an earlier push; null when all was. */
  readonly stopped: Stopped | null;
}

/** A stream of which central takes nothing more until somebody has looked at it. */
export interface StoppedStream {
  readonly shard: string;
  readonly epoch: number;
  readonly partition: number;
  readonly code: Stopped["code"];
  readonly detail: string;
  /** Milliseconds since 1970. */
  readonly stoppedAt: number;
}

/** Operating failures are `OperatingError`s; a retryable one may be followed by the same call. */
export interface CentralStore {
  readonly centralId: string;
  /**
   * Gives out the epoch of a new disk. A shard that central knows is refused unless its operator
   * accepts the loss; from the grant on, records of its older epochs are refused.
   */
  claimEpoch(claim: Claim): Promise<Grant>;
  /** Where each stream of the shard stands, by partition; none before its first record. */
  cursors(shard: string): Promise<readonly Cursor[]>;
  /** One transaction for all pushes. A bad record stops its own stream only. */
  apply(pushes: readonly Push[]): Promise<readonly PushResult[]>;
  stoppedStreams(): Promise<readonly StoppedStream[]>;
  /** Deletes outcomes older than `before` (ms since 1970), `limit` at most; gives how many. */
  deleteOutcomes(before: number, limit: number): Promise<number>;
  close(): void;
}
