import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { START_AT } from "../../tests/support/shard-state.ts";
import {
  changed,
  childOf,
  isNew,
  MONEY_MAX,
  ODD,
  storedChild,
  storedOrder,
} from "../../tests/support/stored-risk.ts";
import type { OrderId } from "../domain/brands.ts";
import { ORDER_STATUSES, type Order } from "../domain/order.ts";
import { BrokenInvariant } from "../process/failure.ts";
import { migrateShardFile } from "./migrate.ts";
import { OrderRows } from "./order-rows.ts";

const emptyFile = (): { database: Database; rows: OrderRows } => {
  const database = new Database(":memory:", { strict: true });
  migrateShardFile(database, "a.sqlite", START_AT);
  return { database, rows: new OrderRows(database) };
};

const KINDS: readonly [string, Order][] = [
  ["a plain order", storedOrder(1, { marginPriceUnits: 5_000_010, openLossMinor: 3n })],
  ["an open loss beyond a double", storedOrder(1, { openLossMinor: ODD })],
  ["the largest open loss", storedOrder(1, { openLossMinor: MONEY_MAX })],
  ["a negative open loss", storedOrder(1, { openLossMinor: -ODD })],
  ["fills that cost more than 64 bits", storedOrder(1, { costUnits: 2n ** 100n + 1n })],
  ["a market order", storedOrder(1, { type: "MARKET", timeInForce: null, priceUnits: null })],
  ["a reduce-only order", storedOrder(1, { reduceOnly: true })],
  ["an order of one side in hedge mode", storedOrder(1, { positionSide: "SHORT" })],
  [
    "a conditional order that closes the position",
    storedOrder(1, {
      type: "TAKE_PROFIT_MARKET",
      stopPriceUnits: 6_000_000,
      workingType: "LAST_PRICE",
      closePosition: true,
      status: "UNTRIGGERED",
    }),
  ],
  ["a parent", storedOrder(1, { children: [childOf(2), { ...childOf(3), price: "39999.5" }] })],
  ["a child", storedChild(2, 1)],
  ["a child that was filled", storedChild(2, 1, { executedUnits: 10, costUnits: ODD })],
  ["an unconfirmed change", storedOrder(1, { amendment: { priceUnits: 7, quantityUnits: 9 } })],
];

describe("an order's row", () => {
  test.each(KINDS)("is read as it was written: %s", (_, order) => {
    const { database, rows } = emptyFile();
    rows.write(isNew(order));
    expect(rows.read(order.orderId)).toEqual(order);
    database.close();
  });

  test.each(KINDS)("takes every change and goes back again: %s", (_, order) => {
    const { database, rows } = emptyFile();
    const moved: Order = {
      ...order,
      priceUnits: 1,
      quantityUnits: 2,
      executedUnits: 1,
      costUnits: 2n ** 70n,
      marginPriceUnits: 11,
      openLossMinor: ODD,
      amendment: { priceUnits: 3, quantityUnits: 4 },
      status: "PENDING_CANCEL",
      version: 2,
      updatedAt: START_AT + 1,
    };
    rows.write(isNew(order));
    rows.write(changed(moved));
    expect(rows.read(order.orderId)).toEqual(moved);
    rows.write(changed(order));
    expect(rows.read(order.orderId)).toEqual(order);
    database.close();
  });

  test("refuses an amount that its column cannot hold", () => {
    const { database, rows } = emptyFile();
    for (const openLossMinor of [MONEY_MAX + 1n, -MONEY_MAX - 2n]) {
      expect(() => rows.write(isNew(storedOrder(1, { openLossMinor })))).toThrow(BrokenInvariant);
    }
    database.close();
  });

  test("is loaded at a start in every open status, and in no other", () => {
    const { database, rows } = emptyFile();
    const orders = ORDER_STATUSES.map((status, n) => storedOrder(n + 1, { status }));
    rows.write(isNew(...orders));
    const open = ["PENDING", "UNTRIGGERED", "NEW", "PARTIALLY_FILLED", "PENDING_CANCEL"];
    expect(rows.loadOpen()).toEqual(orders.filter(({ status }) => open.includes(status)));
    database.close();
  });

  test("goes with the retention in every final status, and in no other", () => {
    const { database, rows } = emptyFile();
    rows.write(isNew(...ORDER_STATUSES.map((status, n) => storedOrder(n + 1, { status }))));
    const open = rows.loadOpen();
    expect(rows.sweep(START_AT, 1_000, 1_000)).toBe(true);
    const left = database.query("SELECT order_id FROM orders ORDER BY order_id").values().flat();
    expect(left).toEqual(open.map(({ orderId }) => orderId as number));
    database.close();
  });
});

describe("a batch with children", () => {
  /** Gives the order ids in the order in which their rows are inserted. */
  const insertsOf = (database: Database): (() => number[]) => {
    database.run("CREATE TEMP TABLE inserted (place INTEGER PRIMARY KEY, order_id INTEGER)");
    database.run(
      "CREATE TEMP TRIGGER watch AFTER INSERT ON main.orders BEGIN " +
        "INSERT INTO inserted (order_id) VALUES (new.order_id); END",
    );
    return () =>
      database.query("SELECT order_id FROM inserted ORDER BY place").values().flat() as number[];
  };

  test.each([1, 2, 3, 5, 64, 65, 1023, 1024, 1025, 2047])(
    "writes %d of them behind all parents",
    (count) => {
      const { database, rows } = emptyFile();
      const inserts = insertsOf(database);
      // Child by child behind its parent, as they were decided.
      const orders = Array.from({ length: count }, (_, i) => [
        storedOrder(2 * i + 1, { children: [childOf(2 * i + 2)] }),
        storedChild(2 * i + 2, 2 * i + 1),
      ]);
      rows.write(isNew(...orders.flat()));
      const idOf = ({ orderId }: Order): number => orderId;
      expect(inserts()).toEqual([
        ...orders.map(([parent]) => idOf(parent as Order)),
        ...orders.map(([, child]) => idOf(child as Order)),
      ]);
      expect(rows.loadOpen()).toEqual(orders.flat());
      database.close();
    },
  );

  test("that is refused at a child has written no row of the statement", () => {
    const { database, rows } = emptyFile();
    const children = [2, 3, 4].map((n) => storedChild(n, 1));
    rows.write(isNew(storedChild(3, 1)));
    expect(() => rows.write(isNew(...children))).toThrow(/UNIQUE/);
    expect(rows.read(2049 as OrderId)).toBeUndefined();
    expect(rows.loadOpen()).toHaveLength(1);
    database.close();
  });
});
