/** One shard that takes every symbol, the api and the applier, with accounts that have money. */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../../shards/process/failure.ts";
import { type FreshDatabase, freshDatabase } from "../../tests/support/services.ts";
import type { GeneratorName } from "../load/load.ts";
import {
  deposit,
  depositsOf,
  makeTraders,
  sendMarks,
  type Trader,
  writeTokens,
} from "../risk/accounts.ts";
import { INSTRUMENTS } from "../risk/market.ts";
import type { Child } from "../system/child.ts";
import { type Cluster, startCluster } from "../system/cluster.ts";
import { startEcho } from "../system/echo.ts";
import { SHARD_MAP } from "../system/writer-in-process.ts";
import type { OrderEntryOptions, Replication, Row } from "./options.ts";

const FIRST_ACCOUNT = 10_001;
/** They place and cancel single orders beside a load. */
const PROBERS = 24;

/** What a run of orders needs. */
export interface OrdersBench {
  readonly options: OrderEntryOptions;
  readonly generator: GeneratorName;
  /** Those of the load. */
  readonly traders: readonly Trader[];
  readonly tokensFile: string;
  readonly probers: readonly Trader[];
  readonly folder: string;
  /** Where profiles go. */
  readonly profileFolder: string;
}

export interface Bench extends OrdersBench {
  readonly echo: Child;
  readonly rawEcho: Child;
}

/** Accounts with consecutive ids, `count` of them for the load. */
export const makeEntryTraders = async (
  folder: string,
  count: number,
): Promise<Pick<OrdersBench, "traders" | "tokensFile" | "probers">> => {
  const all = await makeTraders(FIRST_ACCOUNT, count + PROBERS);
  const traders = all.slice(0, count);
  return { traders, tokensFile: writeTokens(folder, traders), probers: all.slice(count) };
};

export const withEchoes = async <T>(
  bench: OrdersBench,
  work: (bench: Bench) => Promise<T>,
): Promise<T> => {
  const echo = await startEcho(bench.folder);
  try {
    const rawEcho = await startEcho(bench.folder, "raw");
    try {
      return await work({ ...bench, echo, rawEcho });
    } finally {
      await rawEcho.kill();
    }
  } finally {
    await echo.kill();
  }
};

/** What a system of order entry has beyond a cluster. */
export interface EntrySystem extends Cluster {
  readonly url: string;
  /** Requests sent so far: the next run goes on with the next account. */
  sent: number;
}

/**
 * Settings of the closed loop: a stall must show as time, not as 503 after the product's 50 ms, and
 * there is room for a batch of 100 from each of 1,000 connections.
 */
export const PATIENT = {
  SLUICE_SHARD_INTAKE_WAIT_MAX: "4s",
  SLUICE_SHARD_INTAKE_QUEUE_MAX: "131072",
} as const;

/** A new system, so that none inherits another's open orders and files. */
export const withSystem = async <T>(
  bench: OrdersBench,
  { risk, replication }: Pick<Row, "risk" | "replication">,
  settings: Readonly<Record<string, string>>,
  work: (system: EntrySystem) => Promise<T>,
): Promise<T> => {
  const { options, profileFolder } = bench;
  const { binary, cpuProf } = options;
  const stores = await storesOf(replication);
  const folder = mkdtempSync(join(bench.folder, "system-"));
  try {
    const cluster = await startCluster({
      folder,
      binary,
      shardMap: SHARD_MAP,
      instruments: INSTRUMENTS,
      settings: {
        SLUICE_VENUE: "external",
        SLUICE_RISK: risk,
        ...stores.settings,
        ...settings,
        ...options.settings,
      },
      profile: cpuProf === undefined ? undefined : { process: cpuProf, folder: profileFolder },
    });
    try {
      await sendMarks(cluster);
      if (risk === "margin") {
        await deposit(cluster, depositsOf([...bench.traders, ...bench.probers]));
      }
      await cluster.untilQuiet();
      if (replication === "off") await cluster.endReplication();
      return await work(
        Object.assign(cluster, { url: `http://127.0.0.1:${cluster.port}`, sent: 0 }),
      );
    } finally {
      await cluster.stop();
    }
  } finally {
    await stores.database?.drop();
    rmSync(folder, { recursive: true, force: true });
  }
};

/** Broker and MySQL of the environment; null when one of them is not set. */
export const servicesOfEnvironment = () => {
  const { KAFKA_BROKERS: brokers, MYSQL_URL: mysqlUrl } = process.env;
  return brokers === undefined || mysqlUrl === undefined ? null : { brokers, mysqlUrl };
};

interface Stores {
  readonly settings: Readonly<Record<string, string>>;
  readonly database?: FreshDatabase;
}

/** With `services` an empty database and a topic with the same name. */
const storesOf = async (replication: Replication): Promise<Stores> => {
  if (replication !== "services") return { settings: {} };
  const services = servicesOfEnvironment();
  if (services === null) {
    throw new UsageError("replication through services needs KAFKA_BROKERS and MYSQL_URL.");
  }
  const database = await freshDatabase(services.mysqlUrl);
  return {
    database,
    settings: {
      KAFKA_BROKERS: services.brokers,
      MYSQL_URL: database.url,
      SLUICE_KAFKA_TOPIC: database.name,
      SLUICE_KAFKA_GROUP_ID: database.name,
    },
  };
};
