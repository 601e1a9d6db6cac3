/** The shard files of a system that does not run, as far as money, orders and positions go. */
import { Database } from "bun:sqlite";
import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Instrument } from "../../shards/domain/instrument.ts";
import type { Order, PositionSide } from "../../shards/domain/order.ts";
import { RECORD_TYPES } from "../../shards/protocol/record.ts";
import { minorOf } from "./trading.ts";

export interface HeldPositionRow {
  readonly accountId: number;
  readonly symbol: string;
  readonly side: PositionSide;
  readonly quantityUnits: number;
  readonly costUnits: bigint;
  readonly realisedMinor: bigint;
  readonly feesMinor: bigint;
}

/** A shard's side of a purse. */
export interface HeldAllotment {
  readonly key: string;
  readonly state: string;
  readonly rightsMinor: bigint;
  readonly pnlTotalMinor: bigint;
  readonly unsecuredTotalMinor: bigint;
  readonly pendingReqSeq: bigint | null;
  readonly outbox: readonly HeldEvent[];
}

interface HeldEvent {
  readonly evtSeq: bigint;
  readonly unitsMinor: bigint;
  readonly deltaMinor: bigint;
  readonly isPnl: boolean;
}

/** What a bank knows of one shard. */
export interface HeldBankRow {
  readonly shardIndex: number;
  readonly grantedMinor: bigint;
  readonly lastReq: bigint;
  readonly replyGrantedMinor: bigint;
  readonly lastEvt: bigint;
  readonly pnlTotalMinor: bigint;
  readonly unsecuredTotalMinor: bigint;
}

export interface HeldBank {
  readonly depositedMinor: bigint;
  readonly withdrawnMinor: bigint;
  readonly rows: readonly HeldBankRow[];
}

export interface ShardAtRest {
  readonly name: string;
  readonly index: number;
  readonly orders: readonly Order[];
  readonly positions: readonly HeldPositionRow[];
  /** By `account:symbol`. */
  readonly leverages: ReadonlyMap<string, number>;
  /** By `account:asset`, as everything of a purse. */
  readonly allotments: ReadonlyMap<string, HeldAllotment>;
  readonly banks: ReadonlyMap<string, HeldBank>;
  /** What all fills in the journal have come to, fees taken off. */
  readonly realised: ReadonlyMap<string, bigint>;
  /** Values of the journal, oldest first. */
  readonly records: readonly { readonly type: string; readonly value: string }[];
}

type Row = Readonly<Record<string, bigint | string | null>>;

const number = (value: Row[string] | undefined): number => Number(value ?? 0);
const whole = (value: Row[string] | undefined): bigint => BigInt(value ?? 0);
const textOf = (value: Row[string] | undefined): string => String(value ?? "");

/** All rows of a table, integers as bigints. */
type Read = (sql: string) => readonly Row[];

