/**
 * One shard, the api and, if wanted, the applier as processes of their own, as an operator would
 * start them: one shard takes every symbol, so that it is the hot one.
 */
import { join } from "node:path";
import { signToken } from "../../app/tokens/sign.ts";
import type { AccountId } from "../../shards/domain/brands.ts";
import { systemClock } from "../../shards/process/clock.ts";
import type { ShardStatus } from "../../shards/protocol/status.ts";
import { ROOT } from "../support/machine.ts";
import { type Child, cleanEnvironment, startChild } from "./child.ts";

/** `shard` is the only one; of several each has its name. */
export type ProcessName = "api" | "shard" | "applier" | `shard${number}`;

export interface SystemOptions {
  /** An empty folder for data and logs. */
  readonly folder: string;
  /** Without it the applier ends once it has given the shard its epoch: nothing is replicated. */
  readonly replicated: boolean;
  readonly binary: string | undefined;
  readonly settings: Readonly<Record<string, string>>;
  /** Runs this process under `bun --cpu-prof`; the profile goes to `folder`. */
  readonly profile?: { readonly process: ProcessName; readonly folder: string } | undefined;
}

export interface RunningSystem {
  readonly url: string;
  readonly port: number;
  /** Those that run; without replication there is no applier. */
  readonly processes: readonly Child[];
  shardStatus(): Promise<ShardStatus>;
  /** Waits until central has everything; gives the time that took, or throws after a minute. */
  untilCentralHasAll(): Promise<number>;
  /** Ends every process: at once, or drained when one of them is profiled. */
  stop(): Promise<void>;
}

/** Signs every token of the benchmarks. */
export const BENCH_SECRET = "a secret of the benchmark, on loopback";
const ADMIN_ACCOUNT = 1;
const TOKEN_TTL_MS = 6 * 3_600_000;
const CATCH_UP_MS_MAX = 60_000;
const ROUTE_MS_MAX = 10_000;
const LOOK_MS = 20;

export const BENCH_SETTINGS = {
  SLUICE_SHARDING: "{ enabled: false }",
  SLUICE_RATE_LIMIT_PER_SECOND: "0",
  SLUICE_LOG_LEVEL: "error",
  SLUICE_RISK: "none",
  SLUICE_VENUE: "none",
  SLUICE_SHARD_BACKLOG_RECORDS_MAX: "1000000000",
} as const;

export const signBenchToken = (account: number, admin = false): Promise<string> =>
  signToken(BENCH_SECRET, {
    accountId: account as AccountId,
    scopes: admin ? ["read", "trade", "admin"] : ["read", "trade"],
    ttlMs: TOKEN_TTL_MS,
    clock: systemClock,
  });

export type PartOptions = Pick<SystemOptions, "folder" | "binary" | "settings" | "profile">;

/** One process of the product; `own` are the settings that only it has. */
export const startPart = (
  options: PartOptions,
  name: ProcessName,
  args: readonly string[],
  own: object,
): Promise<Child> =>
  startChild({
    name,
    command: [...programOf(name, options), ...args],
    environment: {
      ...cleanEnvironment(),
      ...BENCH_SETTINGS,
      SLUICE_JWT_SECRET: BENCH_SECRET,
      SLUICE_DATA_DIR: join(options.folder, "data"),
      ...own,
      ...options.settings,
    },
    folder: options.folder,
  });

export const startApplier = (options: PartOptions): Promise<Child> =>
  startPart(options, "applier", ["applier"], { SLUICE_APPLIER_LISTEN: "127.0.0.1:0" });

export const startSystem = async (options: SystemOptions): Promise<RunningSystem> => {
  const started: Child[] = [];
  const start = async (...part: Parameters<typeof startPart>): Promise<Child> => {
    const child = await startPart(...part);
    started.push(child);
    return child;
  };
  try {
    const applier = await startApplier(options);
    started.push(applier);
    const shard = await start(options, "shard", ["shard", "--shard", "shard1"], {
      SLUICE_SHARD_LISTEN: "127.0.0.1:0",
      SLUICE_APPLIER_URL: `ws://127.0.0.1:${applier.port}`,
    });
    const api = await start(options, "api", ["api"], {
      SLUICE_PORT: "0",
      SLUICE_SHARD_URLS: JSON.stringify({ shard1: `ws://127.0.0.1:${shard.port}` }),
    });
    if (!options.replicated) await applier.stop();
    const processes = options.replicated ? [api, shard, applier] : [api, shard];
    return await asSystem(options, api, processes);
  } catch (error) {
    await Promise.all(started.map((child) => child.kill()));
    throw error;
  }
};

const programOf = (name: ProcessName, { binary, profile }: PartOptions): readonly string[] => {
  if (binary !== undefined) return [binary];
  const main = join(ROOT, "app/main.ts");
  if (profile?.process !== name) return [process.execPath, main];
  return [
    process.execPath,
    "--cpu-prof",
    `--cpu-prof-dir=${profile.folder}`,
    `--cpu-prof-name=${name}-${Date.now()}.cpuprofile`,
    main,
  ];
};

const asSystem = async (
  options: SystemOptions,
  api: Child,
  processes: readonly Child[],
): Promise<RunningSystem> => {
  const url = `http://127.0.0.1:${api.port}`;
  await untilReady(url);
  const headers = await adminHeaders();
  const shardStatus = async (): Promise<ShardStatus> => {
    const [status] = await statusesOf(url, headers);
    if (status === undefined) throw new Error("the api knows no shard");
    return status;
  };
  return {
    url,
    port: api.port,
    processes,
    shardStatus,
    untilCentralHasAll: () =>
      until(CATCH_UP_MS_MAX, "central does not catch up", async () => {
        const { queue, central } = await shardStatus();
        return queue === 0 && central.lagRecords === 0;
      }),
    stop: async () => {
      const profiled = options.profile !== undefined;
      for (const child of processes) await (profiled ? child.stop() : child.kill());
    },
  };
};

/** What the admin API asks for. */
export const adminHeaders = async () => ({
  authorization: `Bearer ${await signBenchToken(ADMIN_ACCOUNT, true)}`,
  "content-type": "application/json",
});
export type AdminHeaders = Awaited<ReturnType<typeof adminHeaders>>;

/** Waits until the api reaches its shards. */
export const untilReady = (url: string): Promise<number> =>
  until(ROUTE_MS_MAX, "the api does not reach its shards", async () => {
    const answer = await fetch(`${url}/readyz`);
    return answer.ok;
  });

/** Of all shards. Throws when one of them does not answer. */
export const statusesOf = async (
  url: string,
  headers: AdminHeaders,
): Promise<readonly ShardStatus[]> => {
  const answer = await fetch(`${url}/admin/v1/shards`, { headers });
  if (!answer.ok) throw new Error(`the shards' status: ${answer.status}`);
  const { items } = (await answer.json()) as { readonly items: readonly ShardStatus[] };
  return items;
};

/** Looks again and again; gives the time until it held, in milliseconds. */
export const until = async (
  msMax: number,
  failure: string,
  holds: () => Promise<boolean>,
): Promise<number> => {
  const start = performance.now();
  for (;;) {
    if (await holds()) return performance.now() - start;
    if (performance.now() - start > msMax) throw new Error(failure);
    await Bun.sleep(LOOK_MS);
  }
};
