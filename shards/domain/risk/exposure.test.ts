import { describe, expect, test } from "bun:test";
import type { OrderId } from "../brands.ts";
import { ORDER_STATUSES, type Order, type OrderStatus, type PositionSide } from "../order.ts";
import {
  bookOf,
  emptyExposure,
  highestHeldPrice,
  orderChanged,
  positionChanged,
  reducesOnly,
  sideOf,
} from "./exposure.ts";

const BUY = {
  type: "LIMIT",
  side: "BUY",
  positionSide: "BOTH",
  quantityUnits: 10,
  executedUnits: 0,
  reduceOnly: false,
  closePosition: false,
  parentId: null,
  marginPriceUnits: 5,
  openLossMinor: 7n,
  amendment: null,
  status: "NEW",
} as unknown as Order;
const CLOSE: Order = { ...BUY, side: "SELL", reduceOnly: true, marginPriceUnits: 0 };

const placed = (...orders: readonly Order[]) =>
  orders.reduce((exposure, order) => orderChanged(exposure, undefined, order), emptyExposure);

describe("orderChanged", () => {
  test.each<[OrderStatus, number, number, bigint]>([
    ["PENDING", 0, 0, 0n],
    ["UNTRIGGERED", 1, 1, 10n],
    ["NEW", 1, 0, 10n],
    ["PARTIALLY_FILLED", 1, 0, 10n],
    ["PENDING_CANCEL", 1, 0, 10n],
    ["FILLED", 0, 0, 0n],
    ["CANCELED", 0, 0, 0n],
    ["EXPIRED", 0, 0, 0n],
    ["REJECTED", 0, 0, 0n],
  ])("an order that is %s", (status, openOrders, conditionalOrders, quantityUnits) => {
    expect(ORDER_STATUSES).toContain(status);
    expect(placed({ ...BUY, status })).toMatchObject({
      openOrders,
      conditionalOrders,
      openLossMinor: quantityUnits === 0n ? 0n : 7n,
      both: { buys: { quantityUnits, notionalUnits: quantityUnits * 5n, reducingUnits: 0n } },
    });
  });

  test.each<[string, Partial<Order>, bigint, bigint, bigint]>([
    [
      "a fill leaves the rest, and its share of the open loss, rounded up",
      { executedUnits: 4 },
      6n,
      30n,
      5n,
    ],
    ["a larger quantity that is asked for counts", amended(20, 4), 20n, 100n, 14n],
    ["a higher price that is asked for counts", amended(3, 9), 10n, 90n, 7n],
    ["smaller ones that are asked for do not", amended(3, 2), 10n, 50n, 7n],
    [
      "what was filled of a larger quantity is taken off",
      { ...amended(20, 9), executedUnits: 4 },
      16n,
      144n,
      12n,
    ],
    [
      "no margin price, no margin and no loss",
      { marginPriceUnits: 0, ...amended(20, 9) },
      0n,
      0n,
      0n,
    ],
  ])("%s", (_, change, quantityUnits, notionalUnits, openLossMinor) => {
    const expected = {
      openLossMinor,
      openOrders: 1,
      both: { buys: { quantityUnits, notionalUnits } },
    };
    expect(placed({ ...BUY, ...change })).toMatchObject(expected);
    expect(orderChanged(placed(BUY), BUY, { ...BUY, ...change })).toMatchObject(expected);
  });

  test("the same orders give the same exposure in any order, and none of them an empty one", () => {
    const orders = [BUY, CLOSE, { ...BUY, quantityUnits: 3 }, { ...BUY, side: "SELL" as const }];
    const exposure = placed(...orders);
    expect(placed(...orders.toReversed())).toEqual(exposure);
    const emptied = orders.reduce((left, order) => orderChanged(left, order, undefined), exposure);
    expect(emptied).toEqual(emptyExposure);
  });

  test.each<[PositionSide, "both" | "long" | "short"]>([
    ["BOTH", "both"],
    ["LONG", "long"],
    ["SHORT", "short"],
  ])("an order of %s is in its own book", (positionSide, name) => {
    const exposure = placed({ ...BUY, positionSide });
    expect(exposure[name].buys.quantityUnits).toBe(10n);
    expect({ ...exposure, [name]: emptyExposure[name] }).toEqual({
      ...emptyExposure,
      openLossMinor: 7n,
      openOrders: 1,
    });
    expect(sideOf(bookOf(exposure, positionSide), "BUY").notionalUnits).toBe(50n);
  });

  test("sums go past 2^53", () => {
    const most = Number.MAX_SAFE_INTEGER;
    const huge = { ...BUY, quantityUnits: most, marginPriceUnits: most };
    expect(placed(huge, huge, huge).both.buys).toEqual({
      quantityUnits: 3n * BigInt(most),
      notionalUnits: 3n * BigInt(most) * BigInt(most),
      reducingUnits: 0n,
    });
  });

  test.each<[string, Partial<Order>, bigint]>([
    ["live ones count", {}, 10n],
    ["with what is left", { executedUnits: 3 }, 7n],
    ["also while their cancel is asked for", { status: "PENDING_CANCEL" }, 10n],
    ["conditional ones not before they trigger", { status: "UNTRIGGERED" }, 0n],
    ["nor children before their parent fills", { status: "PENDING" }, 0n],
  ])("reduce-only orders: %s", (_, change, reducingUnits) => {
    expect(placed({ ...CLOSE, ...change }).both.sells).toEqual({
      quantityUnits: 0n,
      notionalUnits: 0n,
      reducingUnits,
    });
  });
});

function amended(quantityUnits: number, priceUnits: number): Partial<Order> {
  return { amendment: { quantityUnits, priceUnits } };
}

test.each<[string, Partial<Order>, boolean]>([
  ["a plain order", {}, false],
  ["a reduce-only one", { reduceOnly: true }, true],
  ["one that closes the position", { closePosition: true }, true],
  ["an attached child", { parentId: 3 as OrderId }, true],
  ["a buy of LONG", { positionSide: "LONG" }, false],
  ["a sell of LONG", { positionSide: "LONG", side: "SELL" }, true],
  ["a sell of SHORT", { positionSide: "SHORT", side: "SELL" }, false],
  ["a buy of SHORT", { positionSide: "SHORT" }, true],
])("whether it only reduces: %s", (_, change, expected) => {
  expect(reducesOnly({ ...BUY, ...change })).toBe(expected);
});

test("a position replaces the one of its side and leaves the orders", () => {
  const before = placed(BUY);
  const held = positionChanged(before, { side: "BOTH", quantityUnits: -3, costUnits: 12n });
  const { buys, sells } = before.both;
  expect(held).toEqual({
    ...before,
    both: { positionUnits: -3, costUnits: 12n, buys, sells },
  });
  expect(positionChanged(held, { side: "BOTH", quantityUnits: 0, costUnits: 0n })).toEqual(before);
});

test.each<[string, Order[], number]>([
  ["no order", [], 0],
  ["the highest of the side", [BUY, { ...BUY, marginPriceUnits: 8 }, BUY], 8],
  ["not the other side's", [BUY, { ...BUY, side: "SELL", marginPriceUnits: 8 }], 5],
  ["not a closed one's", [BUY, { ...BUY, status: "FILLED", marginPriceUnits: 8 }], 5],
  ["a higher price that is asked for", [{ ...BUY, ...amended(1, 9) }, BUY], 9],
])("the highest held price: %s", (_, orders, expected) => {
  expect(highestHeldPrice(orders, "BUY")).toBe(expected);
});
