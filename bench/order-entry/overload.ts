/** Far more clients than the shard's queue has room for: what is shed, and what becomes of the rest. */
import type { Load } from "../load/load.ts";
import type { Probes } from "../load/probe.ts";
import { say } from "../support/options.ts";
import { fixed, type Headline, type Table, whole } from "../support/report.ts";
import { median } from "../support/statistics.ts";
import { type Bench, type EntrySystem, withSystem } from "./entry-system.ts";
import { OVERLOAD } from "./options.ts";
import { prepareCancels, probeOrders } from "./probers.ts";
import { loadSystem } from "./rate.ts";

export interface OverloadRound {
  readonly round: number;
  /** The same system with the base case's connections, orders a second. */
  readonly best: number;
  readonly load: Load;
  readonly accepted: number;
  /** Of all answers. */
  readonly shedShare: number;
  /** accepted ÷ best. */
  readonly acceptedShare: number;
  /** Orders and cancels of other clients beside the load. */
  readonly orders: Probes;
  readonly cancels: Probes;
  /** Answers that were neither a 201 nor a 503, and answers that did not come. */
  readonly indefinite: number;
  readonly invalid: readonly string[];
}

const ORDERS_PER_SECOND = 200;
const CANCELS_PER_SECOND = 100;
/** The probes are under way when it is over, so the load goes on longer than they do. */
const LEAD_SECONDS = 1;
/** More than that is not noise. */
const BEST_TIMES_MAX = 1.1;
/** The product's own default. */
const BATCH_ORDERS_MAX = 1024;

/** The product wants room for one batch in the queue. */
export const overloadSettings = ({ options }: Pick<Bench, "options">) => {
  const queueMax = options.settings.SLUICE_SHARD_INTAKE_QUEUE_MAX ?? String(OVERLOAD.queueMax);
  return {
    SLUICE_SHARD_INTAKE_QUEUE_MAX: queueMax,
    SLUICE_SHARD_BATCH_ORDERS_MAX: String(Math.min(BATCH_ORDERS_MAX, Number(queueMax))),
  };
};

export const measureOverload = async (bench: Bench): Promise<readonly OverloadRound[]> => {
  const { options } = bench;
  const settings = overloadSettings(bench);
  const rounds: OverloadRound[] = [];
  for (let round = 1; round <= options.rounds; round++) {
    rounds.push(
      await withSystem(bench, options.base, settings, (system) => overload(bench, system, round)),
    );
  }
  return rounds;
};

const overload = async (
  bench: Bench,
  system: EntrySystem,
  round: number,
): Promise<OverloadRound> => {
  const { base, seconds, warmUpSeconds } = bench.options;
  const crowd = { ...base, connections: OVERLOAD.connections };
  await loadSystem(bench, system, { row: base, seconds: warmUpSeconds, check: false });
  const calm = await loadSystem(bench, system, { row: base, seconds, check: false });
  const warmUp = await loadSystem(bench, system, {
    row: crowd,
    seconds: warmUpSeconds,
    check: true,
  });
  await system.untilQuiet();
  const timing = { perSecond: ORDERS_PER_SECOND, warmUpSeconds: LEAD_SECONDS, seconds };
  const startCancels = await prepareCancels(bench, system, {
    ...timing,
    perSecond: CANCELS_PER_SECOND,
  });
  const loadSeconds = seconds + 2 * LEAD_SECONDS;
  const [load, orders, cancels] = await Promise.all([
    loadSystem(bench, system, { row: crowd, seconds: loadSeconds, check: false }),
    probeOrders(bench, system, timing),
    startCancels(),
  ]);
  const best = (calm.requests - calm.refused) / calm.seconds;
  const accepted = (load.requests - load.refused) / load.seconds;
  const shedShare = load.refused / load.requests;
  const invalid = [
    ...(shedShare < OVERLOAD.shedShareMin
      ? [`${fixed(shedShare * 100, 0)} % were shed: lower SLUICE_SHARD_INTAKE_QUEUE_MAX`]
      : []),
    ...(accepted > BEST_TIMES_MAX * best
      ? [`${whole(accepted)}/s were accepted, so ${whole(best)}/s was not the best: warm up longer`]
      : []),
  ];
  say(
    `overload ${round}: ${whole(accepted)} accepted/s of ${whole(best)}, ` +
      `${fixed(shedShare * 100, 0)} % shed, p99 ${fixed(orders.latencyMs.p99, 0)} ms, ` +
      `cancels ${fixed(cancels.latencyMs.p99, 0)} ms`,
  );
  return {
    round,
    best,
    load,
    accepted,
    shedShare,
    acceptedShare: accepted / best,
    orders,
    cancels,
    indefinite: warmUp.refused - warmUp.shed + warmUp.lost + load.lost + indefiniteOf(orders),
    invalid,
  };
};

