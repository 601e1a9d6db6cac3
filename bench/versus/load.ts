/** The two closed-loop generators on one stretch of the scenario, and the one that keeps a rate. */
import { join } from "node:path";
import { runOpenLoop } from "../load/open-loop.ts";
import { nextPrefix } from "../load/orders.ts";
import { ROOT } from "../support/machine.ts";
import { resultIn, runTool } from "../system/child.ts";
import { type Generator, PACED_USERS } from "./options.ts";
import { templatesOf, writeForK6, writeForWrk } from "./requests.ts";
import type { Scenario } from "./scenario.ts";

export interface Times {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** What a generator saw. */
export interface Load {
  readonly generator: Generator | "open loop";
  /** Of every client order id that it sent. */
  readonly prefix: string;
  /** Answers. */
  readonly requests: number;
  readonly seconds: number;
  readonly perSecond: number;
  /** Answers that were no 201; wrk tells 400 and above only, unless it checks. */
  readonly refused: number;
  /** One of their statuses, where the generator checks; else 0. */
  readonly wrongStatus: number;
  /** Requests without an answer. */
  readonly lost: number;
  readonly latencyMs: Times;
  readonly generatorCpuSeconds: number;
}

export interface LoadTarget {
  readonly scenario: Scenario;
  readonly folder: string;
  readonly port: number;
  /** Orders of the scenario that it was sent before. */
  readonly sent: number;
}

interface Raw extends Times {
  readonly requests: number;
  readonly microseconds: number;
  readonly refused: number;
  readonly wrongStatus?: number;
  readonly lost: number;
}

export interface ClosedLoop {
  readonly generator: Generator;
  readonly users: number;
  readonly seconds: number;
  /** Look at every status. k6 always does. */
  readonly check: boolean;
}

const SCRIPTS = join(ROOT, "bench/load");

export const runClosedLoop = async (
  { scenario, folder, port, sent }: LoadTarget,
  { generator, users, seconds, check }: ClosedLoop,
): Promise<Load> => {
  const prefix = nextPrefix();
  const stretch = { port, prefix, sent };
  const command =
    generator === "wrk"
      ? [
          "wrk",
          ...["-t1", `-c${users}`, `-d${seconds}s`, "--timeout", "10s"],
          ...["-s", join(SCRIPTS, "scenario.lua"), `http://127.0.0.1:${port}/`, "--"],
          ...[writeForWrk(folder, scenario, stretch), check ? "check" : "trust"],
        ]
      : [
          ...["k6", "run", "--quiet", "--no-usage-report", "--address", ""],
          ...["-e", `SCENARIO=${writeForK6(folder, scenario, stretch)}`],
          ...["-e", `USERS=${users}`, "-e", `SECONDS=${seconds}`, join(SCRIPTS, "scenario.js")],
        ];
  const { output, cpuSeconds } = await runTool(command);
  const { requests, microseconds, refused, wrongStatus, lost, ...latencyMs } = resultIn(
    output,
  ) as Raw;
  const tookSeconds = microseconds / 1e6;
  return {
    generator,
    prefix,
    requests,
    seconds: tookSeconds,
    perSecond: (requests - refused) / tookSeconds,
    refused,
    wrongStatus: wrongStatus ?? 0,
    lost,
    latencyMs,
    generatorCpuSeconds: cpuSeconds,
  };
};

/** Requests beyond those that are due: the generator's clock and the benchmark's differ a little. */
const SPARE = 1.02;
const SPARE_REQUESTS = 100;

/** Requests at their times, whatever became of the ones before; no warm-up. */
export const runPaced = async (
  { scenario, folder, port, sent }: LoadTarget,
  perSecond: number,
  seconds: number,
): Promise<Load> => {
  const prefix = nextPrefix();
  const count = Math.ceil(perSecond * seconds * SPARE) + SPARE_REQUESTS;
  const templates = templatesOf(scenario, { port, prefix, sent }, count);
  const options = { port, connections: PACED_USERS, perSecond, seconds, warmUpSeconds: 0 };
  const result = await runOpenLoop({ ...options, templates }, folder);
  return {
    generator: "open loop",
    prefix,
    requests: result.answers,
    seconds,
    perSecond: (result.answers - result.refused) / seconds,
    refused: result.refused,
    wrongStatus: 0,
    lost: result.lost,
    latencyMs: result.latencyMs,
    generatorCpuSeconds: result.cpuSeconds,
  };
};
