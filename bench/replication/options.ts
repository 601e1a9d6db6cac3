import type { BenchOptions } from "../support/options.ts";

export const STEPS = ["sustained", "apply", "visible", "outage", "dead-broker"] as const;
export type Step = (typeof STEPS)[number];

export interface ReplicationOptions extends BenchOptions {
  readonly steps: readonly Step[];
  /** Length of the run that looks whether the lag grows, and of the broker's outage. */
  readonly longSeconds: number;
  /** Records that one applier finds in the topic when its rate is measured. */
  readonly records: number;
}

/** What is wanted; the issue of each number is in README.md. */
export const REPLICATION_TARGETS = {
  /** Of the bare echo's rate. */
  sustained: { least: 0.25, aim: 0.35 },
  /** Of MySQL's own multi-row upsert of the same rows. */
  apply: { least: 0.7 },
  /** From the ack to the row in MySQL, p99 at 1,000 orders a second. */
  visibleMs: 250,
  /** How much the p50 of the ack may move while the broker is dead. */
  deadBroker: 1.1,
} as const;