const indefiniteOf = ({ answers, statuses, lost }: Probes): number =>
  answers - (statuses[201] ?? 0) - (statuses[503] ?? 0) + lost;

const medians = (rounds: readonly OverloadRound[]) => {
  const of = (read: (round: OverloadRound) => number): number => median(rounds.map(read));
  return {
    best: of(({ best }) => best),
    accepted: of(({ accepted }) => accepted),
    acceptedShare: of(({ acceptedShare }) => acceptedShare),
    shedShare: of(({ shedShare }) => shedShare),
    p50: of(({ orders }) => orders.latencyMs.p50),
    p99: of(({ orders }) => orders.latencyMs.p99),
    cancelP50: of(({ cancels }) => cancels.latencyMs.p50),
    cancelP99: of(({ cancels }) => cancels.latencyMs.p99),
    cancelShedShare: of(({ cancels }) => 1 - (cancels.statuses[200] ?? 0) / cancels.answers),
    indefinite: rounds.reduce((sum, { indefinite }) => sum + indefinite, 0),
  };
};

export const overloadHeadlines = (all: readonly OverloadRound[]): readonly Headline[] => {
  const rounds = all.filter(({ invalid }) => invalid.length === 0);
  const m = medians(rounds);
  const verdict = (value: number, met: boolean): boolean | null =>
    Number.isNaN(value) || rounds.length === 0 ? null : met;
  return [
    {
      value: fixed(m.acceptedShare, 2),
      what: `of the best rate is accepted while ${fixed(m.shedShare * 100, 0)} % are shed`,
      target: `above ${OVERLOAD.acceptedShareMin}`,
      met: verdict(m.acceptedShare, m.acceptedShare > OVERLOAD.acceptedShareMin),
    },
    {
      value: `${fixed(m.p99, 0)} ms`,
      what: "p99 of accepted orders in overload",
      target: `under ${OVERLOAD.acceptedMsMax} ms`,
      met: verdict(m.p99, m.p99 < OVERLOAD.acceptedMsMax),
    },
    {
      value: `${m.indefinite}`,
      what: "answers in overload that were neither a 201 nor a definite 503",
      target: "none",
      met: verdict(m.indefinite, m.indefinite === 0),
    },
    {
      value: `${fixed(m.cancelP99, 0)} ms`,
      what: `p99 of cancels in overload, ${fixed(m.cancelShedShare * 100, 1)} % of them refused`,
      target: `under half of the accepted orders' ${fixed(m.p99, 0)} ms, none refused`,
      met: verdict(
        m.cancelP99,
        m.cancelP99 < OVERLOAD.cancelShareMax * m.p99 && m.cancelShedShare === 0,
      ),
    },
  ];
};

export const overloadTable = (rounds: readonly OverloadRound[]): Table => {
  const m = medians(rounds);
  return {
    columns: [
      "overload, ms",
      "best/s",
      "accepted/s",
      "shed",
      "p50",
      "p99",
      "cancels p50",
      "cancels p99",
      "cancels refused",
      "neither 201 nor 503",
    ],
    rows: [
      [
        `${OVERLOAD.connections} connections`,
        whole(m.best),
        whole(m.accepted),
        `${fixed(m.shedShare * 100, 0)} %`,
        fixed(m.p50, 1),
        fixed(m.p99, 1),
        fixed(m.cancelP50, 1),
        fixed(m.cancelP99, 1),
        `${fixed(m.cancelShedShare * 100, 1)} %`,
        m.indefinite,
      ],
    ],
  };
};
