import { describe, expect, test } from "bun:test";
import { deposit, ShardNetwork } from "../../../tests/support/shard-network.ts";
import {
  ACCOUNT,
  cancel,
  faultsOf,
  named,
  riskTerms,
  StateBench,
  SYMBOLS,
} from "../../../tests/support/shard-state.ts";
import type { CanonicalDecimal, OrderId } from "../../domain/brands.ts";
import type { Command } from "../../domain/command.ts";
import { formatMoney } from "../../domain/risk/money.ts";

/** Margin and fees of 0.01 BTC at 50,000.10: 500.001 ÷ 20 + 0.05 % of it. */
const NEED = "25.25005050";

const statuses = ({ answered }: StateBench): number[] => answered.map(({ status }) => status);
const codes = ({ answered }: StateBench): string[] =>
  answered.map(({ body }) => JSON.parse(body)?.code ?? JSON.parse(body)?.status ?? "");

const purseOf = (shard: StateBench) => {
  const cell = shard.state.risk.purses.find(ACCOUNT, "USDT");
  if (cell === undefined) throw new Error("no purse");
  return cell;
};
const rightsOf = (shard: StateBench): string =>
  formatMoney(purseOf(shard).purse.allotment.rightsMinor);
const usedOf = (shard: StateBench): string => formatMoney(purseOf(shard).usedMinor);

describe("on the home shard", () => {
  test("an order takes what it needs from the bank in its own commit", () => {
    const home = new StateBench(riskTerms());
    home.run([deposit("26")]);
    expect(home.run([named("a")])).toMatchObject([{ status: 201 }]);
    expect(usedOf(home)).toBe(NEED);
    expect(home.store.batches.at(-1)?.risk?.purses).toHaveLength(1);
    const last = home.store.records.slice(-2).map(({ type }) => type);
    expect(last).toEqual(["order_accepted", "account_changed"]);
  });

  test("an order beyond the account's money is refused, and that is stored", () => {
    const home = new StateBench(riskTerms());
    home.run([deposit("26"), named("a")]);
    const [refused] = home.run([named("b")]);
    expect(refused).toMatchObject({ status: 422, kind: "final" });
    expect(JSON.parse(refused?.body ?? "")).toMatchObject({
      code: "margin_insufficient",
      context: { required: NEED, asset: "USDT", available: "0.74994950" },
    });
    expect(home.run([named("b")])).toMatchObject([{ status: 422, kind: "replayed" }]);
  });

  test("a cancel frees the margin when the engine confirms it, not before", () => {
    const home = new StateBench(riskTerms());
    home.run([deposit("26"), named("a"), cancel(1025 as OrderId)]);
    expect(usedOf(home)).toBe(NEED);
    expect(home.run([named("b")])).toMatchObject([{ status: 422 }]);
    home.run([
      {
        kind: "execute",
        execution: {
          executionId: "e-1",
          orderId: 1025 as OrderId,
          symbol: SYMBOLS[0] as (typeof SYMBOLS)[number],
          kind: "CANCEL",
          price: null,
          quantity: null,
          fee: null,
          feeAsset: null,
          at: 1,
        },
      },
    ]);
    expect(usedOf(home)).toBe("0.00000000");
    expect(home.run([named("c")])).toMatchObject([{ status: 201 }]);
  });

  test("many orders of one batch leave one record of their account", () => {
    const home = new StateBench(riskTerms());
    home.run([deposit("1000")]);
    home.run([named("a"), named("b"), named("c")]);
    const types = home.store.records.map(({ type }) => type);
    expect(types.filter((type) => type === "account_changed")).toHaveLength(2);
    expect(faultsOf(home.store.records)).toEqual([]);
  });
});

test("what fills come to in all is bounded by what the file holds; the next is put aside", () => {
  const home = new StateBench(riskTerms());
  home.run([deposit("1000000"), named("a", { quantity: "0.2" })]);
  const fill = (number: number, feeAsset: string): Command => ({
    kind: "execute",
    execution: {
      executionId: `${feeAsset}-${number}`,
      orderId: 1025 as OrderId,
      symbol: SYMBOLS[0] as (typeof SYMBOLS)[number],
      kind: "FILL",
      price: "50000" as CanonicalDecimal,
      quantity: "0.001" as CanonicalDecimal,
      fee: "1000000000" as CanonicalDecimal,
      feeAsset,
      at: 1,
    },
  });
  for (const asset of ["USDT", "BNB"]) {
    const fills = Array.from({ length: 95 }, (_, number) => fill(number, asset));
    const reasons = home.run(fills).map(({ body }) => JSON.parse(body).reason);
    const last = reasons.indexOf("position_impossible");
    expect([asset, last, reasons.slice(0, last), reasons.slice(last)]).toEqual([
      ...[asset, 92, Array(92).fill(undefined)],
      Array(3).fill("position_impossible"),
    ]);
  }
});

