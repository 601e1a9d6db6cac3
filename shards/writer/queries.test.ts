import { describe, expect, test } from "bun:test";
import {
  ACCOUNT,
  amend,
  cancel,
  first,
  hashKey,
  idOf,
  limitRequest,
  place,
  StateBench,
  SYMBOLS,
} from "../../tests/support/shard-state.ts";
import type { AccountId, OrderId } from "../domain/brands.ts";
import { answerQuery } from "./queries.ts";

describe("a query", () => {
  const ask = (bench: StateBench, query: Parameters<typeof answerQuery>[1]) =>
    answerQuery(
      {
        state: bench.state,
        store: bench.store,
        hashKey,
        admission: () => bench.admission,
        openOrdersMax: bench.openOrdersMax,
        now: () => bench.now,
        status: () => {
          throw new Error("not asked");
        },
        metrics: async () => ["a metric"],
      },
      query,
    );
  const symbol = SYMBOLS[0] as (typeof SYMBOLS)[number];
  const { clientOrderId } = limitRequest();

  test("finds an order by its id, open or not, for its account only", async () => {
    const bench = new StateBench();
    const { body } = first(bench.run([place()]));
    const orderId = idOf(body);
    const mine = { kind: "get_order", accountId: ACCOUNT, orderId } as const;
    expect(await ask(bench, mine)).toMatchObject({ status: 200, kind: "final", body });
    bench.run([cancel(orderId)]);
    expect(JSON.parse((await ask(bench, mine)).body).status).toBe("CANCELED");
    expect(await ask(bench, { ...mine, accountId: 7 as AccountId })).toMatchObject({ status: 404 });
    expect(await ask(bench, { ...mine, orderId: 9 as OrderId })).toMatchObject({ status: 404 });
  });

  test("finds an order by its client order id as it is today; a refusal is no order", async () => {
    const bench = new StateBench();
    const query = { kind: "find_order", accountId: ACCOUNT, symbol, clientOrderId } as const;
    expect((await ask(bench, query)).status).toBe(404);
    bench.run([place(), place({ clientOrderId: "no", price: "1" })]);
    bench.run([amend(1025 as OrderId, { price: "60000" })]);
    expect(JSON.parse((await ask(bench, query)).body).price).toBe("60000.00");
    const refused = {
      ...query,
      clientOrderId: limitRequest({ clientOrderId: "no" }).clientOrderId,
    };
    expect((await ask(bench, refused)).status).toBe(404);
  });

  test("still finds an open order whose outcome is past its retention", async () => {
    const bench = new StateBench();
    bench.run([place()]);
    bench.store.findOutcome = () => undefined;
    const query = { kind: "find_order", accountId: ACCOUNT, symbol, clientOrderId } as const;
    expect((await ask(bench, query)).status).toBe(200);
  });

  test("lists an account's open orders, newest first, of one symbol or all", async () => {
    const bench = new StateBench();
    bench.run([
      place(),
      place({ clientOrderId: "b", symbol: "ETHUSDT" }),
      place({ clientOrderId: "c" }),
      place({ clientOrderId: "d", timeInForce: "IOC" }),
      place({}, 7 as AccountId),
    ]);
    const list = async (of: typeof symbol | null): Promise<string[]> => {
      const query = { kind: "open_orders", accountId: ACCOUNT, symbol: of } as const;
      const orders: { clientOrderId: string }[] = JSON.parse((await ask(bench, query)).body);
      return orders.map((order) => order.clientOrderId);
    };
    expect(await list(null)).toEqual(["c", "b", "a-1"]);
    expect(await list(symbol)).toEqual(["c", "a-1"]);
  });

  test("gives the instruments and the metrics", async () => {
    const bench = new StateBench();
    const instruments = JSON.parse((await ask(bench, { kind: "instruments" })).body);
    expect(instruments.map((one: { symbol: string }) => one.symbol)).toEqual(SYMBOLS);
    expect((await ask(bench, { kind: "metrics" })).body).toBe('["a metric"]');
  });
});
