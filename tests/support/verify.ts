/** `sluice verify` and `sluice restore` as their operators run them. */
import { expect } from "bun:test";
import type { Restored } from "../../app/restore/restore-shard.ts";
import type { Verification } from "../../app/verify/verify-shard.ts";
import { runProcess, SLUICE } from "./processes.ts";
import { environmentOf, type Settings } from "./sluice.ts";

const COMMAND_MS_MAX = 60_000;

export interface Verified {
  readonly exitCode: number;
  readonly stderr: string;
  readonly shards: readonly Verification[];
  /** The codes of all differences shown, of all shards. */
  readonly codes: readonly string[];
}

export const runVerify = async (
  dataDir: string,
  flags: readonly string[] = [],
  settings: Settings = {},
): Promise<Verified> => {
  const { exitCode, stdout, stderr } = await runProcess(
    [...SLUICE, "verify", "--data-dir", dataDir, "--json", ...flags],
    { environment: environmentOf(settings) },
    COMMAND_MS_MAX,
  );
  const { shards } = (stdout === "" ? { shards: [] } : JSON.parse(stdout)) as Verified;
  const codes = shards.flatMap(({ differences }) => differences.map(({ code }) => code));
  return { exitCode, stderr, shards, codes };
};

/** No difference; gives what was compared. */
export const expectVerified = async (
  ...args: Parameters<typeof runVerify>
): Promise<readonly Verification[]> => {
  const { exitCode, stderr, shards } = await runVerify(...args);
  expect(shards.flatMap(({ differences }) => differences)).toEqual([]);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  return shards;
};

export interface RestoreRun {
  readonly exitCode: number;
  readonly stderr: string;
  readonly stdout: string;
}

export const runRestore = (
  dataDir: string,
  shard: string,
  flags: readonly string[] = [],
  settings: Settings = {},
): Promise<RestoreRun> =>
  runProcess(
    [...SLUICE, "restore", "--data-dir", dataDir, "--shard", shard, ...flags],
    // Nobody listens there: another system's applier on this machine must not be met.
    { environment: environmentOf({ APPLIER_URL: "ws://127.0.0.1:1", ...settings }) },
    COMMAND_MS_MAX,
  );

/** Restored; gives what it says. */
export const expectRestored = async (
  ...[dataDir, shard, settings]: [string, string, Settings?]
): Promise<Restored> => {
  const { exitCode, stdout, stderr } = await runRestore(dataDir, shard, ["--json"], settings);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  return JSON.parse(stdout) as Restored;
};
