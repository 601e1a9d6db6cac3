/** {@link CentralReader} on the embedded store: a read-only connection on the applier's file. */
import type { Database } from "bun:sqlite";
import { existsSync } from "node:fs";
import {
  and,
  asc,
  between,
  count,
  desc,
  eq,
  gt,
  gte,
  inArray,
  max,
  min,
  or,
  type SQL,
  sql,
} from "drizzle-orm";
import { type BunSQLiteDatabase, drizzle } from "drizzle-orm/bun-sqlite";
import { UsageError } from "../../../shards/process/failure.ts";
import { type CentralReader, OPEN_STATUSES, type OrderIdRange } from "../central-reader.ts";
import {
  central,
  entities,
  orders,
  outcomes,
  shardEpoch,
  stoppedStream,
  streamCursor,
} from "../schema.ts";
import { openForReading, storeFailure } from "./sqlite-file.ts";

/** Throws {@link UsageError} when there is no such file, or none of central's. */
export const openSqliteReader = (path: string): CentralReader => {
  if (!existsSync(path)) {
    throw new UsageError(
      `${path} is missing: give the central store's folder with --data-dir, or set MYSQL_URL.`,
    );
  }
  const database = openForReading(path);
  const tables = drizzle({ client: database });
  const ask = <T>(what: string, question: (tables: BunSQLiteDatabase) => T): Promise<T> => {
    try {
      return Promise.resolve(question(tables));
    } catch (error) {
      return Promise.reject(storeFailure(`read ${what} in ${path}`, error));
    }
  };
  return {
    ...shardReads(ask),
    ...orderReads(ask),
    ...outcomeReads(ask),
    ...entityReads(ask),
    ...ending(database),
  };
};

type Ask = <T>(what: string, question: (tables: BunSQLiteDatabase) => T) => Promise<T>;

const ending = (database: Database): Pick<CentralReader, "positions" | "close"> => ({
  positions: async () => [],
  close: async () => database.close(),
});

type ShardReads = Pick<CentralReader, "centralId" | "epochOf" | "cursors" | "stopsOf">;

const shardReads = (ask: Ask): ShardReads => ({
  centralId: () =>
    ask("central's id", (t) => {
      const row = t.select().from(central).get();
      if (row === undefined) throw new UsageError("The central store has no id: start an applier.");
      return row.centralId;
    }),
  epochOf: (shard) =>
    ask("epochs", (t) => {
      const row = t.select().from(shardEpoch).where(eq(shardEpoch.shard, shard)).get();
      return row?.epoch ?? 0;
    }),
  cursors: (shard) =>
    ask("cursors", (t) => {
      const { partition, epoch, seq, hash } = streamCursor;
      return t
        .select({ partition, epoch, seq, hash })
        .from(streamCursor)
        .where(eq(streamCursor.shard, shard))
        .orderBy(partition)
        .all();
    }),
  stopsOf: (shard) =>
    ask("stopped streams", (t) => {
      const { partition, epoch, code, detail } = stoppedStream;
      return t
        .select({ partition, epoch, code, detail })
        .from(stoppedStream)
        .where(eq(stoppedStream.shard, shard))
        .all();
    }),
});

const ofShard = (shardIndex: number): SQL => sql`${orders.orderId} % 1024 = ${shardIndex}`;
const inRange = ({ shardIndex, from, to }: OrderIdRange): SQL | undefined =>
  and(between(orders.orderId, from, to), ofShard(shardIndex));

type OrderReads = Pick<
  CentralReader,
  | "orders"
  | "orderIds"
  | "countOrders"
  | "newestOrderId"
  | "ordersToRestore"
  | "countCreated"
  | "latestChanges"
>;

