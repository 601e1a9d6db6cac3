/** Reads back the files of a folder of results. A file of any benchmark will do. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { z } from "zod";
import { reasonOf, UsageError } from "../../shards/process/failure.ts";
import { CHART_KINDS } from "../support/chart.ts";
import { RESULTS, type SavedReport } from "../support/report.ts";

const axis = z.object({
  label: z.string(),
  unit: z.string().optional(),
  scale: z.enum(["linear", "log"]).optional(),
});

const chart = z.object({
  id: z.string().regex(/^[a-z0-9][a-z0-9-]*$/),
  title: z.string(),
  caption: z.string(),
  kind: z.enum(CHART_KINDS),
  x: axis,
  y: axis,
  series: z.array(
    z.object({
      name: z.string(),
      points: z.array(z.tuple([z.union([z.number(), z.string()]), z.number().nullable()])),
    }),
  ),
  marks: z.array(z.object({ label: z.string(), at: z.number() })).optional(),
  isMain: z.boolean().optional(),
});

/** JSON has no NaN: a table's cell without a number is null. */
const cell = z.union([z.string(), z.number(), z.null().transform(() => "-")]);

const saved = z.object({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]*$/),
  about: z.string().optional(),
  startedAt: z.iso.datetime(),
  commit: z.string(),
  changed: z.boolean(),
  machine: z.object({
    cpu: z.string(),
    cores: z.number(),
    memoryGiB: z.number(),
    kernel: z.string(),
    bun: z.string(),
    sqlite: z.string(),
  }),
  headlines: z.array(
    z.object({
      value: z.string(),
      what: z.string(),
      target: z.string(),
      met: z.boolean().nullable(),
    }),
  ),
  tables: z.array(z.object({ columns: z.array(z.string()), rows: z.array(z.array(cell)) })),
  // Results of before there were charts have none.
  charts: z.array(chart).default([]),
  conditions: z.record(z.string(), z.unknown()),
  warnings: z.array(z.string()),
  runs: z.array(z.unknown()),
});

/** The reports of a folder, the oldest first. Throws a {@link UsageError} when it has none. */
export const readReports = (folder: string): readonly SavedReport[] => {
  if (!existsSync(folder))
    throw new UsageError(`${folder} is not there: name a folder of results.`);
  const files = readdirSync(folder).filter((file) => file.endsWith(".json"));
  if (files.length === 0) {
    throw new UsageError(`${folder} holds no JSON: \`bun run bench\` makes such folders.`);
  }
  return files
    .map((file) => readReport(join(folder, file)))
    .toSorted((a, b) => a.startedAt.localeCompare(b.startedAt));
};

const readReport = (file: string): SavedReport => {
  try {
    return saved.parse(JSON.parse(readFileSync(file, "utf8"))) as SavedReport;
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error) : reasonOf(error);
    throw new UsageError(`${file} is no result of a benchmark: ${why}`);
  }
};

/** The folder whose results are the newest. */
export const newestFolder = (): string => {
  const folders = readdirSync(RESULTS, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(RESULTS, name));
  const newest = folders.toSorted((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0];
  if (newest === undefined) {
    throw new UsageError(`${relative(".", RESULTS)} is empty: run a benchmark first.`);
  }
  return newest;
};
