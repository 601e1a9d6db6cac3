/** What pre-trade risk costs: the rate, the stage `decide`, waits for grants, brackets. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../../shards/process/failure.ts";
import { detectGenerator, GENERATOR_NOTES } from "../load/load.ts";
import { ROOT } from "../support/machine.ts";
import { say } from "../support/options.ts";
import { type BenchReport, fixed, type Headline, whole } from "../support/report.ts";
import { median } from "../support/statistics.ts";
import { withWorkFolder } from "../support/work-folder.ts";
import { BENCH_SETTINGS } from "../system/system.ts";
import { riskCharts } from "./charts.ts";
import { measureGrants } from "./grants.ts";
import { MARKETS, SYMBOLS_EACH } from "./market.ts";
import { type RiskOptions, TARGETS } from "./options.ts";
import { measureBracket, measureRate } from "./rate.ts";
import { RISK_BENCH_SETTINGS, withSystems } from "./systems.ts";
import { type Found, tablesOf, valid } from "./tables.ts";
import { BATCH, measureWriter } from "./writer.ts";

export const benchRisk = (options: RiskOptions): Promise<BenchReport> =>
  withWorkFolder(async (folder) => {
    const generator = detectGenerator();
    if (generator !== "wrk") {
      throw new UsageError("wrk is not installed: no other generator speaks for so many accounts.");
    }
    say(GENERATOR_NOTES[generator]);
    const profileFolder = join(ROOT, ".sluice/bench/profiles");
    mkdirSync(profileFolder, { recursive: true });
    const writer = await measureWriter(options, folder);
    const measured = await withSystems(options, folder, profileFolder, async (bench) => {
      // One after the other: until the rates are measured both systems take the same orders.
      const rates = await inRounds(options, (round) => measureRate(bench, round));
      const grants = await inRounds(options, (round) => measureGrants(bench, round));
      const brackets = await inRounds(options, (round) => measureBracket(bench, round));
      return { rates, grants, brackets };
    });
    if (options.cpuProf !== undefined) say(`profiles are in ${profileFolder}`);
    return report(options, { writer, ...measured });
  });

const inRounds = async <R>(
  { rounds }: RiskOptions,
  measure: (round: number) => Promise<R>,
): Promise<readonly R[]> => {
  const found: R[] = [];
  for (let round = 1; round <= rounds; round++) found.push(await measure(round));
  return found;
};

const report = (options: RiskOptions, found: Found): BenchReport => {
  const { writer, rates, brackets, grants } = found;
  return {
    name: "risk",
    headlines: [rateHeadline(found), decideHeadline(found)],
    tables: tablesOf(found),
    charts: riskCharts(found),
    conditions: conditionsOf(options),
    warnings: [...rates, ...grants, ...brackets].flatMap(({ kind, round, invalid }) =>
      invalid.map((one) => `${kind}, round ${round} does not count: ${one}`),
    ),
    runs: [...writer, ...rates, ...grants, ...brackets],
  };
};

const rateHeadline = ({ rates }: Found): Headline => {
  const counted = valid(rates);
  const ratio = median(counted.map((round) => round.ratio));
  const perSecond = whole(median(counted.map(({ margin }) => margin.load.perSecond)));
  return {
    value: fixed(ratio, 2),
    what: `of the rate without risk, three shards, margin on (${perSecond} orders/s)`,
    target: `at least ${TARGETS.rateMin}`,
    met: Number.isNaN(ratio) ? null : ratio >= TARGETS.rateMin,
  };
};

const decideHeadline = ({ writer }: Found): Headline => {
  const p99 = median(writer.map(({ runs }) => runs.margin.decideP99Us));
  return {
    value: `${fixed(p99, 0)} µs`,
    what: `p99 of the stage decide for one order (its batch's mean), margin on, batches of ${BATCH}`,
    target: `under ${TARGETS.decideUsMax} µs`,
    met: p99 < TARGETS.decideUsMax,
  };
};

const conditionsOf = (options: RiskOptions) => ({
  generator: GENERATOR_NOTES.wrk,
  connections: options.connections,
  rounds: options.rounds,
  seconds: options.seconds,
  warmUpSeconds: options.warmUpSeconds,
  quick: options.quick,
  program: options.binary ?? "bun app/main.ts",
  accounts: options.accounts,
  symbols: MARKETS.length,
  symbolsOfAnAccount: SYMBOLS_EACH,
  order:
    "LIMIT GTC, buys and sells in turns a little off the mark, unique clientOrderId, HS256 token of its account",
  system:
    "api, three shards, applier on this machine, records replicated to the embedded central; one system with margin and one without run all the time, one of them under load; before each run central has everything",
  before:
    "deposits in each asset that an account trades; one order of each account in each of its symbols",
  grants: `open loop at ${options.perSecond}/s; every tenth order is a new account's first one, on a shard that is not its home`,
  writer: `Writer and ShardStore in this process, a file each, batches of ${BATCH}, FULL sync; decide is the batch's mean for one order, as Server-Timing says it`,
  settings: { ...BENCH_SETTINGS, ...RISK_BENCH_SETTINGS, ...options.settings },
});
