import type { Logger } from "./logger.ts";

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
  const timeUp = Promise.withResolvers<"time up">();
  const limit = setTimeout(timeUp.resolve, msMax, "time up");
  try {
    const first = await Promise.race([work, timeUp.promise]);
    if (first === "time up") logger.warn({ step, msMax }, "a step of the drain took too long");
  } finally {
    clearTimeout(limit);
  }
};
