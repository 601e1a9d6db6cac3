import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { reasonOf } from "../../shards/process/failure.ts";
import { OwnServices, START_SERVICES_MS_MAX } from "../../tests/support/services.ts";
import { until } from "../../tests/support/until.ts";
import { createHistoryCache, type HistoryCache } from "./history-cache.ts";
import { createInvalidator, type Invalidator } from "./invalidation.ts";
import { COMMAND_MS_MAX } from "./redis.ts";
import { metricOf, openTestRedis, type TestRedis } from "./test-redis.ts";

const NOW = 1_790_000_000_000;
const TTL_MS = 300_000;
const GENERATION = "sluice:history:1:generation";
const QUESTION = "page:1";
/** What a hundred reads would take if each waited; a machine may stall for a part of it. */
const HUNDRED_WAITS_MS = 100 * COMMAND_MS_MAX;

let own: OwnServices;
beforeAll(async () => {
  own = await OwnServices.start({ redis: true });
}, START_SERVICES_MS_MAX);
afterAll(async () => {
  await own.stop();
});

interface ApiProcess extends TestRedis {
  readonly cache: HistoryCache;
}

let now: number;
let one: ApiProcess;
let two: ApiProcess;
let applier: TestRedis & { readonly invalidator: Invalidator };
beforeEach(async () => {
  now = NOW;
  one = apiProcess();
  two = apiProcess();
  applier = applierProcess();
  await becomes(true);
  // The invalidator's start makes every copy wrong; the tests begin after that.
  await until("the first generation", 20_000, async () => (await generation()) !== lastGeneration);
  lastGeneration = await generation();
});
afterEach(async () => {
  for (const { redis } of [one, two, applier]) await redis.close();
});

const apiProcess = (): ApiProcess => {
  const opened = openTestRedis(own.redisUrl);
  const clock = { now: () => now, monotonicMs: () => now };
  return { ...opened, cache: createHistoryCache({ ...opened, clock }) };
};

const applierProcess = () => {
  const opened = openTestRedis(own.redisUrl);
  return { ...opened, invalidator: createInvalidator(opened.redis) };
};

const becomes = (up: boolean): Promise<true> =>
  until(`Redis ${up ? "up" : "down"}`, 20_000, () =>
    [one, two, applier].every(({ redis }) => redis.up === up),
  );

let lastGeneration: string | null = null;
const generation = (): Promise<string | null> => one.redis.client.get(GENERATION);
const version = (accountId: number): Promise<string | null> =>
  one.redis.client.get(`sluice:history:1:version:${accountId}`);

/** Commits a change of these accounts, and gives when the readers can know. */
const commit = async (...accountIds: number[]): Promise<void> => {
  const before = await Promise.all(accountIds.map(version));
  applier.invalidator.accountsChanged(accountIds);
  await until("the accounts' new versions", 20_000, async () =>
    (await Promise.all(accountIds.map(version))).every((new_, i) => new_ !== before[i]),
  );
};

/** What central has, by account, and how often it was asked. */
const central = new Map<number, unknown>();
let loads = 0;
beforeEach(() => {
  central.clear();
  loads = 0;
});
const load = (accountId: number) => async (): Promise<unknown> => {
  loads++;
  return central.get(accountId);
};

const read = async ({ cache, redis }: ApiProcess, accountId: number): Promise<unknown> => {
  const value = await cache.read(accountId, QUESTION, load(accountId));
  // A copy is written behind the answer; what is asked after it is answered after it.
  if (redis.up) await redis.client.ping().catch(() => undefined);
  return value;
};

const reads = (process: ApiProcess, result: string): Promise<number> =>
  metricOf(process, "sluice_history_cache_reads_total", { result });

test("what one process read the other has, for that account and question only", async () => {
  const page = { bodies: ['{"orderId":"4097"}'], next: { createdAt: NOW, orderId: 4097 } };
  central.set(42, page).set(43, "of another");
  expect(await read(one, 42)).toEqual(page);
  expect(await read(two, 42)).toEqual(page);
  expect(loads).toBe(1);
  expect([await reads(one, "miss"), await reads(two, "hit")]).toEqual([1, 1]);
  expect(await read(two, 43)).toBe("of another");
  expect(await two.cache.read(42, "page:2", async () => "page two")).toBe("page two");
});

test("that there is nothing is copied too", async () => {
  expect(await read(one, 44)).toBeUndefined();
  expect(await read(two, 44)).toBeUndefined();
  expect(loads).toBe(1);
});

