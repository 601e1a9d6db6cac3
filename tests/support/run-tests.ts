/**
 * Runs every test suite of the repository and counts: the last line is `N passed, N failed`.
 * Tests that need Kafka, MySQL and Redis are files of their own, `*.services.test.ts`: a plain run
 * leaves them out. `--services` runs them, and some of the plain files again with every system on
 * services, in suites of their own.
 *
 * A suite is a folder. Each runs in a `bun test` process of its own, one after the other, so that
 * a crash, a hang or a leaked global stays in its suite. The counts come from the summary that
 * `bun test` prints on stderr, because its junit report leaves out files that fail on import.
 * What failed is repeated just before the last line, so that the end of a log tells it.
 * Nothing counts as passed by silence: a suite without files, without tests or without a summary,
 * one that ran fewer files than it has, exited non-zero without a failed test, ran out of time or
 * left a process behind is one failure more.
 */
import { Glob, type Subprocess } from "bun";
import { type Failure, failureReport, parseFailures, suiteFailure } from "./failures.ts";
import { servicesFromEnvironment } from "./services.ts";

/** The two runs; each has its own files, and time for all of its suites together. */
export interface Run {
  readonly isOurs: (file: string) => boolean;
  /** Suites that have to exist; a folder beyond them that has test files becomes a suite too. */
  readonly requiredSuites: readonly string[];
  /** Files of the plain run whose systems keep their orders in the services this time. */
  readonly alsoOnServices: readonly string[];
  readonly timeoutMs: number;
}

const isServicesTest = (file: string): boolean => file.endsWith(".services.test.ts");

// Both runs, with installing and checks, have to stay within the 25 minutes of a CI run.
export const PLAIN_RUN: Run = {
  alsoOnServices: [],
  isOurs: (file) => !isServicesTest(file),
  requiredSuites: ["app", "shards", "tests/tooling", "tests/contract", "tests/system"],
  timeoutMs: 11 * 60_000,
};
export const SERVICES_RUN: Run = {
  alsoOnServices: [
    "tests/contract/batch.test.ts",
    "tests/contract/change.test.ts",
    "tests/contract/idempotency.test.ts",
    "tests/contract/operation.test.ts",
    "tests/contract/order.test.ts",
    "tests/contract/read.test.ts",
    "tests/system/gtd.test.ts",
    "tests/system/kill.test.ts",
    "tests/system/replay.test.ts",
    "tests/system/restart.test.ts",
  ],
  isOurs: isServicesTest,
  requiredSuites: ["tests/services"],
  timeoutMs: 13.5 * 60_000,
};

const TEST_TIMEOUT_MS = 60_000;
const LONG_RUN_TIMEOUT_MS = 120 * 60_000;
/** What a suite's processes may take to go away after its summary, or after SIGTERM. */
const LEFTOVER_GRACE_MS = 3_000;
const LEFTOVER_POLL_MS = 50;

/** Numbers of tests. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** What `bun test` says at its end; `files` is how many test files it ran. */
export interface Summary extends Counts {
  readonly files: number;
}

/** How one suite's process ended; `summary` is absent when none was printed. */
export interface SuiteEnd {
  readonly summary: Summary | undefined;
  readonly files: number;
  readonly exitCode: number;
  readonly timedOut: boolean;
  readonly leftProcesses: boolean;
}

/** Reads the summary at the end of what `bun test` wrote on stderr. */
export const parseSummary = (stderr: string): Summary | undefined => {
  const lines = Bun.stripANSI(stderr).trimEnd().split("\n");
  const ran = /^Ran \d+ tests? across (\d+) files?\./.exec(lines.at(-1) ?? "");
  if (ran === null) {
    return undefined;
  }
  const numbers = new Map<string, number>();
  for (const line of lines.slice(0, -1).reverse()) {
    const entry = /^ *(\d+) (pass|fail|skip|todo|error|errors|expect\(\) calls)$/.exec(line);
    if (entry === null && !/^ *\d+ \S/.test(line)) {
      break;
    }
    numbers.set(entry?.[2] ?? "", Number(entry?.[1] ?? 0));
  }
  return {
    passed: numbers.get("pass") ?? 0,
    failed: numbers.get("fail") ?? 0,
    skipped: (numbers.get("skip") ?? 0) + (numbers.get("todo") ?? 0),
    files: Number(ran[1]),
  };
};

/** Why a suite counts one failure more than its tests say; empty when it ended well. */
export const faultOf = (end: SuiteEnd): string => {
  const { summary } = end;
  if (end.timedOut) {
    return "ran out of time";
  }
  if (summary === undefined) {
    return `ended without a summary, exit code ${end.exitCode}`;
  }
  if (summary.passed + summary.failed === 0) {
    return "ran no test";
  }
  if (summary.files !== end.files) {
    return `ran ${summary.files} of its ${end.files} test files`;
  }
  if (end.exitCode !== 0 && summary.failed === 0) {
    return `ended with exit code ${end.exitCode} and no failed test`;
  }
  return end.leftProcesses ? "left a process running" : "";
};

