/** {@link CentralReader} on MySQL: each question is a statement of its own, with its own snapshot. */
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
  lt,
  max,
  min,
  or,
  type SQL,
  sql,
} from "drizzle-orm";
import { drizzle, type MySqlRemoteDatabase } from "drizzle-orm/mysql-proxy";
import { createPool } from "mysql2/promise";
import { OperatingError } from "../../../shards/process/failure.ts";
import { type CentralReader, OPEN_STATUSES, type OrderIdRange } from "../central-reader.ts";
import { readMysqlUrl } from "./mysql-connection.ts";
import { mysqlFailure } from "./mysql-failure.ts";
import { fromMysqlRow } from "./mysql-row.ts";
import {
  central,
  entities,
  orders,
  outcomes,
  shardEpoch,
  stoppedStream,
  streamCursor,
  topicPosition,
} from "./mysql-schema.ts";

/** A chunk of tens of thousands of rows on a busy server. */
const QUERY_MS_MAX = 60_000;
const CONNECTIONS_MAX = 2;
/** A fraction of a second. */
const STEP_ROWS = 100_000;

/** Connects at the first question. Throws UsageError when MYSQL_URL is none. */
export const openMysqlReader = (url: string): CentralReader => {
  const { options, shown } = readMysqlUrl(url);
  const pool = createPool({
    ...options,
    multipleStatements: false,
    connectionLimit: CONNECTIONS_MAX,
  });
  const tables = drizzle(async (statement, values) => {
    try {
      const query = { sql: statement, values, rowsAsArray: true, timeout: QUERY_MS_MAX };
      const [rows] = await pool.query(query);
      return { rows: rows as unknown[] };
    } catch (error) {
      throw mysqlFailure(`read MYSQL_URL (${shown})`, error);
    }
  });
  const ending = { close: () => pool.end() };
  return {
    ...shardReads(tables, shown),
    ...orderReads(tables),
    ...outcomeReads(tables),
    ...entityReads(tables),
    ...ending,
  };
};

type ShardReads = Pick<
  CentralReader,
  "centralId" | "epochOf" | "cursors" | "stopsOf" | "positions"
>;

const shardReads = (tables: MySqlRemoteDatabase, shown: string): ShardReads => ({
  centralId: async () => {
    const [row] = await tables.select().from(central);
    if (row !== undefined) return row.centralId;
    const message = `${shown} has no central store yet: start an applier`;
    throw new OperatingError("central_unavailable", message, { retryable: true });
  },
  epochOf: async (shard) => {
    const [row] = await tables.select().from(shardEpoch).where(eq(shardEpoch.shard, shard));
    return row?.epoch ?? 0;
  },
  cursors: (shard) => {
    const { partition, epoch, seq, hash } = streamCursor;
    // A row with epoch 0 is there to be locked.
    return tables
      .select({ partition, epoch, seq, hash })
      .from(streamCursor)
      .where(and(eq(streamCursor.shard, shard), gt(epoch, 0)))
      .orderBy(partition);
  },
  stopsOf: (shard) => {
    const { partition, epoch, code, detail } = stoppedStream;
    return tables
      .select({ partition, epoch, code, detail })
      .from(stoppedStream)
      .where(eq(stoppedStream.shard, shard));
  },
  positions: async () => {
    const rows = await tables.select().from(topicPosition).orderBy(topicPosition.partition);
    return rows.map(({ partition, nextOffset }) => ({ partition, nextOffset: `${nextOffset}` }));
  },
});

const ofShard = (shardIndex: number): SQL => sql`${orders.orderId} % 1024 = ${shardIndex}`;
const inRange = ({ shardIndex, from, to }: OrderIdRange): SQL | undefined =>
  and(between(orders.orderId, from, to), ofShard(shardIndex));

/** The server's guess changes with its statistics; these all walk along the ids. */
const BY_ID = { forceIndex: "PRIMARY" } as const;

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

