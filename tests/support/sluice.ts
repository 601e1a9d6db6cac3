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
import { until } from "./until.ts";

export const START_MS_MAX = 30_000;
/** A restarted process serves again within this; the design says 2 s on a quiet machine. */
export const RECOVERY_MS_MAX = 10_000;

export type Part = "api" | "applier" | "shard1" | "shard2" | "shard3";
export const SHARDS = ["shard1", "shard2", "shard3"] as const;

/** Settings by their environment name, without `SLUICE_`. */
export type Settings = Readonly<Record<string, string>>;

export const environmentOf = (settings: Settings): Record<string, string> =>
  environmentWith({
    SLUICE_JWT_SECRET: SECRET,
    SLUICE_RATE_LIMIT_PER_SECOND: "0",
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
  readonly flags?: readonly string[];
  /** What to run; from source when left out. */
  readonly program?: readonly string[];
}

/** `sluice dev` as a process that may still refuse to run. */
export const launchDev = ({ dataDir, settings = {}, flags = [], program = SLUICE }: DevOptions) =>
  startProcess([...program, "dev", "--port", "0", "--data-dir", dataDir, ...flags], {
    environment: environmentOf(settings),
  });

const COMMAND_LINES: Readonly<Record<Part, RegExp>> = {
  api: / api\b/,
  applier: / applier\b/,
  shard1: / --shard shard1\b/,
  shard2: / --shard shard2\b/,
  shard3: / --shard shard3\b/,
};

/** Starts everything and waits until every shard answers. */
export const startDev = async (options: DevOptions): Promise<Dev> => {
  const one = launchDev(options);
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

const ADDRESS = "127.0.0.1:0";

const portIn = async (one: Started): Promise<number> => {
  const [, port] = await one.says(/serves on \S*?:(\d+)/, START_MS_MAX);
  return Number(port);
};

export interface Served {
  readonly process: Started;
  readonly port: number;
}

/** `sluice applier` alone; on a port of its own unless one is named. */
export const launchApplier = (dataDir: string, port = 0): Started =>
  startProcess([...SLUICE, "applier"], {
    environment: environmentOf({ DATA_DIR: dataDir, APPLIER_LISTEN: `127.0.0.1:${port}` }),
  });

export const startApplier = async (dataDir: string, port = 0): Promise<Served> => {
  const one = launchApplier(dataDir, port);
  return { process: one, port: await portIn(one) };
};

export interface ShardFlags {
  readonly dataDir: string;
  readonly applierPort: number;
  readonly newEpoch?: boolean;
  readonly settings?: Settings;
}

/** `sluice shard --shard shard1` alone; it may refuse to run. */
export const launchShard = (flags: ShardFlags): Started => {
  const extra = flags.newEpoch === true ? ["--new-epoch"] : [];
  return startProcess([...SLUICE, "shard", "--shard", "shard1", ...extra], {
    environment: environmentOf({
      DATA_DIR: flags.dataDir,
      SHARD_LISTEN: ADDRESS,
      APPLIER_URL: `ws://127.0.0.1:${flags.applierPort}`,
      SHARDING: ONE_SHARD,
      ...flags.settings,
    }),
  });
};

/** One shard for every symbol: its first one is enough to see what a file does. */
export const ONE_SHARD = "{ enabled: false }";

export const startShard = async (flags: ShardFlags): Promise<Served> => {
  const one = launchShard(flags);
  return { process: one, port: await portIn(one) };
};
