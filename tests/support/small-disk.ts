/**
 * A disk that is soon full. Where this user may mount, a tmpfs with a ballast file that can be
 * taken away; elsewhere a limit on the size of a file that the writing processes get and lose.
 */
import { rmSync, statfsSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeFolder } from "./processes.ts";

const MIB = 1024 ** 2;

export interface SmallDisk {
  readonly folder: string;
  freeBytes(): number;
  /** Leaves that much free. */
  fill(freeBytes: number): void;
  /** Takes the ballast away. */
  makeRoom(): void;
  unmount(): void;
}

/** undefined when this user may not mount. */
export const mountSmallDisk = (mebibytes: number): SmallDisk | undefined => {
  const folder = makeFolder();
  const mounted = Bun.spawnSync(
    ["mount", "-t", "tmpfs", "-o", `size=${mebibytes}m`, "tmpfs", folder],
    { stdio: ["ignore", "ignore", "ignore"] },
  );
  if (mounted.exitCode !== 0) return undefined;
  const ballast = join(folder, "ballast");
  const freeBytes = (): number => {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  };
  return {
    folder,
    freeBytes,
    fill: (leave) => {
      writeFileSync(ballast, new Uint8Array(0));
      const bytes = freeBytes() - leave;
      writeFileSync(ballast, new Uint8Array(Math.max(0, bytes)));
    },
    makeRoom: () => rmSync(ballast, { force: true }),
    unmount: () => {
      Bun.spawnSync(["umount", folder]);
    },
  };
};
