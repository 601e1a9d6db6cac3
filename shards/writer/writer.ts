/**
 * The loop that performs what the group-commit machine says. The only place where the shard's
 * state changes, and only after the transaction's COMMIT has returned.
 */
import type { Command } from "../domain/command.ts";
import type { BankMessage } from "../domain/escrow/messages.ts";
import type { Problem } from "../domain/problem.ts";
import type { Clock } from "../process/clock.ts";
import { CommitError } from "../process/commit-error.ts";
import { OperatingError, reasonOf } from "../process/failure.ts";
import type { Logger } from "../process/logger.ts";
import { type Answer, NO_TIME, type ShardTiming } from "../protocol/answer.ts";
import type { Admission } from "./admission.ts";
import { type AnswerPart, problemAnswer } from "./answers.ts";
import { Batch, type Draft } from "./batch.ts";
import { type Effect, step, type WriterEvent, type WriterState } from "./group-commit.ts";
import { IntakeQueue, type Waiting } from "./intake-queue.ts";
import type { WriterMetrics } from "./metrics.ts";
import { Overlay } from "./overlay.ts";
import { applyRaise, raiseProblem, raiseWrites } from "./raise-partitions.ts";
import type { SeenPrice } from "./risk/risk-overlay.ts";
import { TransferRoom } from "./risk/transfer-room.ts";
import { WaitingRoom } from "./risk/waiting-room.ts";
import type { ShardState } from "./state.ts";
import type { BatchWrites, OrderWrite, WriterStore } from "./store-port.ts";

/** Where a command came from and where its answer goes. */
export interface Sender {
  /** Queued and sent at the end of the turn, with the others for the same receiver. */
  answer(answer: Answer): void;
}

