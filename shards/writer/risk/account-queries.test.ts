import { describe, expect, test } from "bun:test";
import { deposit, ShardNetwork } from "../../../tests/support/shard-network.ts";
import {
  ACCOUNT,
  describeState,
  hashKey,
  limitRequest,
  named,
  riskTerms,
  StateBench,
  SYMBOLS,
} from "../../../tests/support/shard-state.ts";
import type { AccountId, CanonicalDecimal, OrderId } from "../../domain/brands.ts";
import type { Command, Query } from "../../domain/command.ts";
import { createRegistry } from "../../process/metrics.ts";
import { positionSchema, shardAccountSchema, shardCheckSchema } from "../../protocol/account.ts";
import { answerQuery } from "../queries.ts";
import { EscrowMetrics } from "./escrow-metrics.ts";

const ask = async (bench: StateBench, query: Query): Promise<unknown> => {
  const answer = await answerQuery(
    {
      state: bench.state,
      store: bench.store,
      hashKey,
      admission: () => undefined,
      openOrdersMax: 99,
      now: () => bench.now,
      status: () => {
        throw new Error("not asked");
      },
      metrics: async () => [],
    },
    query,
  );
  return JSON.parse(answer.body);
};

const decimal = (text: string): CanonicalDecimal => text as CanonicalDecimal;
const symbol = SYMBOLS[0] as (typeof SYMBOLS)[number];
const fill: Command = {
  kind: "execute",
  execution: {
    executionId: "e-1",
    orderId: 1025 as OrderId,
    symbol,
    kind: "FILL",
    price: decimal("50000.1"),
    quantity: decimal("0.004"),
    fee: decimal("0.1"),
    feeAsset: null,
    at: 1,
  },
};

/** Half of an order filled; the mark a little above. */
const traded = (): StateBench => {
  const bench = new StateBench(riskTerms());
  bench.run([deposit("100"), named("a"), fill]);
  bench.run([{ kind: "mark", symbol, price: decimal("50100.1"), at: bench.now }]);
  return bench;
};

describe("the query", () => {
  test("account tells what its orders and positions use, and what its bank has", async () => {
    const found = shardAccountSchema.parse(
      await ask(traded(), { kind: "account", accountId: ACCOUNT }),
    );
    expect(found).toEqual({
      shard: "shard1",
      purses: [
        {
          asset: "USDT",
          rights: "25.15005050",
          used: "25.15005030",
          usedByOrders: "15.15003030",
          usedByPositions: "10.00002000",
          unused: "0.00000020",
          outbox: "0.00000000",
        },
      ],
      bank: [
        {
          asset: "USDT",
          deposited: "100.00000000",
          withdrawn: "0.00000000",
          realised: "-0.10000000",
          granted: "25.15005050",
          free: "74.74994950",
          equity: "99.90000000",
        },
      ],
    });
  });

  test("account is empty for one that nobody has heard of", async () => {
    const accountId = 7 as AccountId;
    const found = await ask(traded(), { kind: "account", accountId });
    expect(found).toEqual({ shard: "shard1", purses: [], bank: null });
  });

  test("positions tells those that are open, against the mark", async () => {
    const found = (await ask(traded(), { kind: "positions", accountId: ACCOUNT })) as unknown[];
    expect(found.map((one) => positionSchema.parse(one))).toEqual([
      {
        symbol,
        positionSide: "BOTH",
        quantity: "0.004",
        averagePrice: "50000.10",
        markPrice: "50100.10",
        unrealised: "0.40000000",
        realised: "0.00000000",
        fees: "0.10000000",
        leverage: 20,
        marginMode: "CROSS",
        updatedAt: expect.any(Number),
      },
    ]);
  });

  test("check decides as an order would be, and leaves nothing", async () => {
    const bench = traded();
    const before = describeState(bench.state);
    const check = async (quantity: string) =>
      shardCheckSchema.parse(
        await ask(bench, {
          kind: "check",
          accountId: ACCOUNT,
          request: limitRequest({ clientOrderId: "c", quantity }),
        }),
      );
    expect(await check("0.01")).toMatchObject({
      decision: "refused",
      code: "margin_insufficient",
      required: "25.25005050",
      asset: "USDT",
      leverage: 20,
    });
    expect(await check("0.0001")).toMatchObject({ decision: "refused", code: "quantity_off_step" });
    expect(describeState(bench.state)).toEqual(before);
  });
});

test("the metrics sum what purses and banks say", async () => {
  const net = new ShardNetwork(2);
  const registry = createRegistry({ shard: "shard1" });
  const metrics = new EscrowMetrics(registry);
  const { state } = net.shard(1);
  metrics.watch(state.risk, () => net.shard(1).now + 5_000);
  net.shard(1).run([deposit("100"), deposit("50", "t-1", 43 as AccountId), named("a")]);
  net.shard(2).run([named("b")]);
  net.settle();
  const text = await registry.metrics();
  const read = (name: string): number =>
    Number(
      text
        .split("\n")
        .find((line) => line.startsWith(`sluice_escrow_${name}{`))
        ?.split(" ")[1],
    );
  expect(read("equity")).toBe(150);
  expect(read("used")).toBeCloseTo(25.2500505, 6);
  expect(read("granted")).toBeCloseTo(50.500101, 6);
  expect(read("free")).toBeCloseTo(99.499899, 6);
});
