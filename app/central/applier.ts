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
import type { CentralStore, Intake, Push, PushResult } from "./store.ts";

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
  committed(commit: Commit, intake: Intake): void;
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
  readonly intake: Intake;
  readonly records: number;
  readonly bytes: number;
  readonly resolve: (results: readonly PushResult[]) => void;
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
  async push(push: Push): Promise<PushResult> {
    const [result] = await this.take({ pushes: [push], positions: [], quarantined: [] });
    return result as PushResult;
  }

  /** The same for several pushes, which are committed together. */
  take(intake: Intake): Promise<readonly PushResult[]> {
    if (this.#draining) throw passing("applier_draining", "the applier is stopping");
    const values = intake.pushes.flat();
    const bytes = values.reduce((sum, { value }) => sum + value.length, 0);
    const limit = this.#parts.limits.waitingBytesMax;
    if (this.#waitingBytes > 0 && this.#waitingBytes + bytes > limit) {
      throw passing("applier_overloaded", `more than ${limit} bytes wait for central`);
    }
    this.#waitingBytes += bytes;
    const { promise, resolve } = Promise.withResolvers<readonly PushResult[]>();
    this.#waiting.push({ intake, records: values.length, bytes, resolve });
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
      const whole = joined(batch.map(({ intake }) => intake));
      const commit = await this.#applyUntilStored(whole);
      if (commit === null) return;
      let answered = 0;
      for (const { intake, bytes, resolve } of batch) {
        this.#waitingBytes -= bytes;
        resolve(commit.results.slice(answered, answered + intake.pushes.length));
        answered += intake.pushes.length;
      }
      this.#parts.observer.committed(commit, whole);
    }
    this.#running = null;
  }

  #take(): Waiting[] {
    let records = 0;
    let count = 0;
    for (const one of this.#waiting) {
      records += one.records;
      if (count > 0 && records > this.#parts.limits.commitRecordsMax) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  /** null: the store failed while draining. */
  async #applyUntilStored(intake: Intake): Promise<Commit | null> {
    const { store, limits, observer, clock, logger } = this.#parts;
    let pauseMs = limits.retryMsMin;
    for (;;) {
      try {
        const startedMs = clock.monotonicMs();
        const results = await store.apply(intake);
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

const joined = (intakes: readonly Intake[]): Intake => ({
  pushes: intakes.flatMap(({ pushes }) => pushes),
  positions: intakes.flatMap(({ positions }) => positions),
  quarantined: intakes.flatMap(({ quarantined }) => quarantined),
});

const passing = (code: string, message: string): OperatingError =>
  new OperatingError(code, message, { retryable: true });

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
