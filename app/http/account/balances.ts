/**
 * What an account has, and where. Its bank is on the home shard, what its orders and positions may
 * use is on every shard: the whole is only known when all have answered. They are read one beside
 * the other, not at one moment, so that money on its way may be seen on neither side for an instant.
 */
import { formatUnits, MONEY_SCALE } from "../../../shards/domain/decimal.ts";
import { type ShardAccount, shardAccountSchema } from "../../../shards/protocol/account.ts";
import type { Call } from "../call.ts";
import { withoutQuery } from "../operations/reference.ts";
import { bodiesOf, listBody, readAll } from "../orders/ask.ts";
import { plainProblem, problemReply, Reply } from "../reply.ts";
import type { Edge, Route } from "../route.ts";

export const balanceRoutes = (edge: Edge): readonly Route[] => [
  {
    method: "GET",
    path: "/v1/account",
    scope: "read",
    handle: withoutQuery((call) => readAccount(edge, call)),
  },
  {
    method: "GET",
    path: "/v1/positions",
    scope: "read",
    handle: withoutQuery((call) => listPositions(edge, call)),
  },
];

const readAccount = async (edge: Edge, call: Call): Promise<Reply> => {
  const accounts = await accountsOnShards(edge, call);
  if (accounts instanceof Reply) return accounts;
  const balances = balancesOf(accounts);
  if (balances.length === 0) {
    return problemReply(call.requestId, plainProblem("account_not_found"));
  }
  return new Reply(200, JSON.stringify({ accountId: String(call.accountId), balances }));
};

const listPositions = async (edge: Edge, call: Call): Promise<Reply> => {
  const { accountId } = call;
  const all = bodiesOf(await readAll(edge, call, { kind: "positions", accountId }));
  if ("problem" in all) return problemReply(call.requestId, all.problem);
  return new Reply(200, listBody(all.bodies, null));
};

/** What every shard knows of the call's account; the refusal names the shard that does not say. */
export const accountsOnShards = async (
  edge: Edge,
  call: Call,
): Promise<readonly ShardAccount[] | Reply> => {
  const { accountId } = call;
  const all = bodiesOf(await readAll(edge, call, { kind: "account", accountId }));
  if ("problem" in all) return problemReply(call.requestId, all.problem);
  return all.bodies.map((body) => shardAccountSchema.parse(JSON.parse(body)));
};

type Purse = ShardAccount["purses"][number];

/** One asset of an account over all shards. Money has 8 decimals. */
export interface Balance {
  readonly asset: string;
  /** What the bank owes the account: deposits less withdrawals, and what was realised. */
  readonly wallet: string;
  readonly usedByOrders: string;
  readonly usedByPositions: string;
  /** What new orders can have, from whatever shard. */
  readonly available: string;
  /** Granted by the bank and not yet on a shard, or given back and not yet at the bank. */
  readonly inTransit: string;
  readonly deposited: string;
  readonly withdrawn: string;
  readonly realised: string;
  /** What the bank has granted to no shard; below zero after losses beyond what was held. */
  readonly free: string;
  readonly shards: readonly ({ readonly shard: string } & Omit<Purse, "asset" | "outbox">)[];
}

/** By asset. */
export const balancesOf = (accounts: readonly ShardAccount[]): readonly Balance[] => {
  const assets = new Set(
    accounts.flatMap(({ purses, bank }) => [...purses, ...(bank ?? [])].map(({ asset }) => asset)),
  );
  return [...assets].sort().map((asset) => balanceOf(asset, accounts));
};

const NO_MONEY = formatUnits(0, MONEY_SCALE);
const EMPTY_BANK = {
  deposited: NO_MONEY,
  withdrawn: NO_MONEY,
  realised: NO_MONEY,
  granted: NO_MONEY,
  free: NO_MONEY,
  equity: NO_MONEY,
};

export const balanceOf = (asset: string, accounts: readonly ShardAccount[]): Balance => {
  const held = accounts.flatMap(({ shard, purses }) =>
    purses.filter((purse) => purse.asset === asset).map((purse) => ({ shard, purse })),
  );
  const bank =
    accounts.flatMap((one) => one.bank ?? []).find((one) => one.asset === asset) ?? EMPTY_BANK;
  const sum = (field: Exclude<keyof Purse, "asset">): bigint =>
    held.reduce((total, { purse }) => total + minorOf(purse[field]), 0n);
  return {
    asset,
    wallet: bank.equity,
    usedByOrders: moneyOf(sum("usedByOrders")),
    usedByPositions: moneyOf(sum("usedByPositions")),
    available: moneyOf(atLeastNothing(minorOf(bank.free) + sum("unused"))),
    inTransit: moneyOf(atLeastNothing(minorOf(bank.granted) - sum("rights"))),
    deposited: bank.deposited,
    withdrawn: bank.withdrawn,
    realised: bank.realised,
    free: bank.free,
    shards: held.map(
      ({ shard, purse: { rights, used, usedByOrders, usedByPositions, unused } }) => ({
        shard,
        rights,
        used,
        usedByOrders,
        usedByPositions,
        unused,
      }),
    ),
  };
};

/** Shards write money with all its decimals: without the point it is in minor units. */
export const minorOf = (money: string): bigint => BigInt(money.replace(".", ""));
const moneyOf = (minor: bigint): string => formatUnits(minor, MONEY_SCALE);
const atLeastNothing = (minor: bigint): bigint => (minor < 0n ? 0n : minor);
