/** Central's word over a WebSocket to an applier; any of them answers for all partitions. */
import { OperatingError } from "../process/failure.ts";
import type { Frame } from "../protocol/frame.ts";
import type { Hello } from "../protocol/hello.ts";
import { ASK, type CentralStanding, readStanding, STANDING } from "../protocol/relay.ts";
import { type ApplierSocket, connectApplier } from "./applier-socket.ts";
import type { CentralView } from "./ports.ts";

const ANSWER_TIMEOUT_MS = 5000;

export class ApplierView implements CentralView {
  readonly #url: string;
  readonly #hello: Hello;
  #socket: Promise<ApplierSocket> | null = null;
  #waiting: PromiseWithResolvers<CentralStanding> | null = null;
  #isClosed = false;

  constructor(url: string, hello: Hello) {
    this.#url = url;
    this.#hello = hello;
  }

  /** Those who ask while an answer is on its way share it. */
  async ask(): Promise<CentralStanding> {
    if (this.#isClosed) throw silent("closed");
    if (this.#waiting !== null) return this.#waiting.promise;
    const waiting = Promise.withResolvers<CentralStanding>();
    this.#waiting = waiting;
    const timer = setTimeout(() => this.#lose(silent("no answer")), ANSWER_TIMEOUT_MS);
    try {
      this.#socket ??= connectApplier(this.#url, this.#hello, {
        onFrame: (frame) => this.#receive(frame),
        onLost: (error) => this.#lose(error),
      });
      this.#socket.then(
        (socket) => {
          if (this.#waiting === waiting) socket.send(ASK, []);
        },
        (error) => this.#lose(error),
      );
      return await waiting.promise;
    } finally {
      clearTimeout(timer);
      if (this.#waiting === waiting) this.#waiting = null;
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#lose(silent("closed"));
  }

  #receive({ kind, entries }: Frame): void {
    if (kind === STANDING) this.#waiting?.resolve(readStanding(entries));
    else this.#lose(silent(`unexpected ${kind}`));
  }

  #lose(error: Error): void {
    this.#socket?.then(
      (socket) => socket.close(),
      () => {},
    );
    this.#socket = null;
    this.#waiting?.reject(error);
  }
}

const silent = (why: string): OperatingError =>
  new OperatingError("central_unreachable", `central does not answer: ${why}`, { retryable: true });
