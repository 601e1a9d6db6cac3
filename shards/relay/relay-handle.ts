import { watchThread } from "../process/thread.ts";
import type { FromRelay, RelayStart, ToRelay } from "./messages.ts";

/** What the shard hears of its relay. */
export type RelayNews = Exclude<FromRelay, { type: "idle" }>;

/** The writer's side of the relay's thread. */
export class RelayHandle {
  readonly #thread: Worker;
  readonly #onMessage: (message: RelayNews) => void;
  readonly #endThread: () => Promise<void>;
  /** It waits. While it does not, it finds new records by itself: waking it costs, per batch. */
  #isIdle = false;
  #hasNews = false;

  constructor(
    thread: Worker,
    start: RelayStart,
    onMessage: (message: RelayNews) => void,
    onDied: (reason: string) => void,
  ) {
    this.#thread = thread;
    this.#onMessage = onMessage;
    thread.onmessage = ({ data }: MessageEvent<FromRelay>) => this.#receive(data);
    this.#endThread = watchThread(thread, onDied);
    this.#tell({ type: "start", start });
  }

  #receive(message: FromRelay): void {
    if (message.type === "idle") {
      this.#isIdle = true;
      if (this.#hasNews) this.committed();
    } else {
      this.#onMessage(message);
    }
  }

  /** There are new records. */
  committed(): void {
    this.#hasNews = !this.#isIdle;
    if (!this.#isIdle) return;
    this.#isIdle = false;
    this.#tell({ type: "committed" });
  }

  setPaused(paused: boolean): void {
    this.#tell({ type: "pause", paused });
  }

  /** Sends everything again that central lacks. */
  resend(): void {
    this.#tell({ type: "resend" });
  }

  /** Fulfilled when the thread reads the file no more. */
  close(): Promise<void> {
    this.#tell({ type: "close" });
    return this.#endThread();
  }

  #tell(message: ToRelay): void {
    this.#thread.postMessage(message);
  }
}
