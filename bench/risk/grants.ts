/**
 * How long an order takes that has to wait for a grant: the first one of an account on a shard that
 * is not its home, among plain orders at a moderate rate. Open loop.
 */
import type { AccountId } from "../../shards/domain/brands.ts";
import { homeShardOf } from "../../shards/protocol/home-shard.ts";
import { generatorProblems, type OpenLoopResult, runOpenLoop } from "../load/open-loop.ts";
import { say } from "../support/options.ts";
import { fixed, whole } from "../support/report.ts";
import { deposit, makeTraders, type Trader } from "./accounts.ts";
import { MARKETS, type Market, orderAt, SHARD_MAP, shardOfMarket } from "./market.ts";
import { type OneOrder, templatesOf } from "./requests.ts";
import { type Bench, countsOf } from "./systems.ts";

export interface GrantRound {
  readonly kind: "grant";
  readonly round: number;
  readonly result: OpenLoopResult;
  /** Requests that banks answered while it ran, and orders that had to wait for one. */
  readonly grants: number;
  readonly waited: number;
  readonly invalid: readonly string[];
}

/** Every so many-th order waits. */
const WAITS_EVERY = 10;
/** Beyond what is due: an open-loop run may send a few more. */
const SPARE = 1.02;
const WARM_UP_SECONDS = 1;
const FIRST_FRESH_ACCOUNT = 10_000_001;
/** Of the orders that were to wait, at least so many must have; the rest is the generator's edge. */
const WAITED_MIN = 0.98;

export const measureGrants = async (bench: Bench, round: number): Promise<GrantRound> => {
  const { options, folder, systems } = bench;
  const { cluster } = systems.margin;
  const { perSecond, seconds, connections } = options;
  const count = Math.ceil(perSecond * (seconds + WARM_UP_SECONDS) * SPARE);
  const freshCount = Math.ceil(count / WAITS_EVERY);
  const first = FIRST_FRESH_ACCOUNT + (round - 1) * freshCount;
  const fresh = await makeTraders(first, freshCount);
  const markets = fresh.map(({ accountId }) => marketAwayFromHome(accountId));
  await deposit(
    cluster,
    fresh.map(({ accountId }, i) => ({
      accountId,
      asset: (markets[i] as Market).instrument.marginAsset,
    })),
  );
  await cluster.untilQuiet();
  const templates = templatesOf(cluster.port, ordersOf(bench, count, fresh, markets));
  const before = await countsOf(cluster);
  const result = await runOpenLoop(
    {
      port: cluster.port,
      connections,
      perSecond,
      seconds,
      warmUpSeconds: WARM_UP_SECONDS,
      templates,
    },
    folder,
  );
  await cluster.untilQuiet();
  const after = await countsOf(cluster);
  const grants = after.grants - before.grants;
  const waited = Math.floor((after.accepted - before.accepted) / WAITS_EVERY);
  const { grant, plain } = result.groups;
  say(
    `grants ${round}: p50 ${fixed(grant?.p50 ?? Number.NaN, 1)} ms with a grant on the way, ` +
      `${fixed(plain?.p50 ?? Number.NaN, 1)} without, at ${whole(perSecond)}/s`,
  );
  return {
    kind: "grant",
    round,
    result,
    grants,
    waited,
    invalid: problemsOf(result, grants, waited),
  };
};

/** One order in {@link WAITS_EVERY} is a fresh account's. */
const ordersOf = (
  { traders, systems: { margin } }: Bench,
  count: number,
  fresh: readonly Trader[],
  markets: readonly Market[],
): readonly OneOrder[] =>
  Array.from({ length: count }, (_, i) => {
    const waits = i % WAITS_EVERY === 0;
    if (waits) {
      const place = i / WAITS_EVERY;
      const { token } = fresh[place] as Trader;
      return { token, market: markets[place] as Market, side: "BUY", group: "grant" };
    }
    const turn = margin.sent++;
    const account = turn % traders.length;
    const pass = Math.floor(turn / traders.length);
    const { token } = traders[account] as Trader;
    return { token, ...orderAt(account, pass), group: "plain" };
  });

const marketAwayFromHome = (accountId: AccountId): Market => {
  const home = SHARD_MAP.shards.indexOf(homeShardOf(accountId, SHARD_MAP.shards));
  const away = MARKETS.filter((market) => shardOfMarket(market) !== home);
  return away[accountId % away.length] as Market;
};

const problemsOf = (result: OpenLoopResult, grants: number, waited: number): readonly string[] => [
  ...(result.refused > 0 ? [`grants: ${result.refused} answers were no 201`] : []),
  ...(result.lost > 0 ? [`grants: ${result.lost} answers did not come`] : []),
  ...generatorProblems("grants", result),
  ...(grants < WAITED_MIN * waited
    ? [`grants: banks answered ${grants} requests for ${waited} orders that were to wait`]
    : []),
];
