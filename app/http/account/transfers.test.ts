import { beforeEach, describe, expect, test } from "bun:test";
import {
  answer,
  bodyOf,
  createFakeEdge,
  type FakeEdge,
  problemAnswer,
  routingFailure,
} from "../fake-edge.ts";

let edge: FakeEdge;
beforeEach(async () => {
  edge = await createFakeEdge();
  edge.router.reached = "replicated";
  edge.router.respond = () => answer(200, PAID);
});

const PAID = '{"transferId":"t-1","amount":"10.50000000","outcome":"PAID"}';
const REFUSED = {
  ...problemAnswer({
    code: "insufficient_funds",
    detail: "No.",
    context: { transferId: "t-1", amount: "-1.00000000" },
  }),
  place: { partition: 4, epoch: 1, seq: 1234 },
};

const transfer = (fields: object = {}, account = "42"): Promise<Response> =>
  edge.send("POST", `/admin/v1/accounts/${account}/transfers`, {
    transferId: "t-1",
    asset: "USDT",
    amount: "10.50",
    ...fields,
  });

describe("POST /admin/v1/accounts/{id}/transfers", () => {
  test("asks the account's home shard, and answers when the record is replicated", async () => {
    const response = await transfer();
    expect([response.status, await response.text()]).toEqual([200, PAID]);
    const operation = {
      kind: "transfer",
      accountId: 42,
      transferId: "t-1",
      asset: "USDT",
      amount: "10.5",
    };
    expect(edge.router.asked).toEqual([
      { shard: "shard2" as never, operation: operation as never },
    ]);
    expect(edge.router.waited).toEqual(["shard2 replicated"]);
  });

  test("is of the account in the path, whoever asks", async () => {
    await transfer({}, "7");
    expect(edge.router.asked).toMatchObject([{ shard: "shard1", operation: { accountId: 7 } }]);
  });

  test("again is 200, and says that it is a replay", async () => {
    edge.router.respond = () => answer(200, PAID, "replayed");
    const response = await transfer();
    expect([response.status, response.headers.get("idempotency-replayed")]).toEqual([200, "true"]);
    expect(edge.router.waited).toEqual(["shard2 replicated"]);
  });

  test("that is refused waits for its record too", async () => {
    edge.router.respond = () => REFUSED;
    const response = await transfer({ amount: "-1" });
    expect([response.status, (await bodyOf(response)) as object]).toMatchObject([
      422,
      { code: "insufficient_funds", context: { amount: "-1.00000000" } },
    ]);
    expect(edge.router.waited).toEqual(["shard2 replicated"]);
  });

  test.each<[string, () => void]>([
    ["is not replicated in time", () => (edge.router.reached = "local")],
    ["cannot be waited for", () => (edge.router.reached = new Error("lost"))],
    [
      "is refused and not replicated in time",
      () => {
        edge.router.reached = "local";
        edge.router.respond = () => REFUSED;
      },
    ],
    [
      "gets no answer",
      () => {
        edge.router.respond = () => {
          throw routingFailure("outcome_unknown");
        };
      },
    ],
  ])("that %s is 504 and names the id to ask again with", async (_, arrange) => {
    arrange();
    const response = await transfer();
    expect([response.status, (await bodyOf(response)) as object]).toMatchObject([
      504,
      { code: "outcome_unknown", context: { transferId: "t-1", shard: "shard2" } },
    ]);
  });

  test.each([
    ["transfer_id_reused", 409],
    ["bank_unavailable", 503],
  ] as const)("of which nothing is decided waits for nothing: %s", async (code, status) => {
    edge.router.reached = new Error("nothing to wait for");
    edge.router.respond = () => problemAnswer({ code, detail: "No." });
    const response = await transfer();
    expect([response.status, response.headers.has("retry-after")]).toEqual([
      status,
      status === 503,
    ]);
    expect(edge.router.waited).toEqual([]);
  });

  test.each<[string, object, string]>([
    ["zero", { amount: "0.00" }, "amount"],
    ["minus zero", { amount: "-0" }, "amount"],
    ["a number", { amount: 10 }, "amount"],
    ["nine decimals", { amount: "0.123456789" }, "amount"],
    ["eleven digits", { amount: "12345678901" }, "amount"],
    ["a plus", { amount: "+1" }, "amount"],
    ["no id", { transferId: undefined }, "transferId"],
    ["an id of 65", { transferId: "a".repeat(65) }, "transferId"],
    ["an asset in small letters", { asset: "usdt" }, "asset"],
    ["another field", { note: "rent" }, "note"],
  ])("of %s is 400, and no shard is asked", async (_, fields, path) => {
    const response = await transfer(fields);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ errors: [{ path }] });
    expect(edge.router.asked).toEqual([]);
  });

  test.each([
    ["1000000000.00000001", "1000000000.00000001"],
    ["-0.50", "-0.5"],
  ])("takes the amount %s as %s", async (amount, canonical) => {
    await transfer({ amount });
    expect(edge.router.asked).toMatchObject([{ operation: { amount: canonical } }]);
  });

  test.each(["0", "01", "-1", "a", "9007199254740992"])("of account %s is 404", async (account) => {
    const response = await transfer({}, account);
    expect([response.status, (await bodyOf(response)) as object]).toMatchObject([
      404,
      { code: "account_not_found" },
    ]);
  });
});
