/** What every central store keeps, whatever it is made of. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { EntityRow } from "../../app/central/entity-row.ts";
import { type OrderRow, renderOrderRow } from "../../app/central/order-row.ts";
import type { CentralStore, Push, PushResult } from "../../app/central/store.ts";
import { TestShard } from "../../app/central/test-shard.ts";
import type { ShardName } from "../../shards/domain/brands.ts";
import { renderOrder } from "../../shards/domain/order-body.ts";
import type { CommittedRecord } from "../../shards/protocol/record.ts";
import type { Grant } from "../../shards/protocol/relay.ts";
import { testEntities } from "./central-entities.ts";

export interface StoredOutcome {
  readonly at: number;
  readonly value: string;
}

/** A store that is empty before each test, and what its database holds, seen from outside. */
export interface CentralFixture {
  readonly store: CentralStore;
  reopen(): Promise<void>;
  /** By order id. */
  orders(): Promise<readonly OrderRow[]>;
  /** By time. */
  outcomes(): Promise<readonly StoredOutcome[]>;
  /** By shard, type and key. */
  entities(): Promise<readonly EntityRow[]>;
  /** From now on the database refuses orders with that client order id. */
  refuse(clientOrderId: string): Promise<void>;
  /** A table is not there for a while. */
  hideOutcomes(): Promise<void>;
  showOutcomes(): Promise<void>;
  end(): Promise<void>;
}

const P = 4;

let fixture: CentralFixture;

const applyAll = (...pushes: readonly Push[]): Promise<readonly PushResult[]> =>
  fixture.store.apply({ pushes, positions: [], quarantined: [] });

const applyOne = async (...push: CommittedRecord[]): Promise<PushResult> => {
  const [result] = await applyAll(push);
  if (result === undefined) throw new Error("no answer for the push");
  return result;
};

let claims = 0;
const claim = (
  shard: TestShard,
  acceptLoss = false,
  claimId = `claim-${++claims}`,
): Promise<Grant> =>
  fixture.store.claimEpoch({
    shard: shard.shard,
    shardIndex: Number(shard.shard.slice("shard".length)),
    claimId,
    acceptLoss,
  });

/** A shard with an epoch, its stream P started in central. */
const startedShard = async (index = 1): Promise<TestShard> => {
  const shard = new TestShard(index);
  await claim(shard);
  await applyOne(shard.epochStarted(P));
  return shard;
};

const bodies = async (): Promise<string[]> => (await fixture.orders()).map(renderOrderRow);
const outcomeTimes = async (): Promise<number[]> => (await fixture.outcomes()).map(({ at }) => at);

/** Runs the suite on the store that `make` opens. */
export const testCentralStore = (make: () => Promise<CentralFixture>): void => {
  beforeEach(async () => {
    fixture = await make();
  });
  afterEach(() => fixture.end());

  testEpochs();
  testApply();
  testEntities({
    entities: () => fixture.entities(),
    applyAll,
    applyOne,
    claimLost: (shard) => claim(shard, true),
    startedShard,
  });
  testBadRecords();
  testFailure();
  testRetention();
};

const testEpochs = (): void => {
  describe("an epoch", () => {
    test("is 1 for a shard that central doesn't know, with nothing to follow", async () => {
      expect(await claim(new TestShard())).toEqual({
        granted: true,
        centralId: fixture.store.centralId,
        epoch: 1,
        orderCounter: 0,
        cursors: [],
      });
    });

    test("is refused to a shard that had one, with the orders that central has of it", async () => {
      const shard = await startedShard();
      const other = await startedShard(2);
      await applyOne(shard.accepted(P), shard.accepted(P));
      await applyOne(other.accepted(P));
      expect(await claim(shard)).toEqual({ granted: false, epoch: 1, orders: 2 });
    });

    test("is given again to the file whose claim it was, because its answer may be lost", async () => {
      const shard = new TestShard(1);
      const first = await claim(shard, false, "the file's own");
      expect(await claim(shard, false, "the file's own")).toEqual(first);
      expect(await claim(shard, false, "another file's")).toMatchObject({
        granted: false,
        epoch: 1,
      });
    });

    test("is the next when the loss is accepted, with the end of all streams", async () => {
      const shard = await startedShard();
      const other = await startedShard(2);
      await applyOne(shard.accepted(P), shard.accepted(P));
      await applyOne(shard.epochStarted(7));
      await applyOne(other.accepted(P), other.accepted(P), other.accepted(P));
      const grant = await claim(shard, true);
      expect(grant).toEqual({
        granted: true,
        centralId: fixture.store.centralId,
        epoch: 2,
        // The other's third order is the newest.
        orderCounter: 3,
        cursors: [
          { partition: P, ...shard.endOf(P) },
          { partition: 7, ...shard.endOf(7) },
        ],
      });
    });

    test("fences the one before and is followed itself", async () => {
      const shard = await startedShard();
      const zombie = shard.accepted(P);
      await applyOne(zombie);
      await claim(shard, true);
      const late = shard.accepted(P);
      expect((await applyOne(late)).stopped?.code).toBe("old_epoch");
      const heir = new TestShard();
      heir.epochStarted(P);
      heir.accepted(P);
      heir.startEpoch(2);
      const [start, order] = [heir.epochStarted(P), heir.accepted(P)];
      const result = await applyOne(start, order);
      expect(result).toMatchObject({ applied: 2, stopped: null, cursor: { epoch: 2, seq: 2 } });
      expect((await applyOne(late)).stopped?.code).toBe("old_epoch");
      expect((await fixture.store.stoppedStreams()).map(({ epoch }) => epoch)).toEqual([1]);
    });
  });
};

