/**
 * What a row of each table beside the orders is: its columns as they are read, and the value that
 * they make. Starts, restores and comparisons with central read through these.
 */
import type { Database } from "bun:sqlite";
import type { AccountId, InstrumentSymbol } from "../../domain/brands.ts";
import type { Bank, PurseKey, Transfer } from "../../domain/escrow/types.ts";
import type {
  AccountSettings,
  MarkPrice,
  Position,
  ScopedTradingState,
  SymbolSettings,
  TradingScope,
} from "../../domain/risk/types.ts";
import type { LastPrice } from "../../writer/store-port.ts";
import { exact } from "./money.ts";

export interface RowKind<T> {
  readonly table: string;
  /** The primary key's columns; each row's values begin with them. */
  readonly key: readonly string[];
  /** What is read beside the key, in SQL. */
  readonly columns: readonly string[];
  readonly of: (values: readonly unknown[]) => T;
}

/** A row, and the commitSeq of a batch that holds its latest change or came after it. */
export interface Kept<T> {
  readonly row: T;
  readonly lastCommitSeq: number;
}

export const POSITIONS: RowKind<Position> = {
  table: "position",
  key: ["account_id", "symbol", "side"],
  columns: [
    "quantity_units",
    "cost_units",
    "price_scale",
    "quantity_scale",
    exact("realised_minor"),
    exact("fees_minor"),
    "version",
    "updated_at",
  ],
  of: (values) => {
    const [accountId, symbol, side, quantityUnits, cost, ...rest] = values as PositionTuple;
    const [priceScale, quantityScale, realised, fees, version, updatedAt] = rest;
    return {
      accountId,
      symbol,
      side,
      quantityUnits,
      costUnits: BigInt(cost),
      priceScale,
      quantityScale,
      realisedMinor: BigInt(realised),
      feesMinor: BigInt(fees),
      version,
      updatedAt,
    };
  },
};

type PositionTuple = [
  AccountId,
  InstrumentSymbol,
  Position["side"],
  number,
  string,
  number,
  number,
  string,
  string,
  number,
  number,
];

export const SYMBOL_SETTINGS: RowKind<SymbolSettings> = {
  table: "symbol_setting",
  key: ["account_id", "symbol"],
  columns: ["leverage", "margin_mode", "version"],
  of: (values) => {
    const [accountId, symbol, leverage, marginMode, version] = values as SymbolSettingsTuple;
    return { accountId, symbol, leverage, marginMode, version };
  },
};

type SymbolSettingsTuple = [
  AccountId,
  InstrumentSymbol,
  number,
  SymbolSettings["marginMode"],
  number,
];

export const ACCOUNT_SETTINGS: RowKind<AccountSettings> = {
  table: "account_setting",
  key: ["account_id"],
  columns: ["position_mode", "version"],
  of: (values) => {
    const [accountId, positionMode, version] = values as AccountSettingsTuple;
    return { accountId, positionMode, version };
  },
};

type AccountSettingsTuple = [AccountId, AccountSettings["positionMode"], number];

export const MARK_PRICES: RowKind<MarkPrice> = {
  table: "mark_price",
  key: ["symbol"],
  columns: ["price_units", "at"],
  of: (values) => {
    const [symbol, priceUnits, at] = values as [InstrumentSymbol, number, number];
    return { symbol, priceUnits, at };
  },
};

export const LAST_PRICES: RowKind<LastPrice> = {
  table: "last_price",
  key: ["symbol"],
  columns: ["price_units"],
  of: (values) => {
    const [symbol, priceUnits] = values as [InstrumentSymbol, number];
    return { symbol, priceUnits };
  },
};

export const TRADING_STATES: RowKind<ScopedTradingState> = {
  table: "trading_state",
  key: ["scope"],
  columns: ["state", "version"],
  of: (values) => {
    const [scope, state, version] = values as [string, ScopedTradingState["state"], number];
    return { scope: scopeOf(scope), state, version };
  },
};

const ACCOUNT_SCOPE = "account:";

/** The scope that `scopeKey` made this text of: a symbol has neither small letters nor a colon. */
const scopeOf = (text: string): TradingScope => {
  if (text === "all") return { kind: "all" };
  if (!text.startsWith(ACCOUNT_SCOPE)) return { kind: "symbol", symbol: text as InstrumentSymbol };
  return { kind: "account", accountId: Number(text.slice(ACCOUNT_SCOPE.length)) as AccountId };
};

export const TRANSFERS: RowKind<PurseKey & { readonly transfer: Transfer }> = {
  table: "bank_transfer",
  key: ["account_id", "asset", "transfer_id"],
  columns: [exact("amount_minor"), "outcome", "at"],
  of: (values) => {
    const [accountId, asset, transferId, amount, outcome, at] = values as TransferTuple;
    return { accountId, asset, transfer: { transferId, amountMinor: BigInt(amount), outcome, at } };
  },
};

