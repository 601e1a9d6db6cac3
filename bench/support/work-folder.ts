/** Where data goes: on the repository's disk, because a memory disk would sync for nothing. */
import { mkdirSync, mkdtempSync, rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../../shards/process/failure.ts";
import { ROOT } from "./machine.ts";

/** `TMPFS_MAGIC` and `RAMFS_MAGIC` of statfs(2). */
const MEMORY_DISKS = new Set([0x01021994, 0x858458f6]);

const base = join(ROOT, ".sluice/bench");

const diskFolder = (name: string): string => {
  const folder = join(base, name);
  mkdirSync(folder, { recursive: true });
  if (MEMORY_DISKS.has(statfsSync(folder).type)) {
    throw new UsageError(`${folder} is a memory disk: run from a checkout on a real one.`);
  }
  return folder;
};

/** Filled files that a later run uses again; never removed by a benchmark. */
export const cacheFolder = (): string => diskFolder("cache");

/** Runs `work` in a new folder and removes it, whatever happens. */
export const withWorkFolder = async <T>(work: (folder: string) => Promise<T>): Promise<T> => {
  const folder = mkdtempSync(join(diskFolder("work"), "run-"));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  process.on("exit", remove);
  try {
    return await work(folder);
  } finally {
    process.off("exit", remove);
    remove();
  }
};
