/**
 * The closed-loop generators: each connection sends its next request when it has its answer. wrk
 * where it is installed, because it is the only one that leaves the processor to what it measures;
 * autocannon otherwise, and then the generator is the limit.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Latency } from "../support/statistics.ts";
import { resultIn, runTool } from "../system/child.ts";
import type { RequestTemplate } from "./orders.ts";

export type GeneratorName = "wrk" | "autocannon";

export interface LoadOptions {
  readonly port: number;
  readonly connections: number;
  readonly seconds: number;
  readonly templates: readonly RequestTemplate[];
  /** Look at every status; for warm-ups, because it slows the generator down. */
  readonly check: boolean;
  /** For the file of templates. */
  readonly folder: string;
}

/** One run of a generator. */
export interface Load {
  readonly generator: GeneratorName;
  readonly requests: number;
  readonly seconds: number;
  readonly perSecond: number;
  /** Answers of status 400 and above, or with `check` all orders whose status is not 201. */
  readonly refused: number;
  /** Of those, answers of status 503; counted with `check` alone. */
  readonly shed: number;
  /** Connections and answers that failed or did not come. */
  readonly lost: number;
  /** Closed loop: the wait for a late answer hides others. Not for judging times. */
  readonly latencyMs: Latency;
  readonly generatorCpuSeconds: number;
}

export const detectGenerator = (): GeneratorName =>
  Bun.which("wrk") === null ? "autocannon" : "wrk";

export const GENERATOR_NOTES = {
  wrk: "wrk drove, one thread",
  autocannon:
    "autocannon drove because wrk is not installed: the generator is the limit, so the ratio " +
    "says little; install wrk",
} as const satisfies Record<GeneratorName, string>;

export const runLoad = (generator: GeneratorName, options: LoadOptions): Promise<Load> =>
  generator === "wrk" ? runWrk(options) : runAutocannon(options);

interface Raw extends Latency {
  readonly requests: number;
  readonly microseconds: number;
  readonly refused: number;
  readonly lost: number;
  readonly wrong: number;
  readonly shed: number;
}

const runWrk = (options: LoadOptions): Promise<Load> => {
  const entries = options.templates.map(({ head, tail }) => luaList([head, tail]));
  return runWrkSource(options, `return ${listOf(entries)}\n`);
};

/** wrk with the requests that `source` makes; `orders.lua` says what it may be. */
export const runWrkSource = (
  options: Omit<LoadOptions, "templates">,
  source: string,
): Promise<Load> => {
  const { port, connections, seconds, check, folder } = options;
  const file = join(folder, "requests.lua");
  writeFileSync(file, source);
  const script = join(import.meta.dir, "orders.lua");
  const command = [
    "wrk",
    ...["-t1", `-c${connections}`, `-d${seconds}s`, "--timeout", "5s", "-s", script],
    `http://127.0.0.1:${port}/`,
    ...["--", file, check ? "check" : "trust"],
  ];
  return measured("wrk", command);
};

/** Visible ASCII, carriage returns and line feeds, and numbers: JSON's escapes are Lua's. */
export const luaList = (values: readonly (string | number)[]): string =>
  listOf(values.map((value) => JSON.stringify(value)));

export const listOf = (entries: readonly string[]): string => `{${entries.join(",\n")}}`;

const runAutocannon = (options: LoadOptions): Promise<Load> => {
  const file = join(options.folder, "load.json");
  writeFileSync(file, JSON.stringify(options));
  const main = join(import.meta.dir, "autocannon-main.ts");
  return measured("autocannon", [process.execPath, main, file]);
};

const measured = async (generator: GeneratorName, command: readonly string[]): Promise<Load> => {
  const { output, cpuSeconds } = await runTool(command);
  const raw = resultIn(output) as Raw;
  const { requests, microseconds, refused, lost, wrong, shed, ...latencyMs } = raw;
  const seconds = microseconds / 1e6;
  return {
    generator,
    requests,
    seconds,
    perSecond: requests / seconds,
    refused: Math.max(refused, wrong),
    shed,
    lost,
    latencyMs,
    generatorCpuSeconds: cpuSeconds,
  };
};
