/**
 * Entry point of a thread: copies the write-ahead log into the shard's file on demand. The first
 * message is the file's path; every other one asks for a copy and is answered when it is over: true
 * when it was done, false when the disk refused it.
 */
import type { Database } from "bun:sqlite";
import { openForCheckpoints } from "./open.ts";

declare const self: Worker;

let database: Database | undefined;

self.onmessage = (event: MessageEvent<string>) => {
  if (database === undefined) {
    database = openForCheckpoints(event.data);
    return;
  }
  try {
    database.query("PRAGMA wal_checkpoint(PASSIVE)").all();
    self.postMessage(true);
  } catch {
    self.postMessage(false);
  }
};