const orderReads = (ask: Ask): OrderReads => ({
  orders: (orderIds) =>
    ask("orders", (t) => {
      const among = sql`SELECT value FROM json_each(${JSON.stringify(orderIds)})`;
      return t.select().from(orders).where(sql`${orders.orderId} IN (${among})`).all();
    }),
  orderIds: (range) =>
    ask("order ids", (t) => {
      const { orderId } = orders;
      const rows = t.select({ orderId }).from(orders).where(inRange(range)).all();
      return rows.map((row) => row.orderId);
    }),
  countOrders: (range, epoch) =>
    ask("orders", (t) => {
      const row = t
        .select({ count: count(), first: min(orders.orderId) })
        .from(orders)
        .where(and(inRange(range), eq(orders.epoch, epoch)))
        .get();
      return { count: row?.count ?? 0, first: row?.first ?? null };
    }),
  newestOrderId: (shardIndex) =>
    ask("orders", (t) => {
      const { orderId } = orders;
      const newest = t.select({ orderId }).from(orders).where(ofShard(shardIndex));
      return newest.orderBy(desc(orderId)).limit(1).get()?.orderId ?? null;
    }),
  ordersToRestore: (range, since) =>
    ask("orders", (t) => {
      const wanted = or(inArray(orders.status, [...OPEN_STATUSES]), gte(orders.createdAt, since));
      const rows = t
        .select()
        .from(orders)
        .where(and(inRange(range), wanted));
      return rows.orderBy(asc(orders.orderId)).all();
    }),
  countCreated: (range, since) =>
    ask("orders", (t) => {
      const created = and(inRange(range), gte(orders.createdAt, since));
      return t.select({ count: count() }).from(orders).where(created).get()?.count ?? 0;
    }),
  latestChanges: (range) =>
    ask("orders", (t) => {
      const { symbol, updatedAt } = orders;
      const at = max(updatedAt);
      const rows = t.select({ symbol, at }).from(orders).where(inRange(range));
      return rows
        .groupBy(symbol)
        .all()
        .map((row) => ({ symbol: row.symbol, at: row.at ?? 0 }));
    }),
});

type OutcomeReads = Pick<
  CentralReader,
  "outcomes" | "newestOutcome" | "outcomesAfter" | "countOutcomes"
>;

const outcomeReads = (ask: Ask): OutcomeReads => ({
  outcomes: (shard, epoch, { from, to }) =>
    ask("outcomes", (t) => {
      const ofEpoch = and(eq(outcomes.shard, shard), eq(outcomes.epoch, epoch));
      return t
        .select()
        .from(outcomes)
        .where(and(ofEpoch, between(outcomes.commitSeq, from, to)))
        .all();
    }),
  newestOutcome: (shard, epoch) =>
    ask("outcomes", (t) => {
      const ofEpoch = and(eq(outcomes.shard, shard), eq(outcomes.epoch, epoch));
      const row = t
        .select({ newest: max(outcomes.commitSeq) })
        .from(outcomes)
        .where(ofEpoch)
        .get();
      return row?.newest ?? 0;
    }),
  outcomesAfter: (shard, after, limit) =>
    ask("outcomes", (t) => {
      const { epoch, commitSeq } = outcomes;
      const behind = or(
        gt(epoch, after.epoch),
        and(eq(epoch, after.epoch), gt(commitSeq, after.commitSeq)),
      );
      const rows = t
        .select()
        .from(outcomes)
        .where(and(eq(outcomes.shard, shard), behind));
      return rows.orderBy(asc(epoch), asc(commitSeq)).limit(limit).all();
    }),
  countOutcomes: (shard, since) =>
    ask("outcomes", (t) => {
      const kept = and(eq(outcomes.shard, shard), gte(outcomes.at, since));
      return t.select({ count: count() }).from(outcomes).where(kept).get()?.count ?? 0;
    }),
});

const entityReads = (ask: Ask): Pick<CentralReader, "entities" | "entitiesByKey"> => ({
  entities: ({ shard, type, after }, limit) =>
    ask("entities", (t) => {
      const ofType = and(eq(entities.shard, shard), eq(entities.type, type));
      const behind = gt(entities.entityKey, after);
      const rows = t.select().from(entities).where(and(ofType, behind));
      return rows.orderBy(asc(entities.entityKey)).limit(limit).all();
    }),
  entitiesByKey: (shard, type, keys) =>
    ask("entities", (t) => {
      const ofType = and(eq(entities.shard, shard), eq(entities.type, type));
      const among = sql`SELECT value FROM json_each(${JSON.stringify(keys)})`;
      const wanted = and(ofType, sql`${entities.entityKey} IN (${among})`);
      return t.select().from(entities).where(wanted).all();
    }),
});
