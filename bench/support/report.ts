/** What a benchmark found, how it is printed, and the file that keeps it. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Chart } from "./chart.ts";
import { type Commit, describeMachine, type Machine, ROOT } from "./machine.ts";

/** One number that a benchmark is about. */
export interface Headline {
  /** As printed: number and unit. */
  readonly value: string;
  readonly what: string;
  readonly target: string;
  /** null: nothing to compare with, or the runs are not valid. */
  readonly met: boolean | null;
}

export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
}

export interface BenchReport {
  readonly name: string;
  /** The numbers that it is about, the first one first. */
  readonly headlines: readonly Headline[];
  readonly tables: readonly Table[];
  /** What the page draws of it. */
  readonly charts?: readonly Chart[];
  /** What was measured under which settings: sentences and numbers for the reader of the file. */
  readonly conditions: Readonly<Record<string, unknown>>;
  /** What a reader must know before believing the numbers: invalid runs, a generator's limit. */
  readonly warnings: readonly string[];
  /** Every single run. */
  readonly runs: readonly unknown[];
}

export const printReport = (report: BenchReport): void => {
  const lines = [`\n${report.name}`];
  const width = Math.max(0, ...report.headlines.map(({ value }) => value.length));
  for (const { value, what, target, met } of report.headlines) {
    const verdict = met === null ? "no verdict" : met ? "met" : "NOT met";
    lines.push(`  ${value.padStart(width)}  ${what}  [${target}: ${verdict}]`);
  }
  for (const table of report.tables) lines.push("", ...renderTable(table));
  if (report.warnings.length > 0) lines.push("");
  for (const warning of report.warnings) lines.push(`  ! ${warning}`);
  console.log(lines.join("\n"));
};

/** The lines of a table, its columns in line. */
export const renderTable = ({ columns, rows }: Table): string[] => {
  const cells = [columns, ...rows.map((row) => row.map(String))];
  const widths = columns.map((_, i) => Math.max(...cells.map((row) => row[i]?.length ?? 0)));
  return cells.map((row) => {
    const padded = row.map((cell, i) =>
      i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0),
    );
    return `  ${padded.join("  ")}`;
  });
};

/** What a file of results holds beyond the report: when, of which commit, on which machine. */
export interface SavedReport extends BenchReport, Commit {
  /** What it measures, in a sentence. */
  readonly about?: string;
  readonly startedAt: string;
  readonly machine: Machine;
}

/** Where a report comes from. */
export interface Origin {
  readonly startedAt: Date;
  /** When the process started: what is committed meanwhile is not what was measured. */
  readonly commit: Commit;
  /** What the benchmark measures, in a sentence. */
  readonly about: string;
  readonly quick: boolean;
}

export const RESULTS = join(ROOT, "bench/results");

/**
 * Writes `bench/results/<date>-<commit>/<name>.json` and gives its path. A quick look goes to a
 * folder of its own, so that it never takes the place of numbers to quote.
 */
export const saveReport = (
  report: BenchReport,
  { startedAt, commit, about, quick }: Origin,
): string => {
  const day = startedAt.toISOString().slice(0, 10);
  const folder = join(RESULTS, `${day}-${commit.commit}${quick ? "-quick" : ""}`);
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${report.name}.json`);
  const { name, headlines, tables, charts = [], conditions, warnings, runs } = report;
  const content: SavedReport = {
    name,
    about,
    startedAt: startedAt.toISOString(),
    ...commit,
    machine: describeMachine(),
    headlines,
    conditions,
    warnings,
    tables,
    charts,
    runs,
  };
  writeFileSync(path, `${JSON.stringify(content, null, 1)}\n`);
  return path;
};

/** A number with `digits` after the point. */
export const fixed = (value: number, digits: number): string =>
  Number.isFinite(value) ? value.toFixed(digits) : "-";

/** A whole number with spaces between thousands. */
export const whole = (value: number): string =>
  Number.isFinite(value)
    ? Math.round(value)
        .toString()
        .replace(/\B(?=(\d{3})+$)/g, " ")
    : "-";
