/** A lost shard's rights, from central and the files of the others, while no shard runs. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { renameSync } from "node:fs";
import { join } from "node:path";
import { makeOrderId, type ShardName } from "../../shards/domain/brands.ts";
import {
  accountKey,
  renderAccount,
  renderSymbolSettings,
  renderTradingState,
} from "../../shards/domain/entities.ts";
import type { Order } from "../../shards/domain/order.ts";
import type { Venue } from "../../shards/domain/risk/types.ts";
import { lockShardFile } from "../../shards/store/open-shard.ts";
import {
  allotmentOf,
  bankOf,
  claim,
  endBench,
  expectVerified,
  fileOf,
  fill,
  folder,
  HERE,
  loaded,
  lost,
  P,
  peer,
  place,
  purseOf,
  push,
  restore,
  startBench,
  THERE,
  transfer,
  UNIT,
  USDT,
  USED,
} from "../../tests/support/lost-shard.ts";
import { TestShard } from "../central/test-shard.ts";

beforeEach(startBench);
afterEach(endBench);

describe("a purse whose bank is on another shard", () => {
  const GRANTED = 60n * UNIT;
  const peers = (venue: Venue = "none"): void => {
    const row = { shardIndex: 1, epoch: 1, grantedMinor: GRANTED, lastReq: 3, lastEvt: 2 };
    const bank = bankOf(1000n * UNIT, [{ ...row, replyGrantedMinor: 1n }]);
    const key = { accountId: THERE, asset: USDT };
    peer("shard2" as ShardName, [{ ...key, allotment: allotmentOf(), bank }], venue);
    peer("shard3" as ShardName, [], venue);
  };

  test("gets the bank's numbers, tells what the bank has not heard, and cancels newest first", async () => {
    const [, , newest] = await place(THERE, 3);
    await push(fill(THERE));
    peers();
    const restored = await restore();
    expect(restored).toMatchObject({
      epoch: 2,
      openOrders: 2,
      positions: 1,
      purses: { state: "LIVE", purses: 1, cancelled: 1, cancelRequested: 0, keptEvents: 1 },
    });
    // Two orders leave 60 - 50.5001010 unused, so the loss of 6 is secured in full.
    expect(purseOf("shard1", THERE)).toMatchObject({
      bank: null,
      allotment: {
        epoch: 2,
        state: "LIVE",
        rightsMinor: GRANTED - 6n * UNIT,
        reqSeq: 3,
        evtSeq: 3,
        pnlTotalMinor: -6n * UNIT,
        unsecuredTotalMinor: 0n,
        pending: null,
        outbox: [
          { evtSeq: 3, kind: "PNL", unitsMinor: 6n * UNIT, deltaMinor: -6n * UNIT, orderId: 0 },
        ],
      },
    });
    const { openOrders, records } = loaded("shard1");
    expect(openOrders.map(({ orderId }) => orderId as number)).not.toContain(newest?.orderId ?? 0);
    expect(records.map(({ type }) => type)).toEqual(["epoch_started", "order_changed"]);
    expect(records[1]?.value).toContain(`"orderId":"${newest?.orderId}"`);
    expect(records[1]?.value).toContain('"status":"CANCELED"');
    await expectVerified(1);
  });

  test("takes part of a loss from what is unused; the rest is unsecured", async () => {
    await place(THERE, 2);
    const flat = { quantityUnits: 0, costUnits: 0n, realisedMinor: -20n * UNIT, feesMinor: 0n };
    await push(lost.positionChanged(P, { accountId: THERE, ...flat }));
    peers();
    await restore();
    const unused = GRANTED - 2n * USED;
    expect(purseOf("shard1", THERE)?.allotment).toMatchObject({
      rightsMinor: 2n * USED,
      unsecuredTotalMinor: 20n * UNIT - unused,
      outbox: [{ unitsMinor: unused, deltaMinor: -20n * UNIT }],
    });
  });

  test("asks a matching engine for cancels, and leaves alone what was asked before", async () => {
    const [, , third, fourth] = await place(THERE, 4);
    const pending = { ...fourth, status: "PENDING_CANCEL", version: 2 } as Order;
    await push(lost.changed(P, pending, "CANCEL_REQUESTED"));
    peers("external");
    const { purses, openOrders } = await restore("external");
    expect(openOrders).toBe(4);
    expect(purses).toMatchObject({ cancelled: 0, cancelRequested: 1 });
    const found = loaded("shard1").openOrders.filter(({ status }) => status === "PENDING_CANCEL");
    expect(found.map(({ orderId, version }) => [orderId, version])).toEqual([
      [third?.orderId, 2],
      [fourth?.orderId, 2],
    ] as never);
    await expectVerified(0);
  });

  test("cancels a conditional order with its children at once", async () => {
    const child = { orderId: makeOrderId(500, 1), clientOrderId: "tp" } as Order["children"][0];
    const children = [
      {
        ...child,
        type: "TAKE_PROFIT_MARKET",
        stopPrice: "9.00",
        price: null,
        workingType: "MARK_PRICE",
      },
    ] as Order["children"];
    await place(THERE, 2);
    const stop = { type: "STOP", status: "UNTRIGGERED", stopPriceUnits: 5_000_000 } as const;
    const [parent] = await place(THERE, 1, { ...stop, workingType: "MARK_PRICE", children });
    await place(THERE, 1, {
      orderId: child.orderId,
      parentId: parent?.orderId ?? null,
      status: "PENDING",
      type: "TAKE_PROFIT_MARKET",
      priceUnits: null,
      timeInForce: null,
      stopPriceUnits: 900,
      workingType: "MARK_PRICE",
      reduceOnly: true,
    });
    peers("external");
    const { purses, openOrders } = await restore("external");
    expect(purses).toMatchObject({ cancelled: 2, cancelRequested: 0 });
    expect(openOrders).toBe(2);
    await expectVerified(0);
  });

  test.each(["BNB", "BUSD"])(
    "keeps what its bank has heard of fees in %s, and tells it the rest",
    async (feeAsset) => {
      await push(fill(THERE, feeAsset));
      const row = { shardIndex: 1, epoch: 1, lastEvt: 2, grantedMinor: GRANTED };
      const key = { accountId: THERE, allotment: allotmentOf() };
      peer("shard2" as ShardName, [
        { ...key, asset: USDT, bank: bankOf(1000n * UNIT, [row]) },
        { ...key, asset: feeAsset, bank: bankOf(UNIT, [{ ...row, pnlTotalMinor: -7n }]) },
      ]);
      peer("shard3" as ShardName, []);
      const { purses } = await restore();
      expect(purses).toMatchObject({ keptEvents: 1, unsure: [`${THERE}:${feeAsset}`] });
      const [told, fees] = [purseOf("shard1", THERE), purseOf("shard1", THERE, feeAsset)];
      expect(told?.allotment).toMatchObject({ pnlTotalMinor: -6n * UNIT, evtSeq: 3 });
      expect(fees?.allotment).toMatchObject({ pnlTotalMinor: -7n, evtSeq: 2, outbox: [] });
    },
  );

  test("is not paid back fees that an earlier fill of another asset's position has cost", async () => {
    await push(fill(THERE));
    const row = { shardIndex: 1, epoch: 1, lastEvt: 2, pnlTotalMinor: -7n };
    const bank = bankOf(UNIT, [row]);
    peer("shard2" as ShardName, [
      { accountId: THERE, asset: "BUSD", allotment: allotmentOf(), bank },
    ]);
    peer("shard3" as ShardName, []);
    const { purses } = await restore();
    expect(purses).toMatchObject({ unsure: [`${THERE}:BUSD`] });
    const fees = purseOf("shard1", THERE, "BUSD")?.allotment;
    expect(fees).toMatchObject({ pnlTotalMinor: -7n, outbox: [] });
  });

  test("is refused to an older file of the shard from then on", async () => {
    await place(THERE, 1);
    peers();
    await restore();
    const [row] = purseOf("shard2", THERE)?.bank?.shards ?? [];
    expect(row).toMatchObject({ shardIndex: 1, epoch: 2, grantedMinor: GRANTED });
  });
});

describe("a purse whose bank was on the lost shard", () => {
  const key = { accountId: HERE, asset: USDT };

  test("gets it back from transfers and the other shards' allotments", async () => {
    await place(HERE, 1);
    const [paid, refused, out] = [
      transfer("in", 1000n, "PAID"),
      transfer("too much", -5000n, "REFUSED"),
      transfer("out", -100n, "PAID"),
    ];
    const told = renderAccount(HERE, USDT, { ...bankOf(1000n * UNIT, []), version: 7 });
    await push(paid, refused, out, fill(HERE));
    await push(lost.entity(P, "account_changed", accountKey(HERE), told));
    const pending = { reqSeq: 4, needMinor: 5n, afterEvt: 9 };
    const allotment = allotmentOf({
      rightsMinor: 300n * UNIT,
      reqSeq: 4,
      evtSeq: 9,
      pnlTotalMinor: -20n * UNIT,
      unsecuredTotalMinor: 2n,
      pending,
    });
    peer("shard2" as ShardName, [{ ...key, allotment, bank: null }]);
    peer("shard3" as ShardName, []);
    expect((await restore()).purses).toMatchObject({ state: "LIVE", cancelled: 0, keptEvents: 0 });
    expect(purseOf("shard1", HERE)).toMatchObject({
      allotment: { epoch: 2, state: "LIVE", rightsMinor: USED, pnlTotalMinor: -6n * UNIT },
      bank: {
        depositedMinor: 1000n * UNIT,
        withdrawnMinor: 100n * UNIT,
        version: 8,
        shards: [
          { shardIndex: 1, epoch: 2, grantedMinor: USED, pnlTotalMinor: -6n * UNIT },
          {
            shardIndex: 2,
            epoch: 1,
            grantedMinor: 300n * UNIT,
            lastReq: 3,
            replyCode: "UNAVAILABLE",
            lastEvt: 9,
            pnlTotalMinor: -20n * UNIT,
            unsecuredTotalMinor: 2n,
            reportedTerm: 1,
            claim: false,
          },
          { shardIndex: 3, epoch: 0, grantedMinor: 0n },
        ],
      },
    });
    await expectVerified(5);
  });

  test("is cut down to what no other shard holds", async () => {
    await place(HERE, 3);
    await push(transfer("in", 100n, "PAID"));
    const allotment = allotmentOf({ rightsMinor: 70n * UNIT });
    peer("shard2" as ShardName, [{ ...key, allotment, bank: null }]);
    peer("shard3" as ShardName, []);
    expect((await restore()).purses).toMatchObject({ cancelled: 2 });
    const purse = purseOf("shard1", HERE);
    expect(purse?.allotment.rightsMinor).toBe(USED);
    expect(purse?.bank?.shards[0]?.grantedMinor).toBe(USED);
    await expectVerified(2);
  });
});

describe("without the files of all other shards at rest", () => {
  const start = async (): Promise<void> => {
    await place(HERE, 1);
    const bank = { ...bankOf(1000n * UNIT, [{ shardIndex: 2, pnlTotalMinor: 3n }]), version: 7 };
    await push(
      transfer("in", 1000n, "PAID"),
      lost.entity(P, "account_changed", accountKey(HERE), renderAccount(HERE, USDT, bank)),
    );
    peer("shard2" as ShardName, []);
    peer("shard3" as ShardName, []);
  };
  type End = (() => void) | undefined;
  const CASES: readonly (readonly [string, () => End | Promise<End>, string])[] = [
    [
      "one is elsewhere",
      () => {
        renameSync(fileOf("shard3"), `${folder}/x`);
        return undefined;
      },
      "is not here",
    ],
    [
      "one is of an older epoch",
      async () => {
        await claim("shard3" as ShardName, "another");
        return undefined;
      },
      "is of epoch 1, central knows 2",
    ],
    [
      "one is an older copy",
      async () => {
        const ahead = new TestShard(2);
        await push(ahead.epochStarted(P), ahead.place(P).record);
        return undefined;
      },
      "is not the newest file: central has 2 records of partition 0, the file has 1",
    ],
    [
      "one runs",
      () => {
        const lock = lockShardFile(join(folder, "shard2.lock"), 1);
        return () => lock.release();
      },
      "shard2 runs",
    ],
  ];
  test.each(CASES)(
    "because %s, its orders are back and nothing is granted",
    async (_n, make, why) => {
      await start();
      const end = await make();
      const { purses, openOrders } = await restore();
      end?.();
      expect(openOrders).toBe(1);
      expect(purses?.state).toBe("RECONCILING");
      expect(purses?.missing).toEqual([expect.stringContaining(why)]);
      expect(loaded("shard1").isReconciling).toBe(true);
      const purse = purseOf("shard1", HERE);
      expect(purse?.allotment).toMatchObject({ state: "RECONCILING", rightsMinor: 0n });
      expect(purse?.bank?.shards.every(({ reportedTerm }) => reportedTerm === 0)).toBe(true);
      await expectVerified(2);
    },
  );
});

test("with `risk: none` orders and positions come back, and the other files are not asked for", async () => {
  await place(THERE, 9);
  await push(fill(THERE));
  const restored = await restore("none", "none");
  expect(restored).toMatchObject({ openOrders: 9, positions: 1, purses: null });
  const { risk, openOrders } = loaded("shard1");
  expect(openOrders).toHaveLength(9);
  expect(risk.purses).toEqual([]);
  await expectVerified(1);
});

test("settings and trading states come back", async () => {
  const settings = {
    accountId: HERE,
    symbol: "BTCUSDT",
    leverage: 5,
    marginMode: "CROSS",
  } as const;
  const state = { scope: { kind: "all" }, state: "HALTED", version: 4 } as const;
  await push(
    lost.entity(
      P,
      "settings_changed",
      accountKey(HERE),
      renderSymbolSettings({ ...settings, version: 2 } as never),
    ),
    lost.entity(P, "trading_state_changed", "all", renderTradingState(state)),
  );
  peer("shard2" as ShardName, []);
  peer("shard3" as ShardName, []);
  await restore();
  const { risk } = loaded("shard1");
  expect(risk.symbolSettings).toEqual([{ ...settings, version: 2 } as never]);
  expect(risk.tradingStates).toEqual([state]);
  await expectVerified(2);
});
