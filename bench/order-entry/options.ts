import type { BenchOptions } from "../support/options.ts";
import type { ProcessName } from "../system/system.ts";

/** `hot`: one shard, nobody takes its records. `replicated`: the embedded central takes them. */
export const PARTS = ["hot", "replicated"] as const;
export type Part = (typeof PARTS)[number];

export interface OrderEntryOptions extends BenchOptions {
  readonly parts: readonly Part[];
  /** Times at half of the peak are measured too. */
  readonly latency: boolean;
  /** No peak: times at this rate only, orders a second. */
  readonly latencyAt: number | undefined;
  /** Runs this process of the product under the profiler. */
  readonly cpuProf: ProcessName | undefined;
}

/** At least, and what is aimed at. */
export const RATE_TARGETS = {
  hot: { least: 0.5, aim: 0.65 },
  replicated: { least: 0.38, aim: 0.5 },
} as const satisfies Record<Part, object>;

export const PART_NAMES = {
  hot: "one shard hot, no replication",
  replicated: "one shard hot, replicated to the embedded central",
} as const satisfies Record<Part, string>;
