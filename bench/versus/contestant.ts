/** The systems that are compared, each with its database on the same services. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describeInstrument } from "../../shards/domain/instrument.ts";
import { defaultSharding } from "../../shards/domain/symbol-map.ts";
import { type Predecessor, startPredecessor, type Variant } from "../predecessor/predecessor.ts";
import type { StageSummary } from "../predecessor/profiler.ts";
import { DEPOSIT, deposit } from "../risk/accounts.ts";
import { RISK_BENCH_SETTINGS } from "../risk/systems.ts";
import type { Child } from "../system/child.ts";
import { type Cluster, startCluster } from "../system/cluster.ts";
import { BENCH_SECRET, until } from "../system/system.ts";
import type { VersusOptions } from "./options.ts";
import { MARKETS, type Scenario, SHARD_MAP } from "./scenario.ts";
import { databaseUrl, type SharedServices } from "./services.ts";

/** What reached the end of a system's way, of what it took; only differences mean something. */
export interface Progress {
  readonly taken: number;
  readonly done: number;
}

export interface Contestant {
  readonly name: string;
  readonly isOurs: boolean;
  readonly port: number;
  readonly databaseUrl: string;
  readonly processes: readonly Child[];
  /** Orders of the scenario sent so far: the next run goes on with the next one. */
  sent: number;
  /** What a system that has been trading for a while has in its caches. */
  fillCaches(): Promise<void>;
  progress(): Promise<Progress>;
  /** Waits until nothing is under way and everything has reached its end. */
  untilQuiet(): Promise<void>;
  /** Only of the rebuilt predecessor; begins anew with each call. */
  takeStages(): Promise<readonly StageSummary[]>;
  /** Since the start, by kind; only of the rebuilt predecessor. */
  statements(): Promise<Readonly<Record<string, number>>>;
  stop(): Promise<void>;
}

export interface Ground {
  readonly options: VersusOptions;
  readonly services: SharedServices;
  readonly scenario: Scenario;
  readonly folder: string;
}

const ownFolder = ({ folder }: Ground, name: string): string => {
  const own = join(folder, name);
  mkdirSync(own);
  return own;
};

const QUIET_MS_MAX = 120_000;

let installations = 0;
/** Of a database, a topic and keys in Redis; no run before has used it. */
const newName = (): string => {
  installations++;
  return `versus_${process.pid}_${installations}`;
};

export const startOurs = async (ground: Ground): Promise<Contestant> => {
  const { options, services } = ground;
  const name = newName();
  const url = databaseUrl(services, name);
  const cluster = await startCluster({
    folder: ownFolder(ground, name),
    binary: options.binary,
    shardMap: SHARD_MAP,
    instruments: MARKETS.map(({ instrument }) => instrument),
    settings: {
      ...RISK_BENCH_SETTINGS,
      SLUICE_SHARDING: JSON.stringify(defaultSharding),
      SLUICE_RISK: "margin",
      KAFKA_BROKERS: services.kafkaBrokers.join(","),
      MYSQL_URL: url,
      REDIS_URL: services.redisUrl,
      SLUICE_KAFKA_TOPIC: name,
      SLUICE_KAFKA_GROUP_ID: name,
      ...options.settings,
    },
  });
  const ours: Contestant = {
    name: "Sluice",
    isOurs: true,
    port: cluster.port,
    databaseUrl: url,
    processes: cluster.processes,
    sent: 0,
    fillCaches: async () => {},
    progress: () => progressOf(cluster),
    untilQuiet: () => cluster.untilQuiet(),
    takeStages: async () => [],
    statements: async () => ({}),
    stop: () => cluster.stop(),
  };
  try {
    await prepare(cluster, ground.scenario);
    return ours;
  } catch (error) {
    await cluster.stop();
    throw error;
  }
};

const prepare = async (cluster: Cluster, scenario: Scenario): Promise<void> => {
  const at = Date.now();
  await cluster.administer("POST", "/admin/v1/mark-prices", {
    prices: MARKETS.map(({ symbol, mark }) => ({ symbol, markPrice: mark, at })),
  });
  const deposits = scenario.traders.flatMap(({ accountId }, i) =>
    scenario.assetsOf(i).map((asset) => ({ accountId, asset })),
  );
  await deposit(cluster, deposits);
  await cluster.untilQuiet();
};

const progressOf = async (cluster: Cluster): Promise<Progress> => {
  const statuses = await cluster.statuses();
  const taken = statuses.reduce((sum, { commitSeq }) => sum + commitSeq, 0);
  const lag = statuses.reduce((sum, { central }) => sum + central.lagRecords, 0);
  return { taken, done: taken - lag };
};

export const startRebuilt = async (ground: Ground, variant: Variant): Promise<Contestant> => {
  const { services, scenario } = ground;
  const name = newName();
  const url = databaseUrl(services, name);
  const predecessor = await startPredecessor({
    variant,
    mysqlUrl: url,
    redisUrl: services.redisUrl,
    kafkaBrokers: services.kafkaBrokers,
    name,
    jwtSecret: BENCH_SECRET,
    folder: ownFolder(ground, name),
    seed: {
      accounts: scenario.traders.map(({ accountId }, i) => ({
        accountId,
        assets: scenario.assetsOf(i),
        symbols: scenario.marketsOf(i).map(({ symbol }) => symbol),
      })),
      instruments: MARKETS.map(({ instrument }) => describeInstrument(instrument)),
      deposit: DEPOSIT,
    },
  });
  return {
    name: variant.name,
    isOurs: false,
    port: predecessor.port,
    databaseUrl: url,
    processes: predecessor.processes,
    sent: 0,
    fillCaches: () => predecessor.fillCaches(),
    progress: () => rebuiltProgress(predecessor),
    untilQuiet: () => untilRebuiltQuiet(predecessor),
    takeStages: async () => (await predecessor.takeProfile()).stages,
    statements: () => statementsOf(predecessor),
    stop: () => predecessor.stop(),
  };
};

const rebuiltProgress = async (predecessor: Predecessor): Promise<Progress> => {
  const [{ orders }, { records }] = await Promise.all([
    predecessor.apiProfile(),
    predecessor.consumerProfile(),
  ]);
  return { taken: orders, done: records };
};

const untilRebuiltQuiet = async (predecessor: Predecessor): Promise<void> => {
  await until(QUIET_MS_MAX, "the rebuilt predecessor does not come to rest", async () => {
    const { underWay } = await predecessor.apiProfile();
    const { taken, done } = await rebuiltProgress(predecessor);
    return underWay === 0 && done >= taken;
  });
};

const statementsOf = async (
  predecessor: Predecessor,
): Promise<Readonly<Record<string, number>>> => {
  const [api, consumers] = await Promise.all([
    predecessor.apiProfile(),
    predecessor.consumerProfile(),
  ]);
  const { select, insert, transaction } = api.statements;
  return { select, insert, update: consumers.statements.update, transaction };
};
