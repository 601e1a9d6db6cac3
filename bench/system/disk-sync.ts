/** What the disk alone takes for the bytes of one batch. */
import { closeSync, fdatasyncSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { type Latency, latencyOf } from "../support/statistics.ts";
import { PlaceCommands } from "./commands.ts";
import { openWriter } from "./writer-in-process.ts";

export interface DiskSync {
  readonly bytes: number;
  readonly perSecond: number;
  /** One write and its fdatasync. */
  readonly latencyMs: Latency;
}

/** The log's usual length: written over again and again, as SQLite does. */
const FILE_BYTES = 24 * 1024 ** 2;

/** Writes `bytes` and syncs them, `perSecond` times a second, for `seconds`. */
export const measureDiskSync = async (
  folder: string,
  options: { readonly bytes: number; readonly perSecond: number; readonly seconds: number },
): Promise<DiskSync> => {
  const { bytes, perSecond, seconds } = options;
  const path = join(folder, "disk-sync");
  const file = openSync(path, "w");
  const content = Buffer.alloc(bytes, 0x5a);
  const times: number[] = [];
  try {
    writeSync(file, Buffer.alloc(FILE_BYTES));
    fdatasyncSync(file);
    const start = performance.now();
    let at = 0;
    for (let next = start; next < start + seconds * 1000; next += 1000 / perSecond) {
      const wait = next - performance.now();
      if (wait > 0) await Bun.sleep(wait);
      if (at + bytes > FILE_BYTES) at = 0;
      const before = performance.now();
      writeSync(file, content, 0, bytes, at);
      fdatasyncSync(file);
      times.push(performance.now() - before);
      at += bytes;
    }
    const elapsedSeconds = (performance.now() - start) / 1000;
    const latencyMs = latencyOf(Float64Array.from(times));
    return { bytes, perSecond: times.length / elapsedSeconds, latencyMs };
  } finally {
    closeSync(file);
    rmSync(path);
  }
};

const PROBE_BATCHES = 32;

/** Bytes that a batch of `orders` adds to the write-ahead log, measured with the real writer. */
export const logBytesOfBatch = async (folder: string, orders: number): Promise<number> => {
  const path = join(folder, "log-probe.sqlite");
  const writer = await openWriter({ path });
  const placements = new PlaceCommands("log-probe", "GTC");
  const size = (): number => statSync(`${path}-wal`).size;
  try {
    await writer.commit(placements.take(orders), 201);
    const before = size();
    for (let i = 0; i < PROBE_BATCHES; i++) await writer.commit(placements.take(orders), 201);
    return Math.round((size() - before) / PROBE_BATCHES);
  } finally {
    await writer.close();
    for (const suffix of ["", "-wal", "-shm"]) rmSync(`${path}${suffix}`, { force: true });
  }
};
