import { expect, test } from "bun:test";
import type { AccountId } from "../../shards/domain/brands.ts";
import { createOrderLimiter } from "./order-limiter.ts";

const [account, other] = [42, 43] as AccountId[] as [AccountId, AccountId];

test("an account's orders are counted one by one, whoever sends them together", async () => {
  const limiter = createOrderLimiter(10);
  expect(await limiter.count(account, 6)).toBeNull();
  expect(await limiter.count(account, 4)).toBeNull();
  const msBeforeNext = await limiter.count(account, 1);
  expect(msBeforeNext).toBeGreaterThan(0);
  expect(msBeforeNext).toBeLessThanOrEqual(1000);
  expect(await limiter.count(other, 10)).toBeNull();
});
