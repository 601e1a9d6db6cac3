/** How far a shard was found to be the same as central, beside its file, for `verify --resume`. */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { codeOf, reasonOf, UsageError } from "../../shards/process/failure.ts";
import type { ShardFilePins } from "../../shards/store/shard-reader.ts";
import type { WalkPosition } from "./journal-walk.ts";

interface Verified extends WalkPosition {
  readonly epoch: number;
  readonly centralId: string;
}

/** null when there is none, or when it is of another epoch or central. */
export const readVerified = (file: string, pins: ShardFilePins): WalkPosition | null => {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return null;
    throw unusable(file, error);
  }
  try {
    const { epoch, centralId, ...position } = JSON.parse(text) as Verified;
    return epoch === pins.epoch && centralId === pins.centralId ? position : null;
  } catch (error) {
    throw unusable(file, error);
  }
};

/** A reader finds the old position or the new one. */
export const writeVerified = (
  file: string,
  { epoch, centralId }: ShardFilePins,
  position: WalkPosition | null,
): void => {
  if (position === null) return;
  const draft = `${file}.${process.pid}`;
  try {
    writeFileSync(draft, JSON.stringify({ epoch, centralId, ...position }));
    renameSync(draft, file);
  } catch (error) {
    throw unusable(file, error);
  }
};

const unusable = (file: string, error: unknown): UsageError =>
  new UsageError(`${file}: ${reasonOf(error)}. Remove it to begin anew.`, { cause: error });
