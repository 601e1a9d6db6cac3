import { systemClock } from "../../../shards/process/clock.ts";
import { OperatingError, reasonOf } from "../../../shards/process/failure.ts";
import type { Logger } from "../../../shards/process/logger.ts";
import { createRegistry } from "../../../shards/process/metrics.ts";
import { openRedis } from "../../cache/redis.ts";
import type { RedisFacts } from "../facts.ts";

/** More than an api gives it: a busy machine is no Redis that is away. */
const COMMAND_MS_MAX = 1000;

/** Waits for the first attempt only. */
export const gatherRedis = async (url: string, logger: Logger): Promise<RedisFacts> => {
  const connection = openRedis({
    url,
    logger,
    registry: createRegistry({}),
    commandMsMax: COMMAND_MS_MAX,
  });
  try {
    await firstAttempt(connection);
    const askedAt = systemClock.now();
    const [seconds, micros] = await connection.client.time();
    const uncertaintyMs = (systemClock.now() - askedAt) / 2;
    const theirs = Number(seconds) * 1000 + Number(micros) / 1000;
    const info = await connection.client.info("server");
    return {
      version: /redis_version:(\S+)/.exec(info)?.[1] ?? "of an unknown version",
      clock: { offsetMs: theirs - (askedAt + uncertaintyMs), uncertaintyMs },
    };
  } finally {
    await connection.close();
  }
};

const firstAttempt = async (connection: ReturnType<typeof openRedis>): Promise<void> => {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  connection.onUp(resolve);
  connection.client.once("error", (error: unknown) =>
    reject(
      new OperatingError("redis_unreachable", reasonOf(error), { retryable: true, cause: error }),
    ),
  );
  await promise;
};
