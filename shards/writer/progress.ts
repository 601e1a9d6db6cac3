/** How far each partition's records have got, for waiting apis, retention and the operators. */
import type { Progress } from "../protocol/answer.ts";
import type { ShardState } from "./state.ts";
import type { Watermarks } from "./store-port.ts";

/** What the relay reports. */
export interface Carried extends Omit<Watermarks, "appliedValueBytes"> {
  /** Every record up to here is safe where it was sent. */
  readonly replicatedCommitSeq: number;
  readonly stoppedPartitions: readonly number[];
}

/** A batch that central lacks. */
interface Mark {
  readonly commitSeq: number;
  readonly at: number;
  /** Bytes of all values up to and with this batch. */
  readonly valueBytes: number;
}

/** Batches remembered to tell the lag's age; older ones are thinned out. */
const MARKS_MAX = 4096;

export class ProgressTracker {
  readonly #state: ShardState;
  #watermarks: Watermarks;
  #replicatedCommitSeq: number;
  #valueBytes: number;
  /** Oldest first. */
  #marks: Mark[] = [];
  #stopped = new Set<number>();

  constructor(state: ShardState, initial: Watermarks) {
    this.#state = state;
    this.#watermarks = initial;
    this.#replicatedCommitSeq = initial.appliedCommitSeq;
    this.#valueBytes = initial.appliedValueBytes;
  }

  /** `valueBytes`: of all values up to and with `commitSeq`. */
  committed(commitSeq: number, at: number, valueBytes: number): void {
    this.#valueBytes = valueBytes;
    const newest = this.#marks.at(-1)?.commitSeq ?? this.#watermarks.appliedCommitSeq;
    // A batch without records, such as one of replays, leaves nothing that central could lack.
    if (commitSeq <= newest) return;
    this.#marks.push({ commitSeq, at, valueBytes });
    if (this.#marks.length > MARKS_MAX) this.#marks = this.#marks.filter((_, i) => i % 2 === 0);
  }

  /** Gives what is to be made durable. */
  advance(carried: Carried): Watermarks {
    const { stoppedPartitions, replicatedCommitSeq, appliedCommitSeq, partitions } = carried;
    this.#stopped = new Set(stoppedPartitions);
    this.#replicatedCommitSeq = replicatedCommitSeq;
    const firstKept = this.#marks.findIndex(({ commitSeq }) => commitSeq > appliedCommitSeq);
    const applied = this.#marks.at(firstKept < 0 ? -1 : firstKept - 1);
    const appliedValueBytes =
      firstKept === 0 || applied === undefined
        ? this.#watermarks.appliedValueBytes
        : applied.valueBytes;
    this.#marks = firstKept < 0 ? [] : this.#marks.slice(firstKept);
    this.#watermarks = { appliedCommitSeq, appliedValueBytes, partitions };
    return this.#watermarks;
  }

  get appliedCommitSeq(): number {
    return this.#watermarks.appliedCommitSeq;
  }

  get lagRecords(): number {
    return this.#state.commitSeq - this.#watermarks.appliedCommitSeq;
  }

  /** Bytes of the values that central lacks. */
  get lagBytes(): number {
    return Math.max(0, this.#valueBytes - this.#watermarks.appliedValueBytes);
  }

  get replicatedCommitSeq(): number {
    return this.#replicatedCommitSeq;
  }

  /** Committed records that the broker, or without one central, has not acknowledged. */
  get backlogRecords(): number {
    return Math.max(0, this.#state.commitSeq - this.#replicatedCommitSeq);
  }

  /** Age of the oldest of those. */
  backlogMs(now: number): number {
    if (this.backlogRecords === 0) return 0;
    const oldest = this.#marks.find(({ commitSeq }) => commitSeq > this.#replicatedCommitSeq);
    return oldest === undefined ? 0 : Math.max(0, now - oldest.at);
  }

  get stoppedPartitions(): readonly number[] {
    return [...this.#stopped].sort((a, b) => a - b);
  }

  /** Age of the oldest committed record that central lacks. */
  lagMs(now: number): number {
    const oldest = this.#marks[0];
    return oldest === undefined || this.lagRecords === 0 ? 0 : Math.max(0, now - oldest.at);
  }

  snapshot(now: number): readonly Progress[] {
    const lagMs = this.lagMs(now);
    return this.#watermarks.partitions.map(({ partition, replicatedSeq, appliedSeq }) => ({
      partition,
      epoch: this.#state.epoch,
      committedSeq: this.#state.streamEnd(partition).seq,
      replicatedSeq,
      appliedSeq,
      lagMs,
    }));
  }
}
