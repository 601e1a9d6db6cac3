/** Money in and out, what orders and positions hold of it, settings, and checks that store nothing. */
import { describe, expect, test } from "bun:test";
import { freshId, limitOrder, type OrderFields } from "../../support/contract-client.ts";
import { exchangeStartedOnce, ORDERS } from "../../support/contract-margin.ts";
import { until } from "../../support/until.ts";

const { fixture, exchange } = exchangeStartedOnce();

const BTC = ORDERS.BTCUSDT;
const LTC = ORDERS.LTCUSDT;
const WAIT_MS_MAX = 30_000;
/** A fee or profit reaches the account's bank when its record is replicated. */
const walletIs = (account: number, wallet: string): Promise<unknown> =>
  until(`the wallet has ${wallet}`, WAIT_MS_MAX, async () => {
    return (await exchange.balance(account))?.wallet === wallet;
  });
const minor = (money: string | undefined): bigint => BigInt((money ?? "").replace(".", ""));

describe("a transfer", () => {
  test("is done once, however often it is sent", async () => {
    const account = await exchange.funded("5");
    const transferId = freshId("t");
    const sends = await Promise.all(
      Array.from({ length: 8 }, () => exchange.transfer(account, { transferId, amount: "10.50" })),
    );
    expect(new Set(sends.map(({ status }) => status))).toEqual(new Set([200]));
    expect(new Set(sends.map(({ text }) => text)).size).toBe(1);
    expect(sends[0]?.json).toEqual({
      accountId: String(account),
      asset: "USDT",
      transferId,
      amount: "10.50000000",
      outcome: "PAID",
      at: expect.any(Number),
    });
    const replay = await exchange.transfer(account, { transferId, amount: "10.5" });
    expect(replay.headers.get("idempotency-replayed")).toBe("true");
    expect((await exchange.balance(account))?.wallet).toBe("15.50000000");
  });

  test("out is paid from what no order holds, wherever it is", async () => {
    const account = await exchange.funded("100");
    for (const order of Object.values(ORDERS)) await exchange.accepted(account, order);
    const { available = "" } = (await exchange.balance(account)) ?? {};
    const tooMuch = await exchange.transfer(account, { amount: "-40" });
    expect([tooMuch.status, tooMuch.json.code]).toEqual([422, "insufficient_funds"]);
    const all = await exchange.transfer(account, { amount: `-${available}` });
    expect([all.status, all.json.outcome]).toEqual([200, "PAID"]);
    expect(await exchange.balance(account)).toMatchObject({ available: "0.00000000" });
  });

  test("that is not replicated is not known, and is then what it was", async () => {
    const [account, transferId] = [await exchange.funded("1"), freshId("t")];
    const send = () => exchange.transfer(account, { transferId, amount: "2" });
    const unknown = await fixture.system.whileStopped("applier", send);
    expect([unknown.status, unknown.json.code]).toEqual([504, "outcome_unknown"]);
    expect(unknown.json.context).toMatchObject({ transferId });
    const known = await send();
    expect([known.status, known.headers.get("idempotency-replayed")]).toEqual([200, "true"]);
    expect((await exchange.balance(account))?.wallet).toBe("3.00000000");
  });

  test("that was refused is refused again under its id", async () => {
    const [account, transferId] = [await exchange.funded("1"), freshId("t")];
    const refused = await exchange.transfer(account, { transferId, amount: "-2" });
    await exchange.transfer(account, { amount: "10" });
    const again = await exchange.transfer(account, { transferId, amount: "-2" });
    expect([refused.status, again.status, again.json.code]).toEqual([
      422,
      422,
      "insufficient_funds",
    ]);
    expect((await exchange.balance(account))?.wallet).toBe("11.00000000");
  });

  test("of another asset is a balance of its own", async () => {
    const account = await exchange.funded("1");
    await exchange.transfer(account, { asset: "USDC", amount: "0.00000001" });
    expect((await exchange.balance(account, "USDC"))?.wallet).toBe("0.00000001");
    expect((await exchange.balance(account))?.wallet).toBe("1.00000000");
  });
});

