/** Durable acknowledgements a second against the bare echo's answers, in turns. */
import { type Load, runLoad, runWrkSource } from "../load/load.ts";
import { say } from "../support/options.ts";
import { fixed, whole } from "../support/report.ts";
import {
  type Bench,
  type EntrySystem,
  type OrdersBench,
  PATIENT,
  withSystem,
} from "./entry-system.ts";
import type { Part, Row } from "./options.ts";
import { entrySource, entryTemplates } from "./requests.ts";

export interface RateRound {
  readonly part: Part;
  readonly row: Row;
  readonly round: number;
  /** The same requests: of a batch as of a single order one answer each. */
  readonly echo: Load;
  readonly orders: Load;
  readonly ordersPerSecond: number;
  /** Orders a second ÷ the echo's answers a second × what was carried on. */
  readonly ratio: number;
  /** Of the orders, carried on to central when the load ended; 1 without replication. */
  readonly carriedShare: number;
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

export const measureRate = (
  bench: Bench,
  part: Part,
  row: Row,
  round: number,
): Promise<RateRound> =>
  withSystem(bench, row, PATIENT, async (system) => {
    const echo = await loadEcho(bench, row);
    const run = await loadOrders(bench, system, row);
    const ordersPerSecond = run.load.perSecond * row.batch;
    const ratio = (ordersPerSecond / echo.load.perSecond) * run.carriedShare;
    say(
      `${part} ${round}: ${whole(ordersPerSecond)} orders/s, ` +
        `echo ${whole(echo.load.perSecond)}/s, ratio ${fixed(ratio, 3)}`,
    );
    return {
      part,
      row,
      round,
      echo: echo.load,
      orders: run.load,
      ordersPerSecond,
      ratio,
      carriedShare: run.carriedShare,
      invalid: [...lossesOf("echo", echo.load), ...run.problems],
      echoCpuUs: echo.cpuUs,
      orderCpuUs: run.cpuUs,
      batchMean: run.batchMean,
      lagRecords: run.lagRecords,
      catchUpMs: run.catchUpMs,
    };
  });

/** One measured run of orders on a new system, with nothing beside it. */
export const measureOrders = (bench: OrdersBench, row: Row): Promise<OrdersRun> =>
  withSystem(bench, row, PATIENT, (system) => loadOrders(bench, system, row));

export interface LoadRun {
  readonly port: number;
  readonly row: Pick<Row, "connections" | "batch" | "ack">;
  readonly seconds: number;
  /** Look at every answer; for warm-ups, because it slows the generator down. */
  readonly check: boolean;
  /** Requests of earlier runs. */
  readonly first: number;
}

/** The closed loop. */
export const runEntryLoad = (bench: OrdersBench, run: LoadRun): Promise<Load> => {
  const { folder, tokensFile, generator } = bench;
  const { port, row, seconds, check, first } = run;
  const { connections, batch, ack } = row;
  const options = { port, connections, seconds, check, folder };
  return generator === "wrk"
    ? runWrkSource(options, entrySource({ port, batch, ack, tokensFile, first }))
    : runLoad(generator, { ...options, templates: entryTemplates(bench.traders, port, ack) });
};

/** The same on a system, which remembers whose turn it is. */
export const loadSystem = async (
  bench: OrdersBench,
  system: EntrySystem,
  run: Pick<LoadRun, "row" | "seconds" | "check">,
): Promise<Load> => {
  const load = await runEntryLoad(bench, { ...run, port: system.port, first: system.sent });
  system.sent += load.requests + run.row.connections;
  return load;
};

const lossesOf = (side: string, { lost }: Load): readonly string[] =>
  lost > 0 ? [`${side}: ${lost} answers did not come`] : [];

const problemsOf = (side: string, load: Load): readonly string[] => [
  ...(load.refused > 0 ? [`${side}: ${load.refused} were answered with no 201`] : []),
  ...lossesOf(side, load),
];

const loadEcho = async (bench: Bench, row: Row) => {
  const { echo, options } = bench;
  const run = { port: echo.port, row, check: false, first: 0 };
  const before = echo.cpuSeconds();
  const load = await runEntryLoad(bench, { ...run, seconds: options.seconds });
  const cpuUs = perAnswer(load, { echo: echo.cpuSeconds() - before });
  return { load, cpuUs };
};

export interface OrdersRun {
  readonly load: Load;
  /** Why it does not count; empty when it does. */
  readonly problems: readonly string[];
  /** Microseconds of CPU time for each answer, by process, the generator's too. */
  readonly cpuUs: Readonly<Record<string, number>>;
  readonly batchMean: number;
  readonly carriedShare: number;
  readonly lagRecords: number | null;
  readonly catchUpMs: number | null;
}

const loadOrders = async (
  bench: OrdersBench,
  system: EntrySystem,
  row: Row,
): Promise<OrdersRun> => {
  const { seconds, warmUpSeconds } = bench.options;
  const warmUp = await loadSystem(bench, system, { row, seconds: warmUpSeconds, check: true });
  await system.untilQuiet();
  const before = await countsOf(system);
  const cpuBefore = cpuOf(system);
  const load = await loadSystem(bench, system, { row, seconds, check: false });
  const cpu = Object.entries(cpuOf(system)).map(([name, one]) => [
    name,
    one - (cpuBefore[name] ?? 0),
  ]);
  const { lagRecords, commitSeq } = await countsOf(system);
  const start = performance.now();
  await system.untilQuiet();
  const catchUpMs = performance.now() - start;
  const after = await countsOf(system);
  const isReplicated = row.replication !== "off";
  const accepted = after.accepted - before.accepted;
  return {
    load,
    problems: [
      ...problemsOf("warm-up", warmUp),
      ...problemsOf("orders", load),
      ...acceptedProblems({ answers: load.requests, accepted, ...row }),
      ...(after.refused > 0 ? [`the shard refused ${after.refused} orders`] : []),
    ],
    cpuUs: perAnswer(load, Object.fromEntries(cpu)),
    batchMean: accepted / (after.batches - before.batches),
    carriedShare: isReplicated ? 1 - lagRecords / (commitSeq - before.commitSeq) : 1,
    lagRecords: isReplicated ? lagRecords : null,
    catchUpMs: isReplicated ? catchUpMs : null,
  };
};

export interface Accepted {
  /** Answers of the generator, each for `batch` orders. */
  readonly answers: number;
  readonly batch: number;
  /** Orders that the shard accepted meanwhile. */
  readonly accepted: number;
  readonly connections: number;
}

/** Each answer stands for its orders; what was under way at the end may be accepted beyond. */
export const acceptedProblems = ({
  answers,
  batch,
  accepted,
  connections,
}: Accepted): readonly string[] => {
  const beyond = accepted - answers * batch;
  if (beyond >= 0 && beyond <= connections * batch) return [];
  const orders = batch === 1 ? "" : ` for ${batch} orders each`;
  return [`${answers} answers${orders}, but the shard accepted ${accepted} orders`];
};

/** CPU seconds until now by process; the only shard has no number. */
export const cpuOf = ({ processes }: EntrySystem): Readonly<Record<string, number>> =>
  Object.fromEntries(
    processes.map((child) => [child.name.replace(/^shard1$/, "shard"), child.cpuSeconds()]),
  );

/** Of the only shard. */
export const countsOf = async (system: EntrySystem) => {
  const [status] = await system.statuses();
  if (status === undefined) throw new Error("the api knows no shard");
  const { ordersAccepted, ordersRefused, batches, commitSeq, central } = status;
  return {
    accepted: ordersAccepted,
    refused: ordersRefused,
    batches,
    commitSeq,
    lagRecords: central.lagRecords,
  };
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
