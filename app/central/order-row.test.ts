import { describe, expect, test } from "bun:test";
import { type ClientOrderId, makeOrderId } from "../../shards/domain/brands.ts";
import type { Order } from "../../shards/domain/order.ts";
import { renderOrder, renderOrderChange } from "../../shards/domain/order-body.ts";
import type { CommittedRecord } from "../../shards/protocol/record.ts";
import { readRecord, renderOrderRow } from "./order-row.ts";
import { UnreadableRecord } from "./record-value.ts";
import { TestShard } from "./test-shard.ts";

const ORDERS: readonly [string, Partial<Order>][] = [
  ["a resting limit order", {}],
  ["a good-till-date order", { timeInForce: "GTD", goodTillDate: 1_800_000_000_000 }],
  ["a market order", { type: "MARKET", timeInForce: null, priceUnits: null, status: "EXPIRED" }],
  ["self-trade prevention", { selfTradePrevention: "EXPIRE_BOTH", side: "SELL" }],
  ["no decimals", { priceScale: 0, quantityScale: 0, priceUnits: 7, quantityUnits: 1 }],
  [
    "a conditional order",
    { type: "STOP", stopPriceUnits: 7, workingType: "LAST_PRICE", status: "UNTRIGGERED" },
  ],
  [
    "a closing order in hedge mode",
    {
      type: "TAKE_PROFIT_MARKET",
      timeInForce: null,
      priceUnits: null,
      stopPriceUnits: 9,
      workingType: "MARK_PRICE",
      reduceOnly: true,
      closePosition: true,
      positionSide: "SHORT",
      quantityUnits: 0,
    },
  ],
  ["a child", { parentId: makeOrderId(1, 1), status: "PENDING", reduceOnly: true }],
  [
    "a parent of two",
    {
      children: [
        {
          orderId: makeOrderId(2, 1),
          clientOrderId: "tp-1025" as ClientOrderId,
          type: "TAKE_PROFIT",
          stopPrice: "51000.00",
          price: "51000.10",
          workingType: "MARK_PRICE",
        },
        {
          orderId: makeOrderId(3, 1),
          clientOrderId: "mine" as ClientOrderId,
          type: "STOP_MARKET",
          stopPrice: "49000.00",
          price: null,
          workingType: "LAST_PRICE",
        },
      ],
    },
  ],
  ["the largest numbers", { priceUnits: Number.MAX_SAFE_INTEGER, priceScale: 18 }],
];

describe("an order's row", () => {
  test.each(ORDERS)("of %s renders to the very text of its 201", (_name, changes) => {
    const { order, record } = new TestShard().place(4, changes);
    const content = readRecord(record);
    if (content.type !== "order_accepted") throw new Error(content.type);
    expect(renderOrderRow(content.row)).toBe(record.value);
    expect(record.value).toBe(renderOrder(order, new TestShard().shard));
    expect(content.row.version).toBe(1);
  });

  test.each(ORDERS)("of a changed %s renders to the order as it now is", (_name, changes) => {
    const shard = new TestShard();
    const { order } = shard.place(4, changes);
    const now: Order = {
      ...order,
      quantityUnits: 30,
      executedUnits: 3,
      costUnits: 3n * 4_999_999n + 1n,
      amendment: order.priceUnits === null ? null : { priceUnits: 1, quantityUnits: 2 },
      status: "CANCELED",
      version: 2,
      updatedAt: order.updatedAt + 5,
    };
    const content = readRecord(shard.changed(4, now));
    if (content.type !== "order_changed") throw new Error(content.type);
    expect(renderOrderRow(content.row)).toBe(renderOrder(now, shard.shard));
    expect(content.row.version).toBe(2);
  });
});

const AMENDMENT = ',"amendment":{"price":"1.00","state":"PENDING"}';

/** Each takes a sound record and breaks it in one way. */
const BROKEN: readonly [string, (record: CommittedRecord) => Partial<CommittedRecord>][] = [
  ["no JSON", () => ({ value: "{" })],
  ["a JSON text, not an object", () => ({ value: "7" })],
  ["null", () => ({ value: "null" })],
  ["an empty object", () => ({ value: "{}" })],
  ["a field that this version doesn't know", changeValue('"price"', '"color":"1","price"')],
  ["a known field in another place", changeValue('"price"', '"stopPrice":"1","price"')],
  ["a stop price that is a number", changeValue(',"children"', ',"stopPrice":1,"children"')],
  ["an amendment without a quantity", changeValue(',"children"', `${AMENDMENT},"children"`)],
  ["children that are no list", changeValue('"children":[]', '"children":{}')],
  ["a child with another field", changeValue('"children":[]', '"children":[{"color":1}]')],
  ["a field less", changeValue('"reduceOnly":false,', "")],
  ["a number for a decimal", changeValue('"price":"50000.10"', '"price":50000.10')],
  ["white space", changeValue('{"orderId"', '{ "orderId"')],
  ["an order id past 2^53", changeValue('"orderId":"1025"', '"orderId":"9007199254740993"')],
  ["a fraction of a millisecond", changeValue('"updatedAt":1', '"updatedAt":0.1')],
  ["a receipt of another seq", changeValue('"seq":1}', '"seq":2}')],
  ["a receipt of another shard", changeValue('"shard":"shard1"', '"shard":"shard2"')],
  ["an order id of another shard", changeValue('"orderId":"1025"', '"orderId":"1026"')],
  ["no receipt", changeValue('"receipt":{', '"receipt":null,"x":{')],
  ["a key that is not the symbol", () => ({ key: "ETHUSDT" })],
  ["a time that is no number", () => ({ at: Number.NaN })],
  ["a negative commitSeq", () => ({ commitSeq: -1 })],
  ["a refusal without an answer", () => ({ type: "order_refused", value: '{"code":"x"}' })],
  ["an epoch start without its hash", () => ({ type: "epoch_started", value: "{}" })],
  ["a change without a version", () => ({ type: "order_changed" })],
];

function changeValue(from: string, to: string) {
  return ({ value }: CommittedRecord): Partial<CommittedRecord> => {
    const changed = value.replace(from, to);
    if (changed === value) throw new Error(`${from} is not in ${value}`);
    return { value: changed };
  };
}

describe("a record is unreadable with", () => {
  test.each(BROKEN)("%s", (_name, breakIt) => {
    const record = new TestShard().accepted(4);
    expect(() => readRecord({ ...record, ...breakIt(record) })).toThrow(UnreadableRecord);
  });

  test("a change for a reason that is not in the list", () => {
    const shard = new TestShard();
    const { order } = shard.place(4);
    const record = shard.changed(4, { ...order, version: 2 });
    const value = renderOrderChange(order, shard.shard, "FORGOTTEN" as never);
    expect(() => readRecord({ ...record, value })).toThrow(UnreadableRecord);
  });
});
