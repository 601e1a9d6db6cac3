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
  /** Left out of a stopped stream: they do not continue its chain. */
  readonly skipped: number;
  /** The stop that stands after this push; null when the stream goes on. */
  readonly stopped: Stopped | null;
  /** This push brought the stop. */
  readonly isNewStop: boolean;
}

/** Of a topic's partition: every record before this offset has been dealt with. */
export interface TopicPosition {
  readonly partition: number;
  readonly nextOffset: string;
}

/**
 * Moves central's position if it still is `from`, where the reader last knew it to be ("0": central
 * has none); else it stays. So a position that somebody set back is not lost to a reader that does
 * not know, and only records that were dealt with lie before a position. It may go back, when the
 * topic was made anew.
 */
export interface PositionMove extends TopicPosition {
  readonly from: string;
}

/** A record of a topic that was put aside for somebody to look at. */
export interface QuarantinedRecord {
  readonly partition: number;
  readonly offset: string;
  /** null when the record does not say, in a way that can be read, whose it is. */
  readonly shard: string | null;
  readonly epoch: number | null;
  readonly seq: number | null;
  readonly code: Stopped["code"];
  readonly detail: string;
  /** As they came. */
  readonly key: string;
  readonly headers: string;
  readonly value: string;
}

/** What one transaction takes in. Without a topic there are pushes only. */
export interface Intake {
  readonly pushes: readonly Push[];
  /** Of one partition in the order of their batches. */
  readonly positions: readonly PositionMove[];
  /** Records that belong to no stream. One that stops its stream is put aside by the store. */
  readonly quarantined: readonly QuarantinedRecord[];
}

/** A stream of which central takes nothing but the record that continues its chain. */
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
  /** The epoch that the shard was given last; 0 when it was given none. */
  grantedEpoch(shard: string): Promise<number>;
  /** Where each stream of the shard stands, by partition; none before its first record. */
  cursors(shard: string): Promise<readonly Cursor[]>;
  /** One transaction for all pushes. A bad record stops its own stream only. */
  apply(intake: Intake): Promise<readonly PushResult[]>;
  stoppedStreams(): Promise<readonly StoppedStream[]>;
  /** Deletes outcomes older than `before` (ms since 1970), `limit` at most; gives how many. */
  deleteOutcomes(before: number, limit: number): Promise<number>;
  close(): void;
}

/** A central store that is fed from a topic and remembers how far it has read it. */
export interface TopicStore extends CentralStore {
  /** One for each partition of which anything was taken. */
  positions(): Promise<readonly TopicPosition[]>;
}
