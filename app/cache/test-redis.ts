/** A connection for the tests beside, with what it logs and counts. */
import { createLogger } from "../../shards/process/logger.ts";
import { createRegistry, type Registry } from "../../shards/process/metrics.ts";
import { openRedis, type RedisConnection } from "./redis.ts";

export interface TestRedis {
  readonly redis: RedisConnection;
  readonly registry: Registry;
  /** Messages at level info and above, in order. */
  readonly logged: string[];
}

export const openTestRedis = (url: string): TestRedis => {
  const registry = createRegistry({});
  const logged: string[] = [];
  const logger = createLogger("test", "silent");
  const keep = (_: unknown, message: string): void => {
    logged.push(message);
  };
  const redis = openRedis({
    url,
    logger: Object.assign(logger, { info: keep, warn: keep, error: keep }),
    registry,
  });
  return { redis, registry, logged };
};

/** The series' value; 0 when it was never counted. */
export const metricOf = async (
  { registry }: TestRedis,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<number> => {
  const values = (await registry.getSingleMetric(name)?.get())?.values ?? [];
  const series = values.find((one) =>
    Object.entries(labels).every(([label, value]) => one.labels[label] === value),
  );
  return series?.value ?? 0;
};
