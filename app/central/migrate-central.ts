/**
 * Copies an embedded central store into an empty MySQL database, so that shards that are pinned to
 * it go on there. No applier may run meanwhile: the file's lock is held, and one that starts on
 * MySQL is found out at the end.
 *
 * Orders, outcomes and entities go over in chunks; epochs, cursors, stops and central's id follow in the last
 * transaction. So a database without the id is nobody's: a copy that broke off leaves one, and is
 * started over. A database with the id is done, and copied no second time.
 */
import type { Database } from "bun:sqlite";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { and, asc, eq, gt, or, sql } from "drizzle-orm";
import { type BunSQLiteDatabase, drizzle } from "drizzle-orm/bun-sqlite";
import type { Clock } from "../../shards/process/clock.ts";
import { UsageError } from "../../shards/process/failure.ts";
import { CENTRAL_FILE, CENTRAL_LOCK, lockCentral, openForWriting } from "./embedded/sqlite-file.ts";
import { migrateCentralFile } from "./migrate.ts";
import {
  expectDatabase,
  type MysqlAddress,
  type MysqlConnection,
  MysqlPool,
  readMysqlUrl,
} from "./mysql/mysql-connection.ts";
import { MYSQL_MIGRATIONS, migrateMysql } from "./mysql/mysql-migrations.ts";
import { toMysqlRow } from "./mysql/mysql-row.ts";
import * as statements from "./mysql/mysql-statements.ts";
import {
  central,
  entities,
  orders,
  outcomes,
  shardEpoch,
  stoppedStream,
  streamCursor,
} from "./schema.ts";

/** Rows of each that are on MySQL when it is done. */
export interface CentralCounts {
  readonly orders: number;
  readonly outcomes: number;
  readonly entities: number;
  readonly epochs: number;
  readonly cursors: number;
  readonly stops: number;
}

export interface CopyResult {
  readonly centralId: string;
  /** An earlier copy had brought all of it; nothing was written now. */
  readonly wasDone: boolean;
  readonly copied: CentralCounts;
}

/** What goes over in chunks. */
export type CopiedRows = Pick<CentralCounts, "orders" | "outcomes" | "entities">;

export interface CopyOptions {
  /** The data folder of the embedded central store. */
  readonly fromDataDir: string;
  /** MYSQL_URL. */
  readonly url: string;
  readonly clock: Clock;
  /** Told after each chunk. */
  readonly onProgress: (copied: CopiedRows) => void;
}

const ORDERS_CHUNK = 1000;
/** Values of outcomes and entities are up to a few kilobytes. */
const VALUES_CHUNK = 200;

/**
 * Throws UsageError when there is no central store in the folder, its applier runs, or the database
 * is another central's; a retryable OperatingError when MySQL fails: then the same call starts over.
 */
export const copyCentral = async (options: CopyOptions): Promise<CopyResult> => {
  const { fromDataDir, url, clock } = options;
  const file = join(fromDataDir, CENTRAL_FILE);
  if (!existsSync(file)) {
    throw new UsageError(
      `--central-from ${fromDataDir} has no ${CENTRAL_FILE}: name the old folder`,
    );
  }
  const address = readMysqlUrl(url);
  const lock = lockCentral(join(fromDataDir, CENTRAL_LOCK), clock.now());
  let database: Database | undefined;
  try {
    database = openForWriting(file);
    migrateCentralFile(database, file, clock.now());
    await expectDatabase(address);
    const pool = new MysqlPool(address, 1);
    try {
      const source = drizzle({ client: database });
      return await pool.use("copy central", (to) => copy({ ...options, source, to, address }));
    } finally {
      await pool.close();
    }
  } finally {
    database?.close();
    lock.release();
  }
};

interface Copy extends CopyOptions {
  readonly source: BunSQLiteDatabase;
  readonly to: MysqlConnection;
  readonly address: MysqlAddress;
}

const copy = async (whole: Copy): Promise<CopyResult> => {
  const { source, to, address, clock } = whole;
  await migrateMysql(to, MYSQL_MIGRATIONS, clock.now());
  const own = source.select().from(central).get();
  if (own === undefined)
    throw new UsageError("the embedded central store has no id: start it once");
  const there = await readId(to);
  if (there === own.centralId) {
    return { centralId: there, wasDone: true, copied: await countRows(to) };
  }
  if (there !== undefined && !(await isUnused(to))) {
    throw otherCentral(address, there, own.centralId);
  }
  await emptyTables(to);
  const copiedOrders = await copyOrders(whole);
  const copiedOutcomes = await copyOutcomes(whole, copiedOrders);
  const soFar = { orders: copiedOrders, outcomes: copiedOutcomes };
  const copiedEntities = await copyEntities(whole, soFar);
  await finish(whole, own);
  const copied = await countRows(to);
  const isWhole =
    copied.orders === copiedOrders &&
    copied.outcomes === copiedOutcomes &&
    copied.entities === copiedEntities;
  if (!isWhole)
    throw new UsageError(`MYSQL_URL (${address.shown}) was written to by somebody else`);
  return { centralId: own.centralId, wasDone: false, copied };
};

const otherCentral = ({ shown }: MysqlAddress, there: string, own: string): UsageError =>
  new UsageError(
    `MYSQL_URL (${shown}) holds the central store ${there}, the folder ${own}: ` +
      "name an empty database, or drop this one if an applier was started on it by mistake.",
  );