/** The counting line. */
export const countLine = ({ passed, failed, skipped }: Counts): string =>
  `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;

const ON_SERVICES = " on services";

const folderOf = (file: string): string => {
  const folders = file.split("/").slice(0, -1);
  return folders.slice(0, folders[0] === "tests" ? 2 : 1).join("/") || ".";
};

/**
 * The run's test files by suite, the required suites first, those on services last; paths from the
 * root. A file that has to run on services is in its suite even when it is not among `files`.
 */
export const suitesOf = (
  run: Run,
  files: readonly string[],
): ReadonlyMap<string, readonly string[]> => {
  const suites = new Map<string, string[]>(run.requiredSuites.map((suite) => [suite, []]));
  const add = (suite: string, file: string) =>
    suites.set(suite, [...(suites.get(suite) ?? []), file]);
  for (const file of files.filter(run.isOurs).toSorted()) add(folderOf(file), file);
  for (const file of run.alsoOnServices) add(folderOf(file) + ON_SERVICES, file);
  return suites;
};

/** What tests/support/stores.ts goes by. */
export const environmentOf = (suite: string): Readonly<Record<string, string | undefined>> => ({
  ...process.env,
  SLUICE_TEST_ON: suite.endsWith(ON_SERVICES) ? "services" : undefined,
});

const testFiles = (): string[] =>
  [...new Glob("**/*.test.ts").scanSync(".")].filter((file) => !file.includes("node_modules/"));

/** The suite's own process group, so that everything a test started can be found and ended. */
const signalGroup = (pid: number, signal: NodeJS.Signals | 0): boolean => {
  try {
    process.kill(-pid, signal);
    return true;
  } catch {
    return false;
  }
};

const groupGone = async (pid: number): Promise<boolean> => {
  for (let waitedMs = 0; waitedMs < LEFTOVER_GRACE_MS; waitedMs += LEFTOVER_POLL_MS) {
    if (!signalGroup(pid, 0)) {
      return true;
    }
    await Bun.sleep(LEFTOVER_POLL_MS);
  }
  return false;
};

const endGroup = async (pid: number): Promise<void> => {
  signalGroup(pid, "SIGTERM");
  if (!(await groupGone(pid))) {
    signalGroup(pid, "SIGKILL");
  }
};

const runSuite = async (
  suite: string,
  files: readonly string[],
  timeoutMs: number,
): Promise<{ readonly end: SuiteEnd; readonly stderr: string }> => {
  const child: Subprocess<"ignore", "inherit", "pipe"> = Bun.spawn(
    [process.execPath, "test", "--timeout", `${TEST_TIMEOUT_MS}`, ...files.map((f) => `./${f}`)],
    {
      env: environmentOf(suite),
      stdin: "ignore",
      stdout: "inherit",
      stderr: "pipe",
      detached: true,
    },
  );
  const stop = (): void => {
    signalGroup(child.pid, "SIGTERM");
    process.exitCode = 130;
  };
  process.once("SIGINT", stop).once("SIGTERM", stop);
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    void endGroup(child.pid);
  }, timeoutMs);

  let stderr = "";
  const echo = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stderr) {
      process.stderr.write(chunk);
      stderr += decoder.decode(chunk, { stream: true });
    }
  })();
  const exitCode = await child.exited;
  const leftProcesses = !(await groupGone(child.pid));
  if (leftProcesses) {
    await endGroup(child.pid);
  }
  // A process in a group of its own may still hold the pipe; what it writes is not waited for.
  const closed = await Promise.race([
    echo.then(() => true),
    Bun.sleep(LEFTOVER_GRACE_MS).then(() => false),
  ]);
  clearTimeout(timer);
  process.off("SIGINT", stop).off("SIGTERM", stop);
  const end = {
    summary: parseSummary(stderr),
    files: files.length,
    exitCode,
    timedOut,
    leftProcesses: leftProcesses || !closed,
  };
  return { end, stderr };
};

const NO_FILES = { end: undefined, stderr: "" };

const runAll = async (run: Run): Promise<Counts & { readonly failures: readonly Failure[] }> => {
  const long = process.env.SLUICE_TEST_LONG === "1";
  const endsAtMs = performance.now() + (long ? LONG_RUN_TIMEOUT_MS : run.timeoutMs);
  let total: Counts = { passed: 0, failed: 0, skipped: 0 };
  const failures: Failure[] = [];
  for (const [suite, files] of suitesOf(run, testFiles())) {
    console.error(`\n== ${suite}: ${files.length} test files`);
    const leftMs = Math.max(endsAtMs - performance.now(), 1);
    const { end, stderr } = files.length > 0 ? await runSuite(suite, files, leftMs) : NO_FILES;
    const fault = end === undefined ? "has no test files" : faultOf(end);
    failures.push(...parseFailures(stderr));
    if (fault !== "") {
      console.error(`== ${suite} ${fault}`);
      failures.push(suiteFailure(suite, fault, stderr));
    }
    total = {
      passed: total.passed + (end?.summary?.passed ?? 0),
      failed: total.failed + (end?.summary?.failed ?? 0) + (fault === "" ? 0 : 1),
      skipped: total.skipped + (end?.summary?.skipped ?? 0),
    };
    if (process.exitCode !== undefined) {
      break;
    }
  }
  return { ...total, failures };
};

/** Says what is missing once, rather than letting every test of the run say it. */
const canStart = (run: Run): boolean => {
  try {
    if (run === SERVICES_RUN) servicesFromEnvironment();
    return true;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return false;
  }
};

if (import.meta.main) {
  const run = process.argv.includes("--services") ? SERVICES_RUN : PLAIN_RUN;
  const nothing = { passed: 0, failed: 1, skipped: 0, failures: [] };
  const total = canStart(run) ? await runAll(run) : nothing;
  console.log(`\n${failureReport(total.failures)}${countLine(total)}`);
  process.exit(process.exitCode ?? (total.failed > 0 || total.passed === 0 ? 1 : 0));
}
