/**
 * Disks that run out of space: a tmpfs with a ballast file, where this user may mount one, and a
 * limit on the length of the files that a process writes, which everybody may set.
 */
import { rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { codeOf } from "../../shards/process/failure.ts";
import { makeFolder } from "./processes.ts";

export interface SmallDisk {
  readonly folder: string;
  /** Makes the ballast so large that this much is left, bytes. */
  fill(freeBytes: number): void;
  /** Takes the ballast away. */
  makeRoom(): void;
  /** Whoever is still in it keeps it until he ends. */
  unmount(): void;
}

/** undefined when this user may not mount. */
export const mountSmallDisk = (mebibytes: number): SmallDisk | undefined => {
  const folder = makeFolder();
  const command = ["mount", "-t", "tmpfs", "-o", `size=${mebibytes}m`, "tmpfs", folder];
  if (!succeeds(command)) return undefined;
  const ballast = join(folder, "ballast");
  return {
    folder,
    fill: (leave) => {
      const { bavail, bsize } = statfsSync(folder);
      try {
        writeFileSync(ballast, new Uint8Array(Math.max(0, bavail * bsize - leave)));
      } catch (error) {
        // Somebody else was quicker to take the rest.
        if (codeOf(error) !== "ENOSPC") throw error;
      }
    },
    makeRoom: () => rmSync(ballast, { force: true }),
    unmount: () => succeeds(["umount", "--lazy", folder]),
  };
};

/** The longest file that the process, and what it starts from now on, may write. */
export const limitFiles = (pid: number, bytes: number | "unlimited"): void => {
  const command = ["prlimit", "--pid", `${pid}`, `--fsize=${bytes}:`];
  if (!succeeds(command)) throw new Error(`failed: ${command.join(" ")}`);
};

const succeeds = (command: string[]): boolean => {
  try {
    return Bun.spawnSync(command, { stdio: ["ignore", "ignore", "ignore"] }).exitCode === 0;
  } catch {
    return false; // there is no such program
  }
};
