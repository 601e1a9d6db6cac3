import type { FromRelay, RelayStart, ToRelay } from "./messages.ts";

/** The writer's side of the relay's thread. */
export class RelayHandle {
  readonly #thread: Worker;

  constructor(thread: Worker, start: RelayStart, onMessage: (message: FromRelay) => void) {
    this.#thread = thread;
    thread.onmessage = ({ data }: MessageEvent<FromRelay>) => onMessage(data);
    this.#tell({ type: "start", start });
  }

  committed(): void {
    this.#tell({ type: "committed" });
  }

  setPaused(paused: boolean): void {
    this.#tell({ type: "pause", paused });
  }

  close(): void {
    this.#tell({ type: "close" });
    this.#thread.terminate();
  }

  #tell(message: ToRelay): void {
    this.#thread.postMessage(message);
  }
}
