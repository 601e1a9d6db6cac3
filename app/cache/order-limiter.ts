import { RateLimiterMemory, RateLimiterRes } from "rate-limiter-flexible";
import type { AccountId } from "../../shards/domain/brands.ts";

/**
 * Counts orders per account and second, in this process. Gives null, or the milliseconds until the
 * account's second is over when its share is used up.
 */
export type OrderLimiter = (accountId: AccountId, orders: number) => Promise<number | null>;

/** Keeps one record and one timer for each account of the last second. */
export const createOrderLimiter = (ordersPerSecondMax: number): OrderLimiter => {
  const limiter = new RateLimiterMemory({ points: ordersPerSecondMax, duration: 1 });
  return async (accountId, orders) => {
    try {
      await limiter.consume(accountId, orders);
      return null;
    } catch (reason) {
      if (reason instanceof RateLimiterRes) return reason.msBeforeNext;
      throw reason;
    }
  };
};
