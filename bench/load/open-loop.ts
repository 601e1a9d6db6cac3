/** Starts the open-loop generator of `open-loop-main.ts` in a process of its own. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { whole } from "../support/report.ts";
import type { Latency, LatencyWithP95 } from "../support/statistics.ts";
import { resultIn, runTool } from "../system/child.ts";
import type { RequestTemplate } from "./orders.ts";

export interface OpenLoopOptions {
  readonly port: number;
  readonly connections: number;
  /** Requests a second; 0 for as fast as the connections go. */
  readonly perSecond: number;
  readonly seconds: number;
  /** At the same rate, not recorded. */
  readonly warmUpSeconds: number;
  readonly templates: readonly RequestTemplate[];
}

export interface GroupLatency extends Latency {
  readonly answers: number;
}

export interface OpenLoopResult {
  readonly scheduledPerSecond: number;
  /** Answers to requests that were due in the measured time. */
  readonly answers: number;
  readonly perSecond: number;
  /** Other statuses than 201. */
  readonly refused: number;
  /** Of those, 503 of requests that were due in the measured time. */
  readonly shed: number;
  /** Closed connections, and answers that never came. */
  readonly lost: number;
  /** From the time a request was due to its answer, whatever it was. */
  readonly latencyMs: LatencyWithP95;
  /** Of answers with 201 alone. */
  readonly accepted: GroupLatency;
  /** Answers with 201 that came in the measured time, whenever they were due. */
  readonly acceptedPerSecond: number;
  /** The same by the templates' groups, where they have any. */
  readonly groups: Readonly<Record<string, GroupLatency>>;
  /** From the time it was due to its write, on a connection that was idle: the generator's own. */
  readonly sendDelayMs: Latency;
  readonly cpuSeconds: number;
}

/** A generator that reaches less than this share of the rate it was to send is the limit. */
const SHARE_MIN = 0.99;

/** Says so when the generator was the limit of the run, which then does not count. */
export const generatorProblems = (
  name: string,
  { perSecond, scheduledPerSecond }: OpenLoopResult,
): readonly string[] =>
  perSecond < SHARE_MIN * scheduledPerSecond
    ? [`${name}: ${whole(perSecond)}/s of ${whole(scheduledPerSecond)} were sent`]
    : [];

export const runOpenLoop = async (
  options: OpenLoopOptions,
  folder: string,
): Promise<OpenLoopResult> => {
  const file = join(folder, "open-loop.json");
  writeFileSync(file, JSON.stringify(options));
  const main = join(import.meta.dir, "open-loop-main.ts");
  const { output } = await runTool([process.execPath, main, file]);
  return resultIn(output) as OpenLoopResult;
};
