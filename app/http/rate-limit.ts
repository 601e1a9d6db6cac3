import type { OrderLimiter } from "../cache/order-limiter.ts";
import type { Call } from "./call.ts";
import { problemReply, type Reply } from "./reply.ts";

/** Counts `orders` for the call's account; gives the refusal when the second's share is used. */
export type OrderLimit = (call: Call, orders: number) => Promise<Reply | undefined> | undefined;

/** Orders and amendments per account and second. Cancels are never limited. */
export const createOrderLimit = (limiter: OrderLimiter): OrderLimit => {
  const { ordersPerSecondMax } = limiter;
  if (ordersPerSecondMax === 0) return () => undefined;
  return async (call, orders) => {
    const msBeforeNext = await limiter.count(call.accountId, orders);
    return msBeforeNext === null ? undefined : rateLimited(call, ordersPerSecondMax, msBeforeNext);
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
