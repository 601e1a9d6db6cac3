/**
 * When the write-ahead log goes back into the file. A thread does the bulk: it copies pages and
 * syncs the file beside the writer, which never waits for it. But a log that is always written to
 * is never wholly copied, so it would grow for ever. So, right after the thread has finished and
 * the log is long, the writer copies the few pages that are left, between two batches; its next
 * write then starts the log again from the beginning.
 *
 * A reader's snapshot can hold that up; past the limit the relay is asked to pause.
 */
import type { Database } from "bun:sqlite";
import { watchThread } from "../process/thread.ts";
import type { ToCheckpointThread } from "./checkpoint-thread.ts";

const PAGE_BYTES = 4096;
/** Growth of the log, in pages, after which the thread is sent. */
const THREAD_PAGES = 2000;
/** Length from which the writer starts the log again once the thread has done the bulk. */
const RESTART_PAGES = 6000;
/** What the writer copies itself, a millisecond or two, unless the thread can't keep up. */
const REST_PAGES = 100;
/** Runs of the thread, one after another, to get the rest that small. */
const RUNS_IN_A_ROW_MAX = 4;
/** Batches between two looks at the log's length. */
const LOOK_EVERY = 8;
/** How soon the thread is sent again while the log is over its limit. */
const RETRY_MS = 50;

export interface CheckpointerOptions {
  readonly path: string;
  readonly walBytesMax: number;
  /** Called with true when what is not copied yet passes the limit, with false when it is below. */
  readonly onPressure: (over: boolean) => void;
  /** Nothing copies the log any more: the process must start again. */
  readonly onDied: (reason: string) => void;
}

export class Checkpointer {
  readonly #options: CheckpointerOptions;
  readonly #thread: Worker;
  readonly #endThread: () => Promise<void>;
  readonly #look;
  readonly #copy;
  #threadBusy = false;
  #pagesSeen = 0;
  #batches = 0;
  #pressure = false;
  #runsInARow = 0;
  #retry: Timer | undefined;

  constructor(database: Database, options: CheckpointerOptions) {
    this.#options = options;
    this.#look = database.prepare("PRAGMA wal_checkpoint(NOOP)");
    this.#copy = database.prepare("PRAGMA wal_checkpoint(PASSIVE)");
    this.#thread = new Worker(new URL("./checkpoint-thread.ts", import.meta.url).href);
    this.#thread.onmessage = ({ data }: MessageEvent<boolean>) => this.#threadDone(data);
    this.#endThread = watchThread(this.#thread, options.onDied);
    this.#tell({ path: options.path });
  }

  /** Between two batches; almost always returns at once. */
  afterBatch(): void {
    if (++this.#batches % LOOK_EVERY === 0) this.#consider();
  }

  #consider(): void {
    const { length, copied } = pagesIn(this.#look);
    if (length < this.#pagesSeen) this.#pagesSeen = 0;
    if (length - this.#pagesSeen >= THREAD_PAGES) this.#sendThread(length);
    this.#setPressure((length - copied) * PAGE_BYTES > this.#options.walBytesMax);
  }

  #sendThread(length: number): void {
    if (this.#threadBusy) return;
    this.#threadBusy = true;
    this.#pagesSeen = length;
    this.#tell("copy");
  }

  /** Comes between two batches. `copied` is false when the disk refused: a later run tries again. */
  #threadDone(copied: boolean): void {
    this.#threadBusy = false;
    if (copied) this.#tryRestart();
    this.#consider();
  }

  /** Each run of the thread leaves less behind, until the writer can copy the rest unnoticed. */
  #tryRestart(): void {
    const { length, copied } = pagesIn(this.#look);
    if (length < RESTART_PAGES) return;
    if (length - copied > REST_PAGES && ++this.#runsInARow < RUNS_IN_A_ROW_MAX) {
      this.#sendThread(length);
      return;
    }
    this.#runsInARow = 0;
    this.#copyRest();
  }

  #copyRest(): void {
    try {
      this.#copy.values();
    } catch {
      // a full disk: the log stays as it is, and grows until there is room
    }
  }

  /** Over the limit the thread is sent until the log is copied, also when no batch comes. */
  #setPressure(over: boolean): void {
    clearTimeout(this.#retry);
    if (over) {
      this.#retry = setTimeout(() => {
        this.#sendThread(this.#pagesSeen);
      }, RETRY_MS);
    }
    if (over === this.#pressure) return;
    this.#pressure = over;
    this.#options.onPressure(over);
  }

  #tell(message: ToCheckpointThread): void {
    this.#thread.postMessage(message);
  }

  /** A copy that is under way is waited for: the log cannot be truncated beside it. */
  close(): Promise<void> {
    clearTimeout(this.#retry);
    return this.#endThread();
  }
}

/** The log's length and how much of it is in the file, from the pragma's (busy, log, copied). */
const pagesIn = (pragma: { values(): unknown[][] }): { length: number; copied: number } => {
  const [, length, copied] = pragma.values()[0] ?? [];
  return { length: Number(length ?? 0), copied: Number(copied ?? 0) };
};
