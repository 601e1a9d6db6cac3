/** What every reader of central gives, compared with what was applied. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type CentralReader, renderAcceptedRow } from "../../app/central/central-reader.ts";
import { type EntityRow, entityRowOf } from "../../app/central/entity-row.ts";
import { renderOrderRow } from "../../app/central/order-row.ts";
import type { CentralStore } from "../../app/central/store.ts";
import { TestShard } from "../../app/central/test-shard.ts";
import {
  type AccountId,
  type ClientOrderId,
  type InstrumentSymbol,
  makeOrderId,
} from "../../shards/domain/brands.ts";
import { isOpen, type Order } from "../../shards/domain/order.ts";
import { renderOrder } from "../../shards/domain/order-body.ts";
import type { CommittedRecord } from "../../shards/protocol/record.ts";

/** A store that is empty before each test, and a reader of it. */
export interface ReaderFixture {
  readonly store: CentralStore;
  readonly reader: CentralReader;
  end(): Promise<void>;
}

const P = 3;
const TYPE = "position_changed";
const ORDERS = 12;
/** Amended, filled in part, and with another amendment that waits. */
const PARTLY_FILLED: Partial<Order> = {
  status: "PARTIALLY_FILLED",
  priceUnits: 7,
  quantityUnits: 20,
  executedUnits: 3,
  costUnits: 22n,
  amendment: { priceUnits: 9, quantityUnits: 30 },
};
/** A stop of a hedge's short side, and a parent with one child. */
const CONDITIONAL: Partial<Order> = {
  type: "STOP",
  status: "UNTRIGGERED",
  stopPriceUnits: 4_999_900,
  workingType: "MARK_PRICE",
  positionSide: "SHORT",
  reduceOnly: true,
  parentId: makeOrderId(1, 1),
};
const PARENT: Partial<Order> = {
  children: [
    {
      orderId: makeOrderId(90, 1),
      clientOrderId: "tp-1025" as ClientOrderId,
      type: "TAKE_PROFIT_MARKET",
      stopPrice: "51000.00",
      price: null,
      workingType: "LAST_PRICE",
    },
  ],
};
const ETH = "ETHUSDT" as InstrumentSymbol;

/** Of the orders at these places; the others are plain. */
const SHAPES: Readonly<Record<number, Partial<Order>>> = {
  2: PARENT,
  5: { symbol: ETH, quantityScale: 0 },
  7: CONDITIONAL,
};

let fixture: ReaderFixture;
let shard: TestShard;
let other: TestShard;
/** Of `shard`, as they are now, by id. */
let orders: Order[];
let accepted: CommittedRecord[];
let refused: CommittedRecord[];
let changedAt: number;

const apply = (push: readonly CommittedRecord[]) =>
  fixture.store.apply({ pushes: [push], positions: [], quarantined: [] });

const started = async (index: number): Promise<TestShard> => {
  const one = new TestShard(index);
  const claim = { shard: one.shard, shardIndex: index, claimId: `of ${index}`, acceptLoss: false };
  await fixture.store.claimEpoch(claim);
  await apply([one.epochStarted(P)]);
  return one;
};

/** Orders of two shards in turn; the third and fourth are amended, every second is cancelled. */
const fill = async (): Promise<void> => {
  shard = await started(1);
  other = await started(2);
  orders = [];
  accepted = [];
  refused = [];
  for (let i = 0; i < ORDERS; i++) {
    await apply([other.accepted(P)]);
    const placed = shard.place(P, SHAPES[i] ?? {});
    accepted.push(placed.record);
    orders.push(placed.order);
    const refusal = shard.refused(P);
    refused.push(refusal);
    await apply([placed.record, refusal]);
  }
  for (const [i, order] of orders.entries()) {
    const isAmended = i === 2 || i === 3;
    if (!(isAmended || i % 2 === 0)) continue;
    const change: Partial<Order> = isAmended ? PARTLY_FILLED : { status: "CANCELED" };
    changedAt = shard.now;
    const now: Order = { ...order, ...change, version: 2, updatedAt: changedAt };
    orders[i] = now;
    await apply([shard.changed(P, now, isAmended ? "AMENDED" : "CANCELED")]);
  }
};

const texts = (): string[] => orders.map((order) => renderOrder(order, shard.shard));
const ALL = { shardIndex: 1, from: 1, to: makeOrderId(1000, 1) };
/** A refusal takes a number of its own from the test's shard, as an order does. */
const idOf = (i: number): number => orders[i]?.orderId ?? 0;

