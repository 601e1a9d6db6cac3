import type { Clock } from "../../shards/process/clock.ts";
import { encodeFrame } from "../../shards/protocol/frame.ts";
import { encodeOperation, OPERATIONS } from "../../shards/protocol/operation.ts";
import type { PendingOperation } from "./pending-operations.ts";

/** A shard's default limit of one batch: a longer frame could not be committed at once anyway. */
const FRAME_OPERATIONS_MAX = 1024;
/** Past this many bytes that the peer has not read, operations wait here instead. */
const BUFFERED_BYTES_MAX = 1 << 20;
/** How soon a socket that was full is looked at again; a client's socket tells nobody. */
const FULL_RETRY_MS = 5;

/**
 * Sends the operations of one turn of the event loop in one frame: what 200 connections ask in the
 * same moment crosses the socket once and is one group commit at the shard. A lone operation waits
 * for the end of its turn only, never for a timer.
 */
export class BatchSender {
  private readonly clock: Clock;
  private socket: WebSocket | undefined;
  private queue: PendingOperation[] = [];
  private flushDue = false;
  private retry: ReturnType<typeof setTimeout> | undefined;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Sends `operations` first, then what is pushed. */
  attach(socket: WebSocket, operations: Iterable<PendingOperation>): void {
    this.socket = socket;
    this.queue = Array.from(operations);
    this.schedule();
  }

  /** Forgets what was not yet sent; whoever pushed it still has it. */
  detach(): void {
    this.socket = undefined;
    this.queue = [];
    clearTimeout(this.retry);
  }

  push(operation: PendingOperation): void {
    this.queue.push(operation);
    this.schedule();
  }

  private schedule(): void {
    if (this.flushDue) return;
    this.flushDue = true;
    setImmediate(this.flush);
  }

  private readonly flush = (): void => {
    this.flushDue = false;
    const { socket, queue } = this;
    if (socket === undefined) return;
    const nowMs = this.clock.monotonicMs();
    let next = 0;
    while (next < queue.length && socket.bufferedAmount <= BUFFERED_BYTES_MAX) {
      const entries: string[] = [];
      while (next < queue.length && entries.length < FRAME_OPERATIONS_MAX) {
        const operation = queue[next++];
        if (operation === undefined || operation.settled) continue;
        operation.handOver(nowMs);
        entries.push(encodeOperation(operation));
      }
      if (entries.length > 0) socket.send(encodeFrame(OPERATIONS, entries));
    }
    if (next > 0) this.queue = queue.slice(next);
    if (this.queue.length > 0) this.retryLater();
  };

  private retryLater(): void {
    clearTimeout(this.retry);
    this.retry = setTimeout(this.flush, FULL_RETRY_MS);
  }
}
