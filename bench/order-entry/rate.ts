/** Durable acknowledgements a second against the bare echo's answers, in turns. */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type GeneratorName, type Load, runLoad } from "../load/load.ts";
import { type Account, makeTemplates } from "../load/orders.ts";
import { say } from "../support/options.ts";
import { fixed, whole } from "../support/report.ts";
import type { Child } from "../system/child.ts";
import { type RunningSystem, startSystem } from "../system/system.ts";
import type { OrderEntryOptions, Part } from "./options.ts";

export interface Bench {
  readonly options: OrderEntryOptions;
  readonly generator: GeneratorName;
  readonly accounts: readonly Account[];
  readonly echo: Child;
  readonly folder: string;
  /** Where profiles go. */
  readonly profileFolder: string;
}

export interface RateRound {
  readonly part: Part;
  readonly round: number;
  readonly echo: Load;
  readonly orders: Load;
  /** orders ÷ echo. */
  readonly ratio: number;
  /** Why the round does not count; empty when it does. */
  readonly invalid: readonly string[];
  /** Microseconds of CPU time for each answer, by process. */
  readonly echoCpuUs: Readonly<Record<string, number>>;
  readonly orderCpuUs: Readonly<Record<string, number>>;
  readonly batchMean: number;
  /** Records that central lacked when the load ended, and the time until it had them. */
  readonly lagRecords: number | null;
  readonly catchUpMs: number | null;
}

/** What a run of orders needs: all but the echo. */
export type OrdersBench = Omit<Bench, "echo">;

/** A new system each round, so that no round inherits another's open orders and files. */
export const withSystem = async <T>(
  bench: OrdersBench,
  part: Part,
  work: (system: RunningSystem) => Promise<T>,
): Promise<T> => {
  const { options, profileFolder } = bench;
  const folder = mkdtempSync(join(bench.folder, `${part}-`));
  const system = await startSystem({
    folder,
    replicated: part === "replicated",
    binary: options.binary,
    settings: options.settings,
    profile:
      options.cpuProf === undefined
        ? undefined
        : { process: options.cpuProf, folder: profileFolder },
  });
  try {
    return await work(system);
  } finally {
    await system.stop();
    rmSync(folder, { recursive: true, force: true });
  }
};

export const measureRate = (bench: Bench, part: Part, round: number): Promise<RateRound> =>
  withSystem(bench, part, async (system) => {
    const echo = await loadEcho(bench);
    const measured = await loadOrders(bench, system, part);
    const ratio = measured.load.perSecond / echo.load.perSecond;
    say(
      `${part} ${round}: ${whole(measured.load.perSecond)} orders/s, ` +
        `echo ${whole(echo.load.perSecond)}/s, ratio ${fixed(ratio, 3)}`,
    );
    return {
      part,
      round,
      echo: echo.load,
      orders: measured.load,
      ratio,
      invalid: [...problemsOf("echo", echo.load), ...measured.problems],
      echoCpuUs: echo.cpuUs,
      orderCpuUs: measured.cpuUs,
      batchMean: measured.batchMean,
      lagRecords: measured.lagRecords,
      catchUpMs: measured.catchUpMs,
    };
  });

/** One measured run of orders on a new system, with nothing beside it. */
export const measureOrders = (bench: OrdersBench, part: Part): Promise<OrdersRun> =>
  withSystem(bench, part, (system) => loadOrders(bench, system, part));

const load = (bench: OrdersBench, port: number, seconds: number, check: boolean): Promise<Load> =>
  runLoad(bench.generator, {
    port,
    connections: bench.options.connections,
    seconds,
    templates: makeTemplates(bench.accounts, port),
    check,
    folder: bench.folder,
  });

const problemsOf = (side: string, { refused, lost }: Load): readonly string[] => [
  ...(refused > 0 ? [`${side}: ${refused} answers were no 201`] : []),
  ...(lost > 0 ? [`${side}: ${lost} answers did not come`] : []),
];

const loadEcho = async (bench: Bench) => {
  const { echo, options } = bench;
  await load(bench, echo.port, 1, false);
  const before = echo.cpuSeconds();
  const measured = await load(bench, echo.port, options.seconds, false);
  const cpuUs = perAnswer(measured, { echo: echo.cpuSeconds() - before });
  return { load: measured, cpuUs };
};

export interface OrdersRun {
  readonly load: Load;
  /** Why it does not count; empty when it does. */
  readonly problems: readonly string[];
  /** Microseconds of CPU time for each answer, by process, the generator's too. */
  readonly cpuUs: Readonly<Record<string, number>>;
  readonly batchMean: number;
  readonly lagRecords: number | null;
  readonly catchUpMs: number | null;
}

const loadOrders = async (
  bench: OrdersBench,
  system: RunningSystem,
  part: Part,
): Promise<OrdersRun> => {
  const { options } = bench;
  const { port, processes } = system;
  const warmUp = await load(bench, port, options.warmUpSeconds, true);
  await untilIdle(system);
  const before = await system.shardStatus();
  const cpuBefore = processes.map((child) => child.cpuSeconds());
  const measured = await load(bench, port, options.seconds, false);
  const cpu = processes.map((child, i) => [child.name, child.cpuSeconds() - (cpuBefore[i] ?? 0)]);
  const { central } = await system.shardStatus();
  const replicated = part === "replicated";
  const catchUpMs = replicated ? await system.untilCentralHasAll() : null;
  await untilIdle(system);
  const after = await system.shardStatus();
  const accepted = after.ordersAccepted - before.ordersAccepted;
  const problems = [
    ...problemsOf("warm-up", warmUp),
    ...problemsOf("orders", measured),
    ...acceptedProblems(measured, accepted, options.connections),
    ...(after.ordersRefused > 0 ? [`the shard refused ${after.ordersRefused} orders`] : []),
  ];
  return {
    load: measured,
    problems,
    cpuUs: perAnswer(measured, Object.fromEntries(cpu)),
    batchMean: accepted / (after.batches - before.batches),
    lagRecords: replicated ? central.lagRecords : null,
    catchUpMs,
  };
};

/** Each answer is one accepted order; what was under way at the end may be accepted beyond. */
const acceptedProblems = (measured: Load, accepted: number, connections: number): string[] => {
  const beyond = accepted - measured.requests;
  if (beyond >= 0 && beyond <= connections) return [];
  return [`${measured.requests} answers, but the shard accepted ${accepted} orders`];
};

const perAnswer = (
  measured: Load,
  cpuSeconds: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> => {
  const all = { generator: measured.generatorCpuSeconds, ...cpuSeconds };
  return Object.fromEntries(
    Object.entries(all).map(([name, seconds]) => [name, (seconds * 1e6) / measured.requests]),
  );
};

/** The generator is gone; what it had sent is still being committed. */
const untilIdle = async (system: RunningSystem): Promise<void> => {
  let last = -1;
  for (;;) {
    const { queue, commitSeq } = await system.shardStatus();
    if (queue === 0 && commitSeq === last) return;
    last = commitSeq;
    await Bun.sleep(50);
  }
};
