/** How far each partition's records have got, for waiting apis, retention and the operators. */
import type { Progress } from "../protocol/answer.ts";
import type { ShardState } from "./state.ts";
import type { Watermarks } from "./store-port.ts";

/** Batches remembered to tell the lag's age; older ones are thinned out. */
const MARKS_MAX = 4096;

export class ProgressTracker {
  readonly #state: ShardState;
  #watermarks: Watermarks;
  /** (commitSeq, time) of batches that central does not have yet, oldest first. */
  #marks: { readonly commitSeq: number; readonly at: number }[] = [];
  #stopped = new Set<number>();

  constructor(state: ShardState, initial: Watermarks) {
    this.#state = state;
    this.#watermarks = initial;
  }

  committed(commitSeq: number, at: number): void {
    const newest = this.#marks.at(-1)?.commitSeq ?? this.#watermarks.appliedCommitSeq;
    // A batch without records, such as one of replays, leaves nothing that central could lack.
    if (commitSeq <= newest) return;
    this.#marks.push({ commitSeq, at });
    if (this.#marks.length > MARKS_MAX) this.#marks = this.#marks.filter((_, i) => i % 2 === 0);
  }

  advance(watermarks: Watermarks, stoppedPartitions: readonly number[]): void {
    this.#watermarks = watermarks;
    this.#stopped = new Set(stoppedPartitions);
    const { appliedCommitSeq } = watermarks;
    const firstKept = this.#marks.findIndex(({ commitSeq }) => commitSeq > appliedCommitSeq);
    this.#marks = firstKept < 0 ? [] : this.#marks.slice(firstKept);
  }

  get appliedCommitSeq(): number {
    return this.#watermarks.appliedCommitSeq;
  }

  get lagRecords(): number {
    return this.#state.commitSeq - this.#watermarks.appliedCommitSeq;
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
