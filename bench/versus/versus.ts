/** The predecessor, rebuilt, and Sluice: one scenario, one set of services, in turns. */
import { UsageError } from "../../shards/process/failure.ts";
import { VARIANTS } from "../predecessor/predecessor.ts";
import { say } from "../support/options.ts";
import type { BenchReport } from "../support/report.ts";
import { withWorkFolder } from "../support/work-folder.ts";
import { type Contestant, type Ground, startOurs, startRebuilt } from "./contestant.ts";
import { bestOf, type Found } from "./found.ts";
import { measureClosedLoop, measurePaced, type Run, warmUp } from "./measure.ts";
import { GENERATORS, K6_MISSING, PACED_PER_SECOND, USERS, type VersusOptions } from "./options.ts";
import { reportOf } from "./report.ts";
import { Scenario } from "./scenario.ts";
import { startServices } from "./services.ts";

export const benchVersus = (options: VersusOptions): Promise<BenchReport> =>
  withWorkFolder(async (folder) => {
    if (Bun.which("wrk") === null) {
      throw new UsageError("wrk is not installed: it is in the package `wrk` of distributions.");
    }
    if (Bun.which("k6") === null) say(K6_MISSING);
    const services = await startServices();
    try {
      const scenario = await Scenario.make(options.accounts);
      return await onGround({ options, services, scenario, folder });
    } finally {
      await services.stop();
    }
  });

const onGround = async (ground: Ground): Promise<BenchReport> => {
  const started: Contestant[] = [];
  try {
    const rebuilt: Contestant[] = [];
    for (const variant of variantsOf(ground)) {
      rebuilt.push(await startRebuilt(ground, variant));
      started.push(...rebuilt.slice(-1));
    }
    say(`${ground.options.accounts} accounts get their deposits`);
    const ours = await startOurs(ground);
    started.push(ours);
    const warnings = await warmAll(ground, rebuilt, ours);
    return reportOf(ground, await measureAll(ground, rebuilt, ours), warnings);
  } finally {
    for (const contestant of started) await contestant.stop();
  }
};

/** A quick look takes the fastest state only. */
const variantsOf = ({ options: { quick } }: Ground) => (quick ? VARIANTS.slice(1, 2) : VARIANTS);

/** Of ours, until each account has placed its first order on each shard. Gives what went wrong. */
const warmAll = async (
  ground: Ground,
  rebuilt: readonly Contestant[],
  ours: Contestant,
): Promise<readonly string[]> => {
  const problems: string[] = [];
  const { warmUpSeconds, accounts } = ground.options;
  const [users] = USERS;
  for (const contestant of rebuilt) {
    problems.push(...(await warmUp(ground, contestant, users, warmUpSeconds)));
  }
  while (ours.sent < accounts * ground.scenario.sizes.symbols.length) {
    problems.push(...(await warmUp(ground, ours, users, warmUpSeconds)));
  }
  return problems;
};

const measureAll = async (
  ground: Ground,
  rebuilt: readonly Contestant[],
  ours: Contestant,
): Promise<Found> => {
  const { quick, rounds, seconds } = ground.options;
  const generators = GENERATORS.filter((generator) => Bun.which(generator) !== null);
  const closed: Run[] = [];
  for (let round = 1; round <= rounds; round++) {
    for (const generator of generators) {
      for (const users of quick ? USERS.slice(0, 1) : USERS) {
        const loop = { generator, users, seconds, check: false } as const;
        for (const one of [...rebuilt, ours]) {
          closed.push(await measureClosedLoop(ground, one, round, loop));
        }
      }
    }
  }
  const best = bestOf(closed);
  const oursAtBest: Run[] = [];
  const paced: Run[] = [];
  for (let round = 1; round <= rounds; round++) {
    const bestRate = Math.round(best.perSecond);
    oursAtBest.push(await measurePaced(ground, ours, round, bestRate));
    paced.push(await measurePaced(ground, ours, round, PACED_PER_SECOND));
  }
  return { closed, best, oursAtBest, paced };
};
