import type { BenchOptions } from "../support/options.ts";

export interface StartOptions extends BenchOptions {
  /** In the file that is started. */
  readonly storedOrders: number;
  /** Placed while the memory is watched. */
  readonly memoryOrders: number;
}

export const OPEN_ORDERS = 10_000;