describe("GET /v1/account", () => {
  test("adds up, and says where, after orders on every shard", async () => {
    const account = await exchange.funded("1000");
    for (const order of Object.values(ORDERS)) await exchange.accepted(account, order);
    const balance = await exchange.balance(account);
    expect(balance?.shards.map(({ shard }) => shard)).toEqual(["shard1", "shard2", "shard3"]);
    expect(balance).toMatchObject({ wallet: "1000.00000000", usedByPositions: "0.00000000" });
    // 5 % and 0.05 % of the notional of each: 400, 399 and 400.
    expect(balance?.usedByOrders).toBe("60.54950000");
    // Shards are not read at one moment; what is given back meanwhile is seen a little later.
    await until("the parts are the whole", WAIT_MS_MAX, async () => {
      const now = await exchange.balance(account);
      const sum = minor(now?.usedByOrders) + minor(now?.available) + minor(now?.inTransit);
      return sum === minor(now?.wallet);
    });
  });

  test("with a shard that is down is 503 and names it", async () => {
    const account = await exchange.funded();
    const answer = await fixture.system.whileDown("shard2", () =>
      exchange.send("GET", "/v1/account", account),
    );
    expect([answer.status, answer.json.code]).toEqual([503, "shard_unavailable"]);
    expect(answer.json.context).toMatchObject({ shard: "shard2" });
  });

  test("gives back what a final cancel frees, and the fees of a fill are gone", async () => {
    const account = await exchange.funded("1000");
    const order = await exchange.accepted(account, BTC);
    expect((await exchange.balance(account))?.usedByOrders).toBe("20.20000000");
    await exchange.send("DELETE", `/v1/orders/${order.orderId}`, account);
    expect((await exchange.balance(account))?.usedByOrders).toBe("20.20000000");
    expect(await exchange.executed(order, { kind: "CANCEL" })).toBe("applied");
    expect((await exchange.balance(account))?.usedByOrders).toBe("0.00000000");
    const filled = await exchange.accepted(account, BTC);
    await exchange.fill(filled, "50000.00", "0.008", { fee: "0.2" });
    await walletIs(account, "999.80000000");
    expect(await exchange.balance(account)).toMatchObject({
      usedByOrders: "0.00000000",
      usedByPositions: "20.00000000",
    });
  });
});

describe("GET /v1/positions", () => {
  test("has the average, and what it is worth against the mark", async () => {
    const account = await exchange.funded("1000");
    expect(await exchange.positions(account)).toEqual([]);
    await exchange.position(account, { ...LTC, price: "98.00", quantity: "1.000" });
    await exchange.position(account, { ...LTC, price: "99.00", quantity: "1.000" });
    await exchange.position(account, { ...BTC, side: "SELL" });
    const positions = await exchange.positions(account);
    expect(positions.map(({ symbol }) => symbol)).toEqual(["BTCUSDT", "LTCUSDT"]);
    expect(positions[0]).toMatchObject({ quantity: "-0.008", averagePrice: "50000.00" });
    expect(positions[1]).toMatchObject({
      ...{ positionSide: "BOTH", quantity: "2.000", averagePrice: "98.50" },
      ...{ markPrice: "100.00", unrealised: "3.00000000", realised: "0.00000000" },
    });
  });

  test("has both sides in hedge mode, and none that is closed", async () => {
    const account = await exchange.funded("1000");
    await exchange.send("PUT", "/v1/settings", account, { positionMode: "HEDGE" });
    await exchange.position(account, { ...LTC, positionSide: "LONG" });
    await exchange.position(account, { ...LTC, positionSide: "SHORT", side: "SELL" });
    expect(
      (await exchange.positions(account))
        .map(({ positionSide, quantity }) => `${positionSide} ${quantity}`)
        .sort(),
    ).toEqual(["LONG 4.000", "SHORT -4.000"]);
    await exchange.position(account, { ...LTC, positionSide: "LONG", side: "SELL" });
    expect((await exchange.positions(account)).map(({ positionSide }) => positionSide)).toEqual([
      "SHORT",
    ]);
  });
});