describe("on another shard", () => {
  test("an order waits for the grant, and is answered in the batch that brings it", () => {
    const net = new ShardNetwork(2);
    const away = net.shard(2);
    net.shard(1).run([deposit("26")]);
    away.run([named("a")]);
    expect(away.answered).toEqual([]);
    expect(away.room.size).toBe(1);
    net.settle();
    expect(statuses(away).filter((status) => status === 201)).toHaveLength(1);
    expect([usedOf(away), away.room.size]).toEqual([NEED, 0]);
    expect(faultsOf(away.store.records)).toEqual([]);
  });

  test("those behind are tried in their order, each with a request of its own", () => {
    const net = new ShardNetwork(2);
    const away = net.shard(2);
    net.shard(1).run([deposit("60")]);
    away.run([named("a"), named("b"), named("c")]);
    expect(away.room.size).toBe(3);
    net.settle();
    const orders = away.answered.filter(({ body }) => body !== "null");
    expect(orders.map(({ requestId, status }) => [requestId, status])).toEqual([
      [0, 201],
      [1, 201],
      [2, 422],
    ]);
    expect(away.room.size).toBe(0);
  });

  test.each([1, 2, 3, 4, 5])("those behind keep their order, timers after each %d", (pause) => {
    const net = new ShardNetwork(2);
    const away = net.shard(2);
    net.shard(1).run([deposit("60")]);
    away.run(["a", "b", "c", "d", "e"].map((id) => named(id)));
    for (let i = 1; net.deliver(); i++) if (i % pause === 0) net.tick(10);
    const orders = away.answered.filter(({ body }) => body !== "null");
    expect(orders.map(({ requestId, status }) => [requestId, status])).toEqual([
      [0, 201],
      [1, 201],
      [2, 422],
      [3, 422],
      [4, 422],
    ]);
  });

  test("a bank that hears nothing from a shard with rights leaves the order undecided", () => {
    const net = new ShardNetwork(3);
    const away = net.shard(2);
    net.shard(1).run([deposit("60")]);
    net.shard(3).run([named("c")]);
    away.run([named("a")]);
    net.settle();
    away.run([named("b")]);
    net.loses = ({ kind }) => kind === "recall";
    net.settle();
    expect(away.room.size).toBe(1);
    for (let i = 0; i < 5; i++) {
      net.tick(300);
      net.settle();
    }
    expect(away.answered.at(-1)?.body).not.toContain("margin_insufficient");
    expect(codes(away)).toContain("bank_unavailable");
    expect(away.room.size).toBe(0);
    net.loses = () => false;
    // Its id is free: now that the third shard answers, the account lacks the margin.
    away.run([named("b")]);
    net.settle();
    expect(codes(away)).toContain("margin_insufficient");
  });

  test("an order sent again joins the one that waits; another body under its id is 409", () => {
    const net = new ShardNetwork(2);
    const away = net.shard(2);
    net.shard(1).run([deposit("26")]);
    away.run([named("a"), named("a"), named("a", { side: "SELL" })]);
    expect(codes(away)).toEqual(["client_order_id_reused"]);
    expect(away.room.size).toBe(1);
    net.settle();
    const answers = away.answered.filter(({ body }) => body.includes("orderId"));
    expect(answers.map(({ requestId, status, kind }) => [requestId, status, kind])).toEqual([
      [0, 201, "final"],
      [1, 200, "replayed"],
    ]);
    expect(away.store.records).toHaveLength(1);
  });

  test("what lacks the margin in the whole account is refused, and that is stored", () => {
    const net = new ShardNetwork(2);
    const away = net.shard(2);
    net.shard(1).run([deposit("25")]);
    away.run([named("a")]);
    net.settle();
    const refused = away.answered.find(({ status }) => status === 422);
    expect(refused).toMatchObject({ kind: "final" });
    expect(JSON.parse(refused?.body ?? "").context).toEqual({
      asset: "USDT",
      required: NEED,
      available: "25.00000000",
    });
    expect(away.run([named("a")])).toMatchObject([{ status: 422, kind: "replayed" }]);
  });

  test("an order whose deadline comes is not stored, and its id may be tried again", () => {
    const net = new ShardNetwork(2);
    const away = net.shard(2);
    net.shard(1).run([deposit("26")]);
    away.run([named("a")]);
    expect(away.room.takeExpired(away.now)).toEqual([]);
    const [late] = away.room.takeExpired(Number.MAX_SAFE_INTEGER);
    expect(late?.command).toMatchObject(named("a"));
    expect(away.room.size).toBe(0);
    net.settle();
    expect(away.store.orders.size).toBe(0);
    // The granted rights have come all the same.
    expect(away.run([named("a")])).toMatchObject([{ status: 201 }]);
  });

  test("a cancel-all ends the account's waiting orders in its symbols", () => {
    const net = new ShardNetwork(2);
    const away = net.shard(2);
    away.run([named("a"), named("b", { symbol: "ETHUSDT" })]);
    const symbol = SYMBOLS[0] as (typeof SYMBOLS)[number];
    away.run([{ kind: "cancel_many", accountId: ACCOUNT, symbol }]);
    expect(away.answered.map(({ requestId, status }) => [requestId, status])).toEqual([
      [0, 503],
      [0, 200],
    ]);
    expect(codes(away)[0]).toBe("bank_unavailable");
    expect(away.room.size).toBe(1);
    away.run([{ kind: "cancel_many", accountId: ACCOUNT, symbol: null }]);
    expect(away.room.size).toBe(0);
    expect(away.store.records).toEqual([]);
  });

  test("a lost batch forgets who began to wait in it, and the request too", () => {
    const net = new ShardNetwork(2);
    const away = net.shard(2);
    away.run([named("a")], false);
    expect([away.room.size, away.sent.length]).toEqual([0, 0]);
    expect(away.state.risk.purses.find(ACCOUNT, "USDT")).toBeUndefined();
    net.shard(1).run([deposit("26")]);
    away.run([named("a")]);
    net.settle();
    expect(usedOf(away)).toBe(NEED);
  });

  test("a grant whose batch is lost is granted by the repeated reply, once", () => {
    const net = new ShardNetwork(2);
    const away = net.shard(2);
    net.shard(1).run([deposit("26")]);
    away.run([named("a")]);
    net.deliver();
    net.collect();
    const [message] = net.inFlight.splice(0);
    if (message === undefined) throw new Error("no reply");
    away.run([{ kind: "bank", message }], false);
    expect(away.room.size).toBe(0);
    away.run([
      { kind: "bank", message },
      { kind: "bank", message },
    ]);
    expect(Number(rightsOf(away))).toBeGreaterThanOrEqual(Number(NEED));
    expect(Number(rightsOf(away))).toBeLessThanOrEqual(26);
    expect(away.run([named("a")])).toMatchObject([{ status: 201 }]);
  });

  test("after a restart the request goes on under its number, for nobody", () => {
    const net = new ShardNetwork(2);
    const away = net.shard(2);
    net.shard(1).run([deposit("26")]);
    away.run([named("a")]);
    net.collect();
    net.inFlight.length = 0;
    away.restart();
    expect(away.room.size).toBe(0);
    net.tick(1_000);
    net.settle();
    expect(away.store.orders.size).toBe(0);
    expect(away.run([named("a")])).toMatchObject([{ status: 201 }]);
    expect(purseOf(away).purse.allotment.reqSeq).toBe(1);
  });

  test("a shard whose file was restored takes cancels and reduce-only orders alone", () => {
    const away = new StateBench(
      riskTerms({ isReconciling: true, homeOf: () => 2, shardIndexes: [1, 2] }),
    );
    away.run([named("a")]);
    expect(codes(away)).toEqual(["bank_unavailable"]);
    expect(away.answered[0]?.body).toContain("restored");
    const reduce = named("b", { reduceOnly: true });
    expect(away.run([reduce, cancel(9 as OrderId)])).toMatchObject([
      // There is no position to reduce: decided, not turned away.
      { status: 422 },
      { status: 404 },
    ]);
  });
});

