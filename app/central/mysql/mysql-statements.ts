/**
 * The statements of one `apply` as text. All writes of a transaction and its COMMIT leave in one
 * packet, so that it costs two round trips however much it brings.
 */
import { getTableColumns } from "drizzle-orm";
import type { MySqlTable } from "drizzle-orm/mysql-core";
import { escape as quoted } from "mysql2";
import type { Cursor } from "../../../shards/protocol/hello.ts";
import type { EntityRow } from "../entity-row.ts";
import type { QuarantinedRecord, StoppedStream, TopicPosition } from "../store.ts";
import type { SqlValue } from "./mysql-connection.ts";
import type { MysqlOrderRow } from "./mysql-row.ts";
import { entities, orders, outcomes, quarantine, stoppedStream } from "./mysql-schema.ts";

export interface Stream {
  readonly shard: string;
  readonly partition: number;
}
export interface StreamEpoch extends Stream {
  readonly epoch: number;
}
export type StreamEnd = Stream & Cursor;
export type OutcomeRow = typeof outcomes.$inferSelect;
/** `offset` null: a record that stopped its stream. */
export type PutAside = Omit<QuarantinedRecord, "offset"> & { readonly offset: string | null };

/** Texts of our own making: nothing in them means anything in SQL. */
const PLAIN = /^[\w.:/-]*$/;
const text = (value: string): string => (PLAIN.test(value) ? `'${value}'` : quoted(value));
const textOrNull = (value: string | null): string => (value === null ? "NULL" : text(value));
const literal = (value: SqlValue): string =>
  typeof value === "number" ? String(value) : textOrNull(value);

const tuple = (...values: readonly SqlValue[]): string => `(${values.map(literal).join(",")})`;
const tuples = (rows: readonly (readonly SqlValue[])[]): string =>
  rows.map((row) => tuple(...row)).join(",");

const columnsOf = (table: MySqlTable): readonly string[] =>
  Object.values(getTableColumns(table)).map(({ name }) => name);
const named = (columns: readonly string[]): string => columns.map((c) => `\`${c}\``).join(",");

const ORDER_COLUMNS = columnsOf(orders);
/** In the order of the table; written out, because this runs for every record. */
const orderTuple = (row: MysqlOrderRow): string =>
  `(${row.orderId},${row.accountId},${text(row.clientOrderId)},${text(row.symbol)},` +
  `${text(row.side)},${text(row.type)},${textOrNull(row.timeInForce)},` +
  `${row.goodTillDate ?? "NULL"},${row.price ?? "NULL"},${row.quantity},${row.executedQuantity},` +
  `${row.averagePrice ?? "NULL"},${text(row.status)},${row.reduceOnly},` +
  `${text(row.positionSide)},${text(row.selfTradePrevention)},${row.createdAt},` +
  `${row.updatedAt},${text(row.shard)},${row.epoch},${row.commitSeq},${row.partition},` +
  `${row.seq},${row.version},${row.acceptedPrice ?? "NULL"},${row.acceptedQuantity},` +
  `${text(row.acceptedStatus)},${row.stopPrice ?? "NULL"},${textOrNull(row.workingType)},` +
  `${row.closePosition},${row.parentOrderId ?? "NULL"},${text(row.children)},` +
  `${row.amendmentPrice ?? "NULL"},${row.amendmentQuantity ?? "NULL"},` +
  `${row.priceScale ?? "NULL"},${row.quantityScale},` +
  `${row.averagePriceScale ?? "NULL"})`;

const INSERT_ORDERS = `INSERT INTO orders (${named(ORDER_COLUMNS)}) VALUES `;

/** MySQL assigns from left to right: `version` is compared by all and so comes last. */
const updateNewer = (): string =>
  [...ORDER_COLUMNS.filter((name) => name !== "version"), "version"]
    .filter((name) => name !== "order_id" && !name.startsWith("accepted_"))
    .map((name) => `\`${name}\`=IF(n.version>orders.version,n.\`${name}\`,orders.\`${name}\`)`)
    .join(",");
const ACCEPTANCE = ORDER_COLUMNS.filter((name) => name.startsWith("accepted_"))
  .map((name) => `\`${name}\`=n.\`${name}\``)
  .join(",");
const UPDATE_NEWER = ` AS n ON DUPLICATE KEY UPDATE ${updateNewer()}`;
const COMPLETE = ` AS n ON DUPLICATE KEY UPDATE ${ACCEPTANCE},${updateNewer()}`;

