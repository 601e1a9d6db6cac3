import { describe, expect, test } from "bun:test";
import { counterOf, makeOrderId, shardIndexOf } from "./brands.ts";
import { isOpen, ORDER_STATUSES, ORDER_TRANSITIONS, type OrderStatus } from "./order.ts";

describe("an order's status", () => {
  const finals: readonly OrderStatus[] = ["FILLED", "CANCELED", "EXPIRED", "REJECTED"];

  test("is open exactly when it may still change", () => {
    expect(ORDER_STATUSES.filter((status) => !isOpen(status))).toEqual([...finals]);
    expect(Object.keys(ORDER_TRANSITIONS)).toEqual([...ORDER_STATUSES]);
  });

  test("can reach a final one from everywhere, and never itself", () => {
    for (const status of ORDER_STATUSES) {
      const next = ORDER_TRANSITIONS[status];
      expect(next).not.toContain(status);
      if (isOpen(status)) expect(next.some((one) => finals.includes(one))).toBe(true);
    }
  });
});

describe("an order id", () => {
  test.each([
    [1, 1, 1025],
    [4, 1, 4097],
    [1, 1023, 2047],
    [8_796_093_022_206, 1023, 9_007_199_254_739_967],
  ])("of counter %d on shard %d is %d, and names both", (counter, shardIndex, id) => {
    const orderId = makeOrderId(counter, shardIndex);
    expect(Number(orderId)).toBe(id);
    expect(Number.isSafeInteger(orderId)).toBe(true);
    expect([counterOf(orderId), shardIndexOf(orderId)]).toEqual([counter, shardIndex]);
  });
});
