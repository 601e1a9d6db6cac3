import { existsSync } from "node:fs";
import { join } from "node:path";
import { SingleBar } from "cli-progress";
import { systemClock } from "../../shards/process/clock.ts";
import { EXIT, UsageError } from "../../shards/process/failure.ts";
import type { CentralReader } from "../central/central-reader.ts";
import type { Config } from "../config.ts";
import { verificationLines } from "../verify/report.ts";
import { type Verification, type VerifyProgress, verifyShard } from "../verify/verify-shard.ts";
import { findShard } from "./addresses.ts";
import { openCentralReader } from "./central.ts";

export interface VerifyFlags {
  /** Shards whose file is here; all of the map when left out. */
  readonly shard?: readonly string[];
  readonly resume: boolean;
  readonly differences: string;
  readonly json: boolean;
}

const DIFFERENCES_MAX = 100_000;

/** `sluice verify`: prints what was found and gives the exit code, 1 with a difference. */
export const verify = async (config: Config, flags: VerifyFlags): Promise<number> => {
  const names = flags.shard ?? config.sharding.shards.map(({ name }) => name);
  const files = names.map((name) => fileOf(config, name));
  const shownMax = parseCount(flags.differences);
  const central = openCentralReader(config);
  const found: Verification[] = [];
  try {
    for (const [i, file] of files.entries()) {
      const name = names[i] ?? "";
      const one = await verifyFile({ config, central, shownMax, flags, file, name });
      found.push(one);
      if (!flags.json) for (const line of verificationLines(one)) console.log(line);
    }
  } finally {
    await central.close();
  }
  if (flags.json) console.log(JSON.stringify({ shards: found }));
  return found.every(({ differenceCount }) => differenceCount === 0)
    ? EXIT.well
    : EXIT.problemFound;
};

const fileOf = (config: Config, name: string): string => {
  const shard = findShard(config, "--shard", name);
  const file = join(config.dataDir, `${shard.name}.sqlite`);
  if (existsSync(file)) return file;
  throw new UsageError(
    `${file} is missing: run verify where the file is, name this host's shards with --shard, or ` +
      `rebuild a lost one with "sluice restore --shard ${name}".`,
  );
};

const verifyFile = async (options: {
  readonly config: Config;
  readonly central: CentralReader;
  readonly shownMax: number;
  readonly flags: VerifyFlags;
  readonly file: string;
  readonly name: string;
}): Promise<Verification> => {
  const { config, central, shownMax, flags, file, name } = options;
  const progress = createProgress(name, flags.json);
  try {
    return await verifyShard({
      file,
      central,
      outcomeRetentionMs: config.shard.outcomeRetention,
      shownMax,
      stateFile: join(config.dataDir, `verify-${name}.json`),
      resume: flags.resume,
      clock: systemClock,
      onProgress: progress.update,
    });
  } finally {
    progress.end();
  }
};

const parseCount = (text: string): number => {
  const count = Number(text);
  if (/^[1-9]\d*$/.test(text) && count <= DIFFERENCES_MAX) return count;
  throw new UsageError(
    `--differences = ${JSON.stringify(text)}: expected a whole number, 1 to ${DIFFERENCES_MAX}.`,
  );
};

interface Progress {
  update(progress: VerifyProgress): void;
  end(): void;
}

/** A bar on a terminal, else nothing: the result says what was compared. */
const createProgress = (shard: string, json: boolean): Progress => {
  if (json || !process.stderr.isTTY) return { update: () => {}, end: () => {} };
  const bar = new SingleBar({
    format: `${shard} {bar} {percentage} % | {differences} differences | {duration_formatted}`,
    hideCursor: true,
    clearOnComplete: true,
  });
  bar.start(1, 0, { differences: 0 });
  return {
    update: ({ done, total, differences }) => {
      bar.setTotal(total);
      bar.update(done, { differences });
    },
    end: () => bar.stop(),
  };
};
