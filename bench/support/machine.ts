import { Database } from "bun:sqlite";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";

/** The repository's folder. */
export const ROOT = join(import.meta.dir, "../..");

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly bun: string;
  readonly sqlite: string;
}

export const describeMachine = (): Machine => {
  const cores = cpus();
  const database = new Database(":memory:");
  const sqlite = String(database.query("SELECT sqlite_version()").values()[0]?.[0]);
  database.close();
  return {
    cpu: cores[0]?.model.trim() ?? "unknown",
    cores: cores.length,
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    kernel: release(),
    bun: Bun.version,
    sqlite,
  };
};

export interface Commit {
  /** Short hash; `none` outside a repository. */
  readonly commit: string;
  /** The tree has changes that are not in the commit. */
  readonly changed: boolean;
}

export const describeCommit = (): Commit => {
  const git = (...args: string[]): string => {
    const run = Bun.spawnSync(["git", "-C", ROOT, ...args], { stderr: "ignore" });
    return run.exitCode === 0 ? run.stdout.toString().trim() : "";
  };
  const commit = git("rev-parse", "--short", "HEAD");
  return { commit: commit === "" ? "none" : commit, changed: git("status", "--short") !== "" };
};

/** CPU seconds that all programs have used since the machine started; all cores together. */
export const busySeconds = (): number =>
  cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0) /
  1000;
