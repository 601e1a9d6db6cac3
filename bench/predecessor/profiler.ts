/** How long an order spends in each stage, as the predecessor's own profiler log had it. */
import { Histogram } from "./histogram.ts";

/** In the order in which they come. */
export const STAGES = [
  "auth",
  "account and instrument",
  "margin mode",
  "validation",
  "insert order",
  "insert TP/SL",
  "kafka",
  "total",
] as const;
export type Stage = (typeof STAGES)[number];

export interface StageSummary {
  readonly stage: Stage;
  /** Orders that came through it. */
  readonly orders: number;
  readonly meanMs: number;
  readonly p95Ms: number;
}

export class Profiler {
  #stages = new Map<Stage, Histogram>();

  record(stage: Stage, ms: number): void {
    const known = this.#stages.get(stage);
    if (known !== undefined) known.record(ms);
    else {
      const histogram = new Histogram();
      histogram.record(ms);
      this.#stages.set(stage, histogram);
    }
  }

  reset(): void {
    this.#stages = new Map();
  }

  summary(): readonly StageSummary[] {
    return STAGES.flatMap((stage) => {
      const histogram = this.#stages.get(stage);
      if (histogram === undefined) return [];
      const { count, mean } = histogram;
      return [{ stage, orders: count, meanMs: mean, p95Ms: histogram.percentile(0.95) }];
    });
  }
}

/** Measures the stages of one order, each from the end of the one before. */
export class Stopwatch {
  readonly #profiler: Profiler;
  readonly #startMs = performance.now();
  #lastMs = this.#startMs;

  constructor(profiler: Profiler) {
    this.#profiler = profiler;
  }

  lap(stage: Stage): void {
    const now = performance.now();
    this.#profiler.record(stage, now - this.#lastMs);
    this.#lastMs = now;
  }

  end(): void {
    this.#profiler.record("total", performance.now() - this.#startMs);
  }
}