const testApply = (): void => {
  describe("apply", () => {
    test("stores an order with all its fields, as accepted and as it is, and no refusal", async () => {
      const shard = await startedShard();
      const { order, record } = shard.place(P, {
        timeInForce: "GTD",
        goodTillDate: 1_900_000_000_000,
      });
      const result = await applyOne(record);
      expect(result).toEqual({
        cursor: { partition: P, epoch: 1, seq: 2, hash: record.hash },
        applied: 1,
        duplicates: 0,
        skipped: 0,
        stopped: null,
        isNewStop: false,
      });
      expect(await bodies()).toEqual([renderOrder(order, shard.shard)]);
      expect(await fixture.outcomes()).toEqual([]);
    });

    test("stores a refusal's outcome and no order", async () => {
      const shard = await startedShard();
      const record = shard.refused(P);
      await applyOne(record);
      expect(await fixture.orders()).toEqual([]);
      expect(await fixture.outcomes()).toMatchObject([{ value: record.value }]);
    });

    test("answers each push of several shards and partitions in its place", async () => {
      const [one, two] = [await startedShard(1), await startedShard(2)];
      const pushes = [[one.accepted(P)], [two.accepted(P), two.accepted(P)], [one.epochStarted(0)]];
      const results = await applyAll(...pushes);
      expect(results.map(({ cursor: { partition, seq } }) => [partition, seq])).toEqual([
        [P, 2],
        [P, 3],
        [0, 1],
      ]);
      expect(await fixture.store.cursors(one.shard)).toHaveLength(2);
      expect(await fixture.store.cursors("shard9" as ShardName)).toEqual([]);
    });

    test("takes two pushes of one stream in one transaction", async () => {
      const shard = await startedShard();
      const [a, b] = [shard.accepted(P), shard.accepted(P)];
      const results = await applyAll([a], [a, b]);
      expect(results).toMatchObject([{ applied: 1 }, { applied: 1, duplicates: 1 }]);
      expect(await fixture.orders()).toHaveLength(2);
    });

    test("drops what a push repeats after the answer was lost, also across a restart", async () => {
      const shard = await startedShard();
      const push = [shard.accepted(P), shard.refused(P), shard.accepted(P)];
      await applyAll(push);
      const { centralId } = fixture.store;
      await fixture.reopen();
      const [again] = await applyAll([...push, shard.accepted(P)]);
      expect(again).toMatchObject({ applied: 1, duplicates: 3, stopped: null });
      expect(await fixture.orders()).toHaveLength(3);
      expect(await fixture.outcomes()).toHaveLength(1);
      expect(fixture.store.centralId).toBe(centralId);
    });

    test("keeps what was accepted when the order changes", async () => {
      const shard = await startedShard();
      const { order, record } = shard.place(P);
      await applyOne(record, shard.changed(P, { ...order, version: 2, status: "CANCELED" }));
      const [row] = await fixture.orders();
      expect([row?.status, row?.acceptedStatus]).toEqual(["CANCELED", "NEW"]);
    });

    test("takes a change of an order and never an older version over a newer one", async () => {
      const shard = await startedShard();
      const { order, record } = shard.place(P);
      const amended = { ...order, priceUnits: 1, version: 3, updatedAt: order.updatedAt + 9 };
      const older = { ...order, status: "CANCELED" as const, version: 2 };
      await applyOne(record, shard.changed(P, amended, "AMENDED"), shard.changed(P, older));
      expect(await bodies()).toEqual([renderOrder(amended, shard.shard)]);
      expect((await fixture.orders())[0]?.version).toBe(3);
      expect(await fixture.outcomes()).toEqual([]);
    });
  });
};

