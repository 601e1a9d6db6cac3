/** The two systems that are compared, with and without risk, and one measured load on one of them. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { RiskMode } from "../../shards/domain/risk/types.ts";
import { type Load, runWrkSource } from "../load/load.ts";
import { say } from "../support/options.ts";
import { whole } from "../support/report.ts";
import { type Cluster, startCluster } from "../system/cluster.ts";
import {
  deposit,
  depositsOf,
  makeTraders,
  sendMarks,
  type Trader,
  warm,
  writeTokens,
} from "./accounts.ts";
import { INSTRUMENTS, SHARD_MAP, SHARDING, type Shape } from "./market.ts";
import type { RiskOptions } from "./options.ts";
import { marketSource } from "./requests.ts";

/** A stall must show as time, not as 503 `overloaded` after the product's 50 ms. */
export const RISK_BENCH_SETTINGS = {
  SLUICE_SHARDING: JSON.stringify(SHARDING),
  SLUICE_VENUE: "external",
  SLUICE_SHARD_INTAKE_WAIT_MAX: "4s",
} as const;

const FIRST_ACCOUNT = 10_001;

export interface Bench {
  readonly options: RiskOptions;
  readonly folder: string;
  readonly traders: readonly Trader[];
  readonly tokensFile: string;
  readonly systems: Readonly<Record<RiskMode, Side>>;
}

/** One of the two systems. */
export interface Side {
  readonly risk: RiskMode;
  readonly cluster: Cluster;
  /** Requests sent so far: the next run goes on with the next account. */
  sent: number;
}

export const withSystems = async <T>(
  options: RiskOptions,
  folder: string,
  profileFolder: string,
  work: (bench: Bench) => Promise<T>,
): Promise<T> => {
  const traders = await makeTraders(FIRST_ACCOUNT, options.accounts);
  const tokensFile = writeTokens(folder, traders);
  const clusters: Cluster[] = [];
  const start = async (risk: RiskMode): Promise<Side> => {
    const own = join(folder, risk);
    mkdirSync(own);
    const { cpuProf, binary, settings } = options;
    const cluster = await startCluster({
      folder: own,
      binary,
      shardMap: SHARD_MAP,
      instruments: INSTRUMENTS,
      settings: { ...RISK_BENCH_SETTINGS, SLUICE_RISK: risk, ...settings },
      profile:
        cpuProf === undefined || risk === "none"
          ? undefined
          : { process: cpuProf, folder: profileFolder },
    });
    clusters.push(cluster);
    return { risk, cluster, sent: 0 };
  };
  try {
    const systems = { none: await start("none"), margin: await start("margin") };
    await prepare(systems, traders);
    return await work({ options, folder, traders, tokensFile, systems });
  } finally {
    await Promise.all(clusters.map((cluster) => cluster.stop()));
  }
};

const prepare = async (systems: Bench["systems"], traders: readonly Trader[]): Promise<void> => {
  const { none, margin } = systems;
  const deposits = depositsOf(traders);
  let start = performance.now();
  const took = (): string => {
    const seconds = (performance.now() - start) / 1000;
    start = performance.now();
    return `${seconds.toFixed(1)} s`;
  };
  await Promise.all([sendMarks(none.cluster), sendMarks(margin.cluster)]);
  await deposit(margin.cluster, deposits);
  say(`${whole(deposits.length)} deposits for ${whole(traders.length)} accounts: ${took()}`);
  for (const { cluster, risk } of [none, margin]) {
    await warm(cluster, traders);
    await cluster.untilQuiet();
    say(`each account's first order in each of its symbols, risk ${risk}: ${took()}`);
  }
};

/** One load on one system. */
export interface Measured {
  readonly load: Load;
  /** Microseconds of CPU time for each order, by process, the generator's too. */
  readonly cpuUs: Readonly<Record<string, number>>;
  /** What the other system took of the processor meanwhile, share of one core. */
  readonly othersCpu: number;
  readonly batchMean: number;
  /** Requests that banks answered, for each order. */
  readonly grantShare: number;
  /** Why it does not count; empty when it does. */
  readonly problems: readonly string[];
}

