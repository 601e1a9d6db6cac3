import { describe, expect, test } from "bun:test";
import type { AccountId, InstrumentSymbol } from "../../shards/domain/brands.ts";
import {
  type EntityType,
  renderAccount,
  renderAccountSettings,
  renderPosition,
  renderQuarantined,
  renderSymbolSettings,
  renderTradingState,
  renderTransfer,
} from "../../shards/domain/entities.ts";
import type { BankShard } from "../../shards/domain/escrow/types.ts";
import { entityRowOf, readEntity } from "./entity-row.ts";
import { UnreadableRecord } from "./record-value.ts";
import { TestShard } from "./test-shard.ts";

const ACCOUNT = 42 as AccountId;
const BTC = "BTCUSDT" as InstrumentSymbol;
/** Past 2^53, as every amount may be. */
const LARGE = 9_007_199_254_740_993n * 10n ** 9n + 7n;

const bankShard = (changes: Partial<BankShard>): BankShard => ({
  shardIndex: 1,
  epoch: 1,
  grantedMinor: 0n,
  lastReq: 0,
  replyCode: "OK",
  replyGrantedMinor: 0n,
  lastEvt: 0,
  pnlTotalMinor: 0n,
  unsecuredTotalMinor: 0n,
  reportedTerm: 1,
  claim: false,
  ...changes,
});
const BANK = {
  term: 3,
  depositedMinor: LARGE,
  withdrawnMinor: 1n,
  version: 12,
  shards: [
    bankShard({ pnlTotalMinor: -LARGE, grantedMinor: 5n }),
    bankShard({ shardIndex: 2, pnlTotalMinor: 2n, grantedMinor: 6n }),
  ],
};
const EXECUTION = { executionId: 'e "1"', orderId: 7, symbol: "XYZ", kind: "FILL", price: "1.5" };
const FILL = {
  executionId: "e-1",
  orderId: 1025,
  realisedMinor: -1n,
  feeMinor: -LARGE,
  feeAsset: "BNB",
};
const position = new TestShard().position();
const TRANSFER = { transferId: "t-1", amountMinor: -LARGE, at: 5 } as const;

/** What it is, its type, the record's key, the value, the key in central. */
const CASES: readonly (readonly [string, EntityType, string, string, string])[] = [
  ["a fill", "position_changed", BTC, renderPosition(position, FILL), "42:BTCUSDT:BOTH"],
  [
    "a flat position without decimals",
    "position_changed",
    BTC,
    renderPosition({
      ...position,
      side: "LONG",
      quantityUnits: 0,
      costUnits: 0n,
      priceScale: 0,
      quantityScale: 0,
    }),
    "42:BTCUSDT:LONG",
  ],
  [
    "a position past 2^53",
    "position_changed",
    BTC,
    renderPosition({
      ...position,
      quantityUnits: -Number.MAX_SAFE_INTEGER,
      costUnits: LARGE * LARGE,
      priceScale: 18,
      quantityScale: 18,
      realisedMinor: LARGE,
    }),
    "42:BTCUSDT:BOTH",
  ],
  [
    "a symbol's settings",
    "settings_changed",
    "account:42",
    renderSymbolSettings({
      accountId: ACCOUNT,
      symbol: BTC,
      leverage: 20,
      marginMode: "ISOLATED",
      version: 2,
    }),
    "42:BTCUSDT",
  ],
  [
    "an account's settings",
    "settings_changed",
    "account:42",
    renderAccountSettings({ accountId: ACCOUNT, positionMode: "HEDGE", version: 1 }),
    "42",
  ],
  [
    "the state of all",
    "trading_state_changed",
    "all",
    renderTradingState({ scope: { kind: "all" }, state: "HALTED", version: 1 }),
    "all",
  ],
  [
    "a symbol's state",
    "trading_state_changed",
    BTC,
    renderTradingState({ scope: { kind: "symbol", symbol: BTC }, state: "ACTIVE", version: 2 }),
    "BTCUSDT",
  ],
  [
    "an account's state",
    "trading_state_changed",
    "account:42",
    renderTradingState({
      scope: { kind: "account", accountId: ACCOUNT },
      state: "REDUCE_ONLY",
      version: 1,
    }),
    "account:42",
  ],
  ["an account", "account_changed", "account:42", renderAccount(ACCOUNT, "USDT", BANK), "42:USDT"],
  [
    "a transfer",
    "transfer_decided",
    "account:42",
    renderTransfer(ACCOUNT, "USDT", { ...TRANSFER, outcome: "REFUSED" }),
    "42:USDT:t-1",
  ],
  ...["XYZ", ""].map(
    (key) =>
      [
        `an execution with the key "${key}"`,
        "execution_quarantined",
        key,
        renderQuarantined({
          executionId: EXECUTION.executionId,
          reason: "unknown_order",
          at: 9,
          execution: JSON.stringify(EXECUTION),
        }),
        'XYZ:e "1"',
      ] as const,
  ),
];

