/** What every history answers, whatever store it reads. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { HistoryQuery, OrderHistory } from "../../app/central/history.ts";
import type { CentralStore } from "../../app/central/store.ts";
import { TestShard } from "../../app/central/test-shard.ts";
import type {
  AccountId,
  ClientOrderId,
  InstrumentSymbol,
  OrderId,
} from "../../shards/domain/brands.ts";
import type { Order } from "../../shards/domain/order.ts";
import { renderOrder } from "../../shards/domain/order-body.ts";
import type { CommittedRecord } from "../../shards/protocol/record.ts";

/** A history and the store that fills it, empty before each test. */
export interface HistoryFixture {
  readonly store: CentralStore;
  readonly history: OrderHistory;
  /** The same order again and again, each a millisecond younger, without the applier. */
  copies(orderId: OrderId, count: number): Promise<void>;
  end(): Promise<void>;
}

const P = 4;
const ACCOUNT = 42 as AccountId;
const BTC = "BTCUSDT" as InstrumentSymbol;
const ETH = "ETHUSDT" as InstrumentSymbol;

let fixture: HistoryFixture;
let history: OrderHistory;
let shard: TestShard;

const apply = async (...push: CommittedRecord[]): Promise<void> => {
  await fixture.store.apply({ pushes: [push], positions: [], quarantined: [] });
};
const stored = async (changes: Partial<Order> = {}): Promise<Order> => {
  const { order, record } = shard.place(P, changes);
  await apply(record);
  return order;
};
const text = (order: Order): string => renderOrder(order, shard.shard);
const query = (changes: Partial<HistoryQuery> = {}): HistoryQuery => ({
  accountId: ACCOUNT,
  symbol: null,
  from: null,
  to: null,
  limit: 100,
  after: null,
  ...changes,
});

/** Runs the suite on the history that `make` opens. */
export const testOrderHistory = (make: () => Promise<HistoryFixture>): void => {
  beforeEach(async () => {
    fixture = await make();
    ({ history } = fixture);
    shard = new TestShard();
    const claim = { shardIndex: 1, claimId: "c-1", acceptLoss: false };
    await fixture.store.claimEpoch({ shard: shard.shard, ...claim });
    await apply(shard.epochStarted(P));
  });
  afterEach(() => fixture.end());

  testOneOrder();
  testPages();
};

const testOneOrder = (): void => {
  describe("one order", () => {
    test("has the values of today, byte for byte as the shard renders it", async () => {
      const order = await stored({ selfTradePrevention: "EXPIRE_MAKER" });
      expect(await history.order(ACCOUNT, order.orderId)).toBe(text(order));
      const now: Order = {
        ...order,
        status: "CANCELED",
        version: 2,
        updatedAt: order.updatedAt + 1,
      };
      await apply(shard.changed(P, now));
      expect(await history.order(ACCOUNT, order.orderId)).toBe(text(now));
    });

    test("is nobody else's", async () => {
      const { orderId } = await stored();
      expect(await history.order(43 as AccountId, orderId)).toBeUndefined();
      expect(await history.order(ACCOUNT, (orderId + 1024) as OrderId)).toBeUndefined();
    });

    test("is found by its client order id, the newest of several", async () => {
      const clientOrderId = "again" as ClientOrderId;
      const older = await stored({ clientOrderId, createdAt: 2000 });
      const newer = await stored({ clientOrderId, createdAt: 3000 });
      const eth = await stored({ clientOrderId, createdAt: 4000, symbol: ETH });
      const before = await stored({ clientOrderId, createdAt: 1000 });
      expect(await history.find(ACCOUNT, BTC, clientOrderId)).toBe(text(newer));
      expect(await history.find(ACCOUNT, ETH, clientOrderId)).toBe(text(eth));
      expect(await history.find(43 as AccountId, BTC, clientOrderId)).toBeUndefined();
      expect(await history.find(ACCOUNT, BTC, "never" as ClientOrderId)).toBeUndefined();
      expect([older, before].every(({ createdAt }) => createdAt < newer.createdAt)).toBe(true);
    });
  });
};

