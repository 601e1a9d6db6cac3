import type { BenchOptions } from "../support/options.ts";

export interface OutcomesOptions extends BenchOptions {
  /** Stored before the rate is measured. */
  readonly outcomes: number;
  /** Length of the open-loop run that looks for stalls. */
  readonly stallSeconds: number;
}
