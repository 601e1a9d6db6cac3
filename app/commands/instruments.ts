import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Instrument } from "../../shards/domain/instrument.ts";
import { reasonOf, UsageError } from "../../shards/process/failure.ts";
import { defaultInstruments } from "../instruments/default-set.ts";
import {
  parseInstrumentFile,
  parseInstrumentFiles,
  renderInstrumentFile,
} from "../instruments/instrument-file.ts";
import { prepareDataDir } from "./data-dir.ts";

const seedFile = (dataDir: string): string => join(dataDir, "instruments.json");

/** What seeds the symbols that a shard does not know yet: the imported file, else the default set. */
export const seedInstruments = (dataDir: string): readonly Instrument[] => {
  const file = seedFile(dataDir);
  return existsSync(file) ? parseInstrumentFile(readText(file), file) : defaultInstruments;
};

/** `sluice instruments import`: writes the seed file and gives the lines to print. */
export const importInstruments = (
  files: readonly string[],
  target: { readonly dataDir: string; readonly out: string | undefined },
): readonly string[] => {
  const { instruments, notes } = parseInstrumentFiles(
    files.map((file) => ({ name: file, text: readText(file) })),
  );
  if (target.out === undefined) prepareDataDir(target.dataDir);
  const out = target.out ?? seedFile(target.dataDir);
  writeWhole(out, renderInstrumentFile(instruments));
  return [
    ...notes.map((note) => `skipped  ${note}`),
    `${instruments.length} instruments written to ${out}`,
    "A shard takes those whose symbol it does not have yet, at its next start.",
  ];
};

/** A reader finds the old text or the new one, never a part. */
const writeWhole = (file: string, text: string): void => {
  const draft = join(dirname(file), `.${basename(file)}.${process.pid}`);
  try {
    writeFileSync(draft, text, { flush: true });
    renameSync(draft, file);
  } catch (error) {
    throw new UsageError(`${file} cannot be written: ${reasonOf(error)}.`);
  }
};

const readText = (file: string): string => {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${reasonOf(error)}.`);
  }
};
