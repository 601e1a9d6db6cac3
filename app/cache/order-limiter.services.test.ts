import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import type { AccountId } from "../../shards/domain/brands.ts";
import { OwnServices, START_SERVICES_MS_MAX } from "../../tests/support/services.ts";
import { until } from "../../tests/support/until.ts";
import { createSharedOrderLimiter, type OrderLimiter } from "./order-limiter.ts";
import { COMMAND_MS_MAX } from "./redis.ts";
import { metricOf, openTestRedis, type TestRedis } from "./test-redis.ts";

const PER_SECOND = 10;
const SECOND_MS = 1000;
/** What a hundred counts would take if each waited; a machine may stall for a part of it. */
const HUNDRED_WAITS_MS = 100 * COMMAND_MS_MAX;
const FALLBACKS = "sluice_order_limit_fallbacks_total";

let own: OwnServices;
beforeAll(async () => {
  own = await OwnServices.start({ redis: true });
}, START_SERVICES_MS_MAX);
afterAll(async () => {
  await own.stop();
});

interface ApiProcess extends TestRedis {
  readonly limiter: OrderLimiter;
}

let one: ApiProcess;
let two: ApiProcess;
beforeEach(async () => {
  one = apiProcess();
  two = apiProcess();
  await becomes(true);
});
afterEach(async () => {
  await one.redis.close();
  await two.redis.close();
});

const apiProcess = (): ApiProcess => {
  const opened = openTestRedis(own.redisUrl);
  const { redis, registry } = opened;
  const limiter = createSharedOrderLimiter({ redis, registry, ordersPerSecondMax: PER_SECOND });
  return { ...opened, limiter };
};

const becomes = (up: boolean): Promise<true> =>
  until(`Redis ${up ? "up" : "down"}`, 20_000, () => one.redis.up === up && two.redis.up === up);

/** Each test's own, since a second may not be over when the next begins. */
let accounts = 41;
const freshAccount = (): AccountId => ++accounts as AccountId;

const fallbacks = async (): Promise<number> =>
  (await metricOf(one, FALLBACKS)) + (await metricOf(two, FALLBACKS));

/**
 * Whether two processes together take no more than one share. Looked at within one second, with all
 * of it counted in Redis: when this process stalled meanwhile, it is looked at again.
 */
const expectShared = async (): Promise<void> => {
  const counts = await until("four counts without a stall", 20_000, async () => {
    const [account, before, startedMs] = [freshAccount(), await fallbacks(), performance.now()];
    const seen = [
      await one.limiter.count(account, 6),
      await two.limiter.count(account, 4),
      await one.limiter.count(account, 1),
      await two.limiter.count(account, 1),
    ];
    const isOneSecond = performance.now() - startedMs < SECOND_MS;
    return isOneSecond && (await fallbacks()) === before && seen;
  });
  expect(counts.slice(0, 2)).toEqual([null, null]);
  for (const msBeforeNext of counts.slice(2)) {
    expect(msBeforeNext).toBeGreaterThan(0);
    expect(msBeforeNext).toBeLessThanOrEqual(SECOND_MS);
  }
};

/** Whether each of two processes takes a share of its own, and no more. */
const expectApart = async (): Promise<void> => {
  const account = freshAccount();
  for (const { limiter } of [one, two]) {
    expect(await limiter.count(account, PER_SECOND)).toBeNull();
    expect(await limiter.count(account, 1)).toBeGreaterThan(0);
  }
};

test("two processes share one count, and another account has its own", async () => {
  await expectShared();
  expect(await one.limiter.count(freshAccount(), PER_SECOND)).toBeNull();
});

test("who is over the limit is refused without asking Redis, until the second ends", async () => {
  const account = freshAccount();
  expect(await one.limiter.count(account, PER_SECOND + 1)).toBeGreaterThan(0);
  const asked = async (): Promise<number> => {
    const stats = await one.redis.client.info("commandstats");
    return Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1] ?? 0);
  };
  const before = await asked();
  expect(await one.limiter.count(account, 1)).toBeGreaterThan(0);
  expect(await asked()).toBe(before);
  const msBeforeNext = await one.limiter.count(account, 1);
  expect(msBeforeNext).toBeLessThanOrEqual(1000);
  await until("the second's end", 20_000, async () => {
    return (await one.limiter.count(account, 1)) === null;
  });
});

test("with Redis killed each process counts by itself; with Redis back they share again", async () => {
  await own.kill("redis");
  await becomes(false);
  await expectApart();
  expect(await fallbacks()).toBe(4);
  await own.up("redis");
  await becomes(true);
  await expectShared();
});

test("with Redis hanging the first counts wait a moment, and the next ones not at all", async () => {
  await own.pause("redis");
  try {
    const account = freshAccount();
    const startedMs = performance.now();
    const first = await Promise.all([1, 2, 3].map(() => one.limiter.count(account, 1)));
    expect(first).toEqual([null, null, null]);
    await until("Redis down", 20_000, () => !one.redis.up);
    for (let i = 0; i < 100; i++) {
      expect(await one.limiter.count(freshAccount(), 1)).toBeNull();
    }
    expect(performance.now() - startedMs).toBeLessThan(HUNDRED_WAITS_MS / 2);
    expect(await one.limiter.count(account, PER_SECOND)).not.toBeNull();
  } finally {
    await own.resume("redis");
  }
  await until("Redis up", 20_000, () => one.redis.up);
  await expectShared();
});

test("a Redis that takes nothing more refuses nobody", async () => {
  const { client } = one.redis;
  await client.config("SET", "maxmemory", "1");
  try {
    await expectApart();
    expect(await fallbacks()).toBe(4);
  } finally {
    await client.config("SET", "maxmemory", "0");
  }
});
