import type { BenchOptions } from "../support/options.ts";
import type { ProcessName } from "../system/system.ts";

export interface RiskOptions extends BenchOptions {
  /** They trade; those of the orders that wait for a grant come on top. */
  readonly accounts: number;
  /** Of the run in which some orders wait for a grant. */
  readonly perSecond: number;
  /** Runs this process of the system with margin under the profiler. */
  readonly cpuProf: ProcessName | undefined;
}

export const TARGETS = {
  /** Of the rate without risk, at least. */
  rateMin: 0.85,
  /** p99 of the stage `decide` for one order, µs, below. */
  decideUsMax: 50,
  /** Orders that need a grant once each account has traded on each shard, share, below. */
  grantShareMax: 0.01,
  /** p50 of an order that waits for a grant, ms, below. */
  grantP50MsMax: 10,
  /** Its p99 against a plain order's, times, below. */
  grantP99TimesMax: 4,
  /** What an attached bracket costs against a plain order, times, below. */
  bracketTimesMax: 2.2,
} as const;
