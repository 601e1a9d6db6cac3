/** For tests: a router to one fake shard, whose log lines can be awaited. */
import { expect } from "bun:test";
import type { AccountId, OrderId, ShardName } from "../../shards/domain/brands.ts";
import { parseShardMap } from "../../shards/domain/symbol-map.ts";
import { type Clock, systemClock } from "../../shards/process/clock.ts";
import type { Logger } from "../../shards/process/logger.ts";
import type { Operation } from "../../shards/protocol/operation.ts";
import { FakeShard, type FakeShardOptions, Inbox } from "./fake-shard.ts";
import { createShardRouter, type RunningShardRouter } from "./router.ts";
import { type RoutingCode, RoutingError } from "./routing-error.ts";

export const SHARD1 = "shard1" as ShardName;
export const ACCOUNT = 42 as AccountId;
const ONE_SHARD = parseShardMap({ enabled: false });
export const nobody = "ws://127.0.0.1:1";
export const inAMinute = (): number => systemClock.now() + 60_000;
export const inAMoment = (): number => systemClock.now() + 20;

export const cancel = (id: number): Operation => ({
  kind: "cancel",
  accountId: ACCOUNT,
  orderId: id as OrderId,
});
export const code = (promise: Promise<unknown>): Promise<RoutingCode | "resolved"> =>
  promise.then(
    () => "resolved" as const,
    (error: unknown) => {
      expect(error).toBeInstanceOf(RoutingError);
      return (error as RoutingError).code;
    },
  );

/** Log lines are the signals on which these tests wait. */
interface Line {
  readonly message: string;
  readonly detail?: string;
  readonly epoch?: number;
}

interface Bench {
  readonly router: RunningShardRouter;
  readonly lines: Inbox<Line>;
  readonly request: (id: number, deadlineAt?: number) => Promise<string>;
}

export const ends: (() => Promise<void>)[] = [];
/** For afterEach: the latest made ends first. */
export const endAll = async (): Promise<void> => {
  for (const end of ends.splice(0).reverse()) await end();
};

export const shardOn = (options: FakeShardOptions): FakeShard => {
  const shard = new FakeShard(options);
  ends.push(() => shard.stop());
  return shard;
};

export const routerTo = (
  url: string,
  options: { queueMax?: number; clock?: Clock } = {},
): Bench => {
  const { queueMax = 16_384, clock = systemClock } = options;
  const lines = new Inbox<Line>();
  const log = (fields: object, message: string): void => lines.put({ ...fields, message });
  const router = createShardRouter({
    shardMap: ONE_SHARD,
    urls: new Map([[SHARD1, url]]),
    apiName: "api-1",
    clusterSecret: "secret",
    queueMax,
    logger: { info: log, warn: log } as unknown as Logger,
    clock,
  });
  ends.push(() => router.close());
  const request = async (id: number, deadlineAt = inAMinute()): Promise<string> =>
    (await router.request(SHARD1, cancel(id), deadlineAt)).body;
  router.start();
  return { router, lines, request };
};

export const connected = async (bench: Bench): Promise<void> => {
  expect((await bench.lines.take()).message).toBe("shard connected");
};
export const notServing = async (bench: Bench): Promise<string | undefined> => {
  const line = await bench.lines.take();
  expect(line.message).toBe("shard not serving");
  return line.detail;
};

export const serving = async (options: { queueMax?: number; clock?: Clock } = {}) => {
  const shard = shardOn({ shard: "shard1" });
  const bench = routerTo(shard.url, options);
  await connected(bench);
  return { shard, ...bench };
};
