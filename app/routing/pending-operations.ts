import type { Clock } from "../../shards/process/clock.ts";
import type { Answer } from "../../shards/protocol/answer.ts";
import type { Operation, OperationEntry } from "../../shards/protocol/operation.ts";
import { DeadlineTimer } from "./deadline-timer.ts";
import { type RoutingCode, RoutingError } from "./routing-error.ts";

const NEVER_SENT = -1;

const IS_QUERY: Readonly<Record<Operation["kind"], boolean>> = {
  place: false,
  amend: false,
  cancel: false,
  cancel_many: false,
  get_order: true,
  find_order: true,
  open_orders: true,
  instruments: true,
  status: true,
  metrics: true,
  raise_partitions: false,
  resend: false,
  symbol_settings: false,
  account_settings: false,
  execute: false,
  mark: false,
  trading_state: false,
  transfer: false,
  check: true,
  positions: true,
  account: true,
};

/** With this status a shard refuses what it did not look at: it says nothing of an earlier copy. */
const UNSEEN_STATUS = 503;

/** An operation whose answer is awaited; encoded from itself each time it is sent. */
export class PendingOperation implements OperationEntry {
  readonly requestId: number;
  readonly operation: Operation;
  readonly deadlineAt: number;
  readonly expiresMs: number;
  readonly answer: Promise<Answer>;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: RoutingError) => void;
  /** Monotonic milliseconds of the latest hand-over to a socket. */
  sentMs: number = NEVER_SENT;
  /** Handed over to more than one socket. */
  sentAgain = false;
  /** Answered or rejected: no longer to be sent. */
  settled = false;

  constructor(requestId: number, operation: Operation, deadlineAt: number, expiresMs: number) {
    this.requestId = requestId;
    this.operation = operation;
    this.deadlineAt = deadlineAt;
    this.expiresMs = expiresMs;
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.answer = promise;
    this.resolve = resolve;
    this.reject = reject;
  }

  get wasSent(): boolean {
    return this.sentMs !== NEVER_SENT;
  }

  /** Only read: nothing happens when it is lost, and whoever asked may ask anew. */
  get isQuery(): boolean {
    return IS_QUERY[this.operation.kind];
  }

  handOver(nowMs: number): void {
    this.sentAgain = this.wasSent;
    this.sentMs = nowMs;
  }
}

/**
 * The unanswered operations of one connection in the order of their requests, which is also the
 * order in which they are sent again. Request ids go on over reconnects, so that a late answer never
 * meets another's operation.
 */
export class PendingOperations {
  private readonly byId = new Map<number, PendingOperation>();
  private readonly timer: DeadlineTimer;
  private readonly expired: (operation: PendingOperation, nowMs: number) => void;
  private lastRequestId = 0;

  /** `expired` hears of each operation past its deadline and rejects it. */
  constructor(clock: Clock, expired: (operation: PendingOperation, nowMs: number) => void) {
    this.timer = new DeadlineTimer(clock, this.endDue);
    this.expired = expired;
  }

  get size(): number {
    return this.byId.size;
  }

  add(operation: Operation, deadlineAt: number): PendingOperation {
    this.lastRequestId += 1;
    const expiresMs = this.timer.monotonic(deadlineAt);
    const pending = new PendingOperation(this.lastRequestId, operation, deadlineAt, expiresMs);
    this.byId.set(pending.requestId, pending);
    this.timer.watch(expiresMs);
    return pending;
  }

  /** An answer to nothing is left alone: its operation expired, or was sent and answered twice. */
  answer(answer: Answer): void {
    const pending = this.byId.get(answer.requestId);
    if (pending === undefined) return;
    if (pending.sentAgain && answer.kind === "problem" && answer.status === UNSEEN_STATUS) {
      const message = "sent again after a reconnect and refused; the first copy may stand";
      this.reject(pending, "outcome_unknown", message);
      return;
    }
    this.settle(pending);
    pending.resolve(answer);
  }

  reject(pending: PendingOperation, code: RoutingCode, message: string): void {
    this.settle(pending);
    pending.reject(new RoutingError(code, message));
  }

  /** In the order of the requests; an operation may be rejected meanwhile. */
  inOrder(): IterableIterator<PendingOperation> {
    return this.byId.values();
  }

  stop(): void {
    this.timer.stop();
  }

  private settle(pending: PendingOperation): void {
    pending.settled = true;
    this.byId.delete(pending.requestId);
  }

  private readonly endDue = (nowMs: number): number => {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const pending of this.byId.values()) {
      if (pending.expiresMs <= nowMs) this.expired(pending, nowMs);
      else if (pending.expiresMs < nextMs) nextMs = pending.expiresMs;
    }
    return nextMs;
  };
}
