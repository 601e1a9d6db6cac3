import { describe, expect, test } from "bun:test";
import {
  type Answer,
  freshAccount,
  freshId,
  limitOrder,
  type Send,
} from "../support/contract-client.ts";
import { startedOnce } from "../support/contract-fixture.ts";
import { ON_SERVICES } from "../support/stores.ts";
import { until } from "../support/until.ts";

const CATCH_UP_MS_MAX = 30_000;

const running = startedOnce({
  // A broker and MySQL on a busy machine need longer than a file.
  SLUICE_REQUEST_DEADLINE: ON_SERVICES ? "5s" : "2s",
  SLUICE_SHARD_INTAKE_WAIT_MAX: "1900ms",
});

interface Result {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

const placeBatch = (orders: readonly unknown[], options: Send = {}, query = "") =>
  running.client.send("POST", `/v1/orders/batch${query}`, { json: { orders }, ...options });

const resultsOf = ({ status, json }: Answer): readonly Result[] => {
  expect(status).toBe(200);
  return json.results as readonly Result[];
};

describe("a batch", () => {
  test("answers each order by itself, in order, as the order alone would be answered", async () => {
    const account = freshAccount();
    const known = limitOrder({ clientOrderId: freshId() });
    const first = await running.client.place(known, { account });
    const orders = [
      limitOrder({ symbol: "ETHUSDT", price: "2500.00", quantity: "0.100" }),
      limitOrder({ price: "50000.15" }),
      known,
      { ...known, side: "SELL" },
      limitOrder({ side: "HOLD" }),
      limitOrder({ reduceOnly: true }),
      "no order",
      limitOrder({ symbol: "NOSUCHUSDT" }),
      limitOrder(),
    ];
    const results = resultsOf(await placeBatch(orders, { account }));
    expect(results.map(({ status, body }) => [status, body.code ?? body.symbol])).toEqual([
      [201, "ETHUSDT"],
      [422, "price_off_tick"],
      [200, "BTCUSDT"],
      [409, "client_order_id_reused"],
      [400, "invalid_request"],
      [422, "reduce_only_rejected"],
      [400, "invalid_request"],
      [422, "unknown_symbol"],
      [201, "BTCUSDT"],
    ]);
    expect(JSON.stringify(results[2]?.body)).toBe(first.text);
    for (const { status, body } of results) {
      if (status === 201) {
        const found = await running.client.send("GET", `/v1/orders/${body.orderId}`, { account });
        expect(found.text).toBe(JSON.stringify(body));
      } else if (status >= 400) {
        expect(body.status).toBe(status);
      }
    }
  });

  test("keeps the sequence of each symbol", async () => {
    const account = freshAccount();
    const orders = Array.from({ length: 100 }, (_, index) =>
      limitOrder({ symbol: index % 2 === 0 ? "BTCUSDT" : "BTCUSDC" }),
    );
    const results = resultsOf(await placeBatch(orders, { account }));
    const sequence = (symbol: string): number[] =>
      results
        .filter(({ body }) => body.symbol === symbol)
        .map(({ body }) => (body.receipt as { commitSeq: number }).commitSeq);
    for (const symbol of ["BTCUSDT", "BTCUSDC"]) {
      expect(sequence(symbol).length).toBe(50);
      expect(sequence(symbol)).toEqual(sequence(symbol).toSorted((a, b) => a - b));
    }
  });

  test("decides a repeated client order id inside it once", async () => {
    const order = limitOrder({ clientOrderId: freshId() });
    const results = resultsOf(await placeBatch([order, order, { ...order, side: "SELL" }]));
    expect(results.map(({ status }) => status)).toEqual([201, 200, 409]);
    expect(results[1]?.body).toEqual(results[0]?.body ?? {});
  });

  test.each<[string, unknown, string]>([
    ["no orders", {}, "orders"],
    ["an empty list", { orders: [] }, "orders"],
    ["101 orders", { orders: Array.from({ length: 101 }, () => limitOrder()) }, "orders"],
    ["orders as an object", { orders: { 0: limitOrder() } }, "orders"],
    ["a field beside them", { orders: [limitOrder()], ack: "local" }, "ack"],
    ["a list alone", [limitOrder()], ""],
  ])("with %s is refused as a whole", async (_, json, path) => {
    const answer = await running.client.send("POST", "/v1/orders/batch", { json });
    expect([answer.status, answer.json.code]).toEqual([400, "invalid_request"]);
    expect((answer.json.errors as { path: string }[])[0]?.path).toBe(path);
  });

  test("says the level that all of its orders have reached, local when none was taken", async () => {
    const central = await placeBatch([limitOrder(), limitOrder()], {}, "?ack=central");
    expect(central.headers.get("sluice-durability")).toBe("central");
    expect(resultsOf(central).map(({ status }) => status)).toEqual([201, 201]);
    const none = await placeBatch([limitOrder({ price: "1.00" })], {}, "?ack=central");
    expect(none.headers.get("sluice-durability")).toBe("local");
  });
});

describe("?ack=", () => {
  // In the embedded form replicated and central are reached in the same moment.
  test.each([
    ["local", "local"],
    ["replicated", "(replicated|central)"],
    ["central", "central"],
  ])("%s is reached and said", async (ack, reached) => {
    const level = expect.stringMatching(new RegExp(`^${reached}$`));
    const order = limitOrder({ clientOrderId: freshId() });
    const first = await running.client.place(order, { ack });
    expect([first.status, first.headers.get("sluice-durability")]).toEqual([201, level]);
    const replay = await running.client.place(order, { ack });
    expect([replay.status, replay.text]).toEqual([200, first.text]);
    expect(replay.headers.get("sluice-durability")).toEqual(level);
  });

  test("central means that the history has it", async () => {
    const account = freshAccount();
    const { json } = await running.client.place(limitOrder(), { ack: "central", account });
    const { json: page } = await running.client.send("GET", "/v1/orders", { account });
    expect(page.items).toEqual([json]);
  });

  test.each(["replicated", "central"])(
    "%s that is not reached by the deadline without an applier is 202, and the order stands",
    async (ack) => {
      // The broker needs no applier; the embedded form has no other copy than the applier's.
      const reached = ON_SERVICES ? "replicated" : "local";
      const [fresh, again] = ack === reached ? [201, 200] : [202, 202];
      const account = freshAccount();
      const order = limitOrder({ clientOrderId: freshId() });
      const { first, replay, batch } = await running.system.whileStopped("applier", async () => ({
        first: await running.client.place(order, { account, ack }),
        replay: await running.client.place(order, { account, ack }),
        batch: await placeBatch([order, limitOrder()], { account }, `?ack=${ack}`),
      }));
      expect([first.status, first.headers.get("sluice-durability")]).toEqual([fresh, reached]);
      expect(first.headers.get("idempotency-replayed")).toBeNull();
      expect(first.json.status).toBe("NEW");
      expect([replay.status, replay.text]).toEqual([again, first.text]);
      expect(replay.headers.get("sluice-durability")).toBe(reached);
      expect(replay.headers.get("idempotency-replayed")).toBe("true");
      expect(resultsOf(batch).map(({ status }) => status)).toEqual([again, fresh]);
      expect(batch.headers.get("sluice-durability")).toBe(reached);
      const later = await until("the applier has caught up", CATCH_UP_MS_MAX, async () => {
        const answer = await running.client.place(order, { account, ack: "central" });
        return answer.status !== 202 && answer;
      });
      expect([later.status, later.text]).toEqual([200, first.text]);
      expect(later.headers.get("sluice-durability")).toBe("central");
    },
  );
});