const GRANTS = "sluice_escrow_requests_total";

/** Warm-up and one measured run of orders of one shape. */
export const measure = async (
  bench: Bench,
  risk: RiskMode,
  shape: Shape,
  warmUpSeconds: number,
): Promise<Measured> => {
  const side = bench.systems[risk];
  const other = bench.systems[risk === "none" ? "margin" : "none"].cluster;
  const { cluster } = side;
  const warmUp = await load(bench, side, shape, warmUpSeconds, true);
  await cluster.untilQuiet();
  const before = await countsOf(cluster);
  const cpuBefore = cpuOf(cluster);
  const otherBefore = sumOf(cpuOf(other));
  const measured = await load(bench, side, shape, bench.options.seconds, false);
  const cpu = cpuOf(cluster);
  const othersCpu = (sumOf(cpuOf(other)) - otherBefore) / measured.seconds;
  await cluster.untilQuiet();
  const after = await countsOf(cluster);
  // A bracket counts once.
  const accepted = after.accepted - before.accepted;
  const cpuSeconds: Record<string, number> = { generator: measured.generatorCpuSeconds };
  for (const [name, seconds] of Object.entries(cpu)) {
    cpuSeconds[name] = seconds - (cpuBefore[name] ?? 0);
  }
  return {
    load: measured,
    cpuUs: Object.fromEntries(
      Object.entries(cpuSeconds).map(([name, one]) => [name, (one * 1e6) / measured.requests]),
    ),
    othersCpu,
    batchMean: accepted / (after.batches - before.batches),
    grantShare: (after.grants - before.grants) / accepted,
    problems: [
      ...problemsOf(`${risk} ${shape}, warm-up`, warmUp),
      ...problemsOf(`${risk} ${shape}`, measured),
      ...acceptedProblems(measured, accepted, bench.options.connections),
      ...(after.refused > 0 ? [`risk ${risk}: ${after.refused} orders were refused`] : []),
    ],
  };
};

const load = async (
  bench: Bench,
  side: Side,
  shape: Shape,
  seconds: number,
  check: boolean,
): Promise<Load> => {
  const { folder, tokensFile, options } = bench;
  const { connections } = options;
  const { port } = side.cluster;
  const source = marketSource({ port, tokensFile, shape, first: side.sent });
  const done = await runWrkSource({ port, connections, seconds, check, folder }, source);
  side.sent += done.requests + connections;
  return done;
};

export const countsOf = async (cluster: Cluster) => {
  const statuses = await cluster.statuses();
  const sum = (read: (status: (typeof statuses)[number]) => number): number =>
    statuses.reduce((total, status) => total + read(status), 0);
  return {
    accepted: sum(({ ordersAccepted }) => ordersAccepted),
    refused: sum(({ ordersRefused }) => ordersRefused),
    batches: sum(({ batches }) => batches),
    grants: await cluster.metric(GRANTS),
  };
};

/** CPU seconds until now by process. */
const cpuOf = ({ processes }: Cluster): Readonly<Record<string, number>> =>
  Object.fromEntries(processes.map((child) => [child.name, child.cpuSeconds()]));

const sumOf = (seconds: Readonly<Record<string, number>>): number =>
  Object.values(seconds).reduce((sum, one) => sum + one, 0);

const problemsOf = (what: string, { refused, lost }: Load): readonly string[] => [
  ...(refused > 0 ? [`${what}: ${refused} answers were no 201`] : []),
  ...(lost > 0 ? [`${what}: ${lost} answers did not come`] : []),
];

/** Each answer is one accepted order; what was under way at the end may be accepted beyond. */
const acceptedProblems = (measured: Load, accepted: number, connections: number): string[] => {
  const beyond = accepted - measured.requests;
  if (beyond >= 0 && beyond <= connections) return [];
  return [`${measured.requests} answers, but the shards accepted ${accepted} orders`];
};
