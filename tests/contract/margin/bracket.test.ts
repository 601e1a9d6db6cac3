/** Conditional orders and attached children: what triggers them, and what one does to the others. */
import { describe, expect, test } from "bun:test";
import type { OrderBody } from "../../../shards/domain/order-body.ts";
import { freshId, type OrderFields } from "../../support/contract-client.ts";
import { exchangeStartedOnce } from "../../support/contract-margin.ts";
import { until } from "../../support/until.ts";

const { exchange } = exchangeStartedOnce();

const WAIT_MS_MAX = 30_000;

/** Each test moves the mark of a symbol of its own. */
const SYMBOLS = ["BNBUSDT", "LINKUSDT", "NEARUSDT", "BCHUSDT", "XRPUSDT", "SOLUSDT", "DOTUSDT"];
const takeSymbol = async (price: string): Promise<string> => {
  const symbol = SYMBOLS.pop();
  if (symbol === undefined) throw new Error("no symbol is left");
  expect(await exchange.mark(symbol, price)).toBe("applied");
  return symbol;
};

const statusIs = (account: number, orderId: string, status: string): Promise<OrderBody> =>
  until(`order ${orderId} is ${status}`, WAIT_MS_MAX, async () => {
    const order = await exchange.order(account, orderId);
    return order.status === status && order;
  });

const BRACKET = {
  takeProfit: { stopPrice: "110.00" },
  stopLoss: { stopPrice: "95.00", price: "94.00" },
} as const;

const bracket = async (fields: OrderFields = {}) => {
  const symbol = await takeSymbol("100.00");
  const account = await exchange.funded();
  const order = { symbol, price: "100.00", quantity: "4", ...BRACKET, ...fields };
  const parent = await exchange.accepted(account, order);
  const [takeProfit, stopLoss] = parent.children;
  if (takeProfit === undefined || stopLoss === undefined) throw new Error("children are missing");
  return { symbol, account, parent, takeProfit, stopLoss };
};

describe("a conditional order", () => {
  test("waits in the shard, goes live once at its price, and is cancelled at once before", async () => {
    const symbol = await takeSymbol("100.00");
    const account = await exchange.funded();
    const stop = { symbol, type: "STOP_MARKET", price: undefined, quantity: "4" };
    const [first, second] = [
      await exchange.accepted(account, { ...stop, stopPrice: "105.00" }),
      await exchange.accepted(account, { ...stop, stopPrice: "106.00" }),
    ];
    expect(first).toMatchObject({ status: "UNTRIGGERED", workingType: "MARK_PRICE" });
    expect(await exchange.fill(first, "100.00", "4")).toBe("order_not_live");
    await exchange.mark(symbol, "105.00");
    await statusIs(account, first.orderId, "NEW");
    await exchange.mark(symbol, "104.00");
    await exchange.mark(symbol, "105.50");
    expect((await exchange.order(account, second.orderId)).status).toBe("UNTRIGGERED");
    expect(await exchange.fill(first, "105.00", "4")).toBe("applied");
    const cancelled = await exchange.send("DELETE", `/v1/orders/${second.orderId}`, account);
    expect(cancelled.json.status).toBe("CANCELED");
  });

  test("by the last price is triggered by a fill", async () => {
    const symbol = await takeSymbol("100.00");
    const account = await exchange.funded();
    const order = { symbol, price: "100.00", quantity: "4" };
    await exchange.position(account, order);
    const stop = await exchange.accepted(account, {
      ...{ symbol, side: "SELL", type: "STOP_MARKET", price: undefined, quantity: undefined },
      ...{ stopPrice: "98.00", workingType: "LAST_PRICE", closePosition: true },
    });
    expect(stop).toMatchObject({ status: "UNTRIGGERED", closePosition: true, reduceOnly: true });
    await exchange.position(account, { ...order, price: "98.00", quantity: "1" });
    const live = await statusIs(account, stop.orderId, "NEW");
    expect(Number(live.quantity)).toBe(5);
  });
});

describe("an order with attached children", () => {
  test("names them, and they wait for its fill, sized to it", async () => {
    const { account, parent, takeProfit, stopLoss } = await bracket();
    expect([takeProfit, stopLoss]).toMatchObject([
      { type: "TAKE_PROFIT_MARKET", price: null, workingType: "MARK_PRICE" },
      { type: "STOP", workingType: "MARK_PRICE" },
    ]);
    expect(await exchange.order(account, takeProfit.orderId)).toMatchObject({
      ...{ status: "PENDING", side: "SELL", reduceOnly: true, parentOrderId: parent.orderId },
    });
    await exchange.fill(parent, "100.00", "1");
    const active = await exchange.order(account, stopLoss.orderId);
    expect([active.status, Number(active.quantity)]).toEqual(["UNTRIGGERED", 1]);
    await exchange.fill(parent, "100.00", "3");
    expect(Number((await exchange.order(account, stopLoss.orderId)).quantity)).toBe(4);
  });

  test("closes by one of them, and the other is cancelled", async () => {
    const { symbol, account, parent, takeProfit, stopLoss } = await bracket();
    await exchange.fill(parent, "100.00", "4");
    await exchange.mark(symbol, "110.00");
    await statusIs(account, takeProfit.orderId, "NEW");
    expect((await exchange.order(account, stopLoss.orderId)).status).toBe("CANCELED");
    expect(await exchange.fill({ ...parent, ...takeProfit }, "110.00", "4")).toBe("applied");
    expect(await exchange.positions(account)).toEqual([]);
  });

  test("that triggers while the parent rests asks for the end of the rest", async () => {
    const { symbol, account, parent, stopLoss } = await bracket();
    await exchange.fill(parent, "100.00", "1");
    await exchange.mark(symbol, "95.00");
    await statusIs(account, stopLoss.orderId, "NEW");
    expect((await exchange.order(account, parent.orderId)).status).toBe("PENDING_CANCEL");
  });

  test("ends with them when it never filled, and is given again whole on a replay", async () => {
    const ids = [freshId(), freshId(), freshId()] as const;
    const sent = {
      clientOrderId: ids[0],
      takeProfit: { ...BRACKET.takeProfit, clientOrderId: ids[1] },
      stopLoss: { ...BRACKET.stopLoss, clientOrderId: ids[2] },
    };
    const { symbol, account, parent, takeProfit, stopLoss } = await bracket(sent);
    expect([takeProfit.clientOrderId, stopLoss.clientOrderId]).toEqual([ids[1], ids[2]]);
    const order = { symbol, price: "100.00", quantity: "4", ...sent };
    const again = await exchange.place(account, order);
    expect([again.status, again.json]).toEqual([200, parent as never]);
    const other = await exchange.place(account, { ...order, stopLoss: BRACKET.stopLoss });
    expect(other.json).toMatchObject({
      ...{ code: "client_order_id_reused", context: { fields: ["stopLoss"] } },
    });
    const found = await exchange.send(
      "GET",
      `/v1/orders?symbol=${symbol}&clientOrderId=${ids[2]}`,
      account,
    );
    expect(found.json).toMatchObject({ orderId: stopLoss.orderId, status: "PENDING" });
    expect(await exchange.executed(parent, { kind: "CANCEL" })).toBe("applied");
    for (const { orderId } of [takeProfit, stopLoss]) {
      expect((await exchange.order(account, orderId)).status).toBe("CANCELED");
    }
  });

  test("has children of its own margin's cost: none", async () => {
    const { account } = await bracket();
    expect((await exchange.balance(account))?.usedByOrders).toBe("20.20000000");
  });
});
