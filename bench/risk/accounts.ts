/** Accounts with money in what they trade, and their first order in each symbol. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { AccountId } from "../../shards/domain/brands.ts";
import type { Operation } from "../../shards/protocol/operation.ts";
import { nextPrefix } from "../load/orders.ts";
import type { Cluster } from "../system/cluster.ts";
import { ShardClient } from "../system/shard-client.ts";
import { signBenchToken } from "../system/system.ts";
import {
  MARKETS,
  type Market,
  marketsOf,
  orderAt,
  SHARD_COUNT,
  SYMBOLS_EACH,
  shardOfMarket,
} from "./market.ts";

export interface Trader {
  readonly accountId: AccountId;
  readonly token: string;
}

/** Enough for thousands of orders: what is measured is never a lack of money. */
export const DEPOSIT = "1000000";

const TRANSFERS_AT_ONCE = 128;
const FRAME_ORDERS = 256;
const MARKS_PATH = "/admin/v1/mark-prices";

/** Of accounts with consecutive ids. */
export const makeTraders = (first: number, count: number): Promise<readonly Trader[]> =>
  Promise.all(
    Array.from({ length: count }, async (_, i) => ({
      accountId: (first + i) as AccountId,
      token: await signBenchToken(first + i),
    })),
  );

/** Gives the file's path: one token a line, for the generator. */
export const writeTokens = (folder: string, traders: readonly Trader[]): string => {
  const file = join(folder, "tokens.txt");
  writeFileSync(file, traders.map(({ token }) => `${token}\n`).join(""));
  return file;
};

export const sendMarks = async (cluster: Cluster): Promise<void> => {
  const at = Date.now();
  const prices = MARKETS.map(({ symbol, mark }) => ({ symbol, markPrice: mark, at }));
  await cluster.administer("POST", MARKS_PATH, { prices });
};

export interface Deposit {
  readonly accountId: AccountId;
  readonly asset: string;
}

export const assetsOf = (markets: readonly Market[]): readonly string[] => [
  ...new Set(markets.map(({ instrument }) => instrument.marginAsset)),
];

/** What each of them needs to trade its symbols. */
export const depositsOf = (traders: readonly Trader[]): readonly Deposit[] =>
  traders.flatMap(({ accountId }, i) =>
    assetsOf(marketsOf(i)).map((asset) => ({ accountId, asset })),
  );

/** Through the admin API, many at a time; each answer means that its record is replicated. */
export const deposit = async (cluster: Cluster, deposits: readonly Deposit[]): Promise<void> => {
  const waiting = deposits.values();
  const sendAll = async (): Promise<void> => {
    for (const { accountId, asset } of waiting) {
      const path = `/admin/v1/accounts/${accountId}/transfers`;
      await cluster.administer("POST", path, { transferId: "t-1", asset, amount: DEPOSIT });
    }
  };
  await Promise.all(Array.from({ length: TRANSFERS_AT_ONCE }, sendAll));
};

/** One order of each account in each of its symbols, straight to the shards. */
export const warm = async (cluster: Cluster, traders: readonly Trader[]): Promise<void> => {
  const prefix = nextPrefix();
  const operations: Operation[][] = Array.from({ length: SHARD_COUNT }, () => []);
  for (const [i, { accountId }] of traders.entries()) {
    for (let pass = 0; pass < SYMBOLS_EACH; pass++) {
      const { market, side } = orderAt(i, pass);
      const request = market.request(side, "plain", `${prefix}${pass}`);
      operations[shardOfMarket(market)]?.push({ kind: "place", accountId, request });
    }
  }
  await Promise.all(
    cluster.shards.map(({ port }, shard) => placeAll(port, operations[shard] ?? [])),
  );
};

const placeAll = async (port: number, operations: readonly Operation[]): Promise<void> => {
  const client = await ShardClient.connect(port);
  try {
    for (let at = 0; at < operations.length; at += FRAME_ORDERS) {
      const answers = await client.send(operations.slice(at, at + FRAME_ORDERS));
      const other = answers.find(({ status }) => status !== 201);
      if (other !== undefined) throw new Error(`a first order: ${other.status} ${other.body}`);
    }
  } finally {
    client.close();
  }
};
