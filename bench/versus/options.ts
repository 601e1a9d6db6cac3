import type { BenchOptions } from "../support/options.ts";

export interface VersusOptions extends BenchOptions {
  readonly accounts: number;
}

export const GENERATORS = ["wrk", "k6"] as const;
export type Generator = (typeof GENERATORS)[number];

/** The numbers of users of the published rows, the more important one first. */
export const USERS = [200, 50] as const;
export type Users = (typeof USERS)[number];

/** Of the runs that offer a fixed rate. */
export const PACED_USERS = 50;
export const PACED_PER_SECOND = 1000;

export const VERSUS_TARGETS = {
  /** Orders a second ÷ the rebuilt predecessor's best, by generator, with 200 users. */
  times: { wrk: { least: 20, aim: 30 }, k6: { least: 8, aim: 8 } },
  /** P95 at the rebuilt predecessor's best rate ÷ its own there, at most. */
  p95Share: 0.1,
  /** Median at {@link PACED_PER_SECOND}, ms, below; every order has to succeed. */
  pacedMedianMs: 3,
} as const;

/** What the predecessor's people published. */
export interface PublishedRow {
  readonly users: Users;
  readonly perSecond: number;
  /** Of the requests. */
  readonly success: number;
  readonly medianMs: number;
  readonly p95Ms: number;
}

export const PUBLISHED: readonly PublishedRow[] = [
  { users: 200, perSecond: 295.8, success: 0.8464, medianMs: 168, p95Ms: 758 },
  { users: 50, perSecond: 254.3, success: 0.9822, medianMs: 112, p95Ms: 305 },
];

export const PUBLISHED_MACHINES =
  "published rows: k6 against five pods and a db.t3.large, not this machine, so not to be divided by";

export const K6_MISSING =
  "k6 is not installed: `go install go.k6.io/k6@latest` makes it, then put it on PATH";
