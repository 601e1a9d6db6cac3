import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { printedSeed, type Random, randomOf, wholeOf } from "../../../tests/support/random.ts";
import { temporaryFolder } from "../../../tests/support/shard-file.ts";
import { START_AT } from "../../../tests/support/shard-state.ts";
import {
  BTC,
  bankShard,
  emptyAllotment,
  fullPurse,
  MONEY_MAX,
  NO_WRITES,
  ODD,
  OWNER,
  openStored,
  storedPosition,
  storedTransfer,
  USDT,
} from "../../../tests/support/stored-risk.ts";
import type { AccountId, InstrumentSymbol, OrderId } from "../../domain/brands.ts";
import type { Allotment, Bank } from "../../domain/escrow/types.ts";
import { CommitError } from "../../process/commit-error.ts";
import type { DurablePurse, RiskWrites } from "../../writer/store-port.ts";
import { loadRisk } from "./risk-rows.ts";

const ETH = "ETHUSDT" as InstrumentSymbol;
const OTHER = 7 as AccountId;
const path = (): string => join(temporaryFolder().path, "shard1.sqlite");

describe("what a batch changes beside orders", () => {
  const WRITES: readonly [string, Partial<RiskWrites>][] = [
    ["a purse of a home", { purses: [{ key: USDT, before: undefined, after: fullPurse() }] }],
    [
      "an empty purse without a bank, of a restored shard",
      {
        purses: [
          {
            key: USDT,
            before: undefined,
            after: { allotment: emptyAllotment({ state: "RECONCILING" }), bank: null },
          },
        ],
      },
    ],
    [
      "a bank without shards, in a later term",
      {
        purses: [
          {
            key: USDT,
            before: undefined,
            after: {
              allotment: emptyAllotment(),
              bank: { term: 4, depositedMinor: 0n, withdrawnMinor: 0n, version: 0, shards: [] },
            },
          },
        ],
      },
    ],
    [
      "positions",
      {
        positions: [
          storedPosition({ accountId: OTHER, quantityUnits: 0, costUnits: 0n }),
          storedPosition(),
          storedPosition({ symbol: ETH, side: "LONG", realisedMinor: MONEY_MAX }),
          storedPosition({ symbol: ETH, side: "SHORT", feesMinor: -MONEY_MAX }),
        ],
      },
    ],
    [
      "settings",
      {
        symbolSettings: [
          { accountId: OWNER, symbol: BTC, leverage: 125, marginMode: "ISOLATED", version: 2 },
        ],
        accountSettings: [{ accountId: OWNER, positionMode: "HEDGE", version: 1 }],
      },
    ],
    [
      "prices",
      {
        marks: [{ symbol: BTC, priceUnits: Number.MAX_SAFE_INTEGER, at: START_AT }],
        lastPrices: [{ symbol: ETH, priceUnits: 1 }],
      },
    ],
    [
      "trading states",
      {
        tradingStates: [
          { scope: { kind: "symbol", symbol: BTC }, state: "HALTED", version: 1 },
          { scope: { kind: "account", accountId: OWNER }, state: "REDUCE_ONLY", version: 2 },
          { scope: { kind: "all" }, state: "ACTIVE", version: 3 },
        ],
      },
    ],
  ];

  test.each(WRITES)("is loaded at the next start as it was written: %s", async (_, writes) => {
    const file = path();
    const stored = await openStored(file);
    stored.commit(stored.batchOf(writes));
    stored.close();
    const again = await openStored(file);
    const { purses = [], ...lists } = writes;
    const expected = { ...NO_WRITES, ...lists };
    const found = loadRisk(again.database);
    expect(found).toEqual({
      purses: purses.map(({ key, after }) => ({ ...key, ...after })),
      positions: expected.positions,
      symbolSettings: expected.symbolSettings,
      accountSettings: expected.accountSettings,
      marks: expected.marks,
      lastPrices: expected.lastPrices,
      tradingStates: expect.arrayContaining([...expected.tradingStates]),
    });
    expect(found.tradingStates).toHaveLength(expected.tradingStates.length);
    again.close();
  });

  test("takes the place of what was there, and leaves the rest", async () => {
    const stored = await openStored(path());
    const other = storedPosition({ accountId: OTHER });
    stored.commit(stored.batchOf({ positions: [storedPosition(), other] }));
    const flat = storedPosition({ quantityUnits: 0, costUnits: 0n, version: 4 });
    stored.commit(stored.batchOf({ positions: [flat] }));
    expect(loadRisk(stored.database).positions).toEqual([other, flat]);
    stored.close();
  });
});

