import type {
  AccountId,
  InstrumentSymbol,
  OrderId,
  ShardName,
} from "../../shards/domain/brands.ts";
import { shardIndexOf } from "../../shards/domain/brands.ts";
import { createSymbolRouter, type ShardMap } from "../../shards/domain/symbol-map.ts";
import type { Clock } from "../../shards/process/clock.ts";
import { BrokenInvariant, UsageError } from "../../shards/process/failure.ts";
import type { Logger } from "../../shards/process/logger.ts";
import type { Answer, RecordPlace } from "../../shards/protocol/answer.ts";
import { SHARD_PATH } from "../../shards/protocol/hello.ts";
import { homeShardOf } from "../../shards/protocol/home-shard.ts";
import type { Operation } from "../../shards/protocol/operation.ts";
import type { DurabilityLevel } from "./progress-board.ts";
import { ShardConnection, type ShardState } from "./shard-connection.ts";

/** The api's only way to the shards. */
export interface ShardRouter {
  /** Ordered by index. */
  readonly shards: readonly ShardName[];
  shardOfSymbol(symbol: InstrumentSymbol): ShardName;
  /** The home shard, which has the account's bank: the same in every process. */
  shardOfAccount(accountId: AccountId): ShardName;
  /** undefined: no shard of this cluster made that id. */
  shardOfOrder(orderId: OrderId): ShardName | undefined;
  /**
   * The shard's answer, whatever its status. Rejects with RoutingError: `shard_unavailable` and
   * `overloaded` when nothing happened, `outcome_unknown` at `deadlineAt` (ms since 1970) or when
   * only the second copy of it was refused. A query is not sent twice.
   */
  request(shard: ShardName, operation: Operation, deadlineAt: number): Promise<Answer>;
  /** Resolves when `level` is reached, else at `expiresMs` (monotonic), with what is reached. */
  waitFor(
    shard: ShardName,
    place: RecordPlace,
    level: "replicated" | "central",
    expiresMs: number,
  ): Promise<DurabilityLevel>;
  /** One per shard, in the order of `shards`. */
  states(): readonly ShardState[];
  /** Age in ms of the oldest record, over all shards, that central is known to lack; 0: none. */
  lagMs(): number;
}

export interface ShardRouterOptions {
  readonly shardMap: ShardMap;
  /** `ws://host:port` of every shard in the map. */
  readonly urls: ReadonlyMap<ShardName, string>;
  /** What the shards call this api in their logs. */
  readonly apiName: string;
  /** Empty on loopback. */
  readonly clusterSecret: string;
  /** New orders that may be unanswered per shard; cancels and the like twice as many. */
  readonly queueMax: number;
  readonly logger: Logger;
  readonly clock: Clock;
}

export interface RunningShardRouter extends ShardRouter {
  /** Connects to every shard, and stays connected until `close`. */
  start(): void;
  /** Rejects what is unanswered and closes every connection. */
  close(): Promise<void>;
}

/** Throws UsageError when a shard of the map has no address that can be used. */
export const createShardRouter = (options: ShardRouterOptions): RunningShardRouter => {
  const { shardMap } = options;
  const connections = new Map(
    shardMap.shards.map(({ name }) => [name, connectionTo(name, options)] as const),
  );
  const nameByIndex = new Map(shardMap.shards.map(({ index, name }) => [index, name] as const));
  const connectionOf = (shard: ShardName): ShardConnection => {
    const connection = connections.get(shard);
    if (connection === undefined) throw new BrokenInvariant(`${shard} is not in the shard map`);
    return connection;
  };
  return {
    shards: Array.from(connections.keys()),
    shardOfSymbol: createSymbolRouter(shardMap),
    shardOfAccount: (accountId) => homeShardOf(accountId, shardMap.shards).name,
    shardOfOrder: (orderId) => nameByIndex.get(shardIndexOf(orderId)),
    request: (shard, operation, deadlineAt) => connectionOf(shard).request(operation, deadlineAt),
    waitFor: (shard, place, level, expiresMs) =>
      connectionOf(shard).progress.waitFor(place, level, expiresMs),
    states: () => Array.from(connections.values(), (connection) => connection.shardState),
    lagMs: () => Math.max(...Array.from(connections.values(), (c) => c.progress.lagMs())),
    start: () => {
      for (const connection of connections.values()) connection.start();
    },
    close: () => {
      for (const connection of connections.values()) connection.stop();
      return Promise.resolve();
    },
  };
};

const connectionTo = (shard: ShardName, options: ShardRouterOptions): ShardConnection => {
  const { apiName, clusterSecret, queueMax, logger, clock } = options;
  const url = shardUrl(shard, options.urls.get(shard));
  return new ShardConnection({ shard, url, apiName, clusterSecret, queueMax, logger, clock });
};

const shardUrl = (shard: ShardName, base: string | undefined): string => {
  const url = base === undefined ? null : URL.parse(SHARD_PATH, base);
  if (url !== null && (url.protocol === "ws:" || url.protocol === "wss:")) return url.href;
  const shown = base === undefined ? "missing" : JSON.stringify(base);
  throw new UsageError(`shardUrls.${shard} is ${shown}: write it as ws://host:port.`);
};
