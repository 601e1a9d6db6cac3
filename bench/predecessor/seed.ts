/** The rebuilt predecessor's database before its first order. */
import { type Connection, createConnection } from "mysql2/promise";
import type { InstrumentDescription } from "../../shards/domain/instrument.ts";
import schema from "./schema.sql" with { type: "text" };

/** What an account owns and trades. */
export interface SeedAccount {
  readonly accountId: number;
  readonly assets: readonly string[];
  readonly symbols: readonly string[];
}

export interface Seed {
  readonly accounts: readonly SeedAccount[];
  /** `marginAsset` of each, and its filters. */
  readonly instruments: readonly InstrumentDescription[];
  /** Of each account in each of its assets, decimal text. */
  readonly deposit: string;
}

const ROWS_AT_ONCE = 1000;
const LEVERAGE = 20;

/** Makes the database of this URL on its server, with the tables, accounts and instruments. */
export const seedDatabase = async (url: string, seed: Seed): Promise<void> => {
  const server = new URL(url);
  const name = server.pathname.slice(1);
  server.pathname = "/";
  const connection = await createConnection({ uri: server.href, multipleStatements: true });
  try {
    await connection.query(`CREATE DATABASE ${name}; USE ${name}`);
    await connection.query(schema);
    await insertInstruments(connection, seed);
    await insertAccounts(connection, seed);
  } finally {
    await connection.end();
  }
};

const insertInstruments = (connection: Connection, { instruments }: Seed): Promise<void> =>
  insertAll(
    connection,
    "instruments",
    instruments.map((one) => [
      one.symbol,
      one.status,
      one.marginAsset,
      one.tickSize,
      one.stepSize,
      one.minQuantity,
      one.maxQuantity,
      one.minNotional,
      one.maxOrders,
    ]),
  );

const insertAccounts = async (
  connection: Connection,
  { accounts, deposit }: Seed,
): Promise<void> => {
  const perAsset = <T>(row: (accountId: number, asset: string) => T): readonly T[] =>
    accounts.flatMap(({ accountId, assets }) => assets.map((asset) => row(accountId, asset)));
  await insertAll(
    connection,
    "accounts",
    accounts.map(({ accountId }) => [accountId, "ACTIVE", "ONE_WAY"]),
  );
  await insertAll(
    connection,
    "account_settings",
    accounts.flatMap(({ accountId, symbols }) =>
      symbols.map((symbol) => [accountId, symbol, "CROSSED", LEVERAGE]),
    ),
  );
  await insertAll(
    connection,
    "balances",
    perAsset((accountId, asset) => [accountId, asset, deposit]),
  );
  await insertAll(
    connection,
    "account_summaries",
    perAsset((accountId, asset) => [accountId, asset, 0, "0", 0]),
  );
};

const insertAll = async (
  connection: Connection,
  table: string,
  rows: readonly (readonly (string | number)[])[],
): Promise<void> => {
  for (let at = 0; at < rows.length; at += ROWS_AT_ONCE) {
    await connection.query(`INSERT INTO ${table} VALUES ?`, [rows.slice(at, at + ROWS_AT_ONCE)]);
  }
};
