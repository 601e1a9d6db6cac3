/**
 * Collects what relays push and commits it in one go. Self-clocking, like the shard's group
 * commit: whatever arrives while a transaction runs is the next one, without a timer, so that the
 * number of syncs falls as the load rises and one lone push is committed at once.
 *
 * When the store can't be written (no space, a lock) the same pushes are tried again until it can:
 * a relay waits for its answer meanwhile, and its shard keeps the records. Any other failure is a
 * defect and ends the process; start is recovery, because nothing was answered.
 */

import type { Clock } from "../../shards/process/clock.ts";
import { OperatingError, reasonOf } from "../../shards/process/failure.ts";
import type { Logger } from "../../shards/process/logger.ts";
import type { CentralStore, Push, PushResult } from "./store.ts";

export interface ApplierLimits {
  /** Records in one transaction; a single larger push is taken alone. */
  readonly commitRecordsMax: number;
  /** Bytes of values that may wait; a push beyond is refused. */
  readonly waitingBytesMax: number;
  /** Pause before a store that failed is tried again; doubles from the first to the last. */
  readonly retryMsMin: number;
  readonly retryMsMax: number;
}

export interface Commit {
  readonly results: readonly PushResult[];
  readonly durationMs: number;
}

/** Told after each transaction, and each one that the store failed. */
export interface CommitObserver {
  committed(commit: Commit): void;
  failed(): void;
}

export interface ApplierParts {
  readonly store: CentralStore;
  readonly limits: ApplierLimits;
  readonly observer: CommitObserver;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Waiting {
  readonly push: Push;
  readonly bytes: number;
  readonly resolve: (result: PushResult) => void;
}

export class Applier {
  readonly #parts: ApplierParts;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #running: Promise<void> | null = null;
  #draining = false;

  constructor(parts: ApplierParts) {
    this.#parts = parts;
  }

  /**
   * Resolves when the commit that holds the push has returned. Throws a retryable OperatingError
   * `applier_overloaded` or `applier_draining`.
   */
  push(push: Push): Promise<PushResult> {
    if (this.#draining) throw passing("applier_draining", "the applier is stopping");
    const bytes = push.reduce((sum, { value }) => sum + value.length, 0);
    const limit = this.#parts.limits.waitingBytesMax;
    if (this.#waitingBytes > 0 && this.#waitingBytes + bytes > limit) {
      throw passing("applier_overloaded", `more than ${limit} bytes wait for central`);
    }
    this.#waitingBytes += bytes;
    const { promise, resolve } = Promise.withResolvers<PushResult>();
    this.#waiting.push({ push, bytes, resolve });
    this.#running ??= this.#run();
    return promise;
  }

  /**
   * Takes nothing more; resolves when nothing waits. What a failing store has not taken by then
   * stays unanswered: its shard has it and pushes it again.
   */
  async drain(): Promise<void> {
    this.#draining = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      // Lets the sockets hand over what came during the last transaction.
      await nextTurn();
      const batch = this.#take();
      const commit = await this.#applyUntilStored(batch.map(({ push }) => push));
      if (commit === null) return;
      for (const [i, { bytes, resolve }] of batch.entries()) {
        this.#waitingBytes -= bytes;
        resolve(commit.results[i] as PushResult);
      }
      this.#parts.observer.committed(commit);
    }
    this.#running = null;
  }

  #take(): Waiting[] {
    let records = 0;
    let count = 0;
    for (const { push } of this.#waiting) {
      records += push.length;
      if (count > 0 && records > this.#parts.limits.commitRecordsMax) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  /** null: the store failed while draining. */
  async #applyUntilStored(pushes: readonly Push[]): Promise<Commit | null> {
    const { store, limits, observer, clock, logger } = this.#parts;
    let pauseMs = limits.retryMsMin;
    for (;;) {
      try {
        const startedMs = clock.monotonicMs();
        const results = await store.apply(pushes);
        return { results, durationMs: clock.monotonicMs() - startedMs };
      } catch (error) {
        if (!(error instanceof OperatingError && error.retryable)) throw error;
        observer.failed();
        logger.error({ err: error, pauseMs }, `central waits: ${reasonOf(error)}`);
        if (this.#draining) return null;
        await Bun.sleep(pauseMs);
        pauseMs = Math.min(pauseMs * 2, limits.retryMsMax);
      }
    }
  }
}

const passing = (code: string, message: string): OperatingError =>
  new OperatingError(code, message, { retryable: true });

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
