import type { Server } from "bun";
import type { Clock } from "../../shards/process/clock.ts";
import { drainStep } from "../../shards/process/drain-step.ts";
import type { Logger } from "../../shards/process/logger.ts";

export interface HttpDrainOptions {
  readonly server: Pick<Server<unknown>, "stop" | "pendingRequests">;
  /** What is under way for longer is cut off. */
  readonly requestDeadlineMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

const LOOK_MS = 10;
/** Closing a connection whose client still sends loses the answer it has not read yet. */
const LINGER_MS = 500;
const CLOSE_MS_MAX = 1000;

/**
 * Takes no more connections, answers what is under way, then closes the rest.
 *
 * `stop()` alone is not enough: Bun takes a connection for busy until its next request when an
 * answer, such as 401 or 413, left before the whole body had come, and `stop()` then waits until
 * that connection has been idle for too long. Whether an answer is owed, `pendingRequests` tells.
 */
export const drainHttp = async (options: HttpDrainOptions): Promise<void> => {
  const { server, requestDeadlineMs, clock, logger } = options;
  let isClosed = false;
  const closed = server.stop().then(() => {
    isClosed = true;
  });
  const giveUpAtMs = clock.monotonicMs() + requestDeadlineMs;
  let quietSinceMs = clock.monotonicMs();
  while (!isClosed && clock.monotonicMs() - quietSinceMs < LINGER_MS) {
    if (clock.monotonicMs() >= giveUpAtMs) break;
    await Promise.race([closed, Bun.sleep(LOOK_MS)]);
    if (server.pendingRequests > 0) quietSinceMs = clock.monotonicMs();
  }
  const { pendingRequests } = server;
  if (pendingRequests > 0) logger.warn({ pendingRequests }, "requests were cut off by the drain");
  await drainStep(logger, "closing HTTP connections", CLOSE_MS_MAX, server.stop(true));
};