/** What a killed writer has left is looked at in a copy, so that the file stays as it was left. */
export const shardAtRest = (
  dataDir: string,
  name: string,
  instruments: readonly Instrument[],
): ShardAtRest => {
  const folder = mkdtempSync(join(tmpdir(), "sluice-at-rest-"));
  try {
    const file = join(folder, "shard.sqlite");
    for (const end of ["", "-wal"]) {
      const from = join(dataDir, `${name}.sqlite${end}`);
      if (existsSync(from)) copyFileSync(from, `${file}${end}`);
    }
    const database = new Database(file, { safeIntegers: true });
    try {
      return readShard(name, instruments, (sql) => database.query(sql).all() as Row[]);
    } finally {
      database.close();
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
};

const readShard = (name: string, instruments: readonly Instrument[], read: Read): ShardAtRest => {
  const records = read("SELECT type, value FROM journal ORDER BY commit_seq").map((row) => ({
    type: RECORD_TYPES[number(row.type)] ?? "",
    value: textOf(row.value),
  }));
  return {
    name,
    index: number(read("SELECT shard_index FROM cluster")[0]?.shard_index),
    orders: read("SELECT * FROM orders ORDER BY order_id").map(orderOf),
    positions: read("SELECT * FROM position").map(positionOf),
    leverages: new Map(
      read("SELECT * FROM symbol_setting").map((row) => [
        `${row.account_id}:${row.symbol}`,
        number(row.leverage),
      ]),
    ),
    allotments: allotmentsIn(read),
    banks: banksIn(read),
    realised: realisedIn(records, instruments),
    records,
  };
};

/** With the fields that margin is made of, and those that tell who it is. */
const orderOf = (row: Row): Order =>
  ({
    orderId: number(row.order_id),
    accountId: number(row.account_id),
    clientOrderId: textOf(row.client_order_id),
    symbol: textOf(row.symbol),
    side: textOf(row.side),
    type: textOf(row.type),
    status: textOf(row.status),
    positionSide: row.position_side === null ? "BOTH" : textOf(row.position_side),
    reduceOnly: number(row.reduce_only) === 1,
    closePosition: number(row.close_position) === 1,
    parentId: row.parent_id === null ? null : number(row.parent_id),
    children: row.children === null ? [] : JSON.parse(textOf(row.children)),
    quantityUnits: number(row.quantity_units),
    executedUnits: number(row.executed_units),
    marginPriceUnits: number(row.margin_price_units),
    openLossMinor: whole(row.open_loss_minor),
    amendment:
      row.amend_quantity_units === null
        ? null
        : {
            priceUnits: number(row.amend_price_units),
            quantityUnits: number(row.amend_quantity_units),
          },
  }) as unknown as Order;

const positionOf = (row: Row): HeldPositionRow => ({
  accountId: number(row.account_id),
  symbol: textOf(row.symbol),
  side: textOf(row.side) as PositionSide,
  quantityUnits: number(row.quantity_units),
  costUnits: BigInt(textOf(row.cost_units)),
  realisedMinor: whole(row.realised_minor),
  feesMinor: whole(row.fees_minor),
});

const purseOf = (row: Row): string => `${row.account_id}:${row.asset}`;

const allotmentsIn = (read: Read): ReadonlyMap<string, HeldAllotment> => {
  const pending = new Map(read("SELECT * FROM allot_pending").map((row) => [purseOf(row), row]));
  const outbox = Map.groupBy(
    read("SELECT * FROM allot_outbox ORDER BY account_id, asset, evt_seq"),
    purseOf,
  );
  return new Map(
    read("SELECT * FROM allot").map((row) => {
      const key = purseOf(row);
      const events = (outbox.get(key) ?? []).map((event) => ({
        evtSeq: whole(event.evt_seq),
        unitsMinor: whole(event.units_minor),
        deltaMinor: whole(event.delta_minor),
        isPnl: event.kind === "PNL",
      }));
      const request = pending.get(key);
      return [
        key,
        {
          key,
          state: textOf(row.state),
          rightsMinor: whole(row.rights_minor),
          pnlTotalMinor: whole(row.pnl_total_minor),
          unsecuredTotalMinor: whole(row.unsecured_total_minor),
          pendingReqSeq: request === undefined ? null : whole(request.req_seq),
          outbox: events,
        },
      ];
    }),
  );
};

const banksIn = (read: Read): ReadonlyMap<string, HeldBank> => {
  const rows = Map.groupBy(read("SELECT * FROM bank_shard ORDER BY shard_index"), purseOf);
  return new Map(
    read("SELECT * FROM bank_account").map((row) => [
      purseOf(row),
      {
        depositedMinor: whole(row.deposited_minor),
        withdrawnMinor: whole(row.withdrawn_minor),
        rows: (rows.get(purseOf(row)) ?? []).map((one) => ({
          shardIndex: number(one.shard_index),
          grantedMinor: whole(one.granted_minor),
          lastReq: whole(one.last_req),
          replyGrantedMinor: whole(one.reply_granted_minor),
          lastEvt: whole(one.last_evt),
          pnlTotalMinor: whole(one.pnl_total_minor),
          unsecuredTotalMinor: whole(one.unsecured_total_minor),
        })),
      },
    ]),
  );
};

interface PositionRecord {
  readonly accountId: string;
  readonly symbol: string;
  readonly fill: {
    readonly executionId: string;
    readonly realised: string;
    readonly fee: string;
    readonly feeAsset: string;
  };
}

const realisedIn = (
  records: ShardAtRest["records"],
  instruments: readonly Instrument[],
): ReadonlyMap<string, bigint> => {
  const sums = new Map<string, bigint>();
  const add = (key: string, minor: bigint): void => {
    sums.set(key, (sums.get(key) ?? 0n) + minor);
  };
  for (const { type, value } of records) {
    if (type !== "position_changed") continue;
    const { accountId, symbol, fill } = JSON.parse(value) as PositionRecord;
    const asset = instruments.find((one) => one.symbol === symbol)?.marginAsset;
    add(`${accountId}:${asset}`, minorOf(fill.realised));
    add(`${accountId}:${fill.feeAsset}`, -minorOf(fill.fee));
  }
  return sums;
};