const byOrderId = (a: MysqlOrderRow, b: MysqlOrderRow): number => a.orderId - b.orderId;
/** In the order of the key, which is the order in which rows are locked. */
const orderTuples = (rows: readonly MysqlOrderRow[]): string =>
  rows.toSorted(byOrderId).map(orderTuple).join(",");

/** New orders; an id that is there is an error (1062). */
export const insertOrders = (rows: readonly MysqlOrderRow[]): string =>
  `${INSERT_ORDERS}${orderTuples(rows)}`;

/** Changed orders: an older version never overwrites a newer one, nor what was accepted. */
export const upsertOrders = (rows: readonly MysqlOrderRow[]): string =>
  `${INSERT_ORDERS}${orderTuples(rows)}${UPDATE_NEWER}`;

/** Acceptances that come after a change of theirs: the change stays, what was accepted is set. */
export const completeOrders = (rows: readonly MysqlOrderRow[]): string =>
  `${INSERT_ORDERS}${orderTuples(rows)}${COMPLETE}`;

/** What tells whether the order that is there is the same order. */
export const lockOrders = (orderIds: readonly number[]): string =>
  `SELECT order_id AS orderId, client_order_id AS clientOrderId, account_id AS accountId, shard,
   epoch, commit_seq AS commitSeq FROM orders FORCE INDEX (PRIMARY)
   WHERE order_id IN (${orderIds.join(",")}) ORDER BY order_id FOR UPDATE`;

export const insertOutcomes = (rows: readonly OutcomeRow[]): string =>
  `INSERT INTO outcomes (${named(columnsOf(outcomes))}) VALUES ${tuples(
    rows.map(({ shard, epoch, commitSeq, at, value }) => [shard, epoch, commitSeq, at, value]),
  )}`;

const ENTITY_COLUMNS = columnsOf(entities);
const entityTuple = (row: EntityRow): string =>
  tuple(
    row.shard,
    row.type,
    row.entityKey,
    row.value,
    row.at,
    row.epoch,
    row.commitSeq,
    row.partition,
    row.seq,
  );

/**
 * MySQL assigns from left to right, and the place is compared by all: commitSeq comes last but one,
 * because with the new epoch in its row an older one's commitSeq would win, and then the epoch.
 */
const newerEntity = (): string =>
  [...ENTITY_COLUMNS.filter((name) => !PLACE.includes(name)), ...PLACE]
    .filter((name) => !["shard", "type", "entity_key"].includes(name))
    .map((name) => `\`${name}\`=IF(${IS_NEWER},n.\`${name}\`,entities.\`${name}\`)`)
    .join(",");
const PLACE = ["commit_seq", "epoch"];
const IS_NEWER = "(n.epoch,n.commit_seq)>(entities.epoch,entities.commit_seq)";
const NEWER_ENTITY = newerEntity();

const byEntityKey = (a: EntityRow, b: EntityRow): number =>
  compare(a.shard, b.shard) || compare(a.type, b.type) || compare(a.entityKey, b.entityKey);
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** One row a key, in the order of the key; an older record never overwrites a newer one's value. */
export const upsertEntities = (rows: readonly EntityRow[]): string =>
  `INSERT INTO entities (${named(ENTITY_COLUMNS)}) VALUES ${rows
    .toSorted(byEntityKey)
    .map(entityTuple)
    .join(",")} AS n ON DUPLICATE KEY UPDATE ${NEWER_ENTITY}`;

const streamPairs = (streams: readonly Stream[]): string =>
  tuples(streams.map(({ shard, partition }) => [shard, partition]));

/** Rows to lock: FOR UPDATE on a row that is missing locks nobody out. */
export const ensureStream = ({ shard, partition }: Stream, hash: string): string =>
  `INSERT INTO stream_cursor VALUES ${tuple(shard, partition, 0, 0, hash)}
   ON DUPLICATE KEY UPDATE stream_cursor.shard = stream_cursor.shard`;

export const ensurePosition = (partition: number): string =>
  `INSERT INTO topic_position VALUES (${partition}, 0)
   ON DUPLICATE KEY UPDATE topic_position.\`partition\` = topic_position.\`partition\``;