test("what central fails to answer fails, and is not copied", async () => {
  const failing = one.cache.read(45, QUESTION, () => Promise.reject(new Error("central is away")));
  expect(await failing.catch(reasonOf)).toBe("central is away");
  central.set(45, "there");
  expect(await read(one, 45)).toBe("there");
});

describe("a copy", () => {
  test("is good for 300 s from its read of central, and Redis lets go of it", async () => {
    central.set(46, "old");
    await read(one, 46);
    const key = `sluice:history:1:copy:46:${QUESTION}`;
    const ttlMs = await one.redis.client.pttl(key);
    expect(ttlMs).toBeGreaterThan(TTL_MS - 30_000);
    expect(ttlMs).toBeLessThanOrEqual(TTL_MS);
    central.set(46, "new");
    now = NOW + TTL_MS - 1;
    expect(await read(two, 46)).toBe("old");
    now = NOW + TTL_MS;
    expect(await read(two, 46)).toBe("new");
  });

  test("is wrong as soon as its account has changed, and no other's is", async () => {
    central.set(47, "old").set(48, "other");
    await read(one, 47);
    await read(one, 48);
    central.set(47, "new");
    await commit(47);
    expect(await read(two, 47)).toBe("new");
    loads = 0;
    await read(two, 48);
    expect(await read(one, 47)).toBe("new");
    expect(loads).toBe(0);
  });

  test("of what was read before a commit does not hide it", async () => {
    const before = one.cache.read(49, QUESTION, async () => {
      await commit(49);
      return "old";
    });
    expect(await before).toBe("old");
    await one.redis.client.ping();
    central.set(49, "new");
    expect(await read(one, 49)).toBe("new");
  });
});

describe("many accounts", () => {
  const accounts = (count: number) => Array.from({ length: count }, (_, i) => 100_000 + i);

  test("are told in several commands", async () => {
    await commit(...accounts(2500));
    expect(await generation()).toBe(lastGeneration);
  });

  test("too many make every copy wrong", async () => {
    central.set(50, "old");
    await read(one, 50);
    central.set(50, "new");
    applier.invalidator.accountsChanged(accounts(10_001));
    await until("a generation", 20_000, async () => (await generation()) !== lastGeneration);
    expect(await read(one, 50)).toBe("new");
  });
});

test("with Redis killed every read goes to central; no copy from before comes back", async () => {
  central.set(51, "old");
  await read(one, 51);
  await own.kill("redis");
  await becomes(false);
  central.set(51, "new");
  applier.invalidator.accountsChanged([51]);
  expect([await read(one, 51), await read(two, 51), await read(two, 51)]).toEqual(
    Array(3).fill("new"),
  );
  expect(loads).toBe(4);
  expect(await reads(two, "bypassed")).toBe(2);

  await own.up("redis");
  await becomes(true);
  await until("a generation", 20_000, async () => (await generation()) !== lastGeneration);
  expect(await read(one, 51)).toBe("new");
  expect(await read(two, 51)).toBe("new");
  expect(loads).toBe(5);
});

test("with Redis hanging a read waits a moment at most, and the next ones not at all", async () => {
  central.set(52, "there");
  await own.pause("redis");
  try {
    const startedMs = performance.now();
    expect(await read(one, 52)).toBe("there");
    await until("Redis down", 20_000, () => !one.redis.up);
    for (let i = 0; i < 100; i++) expect(await read(one, 52)).toBe("there");
    expect(performance.now() - startedMs).toBeLessThan(HUNDRED_WAITS_MS / 2);
  } finally {
    await own.resume("redis");
  }
});

test("what Redis refused to hear is made up for with the next commit", async () => {
  central.set(53, "old");
  await read(one, 53);
  const { client } = one.redis;
  await client.config("SET", "maxmemory", "1");
  const refused = async (): Promise<number> => {
    const stats = await client.info("errorstats");
    return Number(/errorstat_OOM:count=(\d+)/.exec(stats)?.[1] ?? 0);
  };
  const before = await refused();
  central.set(53, "new");
  applier.invalidator.accountsChanged([53]);
  await until("a refusal", 20_000, async () => (await refused()) > before);
  await client.config("SET", "maxmemory", "0");
  applier.invalidator.accountsChanged([54]);
  await until("a generation", 20_000, async () => (await generation()) !== lastGeneration);
  expect(await read(one, 53)).toBe("new");
});
