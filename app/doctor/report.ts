/** The diagnosis as text for people and as JSON for programs. */
import type { CheckLine, Diagnosis } from "./examine.ts";
import { durationText } from "./units.ts";

/** Raised when a field goes or changes its meaning; new fields may come at any time. */
const JSON_SCHEMA = 1;

/** One object; docs/DOCTOR.md describes it. */
export const renderJson = ({ at, problems, warnings, checks, lag }: Diagnosis): string =>
  JSON.stringify({ schema: JSON_SCHEMA, at, problems, warnings, checks, lag }, undefined, 2);

const WORDS = { ok: "ok", skipped: "-", warning: "warn", problem: "PROBLEM" } as const;
const STATUS_WIDTH = 9;

/** A line for each check; below one that found something what, why and the way out. */
export const renderText = (diagnosis: Diagnosis): readonly string[] => {
  const width = Math.max(...diagnosis.checks.map(({ check }) => check.length)) + 2;
  return [
    ...diagnosis.checks.flatMap((line) => linesOf(line, width)),
    ...lagLines(diagnosis),
    "",
    summaryOf(diagnosis),
  ];
};

const linesOf = (
  { check, status, seen, findings }: CheckLine,
  width: number,
): readonly string[] => {
  const head = `${WORDS[status].padEnd(STATUS_WIDTH)}${check.padEnd(width)}`;
  if (findings.length === 0) return [`${head}${seen}`];
  return findings.flatMap(({ code, severity, what, why, fix }) => [
    `${WORDS[severity].padEnd(STATUS_WIDTH)}${check.padEnd(width)}${what}`,
    `${" ".repeat(STATUS_WIDTH)}why   ${why}`,
    `${" ".repeat(STATUS_WIDTH)}fix   ${fix}`,
    `${" ".repeat(STATUS_WIDTH)}code  ${code}`,
  ]);
};

const lagLines = ({ lag }: Diagnosis): readonly string[] => {
  const late = lag.filter(({ records }) => records > 0);
  if (late.length === 0) return [];
  return [
    "",
    "partition   records behind   oldest",
    ...late.map(({ partition, records, ms }) => {
      const age = ms === null ? "not known" : durationText(ms);
      return `${String(partition).padStart(9)}   ${String(records).padStart(14)}   ${age}`;
    }),
  ];
};

const summaryOf = ({ problems, warnings }: Diagnosis): string => {
  if (problems + warnings === 0) return "Nothing found.";
  const noun = (count: number, word: string): string => `${count} ${word}${count === 1 ? "" : "s"}`;
  return `${noun(problems, "problem")}, ${noun(warnings, "warning")}.`;
};
