/** One run on one system, and whether MySQL has what came of it. */
import { availableParallelism } from "node:os";
import type { StageSummary } from "../predecessor/profiler.ts";
import { busySeconds } from "../support/machine.ts";
import { say } from "../support/options.ts";
import { fixed, whole } from "../support/report.ts";
import type { Contestant, Ground } from "./contestant.ts";
import { type ClosedLoop, type Load, runClosedLoop, runPaced } from "./load.ts";
import { PACED_USERS } from "./options.ts";
import { readStored, type Stored } from "./stored.ts";

export interface About {
  /** From 1; the systems take turns in each. */
  readonly round: number;
  readonly users: number;
  /** That was offered; null in a closed loop. */
  readonly offeredPerSecond: number | null;
}

/** One run of one system. */
export interface Run extends About {
  readonly name: string;
  readonly isOurs: boolean;
  readonly load: Load;
  readonly stored: Stored;
  /** Accepted and found in MySQL with the right content, of all requests. */
  readonly success: number;
  /** Accepted orders a second; ours count only as far as MySQL had them when the load ended. */
  readonly perSecond: number;
  /** Of what was taken, the share that had come to its end when the load ended. */
  readonly doneShare: number;
  readonly catchUpMs: number;
  /** Microseconds of CPU time an order, by process and service, the generator's too. */
  readonly cpuUs: Readonly<Record<string, number>>;
  /** Of the machine's CPU time, what neither system, services nor generator took; null: not known. */
  readonly othersShare: number | null;
  /** Only of the rebuilt predecessor. */
  readonly stages: readonly StageSummary[];
  readonly statementsAnOrder: Readonly<Record<string, number>>;
  /** Why it does not count; empty when it does. */
  readonly problems: readonly string[];
}

const measured = async (
  ground: Ground,
  contestant: Contestant,
  about: About,
  work: () => Promise<Load>,
): Promise<Run> => {
  await contestant.untilQuiet();
  await contestant.fillCaches();
  await contestant.takeStages();
  const statementsBefore = await contestant.statements();
  const before = await contestant.progress();
  const cpuBefore = cpuOf(ground, contestant);
  const busyBefore = busySeconds();
  const startMs = performance.now();
  const load = await work();
  const tookSeconds = (performance.now() - startMs) / 1000;
  const busy = busySeconds() - busyBefore;
  const after = await contestant.progress();
  const cpuAfter = cpuOf(ground, contestant);
  const cpu = { generator: load.generatorCpuSeconds, ...difference(cpuBefore, cpuAfter) };
  const own = Object.values(cpu).reduce((sum, seconds) => sum + seconds, 0);
  const quietFrom = performance.now();
  await contestant.untilQuiet();
  const catchUpMs = performance.now() - quietFrom;
  const { sent } = contestant;
  const stored = await readStored(contestant.databaseUrl, ground.scenario, load, sent);
  contestant.sent += load.requests + load.lost + about.users;
  const doneShare = Math.min(1, (after.done - before.done) / (after.taken - before.taken));
  const accepted = load.requests - load.refused;
  const ordersTaken = Math.max(accepted, stored.right);
  const run: Run = {
    name: contestant.name,
    isOurs: contestant.isOurs,
    ...about,
    load,
    stored,
    success: Math.min(accepted, stored.right) / (load.requests + load.lost),
    perSecond: contestant.isOurs ? load.perSecond * doneShare : load.perSecond,
    doneShare,
    catchUpMs,
    cpuUs: perOrder(cpu, 1e6 / accepted),
    othersShare: ground.services.isOwn
      ? Math.max(0, busy - own) / (tookSeconds * availableParallelism())
      : null,
    stages: await contestant.takeStages(),
    statementsAnOrder: perOrder(
      difference(statementsBefore, await contestant.statements()),
      1 / ordersTaken,
    ),
    problems: problemsOf(load, stored, accepted),
  };
  say(
    `${run.name}, ${load.generator}, ${about.users} users: ${whole(run.perSecond)} orders/s, ` +
      `success ${fixed(100 * run.success, 2)} %, median ${fixed(load.latencyMs.p50, 1)} ms, ` +
      `P95 ${fixed(load.latencyMs.p95, 1)} ms`,
  );
  for (const problem of run.problems) say(`! ${problem}`);
  return run;
};

export const measureClosedLoop = (
  ground: Ground,
  contestant: Contestant,
  round: number,
  loop: ClosedLoop,
): Promise<Run> =>
  measured(ground, contestant, { round, users: loop.users, offeredPerSecond: null }, () =>
    runClosedLoop(targetOf(ground, contestant), loop),
  );

export const measurePaced = (
  ground: Ground,
  contestant: Contestant,
  round: number,
  perSecond: number,
): Promise<Run> =>
  measured(ground, contestant, { round, users: PACED_USERS, offeredPerSecond: perSecond }, () =>
    runPaced(targetOf(ground, contestant), perSecond, ground.options.seconds),
  );

/** Load that is not measured, with a look at each status. Gives what went wrong. */
export const warmUp = async (
  ground: Ground,
  contestant: Contestant,
  users: number,
  seconds: number,
): Promise<readonly string[]> => {
  const loop = { generator: "wrk", users, seconds, check: true } as const;
  const load = await runClosedLoop(targetOf(ground, contestant), loop);
  contestant.sent += load.requests + users;
  const { refused, requests, wrongStatus } = load;
  if (refused === 0) return [];
  const problem = `${contestant.name}, warm-up: ${refused} of ${requests} refused (${wrongStatus})`;
  say(`! ${problem}`);
  return [problem];
};

const targetOf = ({ scenario, folder }: Ground, { port, sent }: Contestant) => ({
  scenario,
  folder,
  port,
  sent,
});

/** CPU seconds until now by process; several of one name are one. */
const cpuOf = (
  { services }: Ground,
  { processes }: Contestant,
): Readonly<Record<string, number>> => {
  const found: Record<string, number> = { ...services.cpuSeconds() };
  for (const child of processes) {
    const name = child.name.replace(/\d+$/, "");
    found[name] = (found[name] ?? 0) + child.cpuSeconds();
  }
  return found;
};

const difference = (
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> =>
  Object.fromEntries(
    Object.entries(after).map(([name, value]) => [name, value - (before[name] ?? 0)]),
  );

const perOrder = (
  sums: Readonly<Record<string, number>>,
  factor: number,
): Readonly<Record<string, number>> =>
  Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, sum * factor]));

/** Requests may be accepted without their answer being seen, at the end; never the other way. */
const problemsOf = (load: Load, stored: Stored, accepted: number): readonly string[] => [
  ...(load.refused > 0 ? [`${load.refused} answers were no 201`] : []),
  ...(load.lost > 0 ? [`${load.lost} answers did not come`] : []),
  ...(stored.right < accepted ? [`${accepted} accepted, ${stored.right} found in MySQL`] : []),
  ...(stored.wrong > 0 ? [`${stored.wrong} rows are wrong: ${stored.example}`] : []),
];
