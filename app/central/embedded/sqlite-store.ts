/**
 * The embedded central store: one SQLite file, written by one process. A push is decided in memory
 * (chain.ts) against cursors read in the same transaction, so that no statement fails as long as
 * the file and the records are sound. If the file refuses content all the same, each push gets a
 * transaction of its own and the one that can't be stored stops its stream.
 */
import type { Database } from "bun:sqlite";
import { and, eq } from "drizzle-orm";
import { type BunSQLiteDatabase, drizzle } from "drizzle-orm/bun-sqlite";
import { counterOf, type OrderId } from "../../../shards/domain/brands.ts";
import type { Clock } from "../../../shards/process/clock.ts";
import { invariant, reasonOf } from "../../../shards/process/failure.ts";
import { randomId } from "../../../shards/process/ids.ts";
import type { Cursor } from "../../../shards/protocol/hello.ts";
import type { CommittedRecord } from "../../../shards/protocol/record.ts";
import type { Claim, Grant, Stopped } from "../../../shards/protocol/relay.ts";
import { type AppliedRecord, emptyCursor, planPush } from "../chain.ts";
import { migrateCentralFile } from "../migrate.ts";
import { isEntity } from "../order-row.ts";
import { central, shardEpoch, stoppedStream, streamCursor } from "../schema.ts";
import type { CentralStore, Intake, Push, PushResult, StoppedStream } from "../store.ts";
import { isContentRefusal, openForWriting, storeFailure } from "./sqlite-file.ts";
import { prepareStatements, type Statements } from "./sqlite-statements.ts";

/** Opens the file, brings it to this version's tables and gives it its id if it is new. */
export const openSqliteStore = (path: string, clock: Clock): CentralStore => {
  const database = openForWriting(path);
  try {
    migrateCentralFile(database, path, clock.now());
    return new SqliteStore(database, clock);
  } catch (error) {
    database.close();
    throw error;
  }
};

class SqliteStore implements CentralStore {
  readonly centralId: string;
  readonly #database: Database;
  readonly #tables: BunSQLiteDatabase;
  readonly #statements: Statements;
  readonly #clock: Clock;

  constructor(database: Database, clock: Clock) {
    this.#database = database;
    this.#tables = drizzle({ client: database });
    this.#statements = prepareStatements(database);
    this.#clock = clock;
    this.centralId = this.#readOrMakeId();
  }

  #readOrMakeId(): string {
    const row = { id: 1, centralId: randomId(), createdAt: this.#clock.now() };
    this.#tables.insert(central).values(row).onConflictDoNothing().run();
    const stored = this.#tables.select().from(central).get();
    invariant(stored !== undefined, "central has its id");
    return stored.centralId;
  }

  async claimEpoch(claim: Claim): Promise<Grant> {
    return this.#inTransaction("claim epoch", () => {
      const known = this.#tables
        .select({ epoch: shardEpoch.epoch, claimId: shardEpoch.claimId })
        .from(shardEpoch)
        .where(eq(shardEpoch.shard, claim.shard))
        .get();
      const { shard, claimId, acceptLoss } = claim;
      if (known?.claimId === claimId) return this.#granted(claim, known.epoch);
      if (known !== undefined && !acceptLoss) {
        return { granted: false, epoch: known.epoch, orders: this.#ordersOf(claim) };
      }
      const epoch = (known?.epoch ?? 0) + 1;
      const grant = { epoch, claimId, grantedAt: this.#clock.now() };
      this.#tables
        .insert(shardEpoch)
        .values({ shard, ...grant })
        .onConflictDoUpdate({ target: shardEpoch.shard, set: grant })
        .run();
      return this.#granted(claim, epoch);
    });
  }

  #granted(claim: Claim, epoch: number): Grant {
    return {
      granted: true,
      centralId: this.centralId,
      epoch,
      orderCounter: this.#newestCounter(),
      cursors: [...this.#cursorsOf(claim.shard)],
    };
  }