describe("two orders on two shards at the same moment", () => {
  const order = (clientOrderId: string): Command => named(clientOrderId);

  test.each(["30", "50", "50.50010099"])("with %s USDT only one of them stands", (amount) => {
    for (const first of [2, 3]) {
      const net = new ShardNetwork(3);
      net.shard(1).run([deposit(amount)]);
      net.shard(first).run([order("a")]);
      net.shard(5 - first).run([order("b")]);
      net.settle();
      net.tick(2_000);
      net.settle();
      const accepted = net.shards.flatMap((shard) => [...shard.store.orders.values()]);
      expect(accepted).toHaveLength(1);
      const refusals = net.shards.flatMap((shard) => statuses(shard)).filter((s) => s === 422);
      expect(refusals).toHaveLength(1);
    }
  });

  test("with enough for both both stand, whoever holds the rest", () => {
    const net = new ShardNetwork(3);
    net.shard(1).run([deposit("50.50010100")]);
    net.shard(2).run([order("a")]);
    net.shard(3).run([order("b")]);
    net.settle();
    expect(net.shards.flatMap((shard) => [...shard.store.orders.values()])).toHaveLength(2);
  });

  test("never both, in whatever order their messages arrive", () => {
    let seed = 7;
    const random = (below: number): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return Math.floor((seed / 2_147_483_648) * below);
    };
    for (let run = 0; run < 60; run++) {
      const net = new ShardNetwork(3);
      net.shard(1).run([deposit("40")]);
      for (const index of [1, 2, 3]) net.shard(index).run([order(`o${index}`)]);
      for (let i = 0; i < 200; i++) {
        net.collect();
        if (net.inFlight.length > 0) net.deliver(random(net.inFlight.length));
        if (random(4) === 0) net.tick(150);
      }
      net.settle();
      const accepted = net.shards.flatMap((shard) => [...shard.store.orders.values()]);
      expect({ run, accepted: accepted.length }).toEqual({ run, accepted: 1 });
      for (const { state } of net.shards) {
        for (const { purse, usedMinor } of state.risk.purses.all()) {
          expect(usedMinor <= purse.allotment.rightsMinor).toBe(true);
        }
      }
    }
  });
});
