/** Reads what failed out of what `bun test` wrote, for a short repetition at the end of a run. */

/** One failed test, or an error outside of tests. */
export interface Failure {
  /** Path of the test file; empty before the first. */
  readonly file: string;
  /** With its describes, as `bun test` prints it. */
  readonly test: string;
  /** The error as printed, without what the test itself wrote before. */
  readonly lines: readonly string[];
}

/** A truncated log keeps its end only: what is repeated there has to stay short. */
const SHOWN_MAX = 10;
const LINES_MAX = 40;
/** What a suite wrote last, when it ended without saying what failed. */
const LAST_LINES_MAX = 20;

const FILE = /^(?:::group::)?(\S+\.test\.tsx?):$/;
/** In words, or as signs on a terminal. */
const RESULT = /^(\((?:pass|fail|skip|todo)\)|[✓✗»✎]) (.*?)(?: \[[\d.]+m?s\])?$/;
const FAILED = ["(fail)", "✗"];
/** Begins the failed tests once more, without their errors. */
const REPETITION = /^\d+ tests? failed:$/;
const OUTSIDE_OF_TESTS = "# Unhandled error between tests";
const RULE = /^-{20,}$/;
/** The lines of code that are shown above an error, or the error where there are none. */
const CODE = /^ *\d+ \| /;
const ERROR = /^(error|[A-Z]\w*Error): /;
const TIMED_OUT = /^ +\^ /;

/** Failed tests and errors outside of tests, in the order of `bun test`'s stderr. */
export const parseFailures = (stderr: string): readonly Failure[] => {
  const failures: Failure[] = [];
  let file = "";
  let block: string[] = [];
  let rules = 0;
  const lines = Bun.stripANSI(stderr).split("\n");
  for (const [at, line] of lines.entries()) {
    if (REPETITION.test(line)) break;
    const [, name] = FILE.exec(line) ?? [];
    const [, result, test = ""] = RESULT.exec(line) ?? [];
    if (name !== undefined) file = name;
    if (result !== undefined && FAILED.includes(result)) {
      const next = lines[at + 1] ?? "";
      const limit = TIMED_OUT.test(next) ? [next] : [];
      failures.push({ file, test, lines: [...limit, ...errorIn(block)] });
    }
    if (name !== undefined || result !== undefined) block = [];
    else if (line === OUTSIDE_OF_TESTS) [block, rules] = [[], 2];
    else if (rules > 0 && RULE.test(line) && --rules === 0) {
      failures.push({ file, test: "(outside of tests)", lines: errorIn(block) });
      block = [];
    } else if (!RULE.test(line)) block.push(line);
  }
  return failures;
};

/** From the first lines of code on, or from the last error where there are none; else all. */
const errorIn = (block: readonly string[]): readonly string[] => {
  const frame = block.findIndex((line) => CODE.test(line));
  const from = frame >= 0 ? frame : block.findLastIndex((line) => ERROR.test(line));
  return block.slice(Math.max(0, from)).filter(hasText);
};

const hasText = (line: string): boolean => line.trim() !== "";

/** A suite that failed as a whole: how, and what it wrote last when that is all there is. */
export const suiteFailure = (suite: string, fault: string, stderr: string): Failure => {
  const lines = Bun.stripANSI(stderr).split("\n").filter(hasText);
  return { file: suite, test: fault, lines: lines.slice(-LAST_LINES_MAX) };
};

/** Begins the repetition; `.ci/run` takes it from there to the counts. */
export const FAILURES_TITLE = "== failed:";

/** Each failure's file, name and first lines; empty when there are none. */
export const failureReport = (failures: readonly Failure[]): string => {
  if (failures.length === 0) return "";
  const shown = failures.slice(0, SHOWN_MAX).map(({ file, test, lines }) => {
    const left = lines.length - LINES_MAX;
    const more = left > 0 ? [`(${left} more lines)`] : [];
    return [`${file}: ${test}`, ...[...lines.slice(0, LINES_MAX), ...more].map((l) => `    ${l}`)];
  });
  const left = failures.length - SHOWN_MAX;
  const more = left > 0 ? [`and ${left} more`] : [];
  return `${[FAILURES_TITLE, ...shown.flat(), ...more].join("\n")}\n\n`;
};
