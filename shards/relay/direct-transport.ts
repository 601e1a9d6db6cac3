/**
 * The hand-over without a broker: records go straight to the applier, and its commit is the
 * acknowledgement, for `replicated` as for `central`.
 */
import { OperatingError } from "../process/failure.ts";
import type { Frame } from "../protocol/frame.ts";
import { FrameError } from "../protocol/frame.ts";
import type { ApplierWelcome, Cursor, Hello } from "../protocol/hello.ts";
import type { CommittedRecord } from "../protocol/record.ts";
import { APPLIED, encodeRecords, RECORDS, readStopped, STOPPED } from "../protocol/relay.ts";
import { type ApplierSocket, connectApplier } from "./applier-socket.ts";
import type { SendResult, Transport } from "./ports.ts";

interface Pending {
  readonly resolve: (result: SendResult) => void;
  readonly reject: (error: Error) => void;
  readonly timer: Timer;
}

/** Longer than any transaction of the applier takes. */
const ANSWER_TIMEOUT_MS = 15_000;

export class DirectTransport implements Transport {
  readonly #url: string;
  readonly #hello: Hello;
  readonly #pending = new Map<number, Pending>();
  #socket: ApplierSocket | null = null;
  #closes = 0;

  constructor(url: string, hello: Hello) {
    this.#url = url;
    this.#hello = hello;
  }

  async connect(): Promise<ApplierWelcome> {
    this.close();
    const attempt = this.#closes;
    const socket = await connectApplier(this.#url, this.#hello, {
      onFrame: (frame) => this.#receive(frame),
      onLost: (error) => this.#lose(error),
    });
    if (attempt !== this.#closes) {
      socket.close();
      throw closed();
    }
    this.#socket = socket;
    return socket.welcome;
  }

  send(records: readonly CommittedRecord[]): Promise<SendResult> {
    const { promise, resolve, reject } = Promise.withResolvers<SendResult>();
    const partition = records[0]?.partition ?? 0;
    if (this.#socket === null) {
      reject(new OperatingError("central_unreachable", "not connected", { retryable: true }));
      return promise;
    }
    const timer = setTimeout(() => this.#giveUp(), ANSWER_TIMEOUT_MS);
    this.#pending.set(partition, { resolve, reject, timer });
    this.#socket.send(RECORDS, encodeRecords(records));
    return promise;
  }

  /** An applier that hangs: what it has done, the next connection's greeting tells. */
  #giveUp(): void {
    this.#socket?.close();
    this.#lose(new OperatingError("central_unreachable", "no answer", { retryable: true }));
  }

  /** Also ends a connection that is still being made. */
  close(): void {
    this.#closes++;
    this.#socket?.close();
    this.#lose(closed());
  }

  #receive({ kind, entries }: Frame): void {
    if (kind === APPLIED) {
      for (const entry of entries) {
        const cursor: Cursor = JSON.parse(entry);
        this.#settle(cursor.partition, { kind: "applied", cursor });
      }
    } else if (kind === STOPPED) {
      const stopped = readStopped(entries);
      this.#settle(stopped.partition, { kind: "stopped", stopped });
    } else {
      throw new FrameError(`unexpected ${kind}`);
    }
  }

  #settle(partition: number, result: SendResult): void {
    const pending = this.#pending.get(partition);
    if (pending === undefined) return;
    clearTimeout(pending.timer);
    this.#pending.delete(partition);
    pending.resolve(result);
  }

  #lose(error: OperatingError): void {
    this.#socket = null;
    const lost = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject, timer } of lost) {
      clearTimeout(timer);
      reject(error);
    }
  }
}

const closed = (): OperatingError =>
  new OperatingError("central_unreachable", "closed", { retryable: true });
