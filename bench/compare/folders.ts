/** Two folders of results side by side: what differs, and that it proves nothing. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../../shards/process/failure.ts";
import { readReports } from "../report/saved.ts";
import { fixed, renderTable, type SavedReport, type Table } from "../support/report.ts";

/** A folder with JSON in it, and no checkout. */
export const isResultFolder = (path: string): boolean =>
  existsSync(path) &&
  statSync(path).isDirectory() &&
  !existsSync(join(path, "package.json")) &&
  readdirSync(path).some((file) => file.endsWith(".json"));

export const NO_PROOF =
  "Single runs prove nothing: machine, hour and neighbours differ. `bench compare` of two " +
  "revisions measures both in turns.";

/** Lines on the benchmarks that both have, or on the one that is named. */
export const compareFolders = (
  folderA: string,
  folderB: string,
  name?: string,
): readonly string[] => {
  const theirs = new Map(readReports(folderB).map((report) => [report.name, report]));
  const both = readReports(folderA).flatMap(
    (a): readonly (readonly [SavedReport, SavedReport])[] => {
      const b = theirs.get(a.name);
      return b === undefined || (name !== undefined && a.name !== name) ? [] : [[a, b]];
    },
  );
  if (both.length === 0) {
    throw new UsageError(`${folderA} and ${folderB} do not both have ${name ?? "any benchmark"}.`);
  }
  const warnings = [...both.flatMap(([a, b]) => differences(a, b)), NO_PROOF];
  return [...renderTable(tableOf(both)), "", ...warnings.map((line) => `  ! ${line}`)];
};

const tableOf = (both: readonly (readonly [SavedReport, SavedReport])[]): Table => ({
  columns: ["", "A", "B", "B ÷ A"],
  rows: both.flatMap(([a, b]) =>
    a.headlines.map(({ what, value }, i) => {
      const other = b.headlines[i]?.value ?? "-";
      return [`${a.name}: ${what}`, value, other, fixed(numberIn(other) / numberIn(value), 2)];
    }),
  ),
});

/** `1 202 ms` is 1202. */
const numberIn = (value: string): number =>
  Number(/\d[\d ]*(\.\d+)?/.exec(value)?.[0].replaceAll(" ", "") ?? Number.NaN);

/** What else is not the same, so that not even a large difference need come from the code. */
const differences = (a: SavedReport, b: SavedReport): readonly string[] => {
  const all = (report: SavedReport): Readonly<Record<string, unknown>> => ({
    ...report.conditions,
    ...report.machine,
  });
  const [ofA, ofB] = [all(a), all(b)];
  return [...new Set([...Object.keys(ofA), ...Object.keys(ofB)])]
    .filter((key) => JSON.stringify(ofA[key]) !== JSON.stringify(ofB[key]))
    .map(
      (key) => `${a.name}, ${key}: A ${JSON.stringify(ofA[key])}, B ${JSON.stringify(ofB[key])}`,
    );
};