const readId = async (to: MysqlConnection): Promise<string | undefined> => {
  const [row] = await to.rows<{ centralId: string }>("SELECT central_id AS centralId FROM central");
  return row?.centralId;
};

/** An applier was started there before the copy, and no shard has come to it. */
const isUnused = async (to: MysqlConnection): Promise<boolean> => {
  const [row] = await to.rows<{ used: number }>(
    "SELECT EXISTS(SELECT 1 FROM shard_epoch) OR EXISTS(SELECT 1 FROM orders) AS used",
  );
  return row?.used === 0;
};

/** What a copy that broke off has left; without an id it is nobody's. */
const emptyTables = async (to: MysqlConnection): Promise<void> => {
  const tables = [
    "central",
    "orders",
    "outcomes",
    "entities",
    "shard_epoch",
    "stream_cursor",
    "stopped_stream",
  ];
  await to.query(tables.map((table) => `TRUNCATE TABLE ${table}`).join(";"));
};

const copyOrders = async ({ source, to, onProgress }: Copy): Promise<number> => {
  let copied = 0;
  for (let last = -1; ; ) {
    const rows = source
      .select()
      .from(orders)
      .where(gt(orders.orderId, last))
      .orderBy(asc(orders.orderId))
      .limit(ORDERS_CHUNK)
      .all();
    const newest = rows.at(-1);
    if (newest === undefined) return copied;
    await to.query(statements.insertOrders(rows.map(toMysqlRow)));
    last = newest.orderId;
    copied += rows.length;
    onProgress({ orders: copied, outcomes: 0, entities: 0 });
  }
};

const copyOutcomes = async (
  { source, to, onProgress }: Copy,
  copiedOrders: number,
): Promise<number> => {
  let copied = 0;
  for (let last = { shard: "", epoch: -1, commitSeq: -1 }; ; ) {
    const { shard, epoch, commitSeq } = outcomes;
    const inEpoch = and(eq(epoch, last.epoch), gt(commitSeq, last.commitSeq));
    const inShard = and(eq(shard, last.shard), or(gt(epoch, last.epoch), inEpoch));
    const rows = source
      .select()
      .from(outcomes)
      .where(or(gt(shard, last.shard), inShard))
      .orderBy(asc(shard), asc(epoch), asc(commitSeq))
      .limit(VALUES_CHUNK)
      .all();
    const newest = rows.at(-1);
    if (newest === undefined) return copied;
    await to.query(statements.insertOutcomes(rows));
    last = newest;
    copied += rows.length;
    onProgress({ orders: copiedOrders, outcomes: copied, entities: 0 });
  }
};

const copyEntities = async (
  { source, to, onProgress }: Copy,
  soFar: Omit<CopiedRows, "entities">,
): Promise<number> => {
  let copied = 0;
  const { shard, type, entityKey } = entities;
  const place = sql`(${shard}, ${type}, ${entityKey})`;
  for (let last = { shard: "", type: "", entityKey: "" }; ; ) {
    const rows = source
      .select()
      .from(entities)
      .where(sql`${place} > (${last.shard}, ${last.type}, ${last.entityKey})`)
      .orderBy(asc(shard), asc(type), asc(entityKey))
      .limit(VALUES_CHUNK)
      .all();
    const newest = rows.at(-1);
    if (newest === undefined) return copied;
    await to.query(statements.upsertEntities(rows));
    last = newest;
    copied += rows.length;
    onProgress({ ...soFar, entities: copied });
  }
};

/** From here on the database is this central's. */
const finish = async (
  { source, to, address }: Copy,
  own: typeof central.$inferSelect,
): Promise<void> => {
  await to.query("START TRANSACTION");
  await to.query("INSERT INTO central VALUES (1, ?, ?) ON DUPLICATE KEY UPDATE id = central.id", [
    own.centralId,
    own.createdAt,
  ]);
  const there = await readId(to);
  if (there !== own.centralId) throw otherCentral(address, String(there), own.centralId);
  for (const { shard, epoch, claimId, grantedAt } of source.select().from(shardEpoch).all()) {
    await to.query("INSERT INTO shard_epoch VALUES (?, ?, ?, ?)", [
      shard,
      epoch,
      claimId,
      grantedAt,
    ]);
  }
  const cursors = source.select().from(streamCursor).all();
  if (cursors.length > 0) await to.query(statements.writeCursors(cursors));
  const stops = source.select().from(stoppedStream).all();
  if (stops.length > 0) await to.query(statements.insertStops(stops));
  await to.query("COMMIT");
};

const countRows = async (to: MysqlConnection): Promise<CentralCounts> => {
  const count = (table: string): string => `(SELECT count(*) FROM ${table})`;
  const [row] = await to.rows<CentralCounts>(
    `SELECT ${count("orders")} AS orders, ${count("outcomes")} AS outcomes,
     ${count("entities")} AS entities, ${count("shard_epoch")} AS epochs, ${count("stream_cursor WHERE epoch > 0")} AS cursors,
     ${count("stopped_stream")} AS stops`,
    [],
    COUNT_MS_MAX,
  );
  return row as CentralCounts;
};

/** Counting reads all orders. */
const COUNT_MS_MAX = 600_000;