type TransferTuple = [AccountId, string, string, string, Transfer["outcome"], number];

/** The bank's side of a purse with all its shards, read at one moment. */
export const BANKS: RowKind<PurseKey & { readonly bank: Bank }> = {
  table: "bank_account",
  key: ["account_id", "asset"],
  columns: [
    "(SELECT term FROM bank_self)",
    exact("deposited_minor"),
    exact("withdrawn_minor"),
    "version",
    `(SELECT json_group_array(json_array(shard_index, epoch, CAST(granted_minor AS TEXT), last_req,
        reply_code, CAST(reply_granted_minor AS TEXT), last_evt, CAST(pnl_total_minor AS TEXT),
        CAST(unsecured_total_minor AS TEXT), reported_term, claim) ORDER BY shard_index)
      FROM bank_shard
      WHERE account_id = bank_account.account_id AND asset = bank_account.asset)`,
  ],
  of: (values) => {
    const [accountId, asset, term, deposited, withdrawn, version, shards] = values as BankTuple;
    const bank = {
      term,
      depositedMinor: BigInt(deposited),
      withdrawnMinor: BigInt(withdrawn),
      version,
      shards: (JSON.parse(shards) as ShardTuple[]).map(bankShardOf),
    };
    return { accountId, asset, bank };
  },
};

type BankTuple = [AccountId, string, number, string, string, number, string];
type BankShard = Bank["shards"][number];
type ShardTuple = [
  number,
  number,
  string,
  number,
  BankShard["replyCode"],
  string,
  number,
  string,
  string,
  number,
  number,
];

const bankShardOf = (values: ShardTuple): BankShard => {
  const [shardIndex, epoch, granted, lastReq, replyCode, replyGranted, lastEvt, ...rest] = values;
  const [pnlTotal, unsecuredTotal, reportedTerm, claim] = rest;
  return {
    shardIndex,
    epoch,
    grantedMinor: BigInt(granted),
    lastReq,
    replyCode,
    replyGrantedMinor: BigInt(replyGranted),
    lastEvt,
    pnlTotalMinor: BigInt(pnlTotal),
    unsecuredTotalMinor: BigInt(unsecuredTotal),
    reportedTerm,
    claim: claim === 1,
  };
};

/** An execution that was put aside; `value` is its record's. */
export const QUARANTINED: RowKind<{ readonly entityKey: string; readonly value: string }> = {
  table: "execution_quarantine",
  key: ["execution_key"],
  columns: ["value"],
  of: (values) => {
    const [entityKey, value] = values as [string, string];
    return { entityKey, value };
  },
};

const columnsOf = ({ key, columns }: RowKind<unknown>): string => [...key, ...columns].join(", ");

/** Every row, in the order of its key. */
export const readAll = <T>(database: Database, kind: RowKind<T>): readonly T[] =>
  database
    .query(`SELECT ${columnsOf(kind)} FROM ${kind.table} ORDER BY ${kind.key.join(", ")}`)
    .values()
    .map((row) => kind.of(row));

type KeyValue = string | number;

/** Reads the row of a key; the kind's table must have `last_commit_seq`. */
export const readOne = <T>(
  database: Database,
  kind: RowKind<T>,
): ((...key: KeyValue[]) => Kept<T> | undefined) => {
  const where = kind.key.map((column) => `${column} = ?`).join(" AND ");
  const read = database.prepare(
    `SELECT ${columnsOf(kind)}, last_commit_seq FROM ${kind.table} WHERE ${where}`,
  );
  return (...key) => {
    const [row] = read.values(...key);
    return row && keptOf(kind, row);
  };
};

/** Reads rows behind a key, in its order; null begins. The table must have `last_commit_seq`. */
export const readAfter = <T>(
  database: Database,
  kind: RowKind<T>,
): ((key: readonly KeyValue[] | null, limit: number) => readonly Kept<T>[]) => {
  const key = kind.key.join(", ");
  const places = kind.key.map(() => "?").join(", ");
  const read = (where: string) =>
    database.prepare(
      `SELECT ${columnsOf(kind)}, last_commit_seq FROM ${kind.table} ${where} ` +
        `ORDER BY ${key} LIMIT ?`,
    );
  const first = read("");
  const next = read(`WHERE (${key}) > (${places})`);
  return (after, limit) => {
    const rows = after === null ? first.values(limit) : next.values(...after, limit);
    return rows.map((row) => keptOf(kind, row));
  };
};

const keptOf = <T>(kind: RowKind<T>, values: readonly unknown[]): Kept<T> => ({
  row: kind.of(values.slice(0, -1)),
  lastCommitSeq: Number(values.at(-1)),
});
