/**
 * The statements that run for every record or push, prepared once on the raw connection: a named
 * parameter a column costs 4 % more than positions and can't be put in the wrong place.
 */
import type { Database, Statement } from "bun:sqlite";
import { getTableColumns } from "drizzle-orm";
import type { SQLiteTable } from "drizzle-orm/sqlite-core";
import type { Cursor } from "../../../shards/protocol/hello.ts";
import type { Stopped } from "../../../shards/protocol/relay.ts";
import type { EntityRow } from "../entity-row.ts";
import type { OrderRow } from "../order-row.ts";
import { entities, orders, outcomes, streamCursor } from "../schema.ts";

type Values = Record<string, string | number | null>;
type StreamKey = { readonly shard: string; readonly partition: number };

/** `INSERT INTO t (a_b, …) VALUES ($aB, …)` for all of a table's columns. */
const insertInto = (name: string, table: SQLiteTable): string => {
  const columns = Object.entries(getTableColumns(table));
  const names = columns.map(([, column]) => column.name).join(", ");
  const values = columns.map(([property]) => `$${property}`).join(", ");
  return `INSERT INTO ${name} (${names}) VALUES (${values})`;
};

/** Everything but the key and the acceptance; an older version never overwrites a newer one. */
const updateNewer = (): string => {
  const names = Object.values(getTableColumns(orders)).map((column) => column.name);
  const set = names
    .filter((name) => name !== "order_id" && !name.startsWith("accepted_"))
    .map((name) => `${name} = excluded.${name}`);
  return `ON CONFLICT (order_id) DO UPDATE SET ${set.join(", ")} WHERE excluded.version > version`;
};

/** The record that was written last wins, whichever partition it came by. */
const updateEntity = (): string => {
  const set = ["value", "at", "epoch", "commit_seq", "partition", "seq"]
    .map((name) => `${name} = excluded.${name}`)
    .join(", ");
  const isNewer = "(excluded.epoch, excluded.commit_seq) > (epoch, commit_seq)";
  return `ON CONFLICT (shard, type, entity_key) DO UPDATE SET ${set} WHERE ${isNewer}`;
};

export const prepareStatements = (database: Database) => {
  const prepare = <Row, Bound extends Values>(sql: string): Statement<Row, [Bound]> =>
    database.prepare<Row, [Bound]>(sql);
  return {
    readCursor: prepare<Cursor, StreamKey>(
      `SELECT partition, epoch, seq, hash FROM stream_cursor
       WHERE shard = $shard AND partition = $partition`,
    ),
    writeCursor: prepare<never, StreamKey & Cursor>(
      `${insertInto("stream_cursor", streamCursor)} ON CONFLICT (shard, partition)
       DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq, hash = excluded.hash`,
    ),
    readEpoch: prepare<{ epoch: number }, { shard: string }>(
      "SELECT epoch FROM shard_epoch WHERE shard = $shard",
    ),
    readStop: prepare<Stopped, StreamKey & { epoch: number }>(
      `SELECT partition, code, detail FROM stopped_stream
       WHERE shard = $shard AND epoch = $epoch AND partition = $partition`,
    ),
    /** An id that exists is another order's: it must not be lost in silence. */
    insertOrder: prepare<never, OrderRow>(insertInto("orders", orders)),
    upsertOrder: prepare<never, OrderRow>(`${insertInto("orders", orders)} ${updateNewer()}`),
    insertOutcome: prepare<never, typeof outcomes.$inferInsert>(insertInto("outcomes", outcomes)),
    upsertEntity: prepare<never, EntityRow>(
      `${insertInto("entities", entities)} ${updateEntity()}`,
    ),
    oldestOutcome: prepare<{ epoch: number; at: number }, { shard: string }>(
      `SELECT epoch, at FROM outcomes WHERE shard = $shard
       ORDER BY epoch, commit_seq LIMIT 1`,
    ),
    oldestOutcomes: prepare<
      { commitSeq: number; at: number },
      { shard: string; epoch: number; limit: number }
    >(
      `SELECT commit_seq AS commitSeq, at FROM outcomes WHERE shard = $shard AND epoch = $epoch
       ORDER BY commit_seq LIMIT $limit`,
    ),
    deleteOutcomes: prepare<never, { shard: string; epoch: number; commitSeq: number }>(
      "DELETE FROM outcomes WHERE shard = $shard AND epoch = $epoch AND commit_seq <= $commitSeq",
    ),
    newestOrder: prepare<{ orderId: number | null }, Record<string, never>>(
      "SELECT max(order_id) AS orderId FROM orders",
    ),
    countOrders: prepare<{ orders: number }, { shardIndex: number }>(
      "SELECT count(*) AS orders FROM orders WHERE order_id % 1024 = $shardIndex",
    ),
  };
};

export type Statements = ReturnType<typeof prepareStatements>;
