import { beforeEach, describe, expect, test } from "bun:test";
import type { ShardAccount, ShardCheck } from "../../../shards/protocol/account.ts";
import { createOrderLimiter } from "../../cache/order-limiter.ts";
import {
  answer,
  bodyOf,
  createFakeEdge,
  type FakeEdge,
  problemAnswer,
  routingFailure,
} from "../fake-edge.ts";

const order = {
  clientOrderId: "a-1",
  symbol: "BTCUSDT",
  side: "BUY",
  type: "LIMIT",
  price: "50000.10",
  quantity: "0.010",
};

const NUMBERS = {
  asset: "USDT",
  required: "25.30000000",
  used: "10.00000000",
  rights: "20.00000000",
  unused: "10.00000000",
  leverage: 20,
  notional: "500.00100000",
  fees: "0.30000000",
  openLoss: "0.00000000",
  markPrice: "50000.00",
} as const;
const SHORT: ShardCheck = {
  ...NUMBERS,
  decision: "refused",
  code: "margin_insufficient",
  detail: "This shard lacks rights.",
  context: { available: "10.00000000" },
};

/** `free` at the bank of shard 2, and 10 unused on shard 1. */
const accountsWith = (free: string): readonly ShardAccount[] => [
  {
    shard: "shard1",
    purses: [
      {
        ...{ asset: "USDT", rights: "20.00000000", used: "10.00000000", unused: "10.00000000" },
        ...{ usedByOrders: "10.00000000", usedByPositions: "0.00000000", outbox: "0.00000000" },
      },
    ],
    bank: null,
  },
  {
    shard: "shard2",
    purses: [],
    bank: [
      {
        ...{ asset: "USDT", deposited: "100.00000000", withdrawn: "0.00000000" },
        ...{ realised: "0.00000000", granted: "20.00000000", free, equity: "100.00000000" },
      },
    ],
  },
];

let edge: FakeEdge;
beforeEach(async () => {
  edge = await createFakeEdge();
});

const checked = (check: ShardCheck, free = "80.00000000"): Promise<Response> => {
  const accounts = accountsWith(free);
  edge.router.respond = (operation, shard) =>
    answer(
      200,
      JSON.stringify(
        operation.kind === "check" ? check : accounts.find((one) => one.shard === shard),
      ),
    );
  return edge.send("POST", "/v1/orders/check", order);
};

describe("POST /v1/orders/check", () => {
  test("gives the decision, its numbers, and where the margin is", async () => {
    const response = await checked({ ...NUMBERS, decision: "accepted" });
    expect([response.status, await response.json()]).toEqual([
      200,
      {
        shard: "shard1",
        decision: "accepted",
        status: 201,
        asset: "USDT",
        required: "25.30000000",
        leverage: 20,
        notional: "500.00100000",
        fees: "0.30000000",
        openLoss: "0.00000000",
        markPrice: "50000.00",
        available: "90.00000000",
        free: "80.00000000",
        held: [
          {
            ...{ shard: "shard1", rights: "20.00000000" },
            ...{ used: "10.00000000", unused: "10.00000000" },
          },
        ],
      },
    ]);
  });

  test("asks the order's shard for a decision and all for the account, and places nothing", async () => {
    await checked({ ...NUMBERS, decision: "accepted" });
    expect(edge.router.asked.map(({ shard, operation }) => `${shard} ${operation.kind}`)).toEqual([
      "shard1 check",
      "shard1 account",
      "shard2 account",
    ]);
    expect(edge.router.asked[0]?.operation).toMatchObject({
      request: { clientOrderId: "a-1", price: "50000.1" },
    });
  });

  test.each([
    ["15.30000000", "accepted", 201],
    ["15.29999999", "refused", 422],
  ])(
    "is short of margin only when the account is: %s free is %s",
    async (free, decision, status) => {
      const body = (await (await checked(SHORT, free)).json()) as object;
      expect(body).toMatchObject({ decision, status, required: "25.30000000" });
      if (decision === "refused") {
        const available = "25.29999999";
        const context = { asset: "USDT", required: "25.30000000", available };
        expect(body).toMatchObject({ code: "margin_insufficient", context });
      }
    },
  );

  test("that an earlier rule refuses has the code, and no numbers", async () => {
    const context = { price: "50000.15" };
    const response = await checked({
      ...{ decision: "refused", code: "price_off_tick", detail: "Off.", context },
    });
    expect(await response.json()).toEqual({
      ...{ shard: "shard1", decision: "refused", status: 422, code: "price_off_tick" },
      ...{ detail: "Off.", context, asset: null, required: null, leverage: null, notional: null },
      ...{ fees: null, openLoss: null, markPrice: null, available: null, free: null, held: [] },
    });
  });

  test("of an order that was taken says that it would be a replay", async () => {
    const response = await checked({ decision: "accepted", isReplay: true });
    expect(await response.json()).toMatchObject({
      ...{ decision: "accepted", status: 200, isReplay: true },
    });
  });

  test("with a shard that is away is 503 and names it: the account is not known", async () => {
    edge.router.respond = (operation, shard) => {
      if (shard === "shard2") throw routingFailure("outcome_unknown");
      const [account] = accountsWith("0.00000000");
      return answer(200, JSON.stringify(operation.kind === "check" ? SHORT : account));
    };
    const response = await edge.send("POST", "/v1/orders/check", order);
    expect([response.status, (await bodyOf(response)).context]).toEqual([503, { shard: "shard2" }]);
  });

  test("that the shard does not look at is its problem", async () => {
    edge.router.respond = () => problemAnswer({ code: "overloaded", detail: "no" });
    expect((await edge.send("POST", "/v1/orders/check", order)).status).toBe(503);
  });

  test("of a body that is not valid is 400, as for an order", async () => {
    const response = await edge.send("POST", "/v1/orders/check", { ...order, price: 1 });
    expect([response.status, await response.json()]).toMatchObject([
      400,
      { errors: [{ path: "price" }] },
    ]);
    expect((await edge.send("POST", "/v1/orders/check?ack=local", order)).status).toBe(400);
    expect(edge.router.asked).toEqual([]);
  });

  test("counts as an order for the rate limit", async () => {
    edge = await createFakeEdge({ orderLimiter: createOrderLimiter(1) });
    const [first, second] = [await checked(SHORT), await checked(SHORT)];
    expect([first.status, second.status]).toEqual([200, 429]);
  });
});