describe("a transfer", () => {
  test("is found by its purse and id, for ever", async () => {
    const stored = await openStored(path());
    const deposit = storedTransfer("d:1", MONEY_MAX);
    const withdrawal = storedTransfer("w", -ODD);
    stored.commit(stored.batchOf({ transfers: [deposit, withdrawal] }));
    stored.now += 1e12;
    stored.commit(stored.batchOf(null));
    for (const { transferId, amountMinor, outcome, at } of [deposit, withdrawal]) {
      const found = stored.store.findTransfer(USDT, transferId);
      expect(found).toEqual({ transferId, amountMinor, outcome, at });
    }
    expect(stored.store.findTransfer({ ...USDT, asset: "BTC" }, "w")).toBeUndefined();
    expect(stored.store.findTransfer({ ...USDT, accountId: OTHER }, "w")).toBeUndefined();
    expect(stored.store.findTransfer(USDT, "d")).toBeUndefined();
    stored.close();
  });

  test("that was decided before takes its whole batch back", async () => {
    const stored = await openStored(path());
    stored.commit(stored.batchOf({ transfers: [storedTransfer("d", 1n)] }));
    const again = stored.batchOf({
      positions: [storedPosition()],
      transfers: [storedTransfer("d", 2n)],
    });
    expect(() => stored.commit(again)).toThrow(CommitError);
    expect(loadRisk(stored.database).positions).toEqual([]);
    expect(stored.store.findTransfer(USDT, "d")?.amountMinor).toBe(1n);
    stored.close();
  });
});

const amount = (random: Random): bigint => {
  const digits = BigInt(wholeOf(random, 0, 9)) * 10n ** BigInt(wholeOf(random, 0, 17));
  return random() < 0.5 ? digits : -digits;
};

/** What handlers do to an allotment: events are added at the end and go from the beginning. */
const nextAllotment = (random: Random, before: Allotment): Allotment => {
  if (random() < 0.2) return before;
  const added = Array.from({ length: wholeOf(random, 0, 3) }, (_, i) => ({
    evtSeq: before.evtSeq + 1 + i,
    kind: random() < 0.5 ? ("PNL" as const) : ("GIVEBACK" as const),
    unitsMinor: amount(random),
    deltaMinor: amount(random),
    orderId: wholeOf(random, 1, 99) as OrderId,
    executionId: `x${i}`,
    afterCommitSeq: wholeOf(random, 0, 99),
  }));
  const outbox = [...before.outbox, ...added];
  const evtSeq = before.evtSeq + added.length;
  const reqSeq = before.reqSeq + 1;
  const pending = { reqSeq, needMinor: amount(random), afterEvt: evtSeq };
  return {
    ...before,
    evtSeq,
    reqSeq,
    rightsMinor: amount(random),
    pending: [before.pending, pending, null][wholeOf(random, 0, 2)] ?? null,
    outbox: outbox.slice(wholeOf(random, 0, random() < 0.2 ? outbox.length : 1)),
  };
};

const nextBank = (random: Random, before: Bank | null): Bank | null => {
  if (before === null || random() < 0.3) return before;
  const shards = before.shards.map((shard) =>
    random() < 0.4 ? { ...shard, grantedMinor: amount(random), lastReq: shard.lastReq + 1 } : shard,
  );
  const more = shards.length < 4 && random() < 0.2 ? [bankShard(shards.length + 1)] : [];
  const depositedMinor = amount(random);
  return { ...before, depositedMinor, version: before.version + 1, shards: [...shards, ...more] };
};

describe("purses", () => {
  test("are in the file, whatever becomes of them, as the writer has them", async () => {
    const random = randomOf(printedSeed("purses"));
    const stored = await openStored(path());
    const purses = new Map<number, DurablePurse>();
    for (let n = 0; n < 150; n++) {
      const accountId = wholeOf(random, 1, 4) as AccountId;
      const before = purses.get(accountId);
      const known = before ?? {
        allotment: emptyAllotment(),
        bank:
          accountId === 1
            ? null
            : { term: 1, depositedMinor: 0n, withdrawnMinor: 0n, version: 0, shards: [] },
      };
      const { allotment, bank } = known;
      const after = { allotment: nextAllotment(random, allotment), bank: nextBank(random, bank) };
      purses.set(accountId, after);
      stored.commit(
        stored.batchOf({ purses: [{ key: { accountId, asset: "USDT" }, before, after }] }),
      );
      const expected = [...purses].toSorted(([a], [b]) => a - b);
      const found = loadRisk(stored.database).purses;
      expect(found).toEqual(
        expected.map(([id, purse]) => ({ accountId: id as AccountId, asset: "USDT", ...purse })),
      );
    }
    stored.close();
  });

  test("cost only the rows that changed", async () => {
    const stored = await openStored(path());
    const before = fullPurse();
    stored.commit(stored.batchOf({ purses: [{ key: USDT, before: undefined, after: before }] }));
    const changes = (after: DurablePurse): number => {
      const count = () => Number(stored.database.query("SELECT total_changes()").values()[0]?.[0]);
      const empty = count();
      stored.commit(stored.batchOf({ purses: [] }));
      const plain = count() - empty;
      const start = count();
      stored.commit(stored.batchOf({ purses: [{ key: USDT, before, after }] }));
      return count() - start - plain;
    };
    const { allotment, bank } = before;
    expect(changes(before)).toBe(0);
    expect(changes({ bank, allotment: { ...allotment, rightsMinor: 1n } })).toBe(1);
    const shards = bank?.shards.map((one) => (one.shardIndex === 2 ? { ...one, lastEvt: 8 } : one));
    expect(changes({ allotment, bank: { ...(bank as Bank), shards: shards ?? [] } })).toBe(2);
    stored.close();
  });
});