const testBadRecords = (): void => {
  describe("a bad record", () => {
    test("stops its own stream until the true one comes, the others go on", async () => {
      const shard = await startedShard();
      await applyOne(shard.epochStarted(5));
      const [good, bad, later] = [shard.accepted(P), shard.accepted(P), shard.accepted(P)];
      const stopped = { partition: P, code: "unreadable" };
      const results = await applyAll([good, { ...bad, value: "{" }, later], [shard.accepted(5)]);
      expect(results).toMatchObject([
        { applied: 1, skipped: 2, cursor: { seq: 2 }, stopped, isNewStop: true },
        { applied: 1, skipped: 0, stopped: null, isNewStop: false },
      ]);
      await fixture.reopen();
      expect(await applyOne(later)).toMatchObject({
        applied: 0,
        skipped: 1,
        cursor: { seq: 2 },
        stopped,
        isNewStop: false,
      });
      expect(await fixture.store.stoppedStreams()).toMatchObject([
        { shard: "shard1", epoch: 1, ...stopped },
      ]);
      expect((await applyOne(shard.accepted(5))).applied).toBe(1);
      expect(await applyOne(good, bad, later)).toMatchObject({
        applied: 2,
        duplicates: 1,
        cursor: { seq: 4 },
        stopped: null,
      });
      expect(await fixture.store.stoppedStreams()).toEqual([]);
      expect(await bodies()).toContain(later.value);
    });

    test("after the true one stops the stream anew, for its own reason", async () => {
      const shard = await startedShard();
      const [a, b, c] = [shard.accepted(P), shard.accepted(P), shard.accepted(P)];
      expect((await applyOne(b)).stopped?.code).toBe("gap");
      const result = await applyOne(a, { ...b, value: "{" }, c);
      expect(result).toMatchObject({ applied: 1, skipped: 2, isNewStop: true });
      expect(await fixture.store.stoppedStreams()).toMatchObject([{ code: "unreadable" }]);
    });

    test("that only the database refuses stops its own stream, the others go on", async () => {
      const shard = await startedShard();
      await applyOne(shard.epochStarted(5));
      await fixture.refuse("bad");
      const pushes = [
        [shard.accepted(P), shard.accepted(P, { clientOrderId: "bad" as never })],
        [shard.accepted(5)],
        [shard.accepted(P)],
      ];
      const results = await applyAll(...pushes);
      expect(results).toMatchObject([
        { applied: 0, cursor: { seq: 1 }, stopped: { code: "refused_by_store" } },
        { applied: 1, stopped: null },
        { applied: 0, stopped: { code: "refused_by_store" } },
      ]);
      expect(results[0]?.stopped?.detail).toMatch(/^among 2 records from 2: .*refuse/);
      expect(results.map(({ isNewStop }) => isNewStop)).toEqual([true, false, false]);
      expect((await fixture.orders()).map(({ partition }) => partition)).toEqual([5]);
    });

    test("that takes another order's id is not lost in silence", async () => {
      const shard = await startedShard();
      const { order, record } = shard.place(P);
      await applyOne(record);
      const result = await applyOne(shard.accepted(P, { orderId: order.orderId }));
      expect(result.stopped?.code).toBe("refused_by_store");
      expect(await fixture.orders()).toHaveLength(1);
    });
  });
};

const testFailure = (): void => {
  describe("a database that fails in mid-transaction", () => {
    test("keeps nothing of it, and takes the same push when it is well again", async () => {
      const shard = await startedShard();
      const push = [shard.accepted(P), shard.refused(P)];
      await fixture.hideOutcomes();
      expect(await applyAll(push).catch((error: unknown) => error)).toMatchObject({
        code: "central_store_failed",
      });
      expect(await fixture.orders()).toEqual([]);
      await fixture.showOutcomes();
      expect(await applyOne(...push)).toMatchObject({ applied: 2, cursor: { seq: 3 } });
    });
  });
};

const testRetention = (): void => {
  describe("retention", () => {
    test("deletes what is too old, oldest first and no more than its bound", async () => {
      const [one, two] = [await startedShard(1), await startedShard(2)];
      for (const shard of [one, two]) {
        await applyOne(...Array.from({ length: 10 }, () => shard.refused(P)), shard.accepted(P));
      }
      const before = (await outcomeTimes())[0] as number;
      expect(await fixture.store.deleteOutcomes(before, 100)).toBe(0);
      // Of each shard, five are older than this.
      const cut = before + 5;
      expect(await fixture.store.deleteOutcomes(cut, 7)).toBe(7);
      expect(await fixture.store.deleteOutcomes(cut, 7)).toBe(3);
      expect(await fixture.store.deleteOutcomes(cut, 7)).toBe(0);
      expect(await outcomeTimes()).toHaveLength(10);
      expect(Math.min(...(await outcomeTimes()))).toBe(cut);
      expect(await fixture.orders()).toHaveLength(2);
    });

    test("goes through the epochs of a shard", async () => {
      const shard = await startedShard();
      await applyOne(shard.refused(P), shard.refused(P));
      await claim(shard, true);
      shard.startEpoch(2);
      await applyOne(shard.epochStarted(P), shard.refused(P), shard.refused(P));
      const newest = Math.max(...(await outcomeTimes()));
      expect(await fixture.store.deleteOutcomes(newest, 100)).toBe(3);
      expect(await outcomeTimes()).toEqual([newest]);
    });
  });
};
