/**
 * The loop that performs what the group-commit machine says. The only place where the shard's
 * state changes, and only after the transaction's COMMIT has returned.
 */
import type { Command } from "../domain/command.ts";
import type { Problem } from "../domain/problem.ts";
import type { Clock } from "../process/clock.ts";
import { CommitError } from "../process/commit-error.ts";
import { OperatingError, reasonOf } from "../process/failure.ts";
import type { Logger } from "../process/logger.ts";
import { type Answer, NO_TIME, type ShardTiming } from "../protocol/answer.ts";
import type { Admission } from "./admission.ts";
import { type AnswerPart, type Draft, decideBatch, problemAnswer } from "./batch.ts";
import { type Effect, step, type WriterEvent, type WriterState } from "./group-commit.ts";
import { IntakeQueue, type Waiting } from "./intake-queue.ts";
import type { WriterMetrics } from "./metrics.ts";
import { Overlay } from "./overlay.ts";
import { applyRaise, raiseProblem, raiseWrites } from "./raise-partitions.ts";
import type { ShardState } from "./state.ts";
import type { BatchWrites, OrderWrite, WriterStore } from "./store-port.ts";

/** Where a command came from and where its answer goes. */
export interface Sender {
  /** Queued and sent at the end of the turn, with the others for the same receiver. */
  answer(answer: Answer): void;
}

export interface WriterOptions {
  readonly state: ShardState;
  readonly store: WriterStore;
  readonly hashKey: (key: string) => number;
  readonly admission: Admission;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: WriterMetrics;
  readonly limits: {
    readonly batchOrdersMax: number;
    readonly intakeQueueMax: number;
    readonly intakeWaitMaxMs: number;
    readonly openOrdersMax: number;
  };
  /** After each commit: what changed, and the shard's newest commitSeq. */
  readonly onCommitted: (orders: Iterable<OrderWrite>, commitSeq: number, at: number) => void;
  readonly onDrained: () => void;
  /**
   * The process must end; the reason is a sentence. `recoverable`: a new start finds out what
   * happened; otherwise the file itself is refused and somebody must look.
   */
  readonly onFailed: (reason: string, recoverable: boolean) => void;
}