const recordOf = (type: EntityType, key: string, value: string) =>
  new TestShard().entity(4, type, key, value);

describe("the row", () => {
  test.each(CASES)("of %s has its value, key and place", (_name, type, key, value, entityKey) => {
    const record = recordOf(type, key, value);
    const { shard, at, epoch, commitSeq, partition, seq } = record;
    const row = { shard, type, entityKey, value, at, epoch, commitSeq, partition, seq };
    expect(entityRowOf(record, type)).toEqual(row);
  });
});

describe("a value in the shard's own terms", () => {
  test("is the position with its fill, exactly", () => {
    const entity = readEntity("position_changed", renderPosition(position, FILL));
    expect(entity).toEqual({ of: "position", position, fill: FILL });
  });

  test("is the account's totals over all shards", () => {
    expect(readEntity("account_changed", renderAccount(ACCOUNT, "USDT", BANK))).toEqual({
      of: "account",
      account: {
        accountId: ACCOUNT,
        asset: "USDT",
        depositedMinor: LARGE,
        withdrawnMinor: 1n,
        realisedMinor: 2n - LARGE,
        grantedMinor: 11n,
        term: 3,
        version: 12,
      },
    });
  });
});

const textOf = (name: string): string => CASES.find(([what]) => what === name)?.[3] ?? "";
const changed = (name: string, from: string, to: string): string => {
  const value = textOf(name);
  if (!value.includes(from)) throw new Error(`${from} is not in ${value}`);
  return value.replace(from, to);
};

const BROKEN: readonly (readonly [string, EntityType, string, string])[] = [
  ["no JSON", "account_changed", "account:42", "{"],
  ["an empty object", "position_changed", BTC, "{}"],
  ["another key's partition", "position_changed", "ETHUSDT", textOf("a fill")],
  ["no key", "position_changed", "", textOf("a fill")],
  ["another type's value", "transfer_decided", "account:42", textOf("an account")],
  ["a new field", "position_changed", BTC, changed("a fill", '"cost"', '"x":1,"cost"')],
  ["a field less", "position_changed", BTC, changed("a fill", '"version":1,', "")],
  ["other decimals", "position_changed", BTC, changed("a fill", '"-0.010"', '"-0.01"')],
  ["a side of no exchange", "position_changed", BTC, changed("a fill", "BOTH", "UP")],
  [
    "minus zero",
    "account_changed",
    "account:42",
    changed("an account", '"0.00000001"', '"-0.00000000"'),
  ],
  ["a number for a text", "account_changed", "account:42", changed("an account", '"42"', "42")],
  ["an outcome of none", "transfer_decided", "account:42", changed("a transfer", "REFUSED", "X")],
  [
    "an execution that is null",
    "execution_quarantined",
    "",
    '{"executionId":"e","reason":"r","at":1,"execution":null}',
  ],
];

test.each(BROKEN)("a record is unreadable with %s", (_name, type, key, value) => {
  const record = recordOf(type, key, value);
  expect(() => entityRowOf(record, type)).toThrow(UnreadableRecord);
});