/** What one commit has changed. */
export interface Committed {
  readonly orders: Iterable<OrderWrite>;
  /** In the order in which they came. */
  readonly prices: readonly SeenPrice[];
  /** The shard's newest. */
  readonly commitSeq: number;
  /** Milliseconds since 1970. */
  readonly at: number;
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
    readonly grantWaitersMax: number;
  };
  readonly onCommitted: (committed: Committed) => void;
  /** After the commit that they stand on; never empty. */
  readonly onBankMessages: (messages: readonly BankMessage[]) => void;
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
  readonly #room: WaitingRoom<Sender>;
  readonly #transfers = new TransferRoom<Sender>();
  #state: WriterState = "filling";
  #reason: string | null = null;
  #isRefused = false;
  #drafts: readonly Draft<Sender>[] = [];
  #timing: ShardTiming = NO_TIME;

  constructor(options: WriterOptions) {
    this.#options = options;
    const { state, limits } = options;
    this.#queue = new IntakeQueue(
      limits.intakeQueueMax,
      (orderId) => state.openOrder(orderId)?.symbol,
    );
    this.#room = new WaitingRoom(limits.grantWaitersMax);
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

  /** Commands that wait for a bank. */
  get waitingForBanks(): number {
    return this.#room.size + this.#transfers.size;
  }

  /** To be called now and then: ends those that have waited for a bank up to their deadline. */
  endLateWaiters(): void {
    const now = this.#options.clock.now();
    for (const late of this.#room.takeExpired(now)) this.#refuse(late, BANK_SILENT);
    this.#transfers.dropExpired(now);
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
      onCommitted({ ...NOTHING_CHANGED, commitSeq: state.commitSeq, at: now });
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
        for (const draft of this.#drafts) draft.sender.answer({ ...draft, timing: this.#timing });
        this.#drafts = [];
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
        this.#endWaiters();
        return;
      case "close":
        this.#endWaiters();
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
    const { state, clock, limits, metrics } = this.#options;
    const startMs = clock.monotonicMs();
    const now = clock.now();
    const batch = this.#due(this.#queue.take(limits.batchOrdersMax), startMs, now);
    const { overlay, decided } = this.#decide(batch, now);
    const decidedMs = clock.monotonicMs();
    const failure = this.#write(overlay.writes());
    if (failure !== undefined) {
      this.#drafts = this.#lostDrafts(decided);
      return failure.definite ? "batch_lost" : "batch_unknown";
    }
    this.#drafts = decided.drafts;
    const endMs = clock.monotonicMs();
    this.#timing = {
      queueUs: microseconds(startMs - (batch[0]?.arrivedMs ?? startMs)),
      decideUs: microseconds((decidedMs - startMs) / Math.max(1, batch.length)),
      commitUs: microseconds(endMs - decidedMs),
    };
    const orders = overlay.apply();
    metrics.observeBatch(batch.length, decided.counts, (endMs - decidedMs) / 1000);
    const { prices } = overlay.held;
    this.#options.onCommitted({ orders, prices, commitSeq: state.commitSeq, at: now });
    const { sends, counts } = decided.desk;
    for (const step of counts) metrics.escrow.observe(step);
    if (sends.length > 0) this.#options.onBankMessages(sends);
    if (decided.desk.isFenced) setImmediate(() => this.refuseFile(FENCED));
    return "committed";
  }

  #decide(
    waiting: readonly Waiting<Sender>[],
    now: number,
  ): { readonly overlay: Overlay; readonly decided: Batch<Sender> } {
    const { state, store, hashKey, admission, limits, logger } = this.#options;
    const { openOrdersMax } = limits;
    const overlay = new Overlay(state, {
      store,
      hashKey,
      openOrdersMax,
      admission: admission.problem(),
      now,
    });
    const room = this.#room;
    const transfers = this.#transfers;
    const decided = new Batch<Sender>({ overlay, state, store, room, transfers, now });
    for (const one of waiting) decided.take(one);
    decided.finish();
    for (const alarm of decided.desk.alarms)
      logger.error({ alarm }, "the escrow protocol is broken");
    return { overlay, decided };
  }

  /** Of a batch that is lost: those that began to wait in it do not wait. */
  #lostDrafts({ drafts, parked, ...batch }: Batch<Sender>): readonly Draft<Sender>[] {
    const unparked = [...parked].filter((waiter) => this.#room.remove(waiter));
    const waiting = [
      ...unparked.flatMap(({ askers }) => askers),
      ...this.#transfers.remove(batch.parkedTransfers),
    ];
    const ended = waiting.map(
      ({ sender, requestId }): Draft<Sender> => ({ sender, requestId, ...problemAnswer(UNKNOWN) }),
    );
    const open = [...batch.openTransfers];
    for (const one of open) this.#refuse(one, TRANSFER_OPEN);
    const isOpen = ({ sender, requestId }: Draft<Sender>): boolean =>
      open.some((one) => one.sender === sender && one.requestId === requestId);
    return [...drafts.filter((draft) => !isOpen(draft)), ...ended];
  }

  /** Of a writer that stops: no answer of a bank will reach them. */
  #endWaiters(): void {
    for (const waiting of this.#room.takeAll()) this.#refuse(waiting, STOPPING);
    for (const waiting of this.#transfers.takeAll()) this.#refuse(waiting, TRANSFER_UNKNOWN);
  }

  /** Runs a transaction; gives why it failed. */
  #write(writes: BatchWrites): CommitError | undefined {
    const { store, logger, admission } = this.#options;
    try {
      if (writes.records.length > 0 || writes.risk !== null) store.commit(writes);
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
    if (this.#queue.hasRoomFor(waiting.command)) this.#queue.push(waiting);
    else this.#refuse(waiting, OVERLOADED);
  }

  #refuse({ sender, requestId }: Waiting<Sender>, problem: Problem): void {
    if (problem.code === "overloaded") this.#options.metrics.shed();
    sender.answer({ requestId, ...problemAnswer(problem), timing: NO_TIME });
  }

  #answerAll(problem: Problem): void {
    const answer = problemAnswer(problem);
    for (const { sender, requestId } of this.#drafts) {
      sender.answer({ requestId, ...answer, timing: NO_TIME });
    }
    this.#drafts = [];
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
const BANK_SILENT: Problem = {
  code: "bank_unavailable",
  detail: "The account's bank did not answer in time. Nothing was stored: ask again.",
};
const TRANSFER_OPEN: Problem = {
  code: "outcome_unknown",
  detail: "The transfer's decision could not be written and is made again: ask again the same way.",
};
const TRANSFER_UNKNOWN: Problem = {
  code: "outcome_unknown",
  detail: "The shard is stopping before the transfer is decided: ask again the same way.",
};
const FENCED =
  "the file is not the newest of this shard: another shard's bank knows a later epoch of it";
const NOTHING_CHANGED = { orders: [], prices: [] } as const;
const UNKNOWN: Problem = {
  code: "outcome_unknown",
  detail: "The disk failed in the commit. Ask again, an order with the same clientOrderId.",
};

const microseconds = (ms: number): number => Math.max(0, Math.round(ms * 1000));
