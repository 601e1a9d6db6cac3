/** Processes that a benchmark starts, measures and ends, each by its own id. */
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Subprocess } from "bun";
import { ROOT } from "../support/machine.ts";

/** A process that has said that it serves. */
export interface Child {
  readonly name: string;
  readonly pid: number;
  readonly port: number;
  /** CPU time of all its threads until now, seconds. */
  cpuSeconds(): number;
  /** SIGTERM, and it may drain; resolves when it is gone. */
  stop(): Promise<void>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
}

export interface ChildOptions {
  readonly name: string;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Its standard error goes to a file here. */
  readonly folder: string;
}

const READY_MS_MAX = 30_000;
const STOP_MS_MAX = 20_000;
/** Of its standard error, in an error message. */
const LOG_CHARACTERS = 2000;

/** Whatever is alive when the benchmark ends, well or not, ends with it. */
const alive = new Set<Subprocess>();
process.on("exit", () => {
  for (const child of alive) child.kill("SIGKILL");
});

/** Starts a process and waits for its `{ type: "ready", port }`. Throws with what it said. */
export const startChild = async (options: ChildOptions): Promise<Child> => {
  const { name, command, environment, folder } = options;
  const log = join(folder, `${name}.stderr`);
  const ready = Promise.withResolvers<number>();
  const stderr = openSync(log, "a");
  const child = Bun.spawn([...command], {
    cwd: ROOT,
    env: environment,
    stdio: ["ignore", "ignore", stderr],
    ipc: (message: unknown) => {
      const { type, port } = message as { readonly type?: string; readonly port?: number };
      if (type === "ready") ready.resolve(port ?? 0);
    },
    serialization: "json",
    onExit: (_, exitCode, signal) => {
      alive.delete(child);
      ready.reject(new Error(`${name} ended (${exitCode ?? signal}):\n${tailOf(log)}`));
    },
  });
  closeSync(stderr);
  alive.add(child);
  ready.promise.catch(() => {});
  const timer = setTimeout(
    () => ready.reject(new Error(`${name} does not serve:\n${tailOf(log)}`)),
    READY_MS_MAX,
  );
  try {
    return asChild(name, child, await ready.promise);
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  } finally {
    clearTimeout(timer);
  }
};

const asChild = (name: string, child: Subprocess, port: number): Child => {
  const end = async (signal: "SIGTERM" | "SIGKILL"): Promise<void> => {
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
    await child.exited;
    clearTimeout(timer);
  };
  return {
    name,
    pid: child.pid,
    port,
    cpuSeconds: () => cpuSecondsOf(child.pid),
    stop: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
  };
};

/** The folder may be gone when a process that was killed has ended. */
const tailOf = (log: string): string =>
  existsSync(log) ? readFileSync(log, "utf8").slice(-LOG_CHARACTERS) : "";

/** What a program that ends by itself has printed, and its CPU time, seconds. */
export interface ToolRun {
  readonly output: string;
  readonly cpuSeconds: number;
}

/** Runs a generator to its end. */
export const runTool = async (command: readonly string[]): Promise<ToolRun> => {
  const child = Bun.spawn([...command], {
    stdio: ["ignore", "pipe", "inherit"],
    env: cleanEnvironment(),
  });
  alive.add(child);
  const output = await new Response(child.stdout).text();
  await child.exited;
  alive.delete(child);
  const cpuMicroseconds = child.resourceUsage()?.cpuTime.total ?? 0n;
  return { output, cpuSeconds: Number(cpuMicroseconds) / 1e6 };
};

/** The JSON after `RESULT `, which every generator prints. Throws with the output otherwise. */
export const resultIn = (output: string): unknown => {
  const line = /^RESULT (.*)$/m.exec(output)?.[1];
  if (line === undefined) throw new Error(`a generator gave no result:\n${output}`);
  return JSON.parse(line);
};

/** `USER_HZ` of proc(5): Linux fixes it at 100 for programs. */
const TICKS_PER_SECOND = 100;

/** CPU time of a process and all its threads; 0 when it is gone. */
export const cpuSecondsOf = (pid: number): number => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // After the name in parentheses: state is field 3, utime 14, stime 15.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return 0;
  }
};

/** The environment without anybody's product settings. */
export const cleanEnvironment = (): Record<string, string | undefined> =>
  Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !name.startsWith("SLUICE_") && !EXTERNAL_STORES.has(name),
    ),
  );

const EXTERNAL_STORES: ReadonlySet<string> = new Set(["KAFKA_BROKERS", "MYSQL_URL", "REDIS_URL"]);
