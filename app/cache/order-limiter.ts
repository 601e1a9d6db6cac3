import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from "rate-limiter-flexible";
import type { AccountId } from "../../shards/domain/brands.ts";
import { Counter, type Registry } from "../../shards/process/metrics.ts";
import type { RedisConnection } from "./redis.ts";

/** Counts orders per account and second. */
export interface OrderLimiter {
  /** 0 means no limit: then nothing is counted. */
  readonly ordersPerSecondMax: number;
  /**
   * Gives null, or the milliseconds until the account's second is over when its share is used up.
   */
  count(accountId: AccountId, orders: number): Promise<number | null>;
}

/** In this process alone. Keeps one record and one timer for each account of the last second. */
export const createOrderLimiter = (ordersPerSecondMax: number): OrderLimiter =>
  limiterOf(
    ordersPerSecondMax,
    new RateLimiterMemory({ points: ordersPerSecondMax, duration: SECONDS }),
  );

export interface SharedOrderLimiterParts {
  readonly redis: RedisConnection;
  readonly ordersPerSecondMax: number;
  readonly registry: Registry;
}

/**
 * One count for all processes on the same Redis. While Redis does not answer, each process counts
 * by itself, and an account may have as many shares as there are processes.
 */
export const createSharedOrderLimiter = (parts: SharedOrderLimiterParts): OrderLimiter => {
  const { redis, ordersPerSecondMax, registry } = parts;
  const fallbacks = new Counter({
    name: "sluice_order_limit_fallbacks_total",
    help: "Counts of the order limit that were made in the process, because Redis did not answer",
    registers: [registry],
  });
  const limits = { points: ordersPerSecondMax, duration: SECONDS, keyPrefix: "sluice:orders" };
  const shared = new RateLimiterRedis({
    ...limits,
    storeClient: redis.client,
    rejectIfRedisNotReady: true,
    insuranceLimiter: new CountedFallback(limits, fallbacks),
    // Who is over the limit is so until the second ends, whatever others say: Redis isn't asked.
    inMemoryBlockOnConsumed: ordersPerSecondMax + 1,
  });
  return limiterOf(ordersPerSecondMax, shared);
};

const SECONDS = 1;

class CountedFallback extends RateLimiterMemory {
  readonly #fallbacks: Counter;

  constructor(limits: ConstructorParameters<typeof RateLimiterMemory>[0], fallbacks: Counter) {
    super(limits);
    this.#fallbacks = fallbacks;
  }

  override consume(key: string | number, orders?: number): Promise<RateLimiterRes> {
    this.#fallbacks.inc();
    return super.consume(key, orders);
  }
}

const limiterOf = (
  ordersPerSecondMax: number,
  limiter: RateLimiterMemory | RateLimiterRedis,
): OrderLimiter => ({
  ordersPerSecondMax,
  count: async (accountId, orders) => {
    try {
      await limiter.consume(accountId, orders);
      return null;
    } catch (reason) {
      if (reason instanceof RateLimiterRes) return reason.msBeforeNext;
      throw reason;
    }
  },
});
