import type { RiskMode } from "../../shards/domain/risk/types.ts";
import type { BenchOptions } from "../support/options.ts";
import type { ProcessName } from "../system/system.ts";

/** `embedded`: the central of the data folder. `services`: broker and MySQL of the environment. */
export const REPLICATIONS = ["off", "embedded", "services"] as const;
export type Replication = (typeof REPLICATIONS)[number];
export const ACKS = ["local", "replicated", "central"] as const;
export type Ack = (typeof ACKS)[number];
export const BATCHES = [1, 10, 100] as const;
export type Batch = (typeof BATCHES)[number];

/** What one row of the closed loop is measured with. */
export interface Row {
  readonly connections: number;
  /** Orders in one request. */
  readonly batch: Batch;
  readonly risk: RiskMode;
  readonly replication: Replication;
  readonly ack: Ack;
}

export const BASE: Row = {
  connections: 200,
  batch: 1,
  risk: "margin",
  replication: "embedded",
  ack: "local",
};

/** Each row is the base case but for one thing. */
const CHANGES = {
  base: {},
  "connections-50": { connections: 50 },
  "connections-1000": { connections: 1000 },
  "batch-10": { batch: 10 },
  "batch-100": { batch: 100 },
  "risk-none": { risk: "none" },
  "replication-off": { replication: "off" },
  services: { replication: "services" },
  "ack-replicated": { ack: "replicated" },
  "ack-central": { ack: "central" },
} as const satisfies Readonly<Record<string, Partial<Row>>>;

export type Part = keyof typeof CHANGES;
export const PARTS = Object.keys(CHANGES) as readonly Part[];
/** A quick look has these. */
export const QUICK_PARTS: readonly Part[] = ["base", "batch-100"];

export const PART_NAMES = {
  base: "replicated to the embedded central, with margin",
  "connections-50": "50 connections",
  "connections-1000": "1,000 connections",
  "batch-10": "batches of 10",
  "batch-100": "batches of 100",
  "risk-none": "without risk",
  "replication-off": "no replication, with margin",
  services: "replicated through broker and MySQL, with margin",
  "ack-replicated": "answered when replicated",
  "ack-central": "answered when in central",
} as const satisfies Record<Part, string>;

export const rowOf = (part: Part, base: Row): Row => ({ ...base, ...CHANGES[part] });

/** Nobody replicates, so such an answer would wait for its deadline. */
export const isPossible = ({ replication, ack }: Row): boolean =>
  replication !== "off" || ack === "local";

/** `half`: times at half of the peak. `open`: offered rates up to and past the limit. */
export const STEPS = ["closed", "half", "open", "overload"] as const;
export type Step = (typeof STEPS)[number];

export interface OrderEntryOptions extends BenchOptions {
  readonly base: Row;
  /** Rows of the closed loop. */
  readonly parts: readonly Part[];
  readonly steps: readonly Step[];
  /** Taken for the closed loop's, orders a second; measured when left out. */
  readonly peak: number | undefined;
  readonly accounts: number;
  /** Runs this process of the product under the profiler. */
  readonly cpuProf: ProcessName | undefined;
}

/** Answers for each of the echo: at least, and what is aimed at. */
export const RATE_TARGETS: Readonly<
  Partial<Record<Part, { readonly least: number; readonly aim: number }>>
> = {
  base: { least: 0.45, aim: 0.6 },
  "replication-off": { least: 0.55, aim: 0.7 },
  services: { least: 0.25, aim: 0.4 },
};
/** Orders in batches of 100 for each raw insert. */
export const RAW_SHARE_MIN = 0.5;

export const OVERLOAD = {
  connections: 2000,
  /** `SLUICE_SHARD_INTAKE_QUEUE_MAX`, where none is set. */
  queueMax: 1024,
  /** Of all answers; with fewer it was no overload. */
  shedShareMin: 0.3,
  /** Of the best rate, above. */
  acceptedShareMin: 0.9,
  acceptedMsMax: 150,
  /** p99 of cancels, of the accepted orders' p99, under. */
  cancelShareMax: 0.5,
} as const;
