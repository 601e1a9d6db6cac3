import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { temporaryFolder } from "../../../tests/support/shard-file.ts";
import { PARTITIONS } from "../../../tests/support/shard-state.ts";
import {
  BTC,
  fullPurse,
  isNew,
  NO_WRITES,
  OWNER,
  openStored,
  storedOrder,
  storedPosition,
  storedTransfer,
  USDT,
} from "../../../tests/support/stored-risk.ts";
import type { AccountId, InstrumentSymbol } from "../../domain/brands.ts";
import {
  ENTITY_TYPES,
  renderAccount,
  renderAccountSettings,
  renderPosition,
  renderQuarantined,
  renderSymbolSettings,
  renderTradingState,
  renderTransfer,
} from "../../domain/entities.ts";
import type { Bank } from "../../domain/escrow/types.ts";
import type { RiskWrites } from "../../writer/store-port.ts";
import { ShardReader } from "../shard-reader.ts";
import type { StoredEntity } from "./stored-entities.ts";

const ETH = "ETHUSDT" as InstrumentSymbol;
const OTHER = 7 as AccountId;

const ASIDE = {
  executionId: "x:1",
  reason: "unknown_order",
  execution: JSON.stringify({ executionId: "x:1", symbol: ETH }),
};
const NAMELESS = { ...ASIDE, executionId: "x:2", execution: "{}" };
const recordOf = (one: typeof ASIDE): string => renderQuarantined({ ...one, at: 5 });

const POSITIONS = [
  storedPosition(),
  storedPosition({ side: "LONG" }),
  storedPosition({ symbol: ETH }),
  storedPosition({ accountId: OTHER }),
];
const SETTINGS = [BTC, ETH].map((symbol) => ({
  accountId: OWNER,
  symbol,
  leverage: 7,
  marginMode: "CROSS" as const,
  version: 1,
}));
const MODE = { accountId: OWNER, positionMode: "HEDGE" as const, version: 1 };
const STATES: RiskWrites["tradingStates"] = [
  { scope: { kind: "all" }, state: "ACTIVE", version: 3 },
  { scope: { kind: "symbol", symbol: BTC }, state: "HALTED", version: 1 },
  { scope: { kind: "account", accountId: OWNER }, state: "REDUCE_ONLY", version: 2 },
];
const TRANSFERS = [storedTransfer("d:1", 5n), storedTransfer("w", -5n)];
const { allotment, bank } = fullPurse();

/** Type, key and text of everything that {@link fill} writes. */
const EXPECTED: readonly (readonly [StoredEntity["type"], string, string])[] = [
  ["position_changed", "42:BTCUSDT:BOTH", renderPosition(storedPosition())],
  ["position_changed", "42:BTCUSDT:LONG", renderPosition(storedPosition({ side: "LONG" }))],
  ["position_changed", "42:ETHUSDT:BOTH", renderPosition(storedPosition({ symbol: ETH }))],
  ["position_changed", "7:BTCUSDT:BOTH", renderPosition(storedPosition({ accountId: OTHER }))],
  ["settings_changed", "42", renderAccountSettings(MODE)],
  ...SETTINGS.map(
    (one) => ["settings_changed", `42:${one.symbol}`, renderSymbolSettings(one)] as const,
  ),
  ...STATES.map(
    (one, i) =>
      [
        "trading_state_changed",
        ["all", "BTCUSDT", "account:42"][i] ?? "",
        renderTradingState(one),
      ] as const,
  ),
  ["execution_quarantined", "ETHUSDT:x:1", recordOf(ASIDE)],
  ["execution_quarantined", ":x:2", recordOf(NAMELESS)],
  ["account_changed", "42:USDT", renderAccount(OWNER, "USDT", bank as Bank)],
  ...TRANSFERS.map(
    (one) =>
      [
        "transfer_decided",
        `42:USDT:${one.transferId}`,
        renderTransfer(OWNER, "USDT", one),
      ] as const,
  ),
];

const fill = async (file: string): Promise<void> => {
  const stored = await openStored(file);
  const commitSeq = stored.commitSeq + 1;
  const quarantined = [ASIDE, NAMELESS].map((one, i) => ({ ...one, commitSeq: commitSeq + i }));
  stored.commit(
    stored.batchOf(
      {
        ...NO_WRITES,
        purses: [
          { key: USDT, before: undefined, after: { allotment, bank } },
          // Another shard is its home: it is that one's to say.
          {
            key: { ...USDT, accountId: OTHER },
            before: undefined,
            after: { allotment, bank: null },
          },
        ],
        positions: POSITIONS,
        symbolSettings: SETTINGS,
        accountSettings: [MODE],
        tradingStates: STATES,
        transfers: TRANSFERS,
        quarantined,
      },
      isNew(storedOrder(1)),
      [ASIDE, NAMELESS].map(recordOf),
    ),
  );
  stored.close();
};

const partsOf = ({ type, entityKey, value }: StoredEntity) => [type, entityKey, value] as const;
const sorted = <T extends readonly unknown[]>(rows: readonly T[]): T[] =>
  rows.toSorted((a, b) => (a.join(" ") < b.join(" ") ? -1 : 1));

describe("what the shard's tables hold beside orders", () => {
  test.each([1, 2, 3, 100])("is read once, %d at a time, as it is replicated", async (limit) => {
    const file = join(temporaryFolder().path, "shard1.sqlite");
    await fill(file);
    const reader = ShardReader.open(file);
    const pages = [...reader.entities(limit)];
    expect(Math.max(...pages.map((page) => page.length))).toBeLessThanOrEqual(limit);
    const found = pages.flat();
    expect(sorted(found.map(partsOf))).toEqual(sorted(EXPECTED));
    expect(new Set(found.map(({ type }) => type))).toEqual(new Set(ENTITY_TYPES));
    reader.close();
  });

  test("is read again one by one, and has the commit of its batch", async () => {
    const file = join(temporaryFolder().path, "shard1.sqlite");
    await fill(file);
    const reader = ShardReader.open(file);
    for (const [type, entityKey, value] of EXPECTED) {
      const found = reader.entity(type, entityKey);
      expect(found).toMatchObject({ type, entityKey, value });
      expect(found?.lastCommitSeq).toBeGreaterThan(PARTITIONS);
      expect(found?.lastCommitSeq).toBeLessThanOrEqual(PARTITIONS + 2);
    }
    for (const [type, entityKey] of [
      ["position_changed", "42:BTCUSDT:SHORT"],
      ["position_changed", "42:BTCUSDT"],
      ["settings_changed", "7"],
      ["settings_changed", "42:BTCBUSD"],
      ["transfer_decided", "42:USDT:d"],
      ["account_changed", "7:USDT"],
    ] as const) {
      expect(reader.entity(type, entityKey)).toBeUndefined();
    }
    reader.close();
  });
});
