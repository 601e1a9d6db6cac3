import { RateLimiterMemory, RateLimiterRes } from "rate-limiter-flexible";
import type { Call } from "./call.ts";
import { problemReply, type Reply } from "./reply.ts";

/** Counts `orders` for the call's account; gives the refusal when the second's share is used. */
export type OrderLimit = (call: Call, orders: number) => Promise<Reply | undefined> | undefined;

/**
 * Orders and amendments per account and second, in this process; 0 means no limit. Cancels are
 * never limited. The limiter keeps one record and one timer for each account of the last second.
 */
export const createOrderLimit = (ordersPerSecondMax: number): OrderLimit => {
  if (ordersPerSecondMax === 0) return () => undefined;
  const limiter = new RateLimiterMemory({ points: ordersPerSecondMax, duration: 1 });
  return async (call, orders) => {
    try {
      await limiter.consume(call.accountId, orders);
      return undefined;
    } catch (reason) {
      if (!(reason instanceof RateLimiterRes)) throw reason;
      return rateLimited(call, ordersPerSecondMax, reason.msBeforeNext);
    }
  };
};

/** Header fields of draft-ietf-httpapi-ratelimit-headers: quota q, window w, rest r, reset t. */
const rateLimited = (call: Call, perSecond: number, msBeforeNext: number): Reply => {
  const seconds = Math.max(1, Math.ceil(msBeforeNext / 1000));
  return problemReply(call.requestId, {
    code: "rate_limited",
    detail: `An account may send ${perSecond} orders a second here.`,
    context: { ordersPerSecondMax: perSecond },
  }).with({
    "Retry-After": String(seconds),
    "RateLimit-Policy": `"orders";q=${perSecond};w=1`,
    RateLimit: `"orders";r=0;t=${seconds}`,
  });
};