/** First in every transaction that has one, and by partition, so that nobody waits in a circle. */
export const lockPositions = (partitions: readonly number[]): string =>
  `SELECT \`partition\`, CAST(next_offset AS CHAR) AS nextOffset
   FROM topic_position FORCE INDEX (PRIMARY)
   WHERE \`partition\` IN (${partitions.join(",")}) ORDER BY \`partition\` FOR UPDATE`;

/** Next, by shard and partition. */
export const lockStreams = (streams: readonly Stream[]): string =>
  `SELECT shard, \`partition\`, epoch, seq, hash FROM stream_cursor FORCE INDEX (PRIMARY)
   WHERE (shard, \`partition\`) IN (${streamPairs(streams)}) ORDER BY shard, \`partition\` FOR UPDATE`;

/** Shared: a claim of a new epoch waits for what is being applied of the one before. */
export const lockEpochs = (shards: readonly string[]): string =>
  `SELECT shard, epoch FROM shard_epoch FORCE INDEX (PRIMARY)
   WHERE shard IN (${shards.map(text).join(",")}) ORDER BY shard FOR SHARE`;

export const readStops = (streams: readonly StreamEpoch[]): string =>
  `SELECT shard, epoch, \`partition\`, code, detail FROM stopped_stream
   WHERE (shard, epoch, \`partition\`) IN (${epochKeys(streams)})`;

/** Gives {@link StoppedStream}s. */
export const READ_ALL_STOPS = `SELECT shard, epoch, \`partition\`, code, detail,
   stopped_at AS stoppedAt FROM stopped_stream ORDER BY shard, epoch, \`partition\``;

const epochKeys = (streams: readonly StreamEpoch[]): string =>
  tuples(streams.map(({ shard, epoch, partition }) => [shard, epoch, partition]));

export const deleteStops = (streams: readonly StreamEpoch[]): string =>
  `DELETE FROM stopped_stream WHERE (shard, epoch, \`partition\`) IN (${epochKeys(streams)})`;

export const insertStops = (stops: readonly StoppedStream[]): string =>
  `INSERT INTO stopped_stream (${named(columnsOf(stoppedStream))}) VALUES ${tuples(
    stops.map((s) => [s.shard, s.epoch, s.partition, s.code, s.detail, s.stoppedAt]),
  )}`;

export const writeCursors = (ends: readonly StreamEnd[]): string =>
  `INSERT INTO stream_cursor VALUES ${tuples(
    ends.map(({ shard, partition, epoch, seq, hash }) => [shard, partition, epoch, seq, hash]),
  )} AS n ON DUPLICATE KEY UPDATE epoch = n.epoch, seq = n.seq, hash = n.hash`;

export const writePositions = (positions: readonly TopicPosition[]): string =>
  `INSERT INTO topic_position VALUES ${positions
    .map(({ partition, nextOffset }) => `(${partition},${BigInt(nextOffset)})`)
    .join(",")} AS n ON DUPLICATE KEY UPDATE next_offset = n.next_offset`;

/** A place that was put aside before stays as it is. */
export const putAside = (records: readonly PutAside[], now: number): string =>
  `INSERT INTO quarantine (${named(columnsOf(quarantine).filter((name) => name !== "id"))})
   VALUES ${records.map((record) => asideTuple(record, now)).join(",")}
   ON DUPLICATE KEY UPDATE quarantine.id = quarantine.id`;

/** Characters of a detail that a column holds. */
const DETAIL_MAX = 1000;
const SHARD_MAX = 255;
/** In any text no more than the 65,535 bytes of the column; a shard's own keys are far shorter. */
const KEY_MAX = 16_000;

const asideTuple = (record: PutAside, now: number): string => {
  const { partition, offset, shard, epoch, seq, code, detail, key, headers, value } = record;
  const place = offset === null ? "NULL" : String(BigInt(offset));
  const rest: SqlValue[] = [
    shard?.slice(0, SHARD_MAX) ?? null,
    wholeOrNull(epoch),
    wholeOrNull(seq),
  ];
  const said: SqlValue[] = [
    code,
    detail.slice(0, DETAIL_MAX),
    key.slice(0, KEY_MAX),
    headers,
    value,
    now,
  ];
  return `(${partition},${place},${[...rest, ...said].map(literal).join(",")})`;
};

/** What can't be read of a record may be no number at all. */
const wholeOrNull = (value: number | null): number | null =>
  Number.isSafeInteger(value) ? value : null;