describe("settings", () => {
  const put = (account: number, path: string, json: object) =>
    exchange.send("PUT", path, account, json);

  test("of a symbol are answered as they now are, and change what an order needs", async () => {
    const account = await exchange.funded("1000");
    const { status, json } = await put(account, "/v1/settings/BTCUSDT", { leverage: 10 });
    expect([status, json]).toEqual([
      200,
      {
        accountId: String(account),
        symbol: "BTCUSDT",
        leverage: 10,
        marginMode: "CROSS",
        version: 1,
      },
    ]);
    await exchange.accepted(account, BTC);
    expect((await exchange.balance(account))?.usedByOrders).toBe("40.20000000");
    const lower = await put(account, "/v1/settings/BTCUSDT", { leverage: 40 });
    expect(lower.json).toMatchObject({ leverage: 40, version: 2 });
    expect((await exchange.balance(account))?.usedByOrders).toBe("10.20000000");
    const short = await put(account, "/v1/settings/BTCUSDT", { leverage: 1 });
    expect(short.status).toBe(200);
  });

  test.each<[OrderFields, string]>([
    [{ leverage: 126 }, "leverage_too_high"],
    [{ leverage: 1 }, "margin_insufficient"],
    [{ marginMode: "ISOLATED" }, "position_or_orders_open"],
  ])("of a symbol with an order: %j is %s and changes nothing", async (wish, code) => {
    const account = await exchange.funded("100");
    await exchange.accepted(account, BTC);
    const refused = await put(account, "/v1/settings/BTCUSDT", wish);
    expect(refused.json.code).toBe(code);
    const { json } = await put(account, "/v1/settings/BTCUSDT", { leverage: 20 });
    expect(json).toMatchObject({ leverage: 20, marginMode: "CROSS", version: 0 });
  });

  test("of a symbol that there is not are 422", async () => {
    const { status, json } = await put(1, "/v1/settings/NOSUCH", { leverage: 2 });
    expect([status, json.code]).toEqual([422, "unknown_symbol"]);
  });

  test("of the position mode are refused with where, and then nothing has changed", async () => {
    const account = await exchange.funded();
    const order = await exchange.accepted(account, LTC);
    const refused = await put(account, "/v1/settings", { positionMode: "HEDGE" });
    expect([refused.status, refused.json.code]).toEqual([409, "position_or_orders_open"]);
    expect(refused.json.context).toMatchObject({ shards: ["shard3"], symbols: ["LTCUSDT"] });
    for (const other of [ORDERS.BTCUSDT, ORDERS.ETHUSDT]) {
      expect((await exchange.place(account, { ...other, positionSide: "LONG" })).json.code).toBe(
        "position_side_mismatch",
      );
    }
    await exchange.executed(order, { kind: "CANCEL" });
    const { status, json } = await put(account, "/v1/settings", { positionMode: "HEDGE" });
    expect([status, json]).toEqual([200, { accountId: String(account), positionMode: "HEDGE" }]);
    expect((await put(account, "/v1/settings", { positionMode: "HEDGE" })).status).toBe(200);
    for (const other of Object.values(ORDERS)) {
      await exchange.accepted(account, { ...other, positionSide: "SHORT", side: "SELL" });
    }
  });
});

describe("POST /v1/orders/check", () => {
  const check = async (account: number, fields: OrderFields) =>
    (await exchange.send("POST", "/v1/orders/check", account, limitOrder(fields))).json;

  test("has the numbers of the order that then comes, and stores nothing", async () => {
    const account = await exchange.funded("1000");
    const before = await exchange.balance(account);
    const checked = await check(account, { ...BTC, clientOrderId: "once" });
    expect(checked).toMatchObject({
      ...{ shard: "shard1", decision: "accepted", status: 201, asset: "USDT" },
      ...{ required: "20.20000000", available: "1000.00000000", leverage: 20 },
      ...{ notional: "400.00000000", fees: "0.20000000", openLoss: "0.00000000" },
      markPrice: "50000.00",
    });
    expect(await exchange.balance(account)).toEqual(before);
    expect((await exchange.send("GET", "/v1/orders?status=open", account)).json.items).toEqual([]);
    await exchange.accepted(account, { ...BTC, clientOrderId: "once" });
    expect((await exchange.balance(account))?.usedByOrders).toBe(String(checked.required));
    expect(await check(account, { ...BTC, clientOrderId: "once" })).toMatchObject({
      ...{ decision: "accepted", status: 200, isReplay: true },
    });
  });

  test("counts what other shards hold as available", async () => {
    const account = await exchange.funded("50");
    await exchange.accepted(account, ORDERS.ETHUSDT);
    await exchange.accepted(account, LTC);
    const checked = await check(account, { ...BTC, quantity: "0.003" });
    expect(checked).toMatchObject({ decision: "accepted", required: "7.57500000" });
    const tooMuch = await check(account, BTC);
    expect(tooMuch).toMatchObject({
      ...{ decision: "refused", status: 422, code: "margin_insufficient" },
      required: "20.20000000",
    });
    const placed = await exchange.place(account, { ...BTC, quantity: "0.003" });
    expect(placed.status).toBe(201);
    expect((await exchange.place(account, BTC)).json.code).toBe("margin_insufficient");
  });

  test.each<[OrderFields, string]>([
    [{ price: "50000.15" }, "price_off_tick"],
    [{ price: "60000.00" }, "price_out_of_range"],
    [{ reduceOnly: true }, "reduce_only_rejected"],
    [{ symbol: "NOSUCH" }, "unknown_symbol"],
  ])("of %j has the order's own refusal: %s", async (fields, code) => {
    const account = await exchange.funded();
    const checked = await check(account, { ...BTC, ...fields });
    const placed = await exchange.place(account, { ...BTC, ...fields });
    expect(placed.json.code).toBe(code);
    const { detail, context } = placed.json;
    expect(checked).toMatchObject({ decision: "refused", status: 422, code, detail, context });
  });
});
