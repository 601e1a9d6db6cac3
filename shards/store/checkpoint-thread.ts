/**
 * Entry point of a thread: copies the write-ahead log into the shard's file on demand. Each "copy"
 * is answered when it is over: true when it was done, false when the disk refused it. A file that
 * it cannot open ends the thread.
 */
import type { Database } from "bun:sqlite";
import { invariant } from "../process/failure.ts";
import { openForCheckpoints } from "./open.ts";

declare const self: Worker;

/** The file comes first, once. */
export type ToCheckpointThread = { readonly path: string } | "copy";

let database: Database | undefined;

self.onmessage = ({ data }: MessageEvent<ToCheckpointThread>) => {
  if (data !== "copy") {
    database = openForCheckpoints(data.path);
    return;
  }
  invariant(database !== undefined, "the checkpoint thread has its file");
  try {
    database.query("PRAGMA wal_checkpoint(PASSIVE)").all();
    self.postMessage(true);
  } catch {
    self.postMessage(false);
  }
};
