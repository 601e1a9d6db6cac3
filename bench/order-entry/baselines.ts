/**
 * What stands beside the closed loop in each round: a server without Hono, and SQLite alone. In the
 * first one both echoes are warmed up.
 */
import { say } from "../support/options.ts";
import { whole } from "../support/report.ts";
import { measureInserts } from "../system/raw-inserts.ts";
import type { Bench } from "./entry-system.ts";
import { runEntryLoad } from "./rate.ts";

export interface BaselineRound {
  readonly round: number;
  readonly rawEchoPerSecond: number;
  /** Orders, prepared inserts in transactions of {@link RAW_BATCH}, `synchronous=FULL`. */
  readonly rawInsertsPerSecond: number;
}

export const RAW_BATCH = 100;
const RAW_ORDERS = 51_200;
const QUICK_PART = 4;

export const measureBaselines = async (bench: Bench, round: number): Promise<BaselineRound> => {
  const { echo, rawEcho, options, folder } = bench;
  const run = { row: { ...options.base, batch: 1 as const }, check: false, first: 0 };
  if (round === 1) {
    for (const { port } of [echo, rawEcho]) await runEntryLoad(bench, { ...run, port, seconds: 1 });
  }
  const { perSecond } = await runEntryLoad(bench, {
    ...run,
    port: rawEcho.port,
    seconds: options.seconds,
  });
  const orders = RAW_ORDERS / (options.quick ? QUICK_PART : 1);
  const { rawMs } = await measureInserts(folder, { batch: RAW_BATCH, sync: "FULL" }, orders);
  const rawInsertsPerSecond = (orders / rawMs) * 1000;
  say(
    `baselines ${round}: raw Bun.serve ${whole(perSecond)}/s, ` +
      `raw inserts ${whole(rawInsertsPerSecond)} orders/s`,
  );
  return { round, rawEchoPerSecond: perSecond, rawInsertsPerSecond };
};
