import type { Clock } from "../../shards/process/clock.ts";
import { OperatingError, reasonOf } from "../../shards/process/failure.ts";
import type { Logger } from "../../shards/process/logger.ts";
import type { ApplierMetrics } from "./applier-metrics.ts";
import type { CentralStore } from "./store.ts";

/** Outcomes in one deleting transaction: about 10 ms, in which no push is applied. */
const RETENTION_CHUNK = 4096;
const RETENTION_PERIOD_MS = 1000;

export interface Retention {
  stop(): Promise<void>;
}

/** Chunk by chunk with a turn for the pushes between, so that it keeps up with any intake. */
export const startRetention = (parts: {
  readonly store: CentralStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: ApplierMetrics;
  readonly outcomeRetentionMs: number;
}): Retention => {
  let running: Promise<void> | null = null;
  let stopped = false;
  const sweep = async (): Promise<void> => {
    let deleted = RETENTION_CHUNK;
    while (deleted === RETENTION_CHUNK && !stopped) {
      const before = parts.clock.now() - parts.outcomeRetentionMs;
      deleted = await parts.store.deleteOutcomes(before, RETENTION_CHUNK);
      parts.metrics.outcomesDeleted(deleted);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const start = (): void => {
    running ??= sweep()
      .catch((error) => {
        if (!(error instanceof OperatingError && error.retryable)) throw error;
        parts.logger.warn({ err: error }, `retention waits: ${reasonOf(error)}`);
      })
      .finally(() => {
        running = null;
      });
  };
  const timer = setInterval(start, RETENTION_PERIOD_MS);
  return {
    stop: async () => {
      stopped = true;
      clearInterval(timer);
      await running;
    },
  };
};
