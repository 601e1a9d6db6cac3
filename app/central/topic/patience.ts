/** Waiting that has an end, and waiting that keeps a place in the group. */
import { OperatingError } from "../../../shards/process/failure.ts";
import type { Applier } from "../applier.ts";
import type { Intake, PushResult } from "../store.ts";

/** How long the applier is left alone when it has no room. */
const OFFER_AGAIN_MS = 50;

/** Resolves when the signal is aborted. */
export const whenOver = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });

/** Throws what `heartbeat` throws: the place is lost, and the work goes on without us. */
export const whileBeating = async <T>(
  periodMs: number,
  heartbeat: () => Promise<void>,
  work: Promise<T>,
): Promise<T> => {
  const failed = Promise.withResolvers<never>();
  const timer = setInterval(() => {
    heartbeat().catch(failed.reject);
  }, periodMs);
  try {
    return await Promise.race([work, failed.promise]);
  } finally {
    clearInterval(timer);
  }
};

/** Offers until the applier has room. null: it was over before that. */
export const offer = async (
  applier: Pick<Applier, "take">,
  intake: Intake,
  isOver: () => boolean,
): Promise<readonly PushResult[] | null> => {
  while (!isOver()) {
    try {
      return await applier.take(intake);
    } catch (error) {
      if (!(error instanceof OperatingError && error.retryable)) throw error;
      await Bun.sleep(OFFER_AGAIN_MS);
    }
  }
  return null;
};
