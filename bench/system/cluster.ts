/** Several shards, the api and the applier as processes of their own, as an operator starts them. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { renderInstrumentFile } from "../../app/instruments/instrument-file.ts";
import { pickPorts } from "../../app/supervisor/ports.ts";
import type { Instrument } from "../../shards/domain/instrument.ts";
import type { ShardMap } from "../../shards/domain/symbol-map.ts";
import type { ShardStatus } from "../../shards/protocol/status.ts";
import type { Child } from "./child.ts";
import {
  adminHeaders,
  type PartOptions,
  startApplier,
  startPart,
  statusesOf,
  until,
  untilReady,
} from "./system.ts";

export interface ClusterOptions extends PartOptions {
  readonly shardMap: ShardMap;
  readonly instruments: readonly Instrument[];
}

export interface Cluster {
  readonly port: number;
  /** Those that run. */
  readonly processes: readonly Child[];
  /** In the order of the map. */
  readonly shards: readonly Child[];
  statuses(): Promise<readonly ShardStatus[]>;
  /** Sum over the shards of every series of this metric. */
  metric(name: string): Promise<number>;
  /** Asks the admin API; throws unless the answer is a 200. */
  administer(method: "POST" | "PUT", path: string, body: object): Promise<string>;
  /** Waits until nothing is under way and central, if the applier runs, has everything. */
  untilQuiet(): Promise<void>;
  /** Ends the applier: the relays find nobody, and records wait in the shards' files. */
  endReplication(): Promise<void>;
  /** Ends every process: at once, or drained when one of them is profiled. */
  stop(): Promise<void>;
}

const QUIET_MS_MAX = 120_000;

export const startCluster = async (options: ClusterOptions): Promise<Cluster> => {
  const { folder, shardMap, instruments } = options;
  const dataDir = join(folder, "data");
  mkdirSync(dataDir, { recursive: true });
  writeFileSync(join(dataDir, "instruments.json"), renderInstrumentFile(instruments));
  const started: Child[] = [];
  try {
    const applier = await startApplier(options);
    started.push(applier);
    const ports = pickPorts(shardMap.shards.length);
    const urls = Object.fromEntries(
      shardMap.shards.map(({ name }, i) => [name, `ws://127.0.0.1:${ports[i]}`]),
    );
    const addresses = { SLUICE_SHARD_URLS: JSON.stringify(urls) };
    const shards: Child[] = [];
    for (const [i, { name, index }] of shardMap.shards.entries()) {
      const shard = await startPart(options, `shard${index}`, ["shard", "--shard", name], {
        ...addresses,
        SLUICE_SHARD_LISTEN: `127.0.0.1:${ports[i]}`,
        SLUICE_APPLIER_URL: `ws://127.0.0.1:${applier.port}`,
      });
      started.push(shard);
      shards.push(shard);
    }
    const api = await startPart(options, "api", ["api"], { ...addresses, SLUICE_PORT: "0" });
    started.push(api);
    return await asCluster(options, api, shards, applier);
  } catch (error) {
    await Promise.all(started.map((child) => child.kill()));
    throw error;
  }
};

const asCluster = async (
  options: ClusterOptions,
  api: Child,
  shards: readonly Child[],
  applier: Child,
): Promise<Cluster> => {
  let processes = [api, ...shards, applier];
  const url = `http://127.0.0.1:${api.port}`;
  await untilReady(url);
  const headers = await adminHeaders();
  const statuses = () => statusesOf(url, headers);
  return {
    port: api.port,
    get processes() {
      return processes;
    },
    shards,
    statuses,
    metric: async (name) => {
      const values = await Promise.all(shards.map(({ port }) => readMetric(port, name)));
      return values.reduce((sum, value) => sum + value, 0);
    },
    administer: async (method, path, body) => {
      const answer = await fetch(`${url}${path}`, { method, headers, body: JSON.stringify(body) });
      const text = await answer.text();
      if (answer.status === 200) return text;
      throw new Error(`${method} ${path} was answered ${answer.status}: ${text}`);
    },
    untilQuiet: () => untilQuiet(statuses, processes.includes(applier)),
    endReplication: async () => {
      await applier.stop();
      processes = processes.filter((child) => child !== applier);
    },
    stop: async () => {
      const profiled = options.profile !== undefined;
      for (const child of processes) await (profiled ? child.stop() : child.kill());
    },
  };
};

/** The generator is gone; what it had sent is still being committed and carried on. */
const untilQuiet = async (statuses: Cluster["statuses"], isReplicated: boolean): Promise<void> => {
  let last = "";
  await until(QUIET_MS_MAX, "the shards do not come to rest", async () => {
    const all = await statuses();
    const isIdle = all.every(
      ({ queue, waitingForBanks, central }) =>
        queue === 0 && waitingForBanks === 0 && !(isReplicated && central.lagRecords > 0),
    );
    const now = all.map(({ commitSeq }) => commitSeq).join();
    const isQuiet = isIdle && now === last;
    last = now;
    return isQuiet;
  });
};

const readMetric = async (port: number, name: string): Promise<number> => {
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`);
  const text = await answer.text();
  const series = text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "gm"));
  return [...series].reduce((sum, [, value]) => sum + Number(value), 0);
};
