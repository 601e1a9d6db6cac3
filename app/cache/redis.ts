/**
 * The connection to Redis. Nothing waits for it: while it is down every command fails at once, and
 * a command that it does not answer in time closes the socket, so that a Redis that hangs counts as
 * down after the first time-out. It is tried again for ever.
 */
import { Redis, type RedisOptions } from "ioredis";
import { codeOf, UsageError } from "../../shards/process/failure.ts";
import type { Logger } from "../../shards/process/logger.ts";
import { Gauge, type Registry } from "../../shards/process/metrics.ts";

export interface RedisParts {
  /** `redis://[user:password@]host[:port][/db]`, `rediss:` for TLS. */
  readonly url: string;
  readonly logger: Logger;
  readonly registry: Registry;
  /** For those whom nobody waits for; {@link COMMAND_MS_MAX} unless told. */
  readonly commandMsMax?: number;
}

/** For the files beside; others only hand it on. */
export interface RedisConnection {
  readonly client: Redis;
  /** False while commands would fail. */
  readonly up: boolean;
  /** Calls `listener` each time the connection stands, the first time too. */
  onUp(listener: () => void): void;
  /** What was sent is answered, or times out; then nothing of it is left. */
  close(): Promise<void>;
}

/** All that a request can lose to a Redis that hangs. */
export const COMMAND_MS_MAX = 100;

const CONNECT_MS_MAX = 2000;
const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 1000;

/**
 * Returns at once; the connection comes up by itself. Counts it in `sluice_redis_up`. Throws
 * {@link UsageError} when the URL is none.
 */
export const openRedis = ({
  url,
  logger,
  registry,
  commandMsMax = COMMAND_MS_MAX,
}: RedisParts): RedisConnection => {
  const address = addressOf(url);
  const client = new Redis({
    ...address,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    // A lost connection fails what was sent, at once.
    maxRetriesPerRequest: 0,
    commandTimeout: commandMsMax,
    socketTimeout: commandMsMax,
    disconnectTimeout: commandMsMax,
    connectTimeout: CONNECT_MS_MAX,
    retryStrategy: (attempt) =>
      Math.min(RETRY_MS_MIN * 2 ** Math.min(attempt - 1, 10), RETRY_MS_MAX),
  });
  const silence = logChanges(client, `${address.host}:${address.port}`, logger);
  new Gauge({
    name: "sluice_redis_up",
    help: "1 while the connection to Redis stands",
    registers: [registry],
    collect() {
      this.set(client.status === "ready" ? 1 : 0);
    },
  });
  return {
    client,
    get up() {
      return client.status === "ready";
    },
    onUp(listener) {
      client.on("ready", listener);
      if (client.status === "ready") listener();
    },
    close: () => {
      silence();
      return close(client);
    },
  };
};

const WAY_OUT = "write redis://[user:password@]host[:port][/db], or rediss:// for TLS";
const PORT_DEFAULT = 6379;

type Address = Pick<RedisOptions, "username" | "password" | "db" | "tls"> & {
  readonly host: string;
  readonly port: number;
};

/** Not by ioredis, which makes an address of any text and takes options out of the query. */
const addressOf = (text: string): Address => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const db = /^\/?(\d{0,4})$/.exec(url?.pathname ?? "");
  const known = url?.protocol === "redis:" || url?.protocol === "rediss:";
  if (url === undefined || db === null || !known || url.hostname === "" || url.search !== "") {
    throw new UsageError(`REDIS_URL=${withoutSecret(text)} is no address of a Redis: ${WAY_OUT}.`);
  }
  return {
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port === "" ? PORT_DEFAULT : Number(url.port),
    db: Number(db[1]),
    ...(url.username === "" ? {} : { username: decodeURIComponent(url.username) }),
    ...(url.password === "" ? {} : { password: decodeURIComponent(url.password) }),
    ...(url.protocol === "rediss:" ? { tls: {} } : {}),
  };
};

const withoutSecret = (url: string): string => url.replace(/\/\/.*@/, "//…@");

/** One line for each change, however often it is tried in between. Gives what ends that. */
const logChanges = (client: Redis, address: string, logger: Logger): (() => void) => {
  let up: boolean | undefined;
  let reason = "the connection closed";
  client.on("error", (error: Error) => {
    reason = error.message || (codeOf(error) ?? reason);
  });
  client.on("close", () => {
    if (up === false) return;
    up = false;
    logger.warn(
      { redis: address, reason },
      "Redis is down: limits are counted in each process, reads are not cached",
    );
  });
  client.on("ready", () => {
    up = true;
    reason = "the connection closed";
    logger.info({ redis: address }, "Redis is up");
  });
  return () => {
    up = false;
  };
};

const close = async (client: Redis): Promise<void> => {
  if (client.status === "ready") await client.quit().catch(() => undefined);
  if (client.status === "end") return;
  const { promise, resolve } = Promise.withResolvers<void>();
  client.once("end", resolve);
  client.disconnect();
  // Between two attempts there is no socket whose end could be told.
  if (client.status === "reconnecting") return;
  await promise;
};
