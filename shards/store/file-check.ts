/**
 * Is the shard's file whole? Looked at before SQLite opens it, because SQLite reads a page that is
 * cut off as zeros, and a checkpoint would make the file long enough again.
 *
 * A page may be missing from the file only if the write-ahead log has it: that is a checkpoint
 * that a crash interrupted. A torn tail of the log is normal, and SQLite drops it.
 */
import { closeSync, existsSync, openSync, readSync, statSync } from "node:fs";
import { basename } from "node:path";
import { UsageError } from "../process/failure.ts";

const HEADER_BYTES = 100;
const MAGIC = "SQLite format 3\0";
const WAL_HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;

/** Throws {@link UsageError} with the way out unless the file can be what it says it is. */
export const checkFileIsWhole = (path: string): void => {
  const size = sizeOf(path);
  if (size === undefined) {
    // A new file is there before its log is, so there was one.
    const log = ["-wal", "-journal"].find((ending) => (sizeOf(`${path}${ending}`) ?? 0) > 0);
    if (log !== undefined) throw alone(path, log, "missing");
    return;
  }
  const walPages = readWalPages(`${path}-wal`);
  if (size === 0) {
    // SQLite would drop the log. Without a commit in it the file was never written to, as a first
    // start that was cut off leaves it; whether it may be new, central knows.
    if (walPages.databasePages > 0) throw alone(path, "-wal", "empty");
    return;
  }
  const header = readBytes(path, 0, HEADER_BYTES);
  if (header.length < HEADER_BYTES || header.toString("latin1", 0, 16) !== MAGIC) {
    throw damaged(path, "its header is not that of a SQLite file");
  }
  const pageSize = header.readUInt16BE(16) === 1 ? 65536 : header.readUInt16BE(16);
  const pageCount = Math.max(header.readUInt32BE(28), walPages.databasePages);
  const present = Math.floor(size / pageSize);
  for (let page = present + 1; page <= pageCount; page++) {
    if (!walPages.pages.has(page)) {
      throw damaged(path, `it has ${size} bytes and should have ${pageCount * pageSize}`);
    }
  }
};

const sizeOf = (path: string): number | undefined =>
  statSync(path, { throwIfNoEntry: false })?.size;

const alone = (path: string, log: string, what: string): UsageError => {
  const name = basename(path);
  return new UsageError(
    `${path} is damaged: it is ${what}, but ${name}${log} is there, which may hold acknowledged ` +
      `orders and would be dropped. It is not served: put ${name} back beside its ${log}, or ` +
      "move that away too and rebuild it with `sluice restore`, which says what cannot be known.",
  );
};

const damaged = (path: string, what: string): UsageError =>
  new UsageError(
    `${path} is damaged: ${what}. It is not served. Put the disk's own copy back, or move the ` +
      "file and its -wal away and rebuild it with `sluice restore`, which says what cannot be known.",
  );

interface WalPages {
  readonly pages: ReadonlySet<number>;
  /** Size of the database in pages after the last commit in the log; 0 when it holds none. */
  readonly databasePages: number;
}

/** The pages that committed transactions of the log hold; frames of an older log don't count. */
const readWalPages = (path: string): WalPages => {
  const pages = new Set<number>();
  let databasePages = 0;
  if (!existsSync(path) || statSync(path).size < WAL_HEADER_BYTES) return { pages, databasePages };
  const file = openSync(path, "r");
  try {
    const header = Buffer.alloc(WAL_HEADER_BYTES);
    readSync(file, header, 0, WAL_HEADER_BYTES, 0);
    const frameBytes = FRAME_HEADER_BYTES + header.readUInt32BE(8);
    const salts = header.toString("hex", 16, 24);
    const frame = Buffer.alloc(FRAME_HEADER_BYTES);
    let uncommitted: number[] = [];
    for (let at = WAL_HEADER_BYTES; ; at += frameBytes) {
      const read = readSync(file, frame, 0, FRAME_HEADER_BYTES, at);
      if (read < FRAME_HEADER_BYTES || frame.toString("hex", 8, 16) !== salts) break;
      uncommitted.push(frame.readUInt32BE(0));
      if (frame.readUInt32BE(4) === 0) continue;
      databasePages = frame.readUInt32BE(4);
      for (const page of uncommitted) pages.add(page);
      uncommitted = [];
    }
  } finally {
    closeSync(file);
  }
  return { pages, databasePages };
};

const readBytes = (path: string, at: number, length: number): Buffer => {
  const file = openSync(path, "r");
  try {
    const bytes = Buffer.alloc(length);
    return bytes.subarray(0, readSync(file, bytes, 0, length, at));
  } finally {
    closeSync(file);
  }
};