const testPages = (): void => {
  describe("a page", () => {
    /** Created at 1000, 1001 … two at a time, BTC and ETH in turn. */
    const storeTen = async (): Promise<Order[]> => {
      const made: Order[] = [];
      for (let i = 0; i < 10; i++) {
        const createdAt = 1000 + Math.floor(i / 2);
        made.push(await stored({ createdAt, symbol: i % 2 === 0 ? BTC : ETH }));
      }
      await stored({ accountId: 43 as AccountId, createdAt: 1002 });
      return made;
    };

    test.each([1, 2, 3, 4, 5, 10, 11])("of %d at a time shows all, newest first", async (limit) => {
      const newestFirst = (await storeTen()).reverse().map(text);
      const shown: string[] = [];
      let pages = 0;
      let { bodies, next } = await history.page(query({ limit }));
      for (;;) {
        pages++;
        shown.push(...bodies);
        if (next === null) break;
        ({ bodies, next } = await history.page(query({ limit, after: next })));
      }
      expect(shown).toEqual(newestFirst);
      expect(pages).toBe(Math.ceil(10 / limit));
    });

    const FILTERS: readonly [string, Partial<HistoryQuery>, readonly number[]][] = [
      ["of one symbol", { symbol: ETH }, [9, 7, 5, 3, 1]],
      ["from a time on, itself included", { from: 1003 }, [9, 8, 7, 6]],
      ["up to a time, itself not included", { to: 1002 }, [3, 2, 1, 0]],
      ["between", { from: 1001, to: 1002, symbol: BTC }, [2]],
      ["of nothing", { from: 1002, to: 1002 }, []],
      ["of another account", { accountId: 44 as AccountId }, []],
    ];
    test.each(FILTERS)("%s", async (_name, filter, expected) => {
      const made = await storeTen();
      const { bodies, next } = await history.page(query(filter));
      expect(bodies).toEqual(expected.map((i) => text(made[i] as Order)));
      expect(next).toBeNull();
    });

    test("of a rare symbol lets the process serve others on its way through the account", async () => {
      const rare = await stored({ createdAt: 1000, symbol: ETH });
      const common = await stored({ createdAt: 1001 });
      const rareToo = await stored({ createdAt: 1_000_000, symbol: ETH });
      const copies = 25_000;
      await fixture.copies(common.orderId, copies);
      const oldest = await stored({ createdAt: 999, symbol: ETH });

      let turns = 0;
      let turning = setImmediate(function turn() {
        turns++;
        turning = setImmediate(turn);
      });
      const all = await history.page(query({ symbol: ETH, limit: 3 }));
      clearImmediate(turning);
      expect(all).toEqual({ bodies: [rareToo, rare, oldest].map(text), next: null });
      expect(turns).toBeGreaterThan(1);

      const first = await history.page(query({ symbol: ETH, limit: 2 }));
      expect(first).toEqual({
        bodies: [rareToo, rare].map(text),
        next: { createdAt: rare.createdAt, orderId: rare.orderId },
      });
      const second = await history.page(query({ symbol: ETH, limit: 2, after: first.next }));
      expect(second).toEqual({ bodies: [text(oldest)], next: null });
      const seen = await history.page(query({ symbol: BTC, limit: copies + 1 }));
      expect(new Set(seen.bodies).size).toBe(copies + 1);
      expect(seen.next).toBeNull();
    });

    test("stays in place when newer orders come between two pages", async () => {
      const [a, b, c] = (await storeTen()).reverse() as [Order, Order, Order];
      const first = await history.page(query({ limit: 2 }));
      await stored({ createdAt: 9999 });
      const second = await history.page(query({ limit: 1, after: first.next }));
      expect([...first.bodies, ...second.bodies]).toEqual([a, b, c].map(text));
    });
  });
};
