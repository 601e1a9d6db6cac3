import { expect, test } from "bun:test";
import { UsageError } from "../../shards/process/failure.ts";
import { openTestRedis } from "./test-redis.ts";

test.each([
  "",
  "redis",
  "127.0.0.1:6379",
  "http://127.0.0.1:6379",
  "redis://",
  "redis://127.0.0.1:99999",
  "redis://127.0.0.1/orders",
  "redis://127.0.0.1/1/2",
  "redis://127.0.0.1?enableOfflineQueue=true",
  "/var/run/redis.sock",
])("REDIS_URL=%p is refused with the way out", (url) => {
  const open = () => openTestRedis(url);
  expect(open).toThrow(UsageError);
  expect(open).toThrow(`REDIS_URL=${url} is no address of a Redis: write redis://`);
});

test("a refused URL is shown without its password", () => {
  expect(() => openTestRedis("redis://user:se@cret@127.0.0.1/x")).toThrow("redis://…@127.0.0.1/x");
});

test("where nothing listens a command fails at once, and closing ends the attempts", async () => {
  const { redis } = openTestRedis("redis://127.0.0.1:1");
  expect(redis.up).toBe(false);
  expect(await redis.client.get("a").catch((error: unknown) => error)).toBeInstanceOf(Error);
  await redis.close();
});
