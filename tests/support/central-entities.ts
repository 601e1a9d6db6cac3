/** What every central store keeps beside the orders. */
import { describe, expect, test } from "bun:test";
import { type EntityRow, entityRowOf } from "../../app/central/entity-row.ts";
import type { Push, PushResult } from "../../app/central/store.ts";
import type { TestShard } from "../../app/central/test-shard.ts";
import type { CommittedRecord } from "../../shards/protocol/record.ts";

/** What the suite of a store does with it, one shard after the other. */
export interface EntityBench {
  /** By shard, type and key. */
  readonly entities: () => Promise<readonly EntityRow[]>;
  readonly applyAll: (...pushes: readonly Push[]) => Promise<readonly PushResult[]>;
  readonly applyOne: (...push: CommittedRecord[]) => Promise<PushResult>;
  /** The shard's next epoch. */
  readonly claimLost: (shard: TestShard) => Promise<unknown>;
  /** With an epoch, its stream 4 started in central. */
  readonly startedShard: (index?: number) => Promise<TestShard>;
}

const P = 4;

const account = (shard: TestShard, partition: number, version: number): CommittedRecord =>
  shard.entity(
    partition,
    "account_changed",
    "account:42",
    `{"accountId":"42","asset":"USDT","deposited":"9007199254740993.00000001",` +
      `"withdrawn":"0.00000000","realised":"-1.50000000","granted":"7.00000000",` +
      `"term":1,"version":${version}}`,
  );

const transfer = (shard: TestShard, id: string): CommittedRecord =>
  shard.entity(
    P,
    "transfer_decided",
    "account:42",
    `{"accountId":"42","asset":"USDT","transferId":"${id}","amount":"-3.00000000",` +
      `"outcome":"REFUSED","at":1790000000000}`,
  );

export const testEntities = (bench: EntityBench): void => {
  const { entities, applyAll, applyOne, claimLost, startedShard } = bench;
  describe("an entity", () => {
    test("is kept as it came, with its place", async () => {
      const shard = await startedShard();
      const record = account(shard, P, 1);
      const result = await applyOne(record);
      expect(result).toMatchObject({ applied: 1, cursor: { seq: 2, hash: record.hash } });
      const { value, at, commitSeq } = record;
      const place = { epoch: 1, commitSeq, partition: P, seq: 2 };
      expect(await entities()).toEqual([
        { shard: "shard1", type: "account_changed", entityKey: "42:USDT", value, at, ...place },
      ]);
    });

    test("is replaced by each newer value, of its own shard only; transfers stay", async () => {
      const [one, two] = [await startedShard(1), await startedShard(2)];
      const other = two.positionChanged(P, { version: 9 });
      const [lost, paid] = [one.positionChanged(P), transfer(one, "t-1")];
      await applyAll([lost, paid], [other]);
      const [between, refused] = [one.positionChanged(P, { version: 2 }), transfer(one, "t-2")];
      const newest = one.positionChanged(P, { version: 3 });
      await applyOne(between, refused, newest);
      expect(await entities()).toEqual([
        entityRowOf(newest, "position_changed"),
        entityRowOf(paid, "transfer_decided"),
        entityRowOf(refused, "transfer_decided"),
        entityRowOf(other, "position_changed"),
      ]);
    });

    test("that came by another partition before an older one stays", async () => {
      const shard = await startedShard();
      await applyOne(shard.epochStarted(7));
      const older = account(shard, P, 1);
      const newer = account(shard, 7, 2);
      await applyOne(newer);
      await applyOne(older);
      const rows = await entities();
      expect(rows).toEqual([entityRowOf(newer, "account_changed")]);
    });

    test("of a newer epoch wins although its number is lower", async () => {
      const shard = await startedShard();
      await applyOne(shard.accepted(P), shard.accepted(P), account(shard, P, 7));
      await claimLost(shard);
      shard.startEpoch(2);
      const start = shard.epochStarted(P);
      const restored = account(shard, P, 8);
      await applyOne(start, restored);
      expect(await entities()).toEqual([entityRowOf(restored, "account_changed")]);
    });

    test("that nobody can read stops its stream", async () => {
      const shard = await startedShard();
      const good = shard.positionChanged(P);
      const value = good.value.replace('"version"', '"margin":"1","version"');
      const bad = shard.entity(P, "position_changed", "BTCUSDT", value);
      expect(await applyOne(good, bad)).toMatchObject({
        applied: 1,
        stopped: { code: "unreadable" },
      });
      expect(await entities()).toHaveLength(1);
    });
  });
};
