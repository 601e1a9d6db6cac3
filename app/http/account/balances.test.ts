import { beforeEach, describe, expect, test } from "bun:test";
import type { ShardName } from "../../../shards/domain/brands.ts";
import type { ShardAccount } from "../../../shards/protocol/account.ts";
import {
  answer,
  bodyOf,
  createFakeEdge,
  type FakeEdge,
  problemAnswer,
  routingFailure,
} from "../fake-edge.ts";
import { balancesOf } from "./balances.ts";

const money = (units: string): string => `${units}.00000000`;

const purse = (asset: string, [rights, orders, positions]: readonly [number, number, number]) => {
  const used = orders + positions;
  return {
    asset,
    rights: money(`${rights}`),
    used: money(`${used}`),
    usedByOrders: money(`${orders}`),
    usedByPositions: money(`${positions}`),
    unused: money(`${Math.max(0, rights - used)}`),
    outbox: money("0"),
  };
};
const bank = (
  asset: string,
  [deposited, realised, granted]: readonly [number, number, number],
) => ({
  asset,
  deposited: money(`${deposited}`),
  withdrawn: money("0"),
  realised: money(`${realised}`),
  granted: money(`${granted}`),
  free: money(`${deposited + realised - granted}`),
  equity: money(`${deposited + realised}`),
});
const unknown = (shard: string): ShardAccount => ({ shard, purses: [], bank: null });

let edge: FakeEdge;
beforeEach(async () => {
  edge = await createFakeEdge();
});

const shardsSay = (...accounts: readonly ShardAccount[]): void => {
  edge.router.respond = (_, shard) =>
    answer(200, JSON.stringify(accounts.find((one) => one.shard === shard)));
};

describe("GET /v1/account", () => {
  test("adds up what the bank and the shards have, and says where", async () => {
    shardsSay(
      { shard: "shard1", purses: [purse("USDT", [300, 100, 50])], bank: null },
      {
        shard: "shard2",
        purses: [purse("USDT", [200, 0, 20])],
        bank: [bank("USDT", [1000, -40, 600])],
      },
    );
    const response = await edge.send("GET", "/v1/account");
    expect([response.status, await response.json()]).toEqual([
      200,
      {
        accountId: "42",
        balances: [
          {
            asset: "USDT",
            wallet: money("960"),
            usedByOrders: money("100"),
            usedByPositions: money("70"),
            available: money("690"),
            inTransit: money("100"),
            deposited: money("1000"),
            withdrawn: money("0"),
            realised: money("-40"),
            free: money("360"),
            shards: [
              {
                shard: "shard1",
                rights: money("300"),
                used: money("150"),
                usedByOrders: money("100"),
                usedByPositions: money("50"),
                unused: money("150"),
              },
              {
                shard: "shard2",
                rights: money("200"),
                used: money("20"),
                usedByOrders: money("0"),
                usedByPositions: money("20"),
                unused: money("180"),
              },
            ],
          },
        ],
      },
    ]);
    const operation = { kind: "account", accountId: 42 as never } as const;
    expect(edge.router.asked).toEqual(
      ["shard1", "shard2"].map((shard) => ({ shard: shard as ShardName, operation })),
    );
  });

  test("of an account that no shard knows is 404", async () => {
    shardsSay(unknown("shard1"), { ...unknown("shard2"), bank: [] });
    const response = await edge.send("GET", "/v1/account");
    expect([response.status, (await bodyOf(response)) as object]).toMatchObject([
      404,
      { code: "account_not_found" },
    ]);
  });

  test("with a shard that is away is 503, and names it", async () => {
    edge.router.respond = (_, shard) => {
      if (shard === "shard2") throw routingFailure("outcome_unknown");
      return answer(200, JSON.stringify(unknown(shard)));
    };
    const response = await edge.send("GET", "/v1/account");
    expect([response.status, (await bodyOf(response)) as object]).toMatchObject([
      503,
      { code: "shard_unavailable", context: { shard: "shard2" } },
    ]);
  });
});

describe("a balance", () => {
  const only = (one: ShardAccount) => balancesOf([one])[0];

  test("is one of each asset, by name, of the bank's and of the shards'", () => {
    const balances = balancesOf([
      { shard: "shard1", purses: [purse("USDT", [1, 0, 0])], bank: [bank("BNB", [5, 0, 0])] },
      { shard: "shard2", purses: [purse("BUSD", [1, 0, 0])], bank: null },
    ]);
    expect(balances.map(({ asset, wallet }) => [asset, wallet])).toEqual([
      ["BNB", money("5")],
      ["BUSD", money("0")],
      ["USDT", money("0")],
    ]);
  });

  test("has nothing available, and not less, where losses passed what is free", () => {
    const lost = bank("USDT", [100, -150, 20]);
    const balance = only({ shard: "shard1", purses: [purse("USDT", [20, 5, 0])], bank: [lost] });
    expect(balance).toMatchObject({
      wallet: money("-50"),
      free: money("-70"),
      available: money("0"),
    });
  });

  test("has nothing in transit where a grant was seen by its shard alone", () => {
    const balance = only({
      shard: "shard1",
      purses: [purse("USDT", [30, 0, 0])],
      bank: [bank("USDT", [100, 0, 20])],
    });
    expect(balance?.inTransit).toBe(money("0"));
  });

  test("is exact where a number would not be", () => {
    const exact = "90071992547.40993001";
    const one = { ...bank("USDT", [0, 0, 0]), free: exact, equity: exact };
    const held = { ...purse("USDT", [0, 0, 0]), unused: "0.00000001", rights: "0.00000001" };
    expect(only({ shard: "shard1", purses: [held], bank: [one] })?.available).toBe(
      "90071992547.40993002",
    );
  });
});

describe("GET /v1/positions", () => {
  test("lists those of all shards", async () => {
    edge.router.respond = (_, shard) => answer(200, `[{"symbol":"A-${shard}"}]`);
    const response = await edge.send("GET", "/v1/positions");
    expect([response.status, await response.json()]).toEqual([
      200,
      { items: [{ symbol: "A-shard1" }, { symbol: "A-shard2" }], nextCursor: null },
    ]);
  });

  test("with a shard that is away is 503, and has no parameters", async () => {
    edge.router.respond = () =>
      problemAnswer({ code: "overloaded", detail: "Too much.", context: { shard: "shard1" } });
    const response = await edge.send("GET", "/v1/positions");
    expect([response.status, (await bodyOf(response)).context]).toEqual([503, { shard: "shard1" }]);
    expect((await edge.send("GET", "/v1/positions?symbol=BTCUSDT")).status).toBe(400);
  });
});