const orderReads = (tables: MySqlRemoteDatabase): OrderReads => ({
  orders: async (orderIds) => {
    if (orderIds.length === 0) return [];
    const wanted = inArray(orders.orderId, [...orderIds]);
    return (await tables.select().from(orders).where(wanted)).map(fromMysqlRow);
  },
  orderIds: async (range) => {
    const { orderId } = orders;
    const rows = await tables.select({ orderId }).from(orders, BY_ID).where(inRange(range));
    return rows.map((row) => row.orderId);
  },
  countOrders: async (range, epoch) => {
    const [row] = await tables
      .select({ count: count(), first: min(orders.orderId) })
      .from(orders, BY_ID)
      .where(and(inRange(range), eq(orders.epoch, epoch)));
    return { count: row?.count ?? 0, first: row?.first ?? null };
  },
  newestOrderId: async (shardIndex) => {
    const { orderId } = orders;
    // In steps, because a shard that was long away may be behind very many orders of others.
    for (let below = Number.MAX_SAFE_INTEGER; ; ) {
      const step = tables
        .select({ orderId })
        .from(orders, BY_ID)
        .where(lt(orderId, below))
        .orderBy(desc(orderId))
        .limit(STEP_ROWS)
        .as("step");
      const own = sql<number | null>`max(if(${step.orderId} % 1024 = ${shardIndex},
        ${step.orderId}, null))`;
      const [row] = await tables.select({ own, oldest: min(step.orderId) }).from(step);
      if (row === undefined || row.own !== null || row.oldest === null) return row?.own ?? null;
      below = row.oldest;
    }
  },
  ordersToRestore: async (range, since) => {
    const wanted = or(inArray(orders.status, [...OPEN_STATUSES]), gte(orders.createdAt, since));
    const rows = tables
      .select()
      .from(orders, BY_ID)
      .where(and(inRange(range), wanted));
    return (await rows.orderBy(asc(orders.orderId))).map(fromMysqlRow);
  },
  countCreated: async (range, since) => {
    const created = and(inRange(range), gte(orders.createdAt, since));
    const [row] = await tables.select({ count: count() }).from(orders, BY_ID).where(created);
    return row?.count ?? 0;
  },
  latestChanges: async (range) => {
    const { symbol, updatedAt } = orders;
    const latest = { symbol, at: max(updatedAt) };
    const rows = await tables
      .select(latest)
      .from(orders, BY_ID)
      .where(inRange(range))
      .groupBy(symbol);
    return rows.map((row) => ({ symbol: row.symbol, at: row.at ?? 0 }));
  },
});

type OutcomeReads = Pick<
  CentralReader,
  "outcomes" | "newestOutcome" | "outcomesAfter" | "countOutcomes"
>;

const outcomeReads = (tables: MySqlRemoteDatabase): OutcomeReads => ({
  outcomes: (shard, epoch, { from, to }) => {
    const ofEpoch = and(eq(outcomes.shard, shard), eq(outcomes.epoch, epoch));
    return tables
      .select()
      .from(outcomes)
      .where(and(ofEpoch, between(outcomes.commitSeq, from, to)));
  },
  newestOutcome: async (shard, epoch) => {
    const ofEpoch = and(eq(outcomes.shard, shard), eq(outcomes.epoch, epoch));
    const newest = tables.select({ newest: max(outcomes.commitSeq) }).from(outcomes);
    const [row] = await newest.where(ofEpoch);
    return row?.newest ?? 0;
  },
  outcomesAfter: (shard, after, limit) => {
    const { epoch, commitSeq } = outcomes;
    const behind = or(
      gt(epoch, after.epoch),
      and(eq(epoch, after.epoch), gt(commitSeq, after.commitSeq)),
    );
    const rows = tables
      .select()
      .from(outcomes)
      .where(and(eq(outcomes.shard, shard), behind));
    return rows.orderBy(asc(epoch), asc(commitSeq)).limit(limit);
  },
  countOutcomes: async (shard, since) => {
    const kept = and(eq(outcomes.shard, shard), gte(outcomes.at, since));
    const [row] = await tables.select({ count: count() }).from(outcomes).where(kept);
    return row?.count ?? 0;
  },
});

const entityReads = (
  tables: MySqlRemoteDatabase,
): Pick<CentralReader, "entities" | "entitiesByKey"> => ({
  entities: ({ shard, type, after }, limit) => {
    const ofType = and(eq(entities.shard, shard), eq(entities.type, type));
    const behind = gt(entities.entityKey, after);
    const rows = tables.select().from(entities).where(and(ofType, behind));
    return rows.orderBy(asc(entities.entityKey)).limit(limit);
  },
  entitiesByKey: async (shard, type, keys) => {
    if (keys.length === 0) return [];
    const ofType = and(eq(entities.shard, shard), eq(entities.type, type));
    const wanted = and(ofType, inArray(entities.entityKey, [...keys]));
    return tables.select().from(entities).where(wanted);
  },
});
