import type { Logger } from "./logger.ts";
import { endsWithin } from "./time-limit.ts";

/**
 * Waits for one step of a drain, `msMax` at most: what takes longer is left behind with a warning,
 * so that the steps after it still come. Rejects as `work` does until then.
 */
export const drainStep = async (
  logger: Logger,
  step: string,
  msMax: number,
  work: Promise<void>,
): Promise<void> => {
  if (await endsWithin(msMax, work)) return;
  logger.warn({ step, msMax }, "a step of the drain took too long");
};
