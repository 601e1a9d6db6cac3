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

const PAGE_BYTES = 4096;
/** Growth of the log, in pages, after which the thread is sent. */
const THREAD_PAGES = 2000;
/** Length from which the writer starts the log again once the thread has done the bulk. */
const RESTART_PAGES = 6000;
/** Batches between two looks at the log's length. */
const LOOK_EVERY = 8;

export interface CheckpointerOptions {
  readonly path: string;
  readonly walBytesMax: number;
  /** Called with true when the log passes its limit, with false when it is below again. */
  readonly onPressure: (over: boolean) => void;
}

export class Checkpointer {
  readonly #options: CheckpointerOptions;
  readonly #thread: Worker;
  readonly #look;
  readonly #copy;
  #threadBusy = false;
  /** The thread has just copied the bulk: what is left is little. */
  #bulkDone = false;
  #pagesSeen = 0;
  #batches = 0;
  #pressure = false;

  constructor(database: Database, options: CheckpointerOptions) {
    this.#options = options;
    this.#look = database.prepare("PRAGMA wal_checkpoint(NOOP)");
    this.#copy = database.prepare("PRAGMA wal_checkpoint(PASSIVE)");
    this.#thread = new Worker(new URL("./checkpoint-thread.ts", import.meta.url).href);
    this.#thread.onmessage = ({ data }: MessageEvent<boolean>) => {
      this.#threadBusy = false;
      this.#bulkDone = data;
    };
    this.#thread.postMessage(options.path);
  }

  /**
   * Between two batches; almost always returns at once. Throws when the disk is full: the log then
   * stays as it is, and the next call tries again.
   */
  afterBatch(): void {
    if (!this.#bulkDone && ++this.#batches % LOOK_EVERY !== 0) return;
    const pages = pagesIn(this.#look);
    if (pages < this.#pagesSeen) this.#pagesSeen = 0;
    if (this.#bulkDone && pages >= RESTART_PAGES) {
      this.#bulkDone = false;
      pagesIn(this.#copy);
    } else if (!this.#threadBusy && pages - this.#pagesSeen >= THREAD_PAGES) {
      this.#threadBusy = true;
      this.#pagesSeen = pages;
      this.#thread.postMessage("copy");
    }
    this.#bulkDone = false;
    this.#setPressure(pages * PAGE_BYTES > this.#options.walBytesMax);
  }

  #setPressure(over: boolean): void {
    if (over === this.#pressure) return;
    this.#pressure = over;
    this.#options.onPressure(over);
  }

  close(): void {
    this.#thread.terminate();
  }
}

/** Pages in the log, from the pragma's (busy, log, checkpointed). */
const pagesIn = (pragma: { values(): unknown[][] }): number => Number(pragma.values()[0]?.[1] ?? 0);
