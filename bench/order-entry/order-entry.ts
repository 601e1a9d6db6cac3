/**
 * How much of a bare echo's rate is left when every answer is a durable order, and how much later
 * the answers come at half of that rate.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { detectGenerator, GENERATOR_NOTES } from "../load/load.ts";
import { ACCOUNTS, makeAccounts } from "../load/orders.ts";
import { ROOT } from "../support/machine.ts";
import { say } from "../support/options.ts";
import { type BenchReport, fixed, type Headline, type Table, whole } from "../support/report.ts";
import { median } from "../support/statistics.ts";
import { withWorkFolder } from "../support/work-folder.ts";
import { cleanEnvironment, startChild } from "../system/child.ts";
import { BENCH_SETTINGS } from "../system/system.ts";
import { type LatencyRound, latencyTable, latencyWarnings, measureLatency } from "./latency.ts";
import { type OrderEntryOptions, PART_NAMES, type Part, RATE_TARGETS } from "./options.ts";
import { type Bench, measureRate, type RateRound } from "./rate.ts";

export const benchOrderEntry = (options: OrderEntryOptions): Promise<BenchReport> =>
  withWorkFolder(async (folder) => {
    const generator = detectGenerator();
    say(GENERATOR_NOTES[generator]);
    const echo = await startChild({
      name: "echo",
      command: [process.execPath, join(ROOT, "bench/system/echo-main.ts")],
      environment: cleanEnvironment(),
      folder,
    });
    const profileFolder = join(ROOT, ".sluice/bench/profiles");
    mkdirSync(profileFolder, { recursive: true });
    const accounts = await makeAccounts();
    const bench: Bench = { options, generator, accounts, echo, folder, profileFolder };
    try {
      return report(bench, await measureRates(bench), await measureLatencies);
    } finally {
      await echo.kill();
    }
  });
