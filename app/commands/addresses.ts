import type { ShardName } from "../../shards/domain/brands.ts";
import type { ShardOfMap } from "../../shards/domain/symbol-map.ts";
import { UsageError } from "../../shards/process/failure.ts";
import type { Config } from "../config.ts";
import type { ListenAddress } from "../config-fields.ts";

/** Where each process is when nothing is configured: the applier here, shard n at n above. */
const PORT_BASE = 8100;
const HOST = "127.0.0.1";

/** `[::1]:80` for an IPv6 host. */
export const hostPort = (host: string, port: number): string =>
  `${host.includes(":") ? `[${host}]` : host}:${port}`;

export const shardListen = (config: Config, shard: ShardOfMap): ListenAddress =>
  config.shardListen ?? { host: HOST, port: PORT_BASE + shard.index };

export const applierListen = (config: Config): ListenAddress =>
  config.applierListen ?? { host: HOST, port: PORT_BASE };

export const applierUrl = (config: Config): string =>
  config.applierUrl ?? `ws://${hostPort(HOST, PORT_BASE)}`;

/** The address of every shard of the map. Throws {@link UsageError} for a name that is not in it. */
export const shardUrls = (config: Config): ReadonlyMap<ShardName, string> => {
  const given = config.shardUrls;
  if (given === undefined) {
    return new Map(
      config.sharding.shards.map(({ name, index }) => [
        name,
        `ws://${hostPort(HOST, PORT_BASE + index)}`,
      ]),
    );
  }
  const stray = Object.keys(given).find(
    (name) => !config.sharding.shards.some((shard) => shard.name === name),
  );
  if (stray !== undefined) {
    throw new UsageError(`shardUrls.${stray} is no shard of the setting sharding: remove it.`);
  }
  return new Map(
    config.sharding.shards.map(({ name }) => {
      const url = given[name];
      if (url === undefined) {
        throw new UsageError(`shardUrls has no ${name}: write shardUrls.${name}: ws://HOST:PORT.`);
      }
      return [name, url];
    }),
  );
};

/** The shard of `--shard NAME`. */
export const findShard = (config: Config, flag: string, name: string): ShardOfMap => {
  const shard = config.sharding.shards.find((candidate) => candidate.name === name);
  if (shard === undefined) {
    const known = config.sharding.shards.map((candidate) => candidate.name).join(", ");
    throw new UsageError(`${flag} = "${name}" is no shard of the setting sharding: ${known}.`);
  }
  return shard;
};