export const describeReader = (name: string, make: () => Promise<ReaderFixture>): void => {
  describe(`a reader of ${name}`, () => {
    beforeEach(async () => {
      fixture = await make();
      await fill();
    });
    afterEach(() => fixture.end());

    test("knows central, its shards' epochs and where their streams stand", async () => {
      const { reader, store } = fixture;
      expect(await reader.centralId()).toBe(store.centralId);
      expect(await reader.epochOf("shard1")).toBe(1);
      expect(await reader.epochOf("shard3")).toBe(0);
      expect(await reader.cursors("shard1")).toEqual(await store.cursors("shard1"));
      expect(await reader.cursors("shard3")).toEqual([]);
      expect(await reader.positions()).toEqual([]);
    });

    test("names the streams that were stopped", async () => {
      expect(await fixture.reader.stopsOf("shard1")).toEqual([]);
      shard.accepted(P);
      await apply([shard.accepted(P)]);
      const [stop] = await fixture.reader.stopsOf("shard1");
      expect(stop).toMatchObject({ partition: P, epoch: 1, code: "gap" });
      expect(await fixture.reader.stopsOf("shard2")).toEqual([]);
    });

    test("gives orders as they are and as they were accepted, byte for byte", async () => {
      const rows = await fixture.reader.orders([...orders.map(({ orderId }) => orderId), 5]);
      const byId = rows.toSorted((a, b) => a.orderId - b.orderId);
      expect(byId.map(renderOrderRow)).toEqual(texts());
      expect(byId.map(renderAcceptedRow)).toEqual(accepted.map(({ value }) => value));
      expect(await fixture.reader.orders([])).toEqual([]);
    });

    test("counts and lists a shard's own ids only", async () => {
      const { reader } = fixture;
      const ids = orders.map(({ orderId }) => orderId as number);
      expect((await reader.orderIds(ALL)).toSorted((a, b) => a - b)).toEqual(ids);
      const some = { shardIndex: 1, from: idOf(2), to: idOf(4) };
      expect((await reader.orderIds(some)).length).toBe(3);
      expect(await reader.countOrders(some, 1)).toEqual({ count: 3, first: idOf(2) });
      expect(await reader.countOrders(some, 2)).toEqual({ count: 0, first: null });
      expect(await reader.newestOrderId(1)).toBe(ids.at(-1) as number);
      expect(await reader.newestOrderId(3)).toBeNull();
    });

    test("finds what a lost shard needs: open orders of any age, and all since a time", async () => {
      const { reader } = fixture;
      const since = orders[8]?.createdAt ?? 0;
      const rows = await reader.ordersToRestore(ALL, since);
      const wanted = orders.filter(({ status, createdAt }) => isOpen(status) || createdAt >= since);
      expect(rows.map(renderOrderRow)).toEqual(
        wanted.map((order) => renderOrder(order, shard.shard)),
      );
      expect(await reader.countCreated(ALL, since)).toBe(ORDERS - 8);
      expect(await reader.countOutcomes("shard1", refused[8]?.at ?? 0)).toBe(ORDERS - 8);
    });

    test("tells each symbol's latest change", async () => {
      const latest = await fixture.reader.latestChanges(ALL);
      expect(latest.toSorted((a, b) => a.symbol.localeCompare(b.symbol))).toEqual([
        { symbol: "BTCUSDT", at: changedAt },
        { symbol: "ETHUSDT", at: orders[5]?.updatedAt ?? 0 },
      ]);
    });

    test("gives refusals by place, and page by page", async () => {
      const { reader } = fixture;
      const values = refused.map(({ value }) => value);
      const commitSeqs = refused.map(({ commitSeq }) => commitSeq);
      const from = commitSeqs[2] ?? 0;
      const to = commitSeqs[5] ?? 0;
      const some = await reader.outcomes("shard1", 1, { from, to });
      const bySeq = some.toSorted((a, b) => a.commitSeq - b.commitSeq);
      expect(bySeq.map(({ value }) => value)).toEqual(values.slice(2, 6));
      expect(bySeq.map(({ at }) => at)).toEqual(refused.slice(2, 6).map(({ at }) => at));
      expect(await reader.outcomes("shard1", 2, { from, to })).toEqual([]);
      expect(await reader.newestOutcome("shard1", 1)).toBe(commitSeqs.at(-1) as number);
      expect(await reader.newestOutcome("shard1", 2)).toBe(0);
      const paged: string[] = [];
      for (let after = { epoch: 0, commitSeq: 0 }; ; ) {
        const page = await reader.outcomesAfter("shard1", after, 5);
        const last = page.at(-1);
        if (last === undefined) break;
        paged.push(...page.map(({ value }) => value));
        after = { epoch: last.epoch, commitSeq: last.commitSeq };
      }
      expect(paged).toEqual(values);
    });

    test("gives entities by key, and page by page", async () => {
      const { reader } = fixture;
      const records = [9, 10, 200, 3].map((accountId) =>
        shard.positionChanged(P, { accountId: accountId as AccountId }),
      );
      await apply(records);
      await apply([other.positionChanged(P, { accountId: 10 as AccountId })]);
      const [nine, ten, , three] = records.map((record) => entityRowOf(record, TYPE));
      const keyOf = (accountId: number): string => `${accountId}:BTCUSDT:BOTH`;
      const some = await reader.entitiesByKey("shard1", TYPE, [keyOf(10), keyOf(3), keyOf(4)]);
      expect(some.toSorted((a, b) => a.seq - b.seq)).toEqual([ten, three] as EntityRow[]);
      expect(await reader.entitiesByKey("shard1", TYPE, [])).toEqual([]);
      expect(await reader.entitiesByKey("shard1", "account_changed", [keyOf(9)])).toEqual([]);
      const place = { shard: "shard1", type: TYPE } as const;
      const first = await reader.entities({ ...place, after: "" }, 3);
      expect(first.map(({ entityKey }) => entityKey)).toEqual([10, 200, 3].map(keyOf));
      const rest = await reader.entities({ ...place, after: keyOf(3) }, 3);
      expect(rest).toEqual([nine] as EntityRow[]);
    });
  });
};
