/** The writer's rate on a file full of outcomes and on an empty one, in turns. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { say } from "../support/options.ts";
import { fixed, whole } from "../support/report.ts";
import { PlaceCommands } from "../system/commands.ts";
import { copyFilledFile } from "../system/filled-file.ts";
import { openWriter, type WriterInProcess } from "../system/writer-in-process.ts";
import type { OutcomesOptions } from "./options.ts";

/** About what two hundred connections make. */
export const BATCH = 64;
const CHUNK = 512 * BATCH;

export interface OutcomesRound {
  readonly round: number;
  readonly emptyPerSecond: number;
  readonly filledPerSecond: number;
  /** filled ÷ empty. */
  readonly ratio: number;
}

export const measureRates = async (
  options: OutcomesOptions,
  folder: string,
): Promise<readonly OutcomesRound[]> => {
  const { outcomes, rounds } = options;
  const filledPath = join(folder, "filled.sqlite");
  await copyFilledFile({ orders: outcomes, open: 0, sweepEnded: true }, filledPath);
  const filled = await openWriter({ path: filledPath });
  const found: OutcomesRound[] = [];
  try {
    for (let round = 0; round <= rounds; round++) {
      const emptyPerSecond = await onEmptyFile(options, folder);
      const filledPerSecond = await rateOf(filled, options.seconds);
      // Round 0 is the warm-up.
      if (round === 0) continue;
      const ratio = filledPerSecond / emptyPerSecond;
      found.push({ round, emptyPerSecond, filledPerSecond, ratio });
      say(
        `${round}: ${whole(filledPerSecond)} orders/s with ${whole(outcomes)} outcomes, ` +
          `${whole(emptyPerSecond)} with none, ratio ${fixed(ratio, 3)}`,
      );
    }
  } finally {
    await filled.close();
  }
  return found;
};

const onEmptyFile = async (options: OutcomesOptions, folder: string): Promise<number> => {
  const path = join(folder, "empty.sqlite");
  const writer = await openWriter({ path });
  try {
    return await rateOf(writer, options.seconds);
  } finally {
    await writer.close();
    for (const suffix of ["", "-wal", "-shm"]) rmSync(`${path}${suffix}`, { force: true });
  }
};

/** Orders a second; the commands are made outside the measured time. */
const rateOf = async (writer: WriterInProcess, seconds: number): Promise<number> => {
  const commands = new PlaceCommands(crypto.randomUUID(), "IOC");
  let ms = 0;
  let orders = 0;
  while (ms < seconds * 1000) {
    const chunk = commands.take(CHUNK);
    const start = performance.now();
    for (let at = 0; at < CHUNK; at += BATCH) {
      await writer.commit(chunk.slice(at, at + BATCH), 201);
    }
    ms += performance.now() - start;
    orders += CHUNK;
    writer.reportAllApplied();
  }
  return (orders / ms) * 1000;
};
