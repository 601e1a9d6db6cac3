/** What the comparison found, for print and file. */
import { type BenchReport, fixed, type Headline, whole } from "../support/report.ts";
import { BENCH_SETTINGS } from "../system/system.ts";
import type { Ground } from "./contestant.ts";
import { type Found, medianOf, runsWith, timesOf } from "./found.ts";
import {
  type Generator,
  K6_MISSING,
  PACED_PER_SECOND,
  PACED_USERS,
  PUBLISHED_MACHINES,
  USERS,
  VERSUS_TARGETS,
} from "./options.ts";
import { MARKETS } from "./scenario.ts";
import { chartsOf, tablesOf } from "./tables.ts";

export const reportOf = (
  ground: Ground,
  found: Found,
  warnings: readonly string[],
): BenchReport => {
  const hasK6 = found.closed.some(({ load }) => load.generator === "k6");
  return {
    name: "versus",
    headlines: [
      timesHeadline(found, "wrk"),
      p95Headline(found),
      ...(hasK6 ? [timesHeadline(found, "k6")] : []),
      pacedHeadline(found),
    ],
    tables: tablesOf(found),
    charts: chartsOf(found),
    conditions: conditionsOf(ground),
    warnings: [
      PUBLISHED_MACHINES,
      ...warnings,
      ...sharedWarning(found),
      ...(hasK6 ? [] : [K6_MISSING]),
      ...[...found.closed, ...found.oursAtBest, ...found.paced].flatMap(
        ({ name, load, users, problems }) =>
          problems.map((one) => `${name}, ${load.generator}, ${users} users: ${one}`),
      ),
    ],
    runs: [...found.closed, ...found.oursAtBest, ...found.paced],
  };
};

/** Of the machine; systems at rest and the kernel take some. */
const OTHERS_SHARE_MAX = 0.15;

const sharedWarning = ({ closed }: Found): readonly string[] => {
  const most = Math.max(...closed.map(({ othersShare }) => othersShare ?? 0));
  if (most <= OTHERS_SHARE_MAX) return [];
  return [
    `other programs took up to ${fixed(100 * most, 0)} % of the machine's CPU time during a run: ` +
      "nothing here is to be quoted",
  ];
};

const timesHeadline = (found: Found, generator: Generator): Headline => {
  const [users] = USERS;
  const among = runsWith(found, generator, users);
  const ours = [...among.values()].flat().filter(({ isOurs }) => isOurs);
  const times = timesOf(ours, among);
  const { least, aim } = VERSUS_TARGETS.times[generator];
  const isValid = found.closed.every(({ isOurs, problems }) => !isOurs || problems.length === 0);
  return {
    value: `${fixed(times, 1)} ×`,
    what:
      `orders a second of the rebuilt predecessor's best, ${generator} with ${users} users ` +
      `(${whole(medianOf(ours, ({ perSecond }) => perSecond))}/s)`,
    target: `at least ${least}${aim > least ? `, aim ${aim}` : ""}`,
    met: isValid ? times >= least : null,
  };
};

const p95Headline = ({ best, oursAtBest }: Found): Headline => {
  const p95 = medianOf(oursAtBest, ({ load }) => load.latencyMs.p95);
  const share = p95 / best.p95Ms;
  return {
    value: fixed(share, 3),
    what:
      `P95 at the rebuilt predecessor's best rate, ${whole(best.perSecond)}/s, ÷ its own ` +
      `(${fixed(p95, 1)} ÷ ${fixed(best.p95Ms, 0)} ms)`,
    target: `at most ${VERSUS_TARGETS.p95Share}`,
    met: share <= VERSUS_TARGETS.p95Share,
  };
};

const pacedHeadline = ({ paced }: Found): Headline => {
  const p50 = medianOf(paced, ({ load }) => load.latencyMs.p50);
  const success = Math.min(...paced.map((run) => run.success));
  const { pacedMedianMs } = VERSUS_TARGETS;
  return {
    value: `${fixed(p50, 2)} ms`,
    what:
      `median at ${whole(PACED_PER_SECOND)} orders/s offered by ${PACED_USERS} users, ` +
      `success ${fixed(100 * success, 2)} %`,
    target: `100 % and under ${pacedMedianMs} ms`,
    met: success === 1 && p50 < pacedMedianMs,
  };
};

const conditionsOf = ({ options }: Ground) => ({
  scenario:
    "LIMIT GTC, buys and sells in turns a little off the mark, every fifth with take-profit and " +
    "stop-loss, a third of the orders to each shard of the predecessor's sharding map, unique " +
    "clientOrderId, HS256 token of its account; both systems get the same bytes but for the port",
  accounts: options.accounts,
  symbols: MARKETS.length,
  rounds: options.rounds,
  seconds: options.seconds,
  warmUpSeconds: options.warmUpSeconds,
  quick: options.quick,
  program: options.binary ?? "bun app/main.ts",
  success: "answered 201 and found in MySQL with the right content and children, of all requests",
  rate: "accepted orders a second; Sluice's times the share that MySQL had when the load ended",
  carriedOn: "share of what was accepted that the applier, or the consumers, had done by then",
  services:
    "one Kafka broker (acks all, no fsync per record), MySQL (every commit synced) and Redis on " +
    "this machine, the same for all, who run all the time; one of them is under load, in turns",
  sluice: "api, three shards, applier, ten partitions, risk margin, venue external, ack=local",
  rebuilt:
    "one api process, its consumers in another, 20 MySQL connections; Redis has every account and " +
    "instrument when a run begins",
  openLoop: "a request is due at its time and is counted from then",
  published: PUBLISHED_MACHINES,
  settings: { ...BENCH_SETTINGS, ...options.settings },
});
