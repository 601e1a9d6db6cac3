import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import {
  CONFIG,
  DAY_MS,
  FIRST_EPOCH,
  openFile,
  temporaryFolder,
} from "../../tests/support/shard-file.ts";
import { INSTRUMENTS, place, START_AT } from "../../tests/support/shard-state.ts";
import {
  BTC,
  childOf,
  emptyAllotment,
  fullPurse,
  ODD,
  OWNER,
  openStored,
  storedChild,
  storedOrder,
  storedPosition,
  storedTransfer,
  USDT,
} from "../../tests/support/stored-risk.ts";
import type { AccountId, ClientOrderId } from "../domain/brands.ts";
import type { Order } from "../domain/order.ts";
import { renderOrder, renderRefusal } from "../domain/order-body.ts";
import { JournalReader } from "./journal.ts";
import { hashKey } from "./key-table.ts";
import { loadShard } from "./load-shard.ts";
import { isUnfinished, RestoredFile, type RestoredOutcome } from "./restored-file.ts";
import { ShardReader } from "./shard-reader.ts";

const GENERATION = 40;
const GRANT = { ...FIRST_EPOCH, epoch: 2, orderCounter: 500 };

const orderOf = (n: number): Order =>
  storedOrder(n, {
    accountId: 7 as AccountId,
    clientOrderId: `lost-${n}` as ClientOrderId,
    createdAt: START_AT - 1000 + n,
    updatedAt: START_AT - 1000 + n,
    receipt: { epoch: 1, commitSeq: 10 + n, partition: 1, seq: n },
  });

/** Every third is a refusal. */
const outcomeOf = (n: number): RestoredOutcome => {
  const order = orderOf(n);
  const { clientOrderId, accountId, createdAt: at } = order;
  const request = { clientOrderId, symbol: BTC } as never;
  const refusal = { accountId, at, request, status: 422, code: "price_off_tick" };
  const value =
    n % 3 === 0
      ? renderRefusal({ ...refusal, answer: `refused ${n}` })
      : renderOrder(order, CONFIG.shard);
  const type = n % 3 === 0 ? "order_refused" : "order_accepted";
  return { type, partition: 1, at, accountId: "7", symbol: BTC, clientOrderId, value };
};

const restore = (path: string, outcomes: number, open: number): void => {
  const draft = new RestoredFile(path, START_AT);
  draft.begin({
    config: CONFIG,
    grant: GRANT,
    instruments: INSTRUMENTS,
    backlogRecordsMax: 1000,
    generationSize: GENERATION,
    outcomes,
    now: START_AT,
  });
  const all = Array.from({ length: outcomes }, (_, n) => outcomeOf(n));
  draft.addOrders(Array.from({ length: open }, (_, n) => orderOf(n)));
  draft.addOutcomes(all.slice(0, 50));
  draft.addOutcomes(all.slice(50));
  draft.finish();
};

const keyOf = (clientOrderId: string) => ({
  accountId: 7 as AccountId,
  symbol: BTC,
  clientOrderId: clientOrderId as ClientOrderId,
  hash: hashKey(`7:${BTC}:${clientOrderId}`),
});

