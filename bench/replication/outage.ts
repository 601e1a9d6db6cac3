/** A broker that is dead: what acks notice of it, and how fast its backlog is worked off. */
import { type OpenLoopResult, runOpenLoop } from "../load/open-loop.ts";
import { makeTemplates } from "../load/orders.ts";
import { say } from "../support/options.ts";
import { fixed, type Table, whole } from "../support/report.ts";
import { median } from "../support/statistics.ts";
import type { RunningSystem } from "../system/system.ts";
import { killBroker, type Stage, startBroker, withReplicated } from "./stage.ts";

export interface OutageRun {
  readonly perSecond: number;
  readonly outageSeconds: number;
  /** Records that waited when the broker was back. */
  readonly backlog: number;
  /** Until central had all, while orders went on coming. */
  readonly catchUpSeconds: number;
  /** Records a second that reached central meanwhile ÷ orders a second that came. */
  readonly ratio: number;
  readonly problems: readonly string[];
}

const LOOK_MS = 100;
/** Beyond this the run is given up. */
const CATCH_UP_MS_MAX = 300_000;

export const measureOutage = (stage: Stage, perSecond: number): Promise<OutageRun> =>
  withReplicated(stage, async (system) => {
    const { options } = stage;
    const outageSeconds = options.longSeconds;
    const intake = new EndlessLoad(stage, system, perSecond);
    await Bun.sleep(options.warmUpSeconds * 1000);
    await killBroker(stage);
    await Bun.sleep(outageSeconds * 1000);
    await startBroker(stage);
    const start = performance.now();
    const before = await system.shardStatus();
    const backlog = before.central.lagRecords;
    for (;;) {
      const { central } = await system.shardStatus();
      if (central.lagRecords < perSecond) break;
      if (performance.now() - start > CATCH_UP_MS_MAX) break;
      await Bun.sleep(LOOK_MS);
    }
    const catchUpSeconds = (performance.now() - start) / 1000;
    const after = await system.shardStatus();
    const problems = await intake.stop();
    const carried = after.commitSeq - before.commitSeq + backlog - after.central.lagRecords;
    const ratio = carried / catchUpSeconds / perSecond;
    say(`outage: ${whole(backlog)} records caught up in ${fixed(catchUpSeconds, 1)} s`);
    return { perSecond, outageSeconds, backlog, catchUpSeconds, ratio, problems };
  });

const SLICE_SECONDS = 5;

/** Open-loop load, slice after slice, until stopped. */
class EndlessLoad {
  readonly #results: OpenLoopResult[] = [];
  readonly #running: Promise<void>;
  #isStopped = false;

  constructor(stage: Stage, system: RunningSystem, perSecond: number) {
    this.#running = this.#run(stage, system, perSecond);
  }

  async #run(stage: Stage, system: RunningSystem, perSecond: number): Promise<void> {
    while (!this.#isStopped) {
      this.#results.push(await slice(stage, system, perSecond, SLICE_SECONDS, 0));
    }
  }

  async stop(): Promise<readonly string[]> {
    this.#isStopped = true;
    await this.#running;
    return problemsOf(this.#results);
  }
}

const slice = (
  stage: Stage,
  { port }: RunningSystem,
  perSecond: number,
  seconds: number,
  warmUpSeconds: number,
): Promise<OpenLoopResult> => {
  const { connections } = stage.options;
  const templates = makeTemplates(stage.accounts, port);
  return runOpenLoop(
    { port, connections, perSecond, seconds, warmUpSeconds, templates },
    stage.folder,
  );
};

const problemsOf = (results: readonly OpenLoopResult[]): readonly string[] => {
  const refused = results.reduce((sum, one) => sum + one.refused, 0);
  const lost = results.reduce((sum, one) => sum + one.lost, 0);
  return [
    ...(refused > 0 ? [`${refused} answers were no 201`] : []),
    ...(lost > 0 ? [`${lost} answers did not come`] : []),
  ];
};

export interface DeadBrokerPair {
  readonly alive: OpenLoopResult;
  readonly dead: OpenLoopResult;
  /** p50 while it is dead ÷ p50 while it is alive. */
  readonly ratio: number;
}

export const measureDeadBroker = (
  stage: Stage,
  perSecond: number,
): Promise<readonly DeadBrokerPair[]> =>
  withReplicated(stage, async (system) => {
    const { rounds, seconds, warmUpSeconds } = stage.options;
    const pairs: DeadBrokerPair[] = [];
    for (let round = 1; round <= rounds; round++) {
      const alive = await slice(stage, system, perSecond, seconds, warmUpSeconds);
      await killBroker(stage);
      const dead = await slice(stage, system, perSecond, seconds, warmUpSeconds);
      await startBroker(stage);
      await system.untilCentralHasAll();
      const ratio = dead.latencyMs.p50 / alive.latencyMs.p50;
      pairs.push({ alive, dead, ratio });
      say(
        `${round}: p50 ${fixed(alive.latencyMs.p50, 2)} ms, ` +
          `with a dead broker ${fixed(dead.latencyMs.p50, 2)}, ratio ${fixed(ratio, 2)}`,
      );
    }
    return pairs;
  });

export const outageTable = (run: OutageRun): Table => ({
  columns: ["outage", "orders/s", "backlog", "caught up s", "carried ÷ came"],
  rows: [
    [
      `${run.outageSeconds} s without a broker`,
      whole(run.perSecond),
      whole(run.backlog),
      fixed(run.catchUpSeconds, 1),
      fixed(run.ratio, 2),
    ],
  ],
});

export const deadBrokerTable = (pairs: readonly DeadBrokerPair[]): Table => ({
  columns: ["dead broker", "p50 alive ms", "p50 dead ms", "ratio", "(each pair)"],
  rows: [
    [
      `${whole(pairs[0]?.alive.scheduledPerSecond ?? 0)} orders/s`,
      fixed(median(pairs.map(({ alive }) => alive.latencyMs.p50)), 2),
      fixed(median(pairs.map(({ dead }) => dead.latencyMs.p50)), 2),
      fixed(median(pairs.map(({ ratio }) => ratio)), 2),
      pairs.map(({ ratio }) => fixed(ratio, 2)).join(" "),
    ],
  ],
});