  /** Reads the whole history index: only for the message to an operator. */
  #ordersOf({ shardIndex }: Claim): number {
    return this.#statements.countOrders.get({ shardIndex })?.orders ?? 0;
  }

  /** The newest order's of any shard: no less than this shard's own, and found at once. */
  #newestCounter(): number {
    return counterOf((this.#statements.newestOrder.get({})?.orderId ?? 0) as OrderId);
  }

  async grantedEpoch(shard: string): Promise<number> {
    return this.#statements.readEpoch.get({ shard })?.epoch ?? 0;
  }

  async cursors(shard: string): Promise<readonly Cursor[]> {
    return this.#cursorsOf(shard);
  }

  #cursorsOf(shard: string): readonly Cursor[] {
    const { partition, epoch, seq, hash } = streamCursor;
    return this.#tables
      .select({ partition, epoch, seq, hash })
      .from(streamCursor)
      .where(eq(streamCursor.shard, shard))
      .orderBy(partition)
      .all();
  }

  async stoppedStreams(): Promise<readonly StoppedStream[]> {
    return this.#tables.select().from(stoppedStream).all();
  }

  async apply({ pushes, positions, quarantined }: Intake): Promise<readonly PushResult[]> {
    invariant(positions.length + quarantined.length === 0, "relays push here, no topic is read");
    try {
      return this.#inTransaction("apply records", () => pushes.map((push) => this.#apply(push)));
    } catch (error) {
      if (!isContentRefusal(error)) throw error;
      return pushes.map((push) => this.#applyAlone(push));
    }
  }

  /** Must run in a transaction: what it reads is the ground for what it writes. */
  #apply(push: Push): PushResult {
    const { shard, epoch, partition } = headOf(push);
    const { readCursor, readEpoch, readStop } = this.#statements;
    const cursor = readCursor.get({ shard, partition }) ?? emptyCursor(partition);
    const known = readStop.get({ shard, epoch, partition });
    const grantedEpoch = readEpoch.get({ shard })?.epoch ?? 0;
    const plan = planPush({ cursor, grantedEpoch, stopped: known }, push);
    const { duplicates, skipped, stopped } = plan;
    for (const applied of plan.apply) this.#write(applied);
    if (plan.apply.length > 0) this.#statements.writeCursor.run({ shard, ...plan.cursor });
    const isNewStop = plan.stoppedBy !== null;
    if (known !== null && (isNewStop || stopped === null)) this.#clearStop(shard, epoch, partition);
    if (isNewStop && stopped !== null) this.#writeStop(shard, epoch, stopped);
    const applied = plan.apply.length;
    return { cursor: plan.cursor, applied, duplicates, skipped, stopped, isNewStop };
  }

  #write({ record, content }: AppliedRecord): void {
    if (isEntity(content)) {
      this.#statements.upsertEntity.run(content.entity);
      return;
    }
    switch (content.type) {
      case "order_accepted":
        this.#statements.insertOrder.run(content.row);
        break;
      case "order_changed":
        this.#statements.upsertOrder.run(content.row);
        break;
      case "order_refused": {
        const { shard, epoch, commitSeq, at, value } = record;
        this.#statements.insertOutcome.run({ shard, epoch, commitSeq, at, value });
        break;
      }
      case "epoch_started":
        break;
    }
  }

  #writeStop(shard: string, epoch: number, stopped: Stopped): void {
    const stoppedAt = this.#clock.now();
    this.#tables
      .insert(stoppedStream)
      .values({ shard, epoch, ...stopped, stoppedAt })
      .run();
  }

  #clearStop(shard: string, epoch: number, partition: number): void {
    const { shard: ofShard, epoch: ofEpoch, partition: ofPartition } = stoppedStream;
    this.#tables
      .delete(stoppedStream)
      .where(and(eq(ofShard, shard), eq(ofEpoch, epoch), eq(ofPartition, partition)))
      .run();
  }

  #applyAlone(push: Push): PushResult {
    try {
      return this.#inTransaction("apply records", () => this.#apply(push));
    } catch (error) {
      if (!isContentRefusal(error)) throw error;
      return this.#inTransaction("stop stream", () => this.#refuse(push, reasonOf(error)));
    }
  }

  #refuse(push: Push, reason: string): PushResult {
    const { shard, epoch, partition, seq } = headOf(push);
    const cursor = this.#statements.readCursor.get({ shard, partition }) ?? emptyCursor(partition);
    const detail = `among ${push.length} records from ${seq}: ${reason}`;
    const stopped: Stopped = { partition, code: "refused_by_store", detail };
    const known = this.#statements.readStop.get({ shard, epoch, partition });
    // The relay sends it again and again; it is one stop.
    const isNewStop = known?.code !== stopped.code;
    if (isNewStop) {
      this.#clearStop(shard, epoch, partition);
      this.#writeStop(shard, epoch, stopped);
    }
    const skipped = push.length;
    return { cursor, applied: 0, duplicates: 0, skipped, stopped, isNewStop };
  }

  /** Each shard's oldest first, up to the first that is young enough. */
  async deleteOutcomes(before: number, limit: number): Promise<number> {
    return this.#inTransaction("delete outcomes", () => {
      const shards = this.#tables.select({ shard: shardEpoch.shard }).from(shardEpoch).all();
      let left = limit;
      for (const { shard } of shards) left -= this.#deleteOldest(shard, before, left);
      return limit - left;
    });
  }

  #deleteOldest(shard: string, before: number, limit: number): number {
    const { oldestOutcome, oldestOutcomes, deleteOutcomes } = this.#statements;
    let deleted = 0;
    while (deleted < limit) {
      const oldest = oldestOutcome.get({ shard });
      if (oldest === null || oldest.at >= before) break;
      const { epoch } = oldest;
      const rows = oldestOutcomes.all({ shard, epoch, limit: limit - deleted });
      const young = rows.findIndex(({ at }) => at >= before);
      const last = rows.at(young === -1 ? -1 : young - 1);
      invariant(last !== undefined, "the oldest outcome is among the oldest");
      deleted += deleteOutcomes.run({ shard, epoch, commitSeq: last.commitSeq }).changes;
    }
    return deleted;
  }

  close(): void {
    for (const statement of Object.values(this.#statements)) statement.finalize();
    this.#database.close();
  }

  #inTransaction<T>(what: string, work: () => T): T {
    try {
      this.#database.run("BEGIN IMMEDIATE");
      const result = work();
      this.#database.run("COMMIT");
      return result;
    } catch (error) {
      if (this.#database.inTransaction) this.#database.run("ROLLBACK");
      throw isContentRefusal(error) ? error : storeFailure(what, error);
    }
  }
}

const headOf = (push: Push): CommittedRecord => {
  const first = push[0];
  invariant(first !== undefined, "a push has at least one record");
  return first;
};
