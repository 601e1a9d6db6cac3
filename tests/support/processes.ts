/**
 * Real processes for the system tests. What is started here is known until it has ended, and a
 * process that outlives its test is found by its data folder, whoever its parent is by then.
 */
import { mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./until.ts";

export const ROOT = join(import.meta.dir, "../..");
/** The program from source. */
export const SLUICE: readonly string[] = [process.execPath, join(ROOT, "app/main.ts")];

/** A process that drains, on a machine that is busy with others; who hangs is found all the same. */
const END_MS_MAX = 60_000;

export interface Started {
  readonly pid: number;
  readonly exited: Promise<number>;
  stdout(): string;
  stderr(): string;
  kill(signal: NodeJS.Signals): void;
  /** The first match in its stdout; throws with its stderr when it ends before. */
  says(pattern: RegExp, msMax: number): Promise<RegExpExecArray>;
  /** Its exit code. */
  ended(msMax?: number): Promise<number>;
}

const started = new Set<Started>();
const folders = new Set<string>();
/** What belongs to a folder and is elsewhere. */
const removals = new Map<string, () => Promise<void>>();

/** An empty folder that `endAll` removes. */
export const makeFolder = (): string => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "sluice-system-")));
  folders.add(folder);
  return folder;
};

/** `remove` runs when `endAll` has removed the folder. */
export const onFolderRemoved = (folder: string, remove: () => Promise<void>): void => {
  removals.set(folder, remove);
};

/** Settings whose names don't begin with `SLUICE_`, and what says that a test runs. */
const NOT_HANDED_ON: readonly string[] = ["NODE_ENV", "KAFKA_BROKERS", "MYSQL_URL", "REDIS_URL"];

/** This process's environment without settings of ours, and with those given. */
export const environmentWith = (settings: Readonly<Record<string, string>>) => {
  const own = Object.entries(process.env).filter(
    ([name]) => !name.startsWith("SLUICE_") && !NOT_HANDED_ON.includes(name),
  );
  return { ...(Object.fromEntries(own) as Record<string, string>), ...settings };
};

export const startProcess = (
  command: readonly string[],
  options: {
    readonly environment?: Readonly<Record<string, string>>;
    readonly folder?: string;
  } = {},
): Started => {
  const child = Bun.spawn([...command], {
    cwd: options.folder ?? ROOT,
    env: options.environment ?? environmentWith({}),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = { stdout: "", stderr: "" };
  const read = async (name: "stdout" | "stderr"): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const chunk of child[name]) output[name] += decoder.decode(chunk, { stream: true });
  };
  // What a surviving grandchild writes to the same pipe is not waited for.
  const readAll = Promise.all([read("stdout"), read("stderr")]);
  const one: Started = {
    pid: child.pid,
    exited: child.exited,
    stdout: () => output.stdout,
    stderr: () => output.stderr,
    kill: (signal) => child.kill(signal),
    says: (pattern, msMax) =>
      until(
        () => `${command.join(" ")} says ${pattern}; ${output.stderr}`,
        msMax,
        async () => {
          const isOver = child.exitCode !== null || child.signalCode !== null;
          // What it wrote last may come after the news of its end.
          if (isOver) await Promise.race([readAll, Bun.sleep(LAST_OUTPUT_MS)]);
          const match = pattern.exec(output.stdout);
          if (match !== null) return match;
          if (!isOver) return undefined;
          throw new Error(`${command.join(" ")} ended (${child.exitCode}): ${output.stderr}`);
        },
      ),
    ended: async (msMax = END_MS_MAX) => {
      await until(
        () => `${command.join(" ")} ends; ${livesOf(child.pid)}; ${output.stderr}`,
        msMax,
        () => child.exitCode !== null || child.signalCode !== null,
      );
      await Promise.race([readAll, Bun.sleep(LAST_OUTPUT_MS)]);
      started.delete(one);
      return child.exited;
    },
  };
  started.add(one);
  return one;
};

/** Time for a pipe to hand over what an ended process wrote. */
const LAST_OUTPUT_MS = 5_000;

/** Runs to the end. */
export const runProcess = async (
  command: readonly string[],
  options: Parameters<typeof startProcess>[1] = {},
  msMax = END_MS_MAX,
): Promise<{ readonly exitCode: number; readonly stdout: string; readonly stderr: string }> => {
  const one = startProcess(command, options);
  const exitCode = await one.ended(msMax);
  return { exitCode, stdout: one.stdout(), stderr: one.stderr() };
};

const readProc = (pid: number, file: string): string => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
};

const allPids = (): number[] => readdirSync("/proc").map(Number).filter(Number.isInteger);

/** State and parent, behind the name in parentheses of `/proc/<pid>/stat`. */
const statOf = (pid: number): { readonly state: string; readonly parent: number } => {
  const stat = readProc(pid, "stat");
  const [state = "", parent = "0"] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { state, parent: Number(parent) };
};

/** A killed process that nobody has reaped yet does not live. */
export const isAlive = (pid: number): boolean => !["", "Z", "X"].includes(statOf(pid).state);

/** The live children of a process whose command line matches. */
export const childrenOf = (parent: number, commandLine: RegExp): number[] =>
  allPids().filter(
    (pid) =>
      statOf(pid).parent === parent &&
      isAlive(pid) &&
      commandLine.test(readProc(pid, "cmdline").replaceAll("\0", " ")),
  );

/** Who has not ended of a process and its children, as `pid command line` each. */
const livesOf = (parent: number): string =>
  [parent, ...childrenOf(parent, /./)]
    .map((pid) => `${pid} ${readProc(pid, "cmdline").replaceAll("\0", " ").trim()}`)
    .join(", ");

/** Live processes, other than this one, that were given the folder. */
export const processesOf = (folder: string): number[] =>
  allPids().filter(
    (pid) =>
      pid !== process.pid &&
      `${readProc(pid, "environ")}\0${readProc(pid, "cmdline")}`.includes(folder) &&
      isAlive(pid),
  );

/** Throws unless every process of the folder ends in time. */
export const allEnded = async (folder: string, msMax = END_MS_MAX): Promise<void> => {
  await until(`no process of ${folder} is left`, msMax, () => processesOf(folder).length === 0);
};

/** For `afterEach` and `afterAll`: ends what a test left behind and removes its folders. */
export const endAll = async ({ keep = [] }: { readonly keep?: readonly string[] } = {}) => {
  for (const one of started) one.kill("SIGKILL");
  await Promise.all([...started].map((one) => one.ended()));
  const over = [...folders].filter((folder) => !keep.includes(folder));
  try {
    for (const folder of over) await allEnded(folder);
  } finally {
    for (const folder of over) {
      for (const pid of processesOf(folder)) process.kill(pid, "SIGKILL");
      rmSync(folder, { recursive: true, force: true });
      folders.delete(folder);
    }
    for (const folder of over) {
      const remove = removals.get(folder);
      removals.delete(folder);
      await remove?.();
    }
  }
};