export class Writer {
  readonly #options: WriterOptions;
  readonly #queue: IntakeQueue<Sender>;
  #state: WriterState = "filling";
  #reason: string | null = null;
  #isRefused = false;
  #batch: readonly Draft<Sender>[] = [];
  #timing: ShardTiming = NO_TIME;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#queue = new IntakeQueue(options.limits.intakeQueueMax);
  }

  get state(): WriterState {
    return this.#state;
  }

  get reason(): string | null {
    return this.#reason;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  /** Takes a command; its answer goes to `sender`, always after the commit. */
  submit(sender: Sender, requestId: number, deadlineAt: number, command: Command): void {
    const { effects, state } = step(this.#state, "arrived", this.#queue.length);
    this.#state = state;
    const arrivedMs = this.#options.clock.monotonicMs();
    const waiting = { sender, requestId, deadlineAt, command, arrivedMs };
    for (const effect of effects) {
      if (effect === "enqueue") this.#enqueue(waiting);
      else if (effect === "refuse") this.#refuse(waiting, STOPPING);
      else this.#perform(effect);
    }
  }

  drain(): void {
    this.#handle("drain");
  }

  /** Between two batches, in a transaction of its own; answered after its commit. */
  raisePartitions(sender: Sender, requestId: number, partitionCount: number): void {
    sender.answer({ requestId, ...this.#raise(partitionCount), timing: NO_TIME });
  }

  #raise(partitionCount: number): AnswerPart {
    const { state, clock, onCommitted } = this.#options;
    if (this.#state !== "filling") return problemAnswer(STOPPING);
    const problem = raiseProblem(state, partitionCount);
    if (problem !== undefined) return problemAnswer(problem);
    if (partitionCount > state.partitionCount) {
      const now = clock.now();
      const writes = raiseWrites(state, partitionCount, now);
      const failure = this.#write(writes);
      if (failure !== undefined) return this.#raiseFailed(failure);
      applyRaise(state, writes);
      onCommitted([], state.commitSeq, now);
    }
    const { shard, generation } = state;
    const body = JSON.stringify({ shard, partitionCount: state.partitionCount, generation });
    return { status: 200, kind: "final", place: null, body };
  }

  #raiseFailed({ definite }: CommitError): AnswerPart {
    if (!definite) {
      this.#handle("batch_unknown");
      return problemAnswer(UNKNOWN);
    }
    const problem = this.#lost();
    this.#reason = null;
    return problemAnswer(problem);
  }

  /** The file must not be written any more. */
  refuseFile(reason: string): void {
    this.#reason = reason;
    this.#isRefused = true;
    this.#handle("fail");
  }

  #handle(event: WriterEvent): void {
    const { state, effects } = step(this.#state, event, this.#queue.length);
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
  }

  #perform(effect: Effect): void {
    switch (effect) {
      case "schedule":
        setImmediate(() => this.#handle("turn"));
        return;
      case "commit":
        this.#handle(this.#commit());
        return;
      case "answer":
        for (const draft of this.#batch) draft.sender.answer({ ...draft, timing: this.#timing });
        this.#batch = [];
        // The answers leave with the microtasks that they queued; the rest can wait for them.
        queueMicrotask(() => this.#maintain());
        return;
      case "answer_lost":
        this.#answerAll(this.#lost());
        this.#reason = null;
        return;
      case "answer_unknown":
        this.#answerAll(UNKNOWN);
        for (const waiting of this.#queue.take(this.#queue.length)) this.#refuse(waiting, STOPPING);
        return;
      case "close":
        this.#options.onDrained();
        return;
      case "exit":
        this.#options.onFailed(this.#reason ?? "a batch's outcome is not known", !this.#isRefused);
        return;
      default:
        throw new Error(`${effect} needs a command`);
    }
  }

  /** Decides the next batch and runs its transaction. Never throws for a failing disk. */
  #commit(): "committed" | "batch_lost" | "batch_unknown" {
    const { state, store, clock, limits, metrics } = this.#options;
    const startMs = clock.monotonicMs();
    const now = clock.now();
    const batch = this.#due(this.#queue.take(limits.batchOrdersMax), startMs, now);
    const { admission, hashKey } = this.#options;
    const { openOrdersMax } = limits;
    const overlay = new Overlay(state, {
      store,
      hashKey,
      openOrdersMax,
      admission: admission.problem(),
      now,
    });
    const { drafts, counts } = decideBatch(batch, overlay, state, now);
    this.#batch = drafts;
    const decidedMs = clock.monotonicMs();
    const failure = this.#write(overlay.writes());
    if (failure !== undefined) return failure.definite ? "batch_lost" : "batch_unknown";
    const endMs = clock.monotonicMs();
    this.#timing = {
      queueUs: microseconds(startMs - (batch[0]?.arrivedMs ?? startMs)),
      decideUs: microseconds((decidedMs - startMs) / Math.max(1, batch.length)),
      commitUs: microseconds(endMs - decidedMs),
    };
    const changed = overlay.apply();
    metrics.observeBatch(batch.length, counts, (endMs - decidedMs) / 1000);
    this.#options.onCommitted(changed, state.commitSeq, now);
    return "committed";
  }

  /** Runs a transaction; gives why it failed. */
  #write(writes: BatchWrites): CommitError | undefined {
    const { store, logger, admission } = this.#options;
    try {
      if (writes.records.length > 0) store.commit(writes);
      return undefined;
    } catch (error) {
      if (!(error instanceof CommitError)) throw error;
      this.#reason = reasonOf(error.cause);
      logger.error({ err: error, definite: error.definite }, "a batch was not committed");
      admission.diskFailed(this.#reason);
      return error;
    }
  }

  /** Of a transaction that is gone. */
  #lost(): Problem {
    const detail = `It could not be written: ${this.#reason}. Nothing happened.`;
    return { code: "shard_unavailable", detail };
  }

  /** What the disk refuses here nothing depends on yet: it is tried again after the next batch. */
  #maintain(): void {
    const { store, clock, logger } = this.#options;
    try {
      store.maintain(clock.now());
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error;
      logger.warn({ err: error }, "background work on the file waits");
    }
  }

  /** Drops what nobody waits for any more, and new orders that have waited too long. */
  #due(taken: readonly Waiting<Sender>[], nowMs: number, now: number): readonly Waiting<Sender>[] {
    const { intakeWaitMaxMs } = this.#options.limits;
    const isDue = (one: Waiting<Sender>): boolean => {
      if (one.deadlineAt < now) return false;
      return one.command.kind !== "place" || nowMs - one.arrivedMs <= intakeWaitMaxMs;
    };
    if (taken.every(isDue)) return taken;
    for (const one of taken) if (!isDue(one)) this.#refuse(one, OVERLOADED);
    return taken.filter(isDue);
  }

  #enqueue(waiting: Waiting<Sender>): void {
    if (this.#queue.isFull) this.#refuse(waiting, OVERLOADED);
    else this.#queue.push(waiting);
  }

  #refuse({ sender, requestId }: Waiting<Sender>, problem: Problem): void {
    if (problem.code === "overloaded") this.#options.metrics.shed();
    sender.answer({ requestId, ...problemAnswer(problem), timing: NO_TIME });
  }

  #answerAll(problem: Problem): void {
    const answer = problemAnswer(problem);
    for (const { sender, requestId } of this.#batch) {
      sender.answer({ requestId, ...answer, timing: NO_TIME });
    }
    this.#batch = [];
  }
}

const OVERLOADED: Problem = {
  code: "overloaded",
  detail: "More orders are waiting than the shard can take in time. Nothing happened.",
};
const STOPPING: Problem = {
  code: "shard_unavailable",
  detail: "The shard is stopping. Nothing happened.",
};
const UNKNOWN: Problem = {
  code: "outcome_unknown",
  detail: "The disk failed in the commit. Ask again, an order with the same clientOrderId.",
};

const microseconds = (ms: number): number => Math.max(0, Math.round(ms * 1000));