describe("a restored file", () => {
  test.each([0, 1, GENERATION, 130])("gives each of %d first answers again", async (count) => {
    const path = join(temporaryFolder().path, "shard1.sqlite");
    restore(path, count, 0);
    const file = await openFile(path);
    for (let n = 0; n < count; n++) {
      const outcome = file.store.findOutcome(keyOf(`lost-${n}`), START_AT);
      const { value } = outcomeOf(n);
      expect(outcome).toMatchObject(
        n % 3 === 0
          ? { status: 422, body: `refused ${n}`, orderId: null }
          : { status: 201, body: value, orderId: orderOf(n).orderId },
      );
      // Waiting for its replication ends at once: it is before all records of the epoch.
      expect(outcome?.stamp).toMatchObject({ epoch: 2, partition: 1, seq: 0 });
    }
    expect(file.store.findOutcome(keyOf(`lost-${count}`), START_AT)).toBeUndefined();
    file.close();
  });

  test("begins its epoch as every file does, and sends nothing of what is older", async () => {
    const folder = temporaryFolder().path;
    const path = join(folder, "shard1.sqlite");
    restore(path, 130, 5);
    expect(readdirSync(folder)).toEqual(["shard1.sqlite"]);
    const file = await openFile(path);
    const reader = new JournalReader(file.database, "shard1", 2);
    expect(reader.standing().appliedCommitSeq).toBe(0);
    const [first] = reader.read(0, 1);
    expect(first).toMatchObject({ commitSeq: 1, type: "epoch_started", seq: 1 });
    expect(file.loaded.openOrders.map(({ orderId }) => orderId as number)).toEqual(
      Array.from({ length: 5 }, (_, n) => orderOf(n).orderId as number),
    );
    expect(file.loaded.orderCounter).toBeGreaterThan(GRANT.orderCounter + 1_000_000);
    file.close();
  });

  test("forgets the old outcomes with the retention, and is then as any other file", async () => {
    const path = join(temporaryFolder().path, "shard1.sqlite");
    restore(path, 130, 0);
    const file = await openFile(path);
    const old = "SELECT count(*) FROM journal WHERE commit_seq < 0";
    expect(file.number(old)).toBe(130);
    file.now = START_AT + DAY_MS + 1;
    for (let n = 0; n < 60; n++) {
      file.run([place({ clientOrderId: `new-${n}` as ClientOrderId })]);
      file.applied();
    }
    expect(file.number(old)).toBe(0);
    expect(file.number("SELECT count(*) FROM outcome_index WHERE commit_seq < 0")).toBe(0);
    expect(file.store.findOutcome(keyOf("lost-1"), file.now)).toBeUndefined();
    file.close();
  });

  const bare = (path: string): RestoredFile => {
    const draft = new RestoredFile(path, START_AT);
    draft.begin({
      config: CONFIG,
      grant: GRANT,
      instruments: INSTRUMENTS,
      backlogRecordsMax: 1000,
      generationSize: GENERATION,
      outcomes: 0,
      now: START_AT,
    });
    return draft;
  };

  test("has what was known of accounts, positions and states, as its epoch's beginning", async () => {
    const path = join(temporaryFolder().path, "shard1.sqlite");
    const draft = bare(path);
    const { allotment, bank } = fullPurse();
    const purses = [
      { ...USDT, allotment, bank },
      {
        accountId: OWNER,
        asset: "XYZ",
        allotment: emptyAllotment({ state: "RECONCILING" }),
        bank: null,
      },
    ];
    const positions = [storedPosition()];
    const quarantined = [{ entityKey: "BTCUSDT:q", value: "{}" }];
    draft.addOrders([storedOrder(1, { children: [childOf(2)] }), storedChild(2, 1)]);
    draft.addRisk({
      purses,
      positions,
      tradingStates: [{ scope: { kind: "all" }, state: "HALTED", version: 1 }],
      transfers: [storedTransfer("d", ODD)],
      executions: [{ executionId: "q", symbol: BTC }],
      quarantined,
    });
    draft.addRisk({});
    draft.finish();
    const file = await openStored(path);
    const { risk, openOrders, isReconciling } = loadShard(file.database);
    expect(risk).toMatchObject({ purses, positions, tradingStates: [{ state: "HALTED" }] });
    expect(openOrders).toEqual([storedOrder(1, { children: [childOf(2)] }), storedChild(2, 1)]);
    expect(isReconciling).toBe(false);
    expect(file.store.findTransfer(USDT, "d")?.amountMinor).toBe(ODD);
    expect(file.store.hasExecution(BTC, "q")).toBe(true);
    file.close();
    const reader = ShardReader.open(path);
    const types = [...reader.entities(10)]
      .flat()
      .map(({ type, lastCommitSeq }) => [type, lastCommitSeq]);
    expect(types).toEqual([
      ["position_changed", 0],
      ["trading_state_changed", 0],
      ["execution_quarantined", 0],
      ["account_changed", 0],
      ["transfer_decided", 0],
    ]);
    reader.close();
  });

  test("that lacks the other shards' numbers says so at every start", async () => {
    const path = join(temporaryFolder().path, "shard1.sqlite");
    const draft = bare(path);
    draft.setReconciling();
    draft.finish();
    for (let start = 1; start <= 2; start++) {
      const file = await openStored(path);
      expect(loadShard(file.database).isReconciling).toBe(true);
      file.close();
    }
  });

  test("that is given up leaves nothing behind", () => {
    const folder = temporaryFolder().path;
    new RestoredFile(join(folder, "shard1.sqlite"), START_AT).abandon();
    expect(readdirSync(folder)).toEqual([]);
  });

  test("takes the place of one that a refused start has left, and of no other", async () => {
    const path = join(temporaryFolder().path, "shard1.sqlite");
    expect(isUnfinished(path)).toBe(true);
    const refusal = { claimEpoch: async () => Promise.reject(new Error("refused")) };
    const options = { path, config: CONFIG, instruments: [], backlogRecordsMax: 1, now: START_AT };
    const { openShardFile } = await import("./open-shard.ts");
    await openShardFile({ ...options, ...refusal }).catch(() => undefined);
    expect(existsSync(path)).toBe(true);
    expect(isUnfinished(path)).toBe(true);
    restore(path, 3, 0);
    expect(isUnfinished(path)).toBe(false);
    (await openFile(path)).close();
    await Bun.write(path, "not a database, and long enough to be looked at".repeat(20));
    expect(isUnfinished(path)).toBe(false);
  });
});
