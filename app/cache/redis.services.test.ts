import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { OwnServices, START_SERVICES_MS_MAX } from "../../tests/support/services.ts";
import { until } from "../../tests/support/until.ts";
import { COMMAND_MS_MAX } from "./redis.ts";
import { metricOf, openTestRedis, type TestRedis } from "./test-redis.ts";

const UP = "Redis is up";
const DOWN = "Redis is down: limits are counted in each process, reads are not cached";

/** What a hundred commands would take if each waited; a machine may stall for a part of it. */
const HUNDRED_WAITS_MS = 100 * COMMAND_MS_MAX;

let own: OwnServices;
beforeAll(async () => {
  own = await OwnServices.start({ redis: true });
}, START_SERVICES_MS_MAX);
afterAll(async () => {
  await own.stop();
});

const opened: TestRedis[] = [];
afterEach(async () => {
  for (const { redis } of opened.splice(0)) await redis.close();
});

const open = (path = ""): TestRedis => {
  const one = openTestRedis(`${own.redisUrl}${path}`);
  opened.push(one);
  return one;
};

const becomes = (one: TestRedis, up: boolean): Promise<true> =>
  until(`Redis ${up ? "up" : "down"}`, 20_000, () => one.redis.up === up);

/** Whether a command does. */
const fails = (one: TestRedis): Promise<boolean> =>
  one.redis.client.get("a").then(
    () => false,
    () => true,
  );

test("takes the database from the URL", async () => {
  const [third, first] = [open("/3"), open()];
  await Promise.all([becomes(third, true), becomes(first, true)]);
  await third.redis.client.set("of-the-third", "1");
  expect(await third.redis.client.get("of-the-third")).toBe("1");
  expect(await first.redis.client.get("of-the-third")).toBeNull();
});

test("killed and started again: one line each way, and the gauge says it", async () => {
  const one = open();
  let ups = 0;
  one.redis.onUp(() => ups++);
  await becomes(one, true);
  expect(await metricOf(one, "sluice_redis_up")).toBe(1);

  await own.kill("redis");
  await becomes(one, false);
  expect(await fails(one)).toBe(true);
  expect(await metricOf(one, "sluice_redis_up")).toBe(0);
  let attempts = 0;
  one.redis.client.on("reconnecting", () => attempts++);
  await until("some attempts", 20_000, () => attempts >= 3);

  await own.up("redis");
  await becomes(one, true);
  expect(one.logged).toEqual([UP, DOWN, UP]);
  expect(ups).toBe(2);
});

test("that hangs is down after the first command, and no second one waits", async () => {
  const one = open();
  await becomes(one, true);
  await own.pause("redis");
  try {
    const startedMs = performance.now();
    expect(await fails(one)).toBe(true);
    await becomes(one, false);
    for (let i = 0; i < 100; i++) expect(await fails(one)).toBe(true);
    expect(performance.now() - startedMs).toBeLessThan(HUNDRED_WAITS_MS / 2);
  } finally {
    await own.resume("redis");
  }
  await becomes(one, true);
  expect(one.logged).toEqual([UP, DOWN, UP]);
});

test("can be closed while it hangs, and says nothing of that", async () => {
  const one = open();
  await becomes(one, true);
  await own.pause("redis");
  try {
    await one.redis.close();
    expect(one.redis.up).toBe(false);
    expect(one.logged).toEqual([UP]);
  } finally {
    await own.resume("redis");
  }
});
