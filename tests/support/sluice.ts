/** The whole system as `sluice dev` starts it, or its processes one by one. */
import { expect } from "bun:test";
import { isReady, SECRET } from "./client.ts";
import {
  allEnded,
  childrenOf,
  environmentWith,
  isAlive,
  SLUICE,
  type Started,
  startProcess,
} from "./processes.ts";
import { type Stores, storesOf } from "./stores.ts";
import { until } from "./until.ts";

/** Longer than on any machine that only is slow or busy: it ends what would never come. */
export const START_MS_MAX = 60_000;
/** As that; on a quiet machine the design says 2 s. */
export const RECOVERY_MS_MAX = 60_000;

export type Part = "api" | "applier" | "shard1" | "shard2" | "shard3";
export const SHARDS = ["shard1", "shard2", "shard3"] as const;

/** Settings by their environment name, without `SLUICE_`. */
export type Settings = Readonly<Record<string, string>>;

/** `stores`: `KAFKA_BROKERS`, `MYSQL_URL`, `REDIS_URL`; embedded when left out. */
export const environmentOf = (settings: Settings, stores: Stores = {}): Record<string, string> =>
  environmentWith({
    SLUICE_JWT_SECRET: SECRET,
    SLUICE_RATE_LIMIT_PER_SECOND: "0",
    // What is tested of the way an order goes is tested without accounts, unless a test asks for them.
    SLUICE_RISK: "none",
    SLUICE_VENUE: "none",
    // A slow disk may let an order wait longer than a client likes.
    SLUICE_SHARD_INTAKE_WAIT_MAX: "4s",
    ...stores,
    ...Object.fromEntries(Object.entries(settings).map(([name, v]) => [`SLUICE_${name}`, v])),
  });

export interface Dev {
  readonly process: Started;
  readonly url: string;
  /** The live process of a part; undefined while there is none. */
  pidOf(part: Part): number | undefined;
  /** Kills a part with -9; `recovered` waits until a new one serves. */
  kill(part: Part): { recovered(): Promise<void> };
  /** Ctrl-C; then nothing may be left. Gives its exit code. */
  stop(): Promise<number>;
}

export interface DevOptions {
  readonly dataDir: string;
  readonly settings?: Settings;
  /** `KAFKA_BROKERS`, `MYSQL_URL`, `REDIS_URL`; those of the run when left out. */
  readonly stores?: Stores;
  readonly flags?: readonly string[];
  /** Any free one when left out. */
  readonly port?: number;
}

/** `sluice dev` as a process that may still refuse to run; embedded when `stores` is left out. */
export const launchDev = (options: DevOptions): Started => {
  const { dataDir, settings = {}, stores = {}, flags = [], port = 0 } = options;
  return startProcess([...SLUICE, "dev", "--port", `${port}`, "--data-dir", dataDir, ...flags], {
    environment: environmentOf(settings, stores),
  });
};

const COMMAND_LINES: Readonly<Record<Part, RegExp>> = {
  api: / api\b/,
  applier: / applier\b/,
  shard1: / --shard shard1\b/,
  shard2: / --shard shard2\b/,
  shard3: / --shard shard3\b/,
};

/** Starts everything and waits until every shard answers. */
export const startDev = async (options: DevOptions): Promise<Dev> => {
  const { stores = await storesOf(options.dataDir) } = options;
  const one = launchDev({ ...options, stores });
  const [, url = ""] = await one.says(/Sluice serves at (\S+)/, START_MS_MAX);
  await until("every shard answers", START_MS_MAX, () => isReady(url));
  const pidOf = (part: Part) => childrenOf(one.pid, COMMAND_LINES[part])[0];
  return {
    process: one,
    url,
    pidOf,
    kill: (part) => {
      const pid = pidOf(part);
      if (pid === undefined) throw new Error(`${part} does not run`);
      process.kill(pid, "SIGKILL");
      return {
        recovered: () =>
          until(`${part} serves again`, RECOVERY_MS_MAX, async () => {
            return !isAlive(pid) && pidOf(part) !== undefined && (await isReady(url));
          }).then(() => {}),
      };
    },
    stop: async () => {
      one.kill("SIGINT");
      const exitCode = await one.ended();
      await allEnded(options.dataDir, 0);
      await expectNobodyListens(url);
      return exitCode;
    },
  };
};

export const expectNobodyListens = async (url: string): Promise<void> => {
  const answer = await fetch(`${url}/healthz`).then(
    (response) => response.status,
    () => "refused",
  );
  expect(answer).toBe("refused");
};

export interface Served {
  readonly process: Started;
  readonly port: number;
}

const served = async (one: Started): Promise<Served> => {
  const [, port] = await one.says(/serves on \S*?:(\d+)/, START_MS_MAX);
  return { process: one, port: Number(port) };
};

/** One shard for every symbol: enough to see what a file does. */
export const ONE_SHARD = "{ enabled: false }";

/** `sluice applier` alone; it may refuse to run. A port of its own unless one is named. */
export const launchApplier = (dataDir: string, port = 0): Started =>
  startProcess([...SLUICE, "applier"], {
    environment: environmentOf({ DATA_DIR: dataDir, APPLIER_LISTEN: `127.0.0.1:${port}` }),
  });

/** `sluice shard --shard shard1` alone; it may refuse to run. */
export const launchShard = (
  dataDir: string,
  applierPort: number,
  flags: readonly string[] = [],
): Started =>
  startProcess([...SLUICE, "shard", "--shard", "shard1", ...flags], {
    environment: environmentOf({
      DATA_DIR: dataDir,
      SHARD_LISTEN: "127.0.0.1:0",
      APPLIER_URL: `ws://127.0.0.1:${applierPort}`,
      SHARDING: ONE_SHARD,
    }),
  });

export const startApplier = (dataDir: string, port = 0): Promise<Served> =>
  served(launchApplier(dataDir, port));

export const startShard = (...args: Parameters<typeof launchShard>): Promise<Served> =>
  served(launchShard(...args));

/** `sluice api` alone, for that one shard. Gives its address when it reaches the shard. */
export const startApi = async (
  dataDir: string,
  shardPort: number,
): Promise<{ readonly process: Started; readonly url: string }> => {
  const one = startProcess([...SLUICE, "api", "--port", "0"], {
    environment: environmentOf({
      DATA_DIR: dataDir,
      SHARD_URLS: `{ shard1: "ws://127.0.0.1:${shardPort}" }`,
      SHARDING: ONE_SHARD,
    }),
  });
  const [, url = ""] = await one.says(/serves on (http:\S+),/, START_MS_MAX);
  await until("the api reaches its shard", START_MS_MAX, () => isReady(url));
  return { process: one, url };
};
