/**
 * A shard's file as a tool reads it while the writer writes: a read-only connection, short reads,
 * never an open cursor. Whatever is read later is as new or newer.
 */
import type { Database } from "bun:sqlite";
import { existsSync } from "node:fs";
import type { OrderId, ShardName } from "../domain/brands.ts";
import type { EntityType } from "../domain/entities.ts";
import type { Order } from "../domain/order.ts";
import { UsageError } from "../process/failure.ts";
import { RECORD_TYPES, type RecordType } from "../protocol/record.ts";
import { checkFileIsWhole } from "./file-check.ts";
import { openForReading } from "./open.ts";
import { OrderRows } from "./order-rows.ts";
import { StoredEntities, type StoredEntity } from "./risk/stored-entities.ts";

/** What the file is pinned to. */
export interface ShardFilePins {
  readonly shard: ShardName;
  readonly shardIndex: number;
  readonly epoch: number;
  readonly centralId: string;
}

/** A record as the file has it. An outcome from before a restore has seq 0 and commitSeq below 0. */
export interface StoredRecord {
  readonly commitSeq: number;
  /** undefined: a number that no version of this file wrote. */
  readonly type: RecordType | undefined;
  readonly partition: number;
  readonly seq: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly value: string;
  readonly hash: string;
}

export interface StreamEnd {
  readonly partition: number;
  readonly seq: number;
  readonly hash: string;
}

export class ShardReader {
  readonly #database: Database;
  readonly #orders: OrderRows;
  readonly #entities: StoredEntities;
  readonly #records;
  readonly #orderIds;
  readonly pins: ShardFilePins;

  /** Throws {@link UsageError} when the file is missing, damaged, or was never finished. */
  static open(path: string): ShardReader {
    if (!existsSync(path)) throw new UsageError(`${path} is missing.`);
    checkFileIsWhole(path);
    const database = openForReading(path);
    try {
      return new ShardReader(database, path);
    } catch (error) {
      database.close();
      throw error;
    }
  }

  private constructor(database: Database, path: string) {
    this.#database = database;
    this.pins = readPins(database, path);
    this.#orders = new OrderRows(database);
    this.#entities = new StoredEntities(database);
    this.#records = database.prepare(
      "SELECT commit_seq, type, partition, seq, at, value, hash FROM journal " +
        "WHERE commit_seq > ? ORDER BY commit_seq LIMIT ?",
    );
    this.#orderIds = database.prepare(
      "SELECT order_id, last_commit_seq FROM orders WHERE order_id > ? ORDER BY order_id LIMIT ?",
    );
  }

  /** Records after `commitSeq`, oldest first. */
  records(commitSeq: number, limit: number): readonly StoredRecord[] {
    const rows = this.#records.values(commitSeq, limit) as RecordTuple[];
    return rows.map(([commit, type, partition, seq, at, value, hash]) => ({
      commitSeq: commit,
      type: RECORD_TYPES[type],
      partition,
      seq,
      at,
      value,
      hash,
    }));
  }

  /** The oldest record that retention has left; null when there is none. */
  firstCommitSeq(): number | null {
    const [row] = this.#database.query("SELECT min(commit_seq) FROM journal").values();
    return row?.[0] as number | null;
  }

  /** The end of every stream. */
  streams(): readonly StreamEnd[] {
    const read = "SELECT partition, seq, hash FROM stream ORDER BY partition";
    return this.#database.query(read).all() as StreamEnd[];
  }

  /** The last order counter and commitSeq given out. */
  sequences(): { readonly orderCounter: number; readonly commitSeq: number } {
    const read = "SELECT order_counter, commit_seq FROM sequence";
    const [row = [0, 0]] = this.#database.query(read).values() as [number, number][];
    return { orderCounter: row[0], commitSeq: row[1] };
  }

  order(orderId: number): Order | undefined {
    return this.#orders.read(orderId as OrderId);
  }

  /** Every open order, oldest first, and the newest commit that they show: one moment of the file. */
  openOrders(): { readonly commitSeq: number; readonly orders: readonly Order[] } {
    return this.#database.transaction(() => ({
      commitSeq: this.sequences().commitSeq,
      orders: this.#orders.loadOpen(),
    }))();
  }

  /** Ids after `orderId` in their order, each with the commitSeq of its order's latest change. */
  orderIds(orderId: number, limit: number): readonly (readonly [number, number])[] {
    return this.#orderIds.values(orderId, limit) as [number, number][];
  }

  /** Every entity but the orders, at most `limit` at a time; positions without their latest fill. */
  entities(limit: number): Generator<readonly StoredEntity[], void> {
    return this.#entities.pages(limit);
  }

  /** One of them, as it is now. */
  entity(type: EntityType, entityKey: string): StoredEntity | undefined {
    return this.#entities.read(type, entityKey);
  }

  close(): void {
    this.#database.close();
  }
}

type RecordTuple = [number, number, number, number, number, string, string];

const readPins = (database: Database, path: string): ShardFilePins => {
  const tables = database.query("SELECT name FROM sqlite_master WHERE name = 'cluster'").all();
  const row =
    tables.length === 0
      ? null
      : database
          .query<PinRow, []>("SELECT shard, shard_index, epoch, central_id FROM cluster")
          .get();
  if (row === null) {
    throw new UsageError(`${path} was never finished: start its shard, which makes it.`);
  }
  const { shard, shard_index: shardIndex, epoch, central_id: centralId } = row;
  return { shard: shard as ShardName, shardIndex, epoch, centralId };
};

interface PinRow {
  readonly shard: string;
  readonly shard_index: number;
  readonly epoch: number;
  readonly central_id: string;
}
