/**
 * The central store on a MySQL server (8.0.19 or later), for any number of appliers at once. How
 * records are applied is in mysql-apply.ts.
 */
import type { Clock } from "../../../shards/process/clock.ts";
import { invariant, UsageError } from "../../../shards/process/failure.ts";
import { randomId } from "../../../shards/process/ids.ts";
import type { Logger } from "../../../shards/process/logger.ts";
import type { Cursor } from "../../../shards/protocol/hello.ts";
import type { Claim, Grant } from "../../../shards/protocol/relay.ts";
import type { Intake, PushResult, StoppedStream, TopicPosition, TopicStore } from "../store.ts";
import { MysqlApply } from "./mysql-apply.ts";
import { claimEpoch, readCursors, readEpoch } from "./mysql-claims.ts";
import {
  expectDatabase,
  type MysqlAddress,
  type MysqlConnection,
  MysqlPool,
  readMysqlUrl,
} from "./mysql-connection.ts";
import { MYSQL_MIGRATIONS, migrateMysql } from "./mysql-migrations.ts";
import { deleteOutcomes } from "./mysql-retention.ts";
import { READ_ALL_STOPS } from "./mysql-statements.ts";

export interface MysqlStore extends Omit<TopicStore, "close"> {
  /** Resolves when the server has been told; until then the process does not end by itself. */
  close(): Promise<void>;
}

/** One applies; the others are for claims, cursors and retention meanwhile. */
const CONNECTIONS_MAX = 4;

/** A transaction is sent in packets of this; the server's limit must leave room for one row more. */
const PACKET_CHARACTERS = 4 * 1024 * 1024;
const PACKET_BYTES_MIN = 16 * 1024 * 1024;

/**
 * Opens the database of MYSQL_URL, made if it is missing, brings it to this version's tables and
 * gives it its id if it is new. Throws UsageError for a setting that a person must put right; a
 * server that does not answer is a retryable OperatingError.
 */
export const openMysqlStore = async (
  url: string,
  clock: Clock,
  logger: Logger,
): Promise<MysqlStore> => {
  const address = readMysqlUrl(url);
  await expectDatabase(address);
  const pool = new MysqlPool(address, CONNECTIONS_MAX);
  try {
    const { centralId, migrated } = await pool.use("open central", async (connection) => {
      await expectServer(connection, address);
      const migrated = await migrateMysql(connection, MYSQL_MIGRATIONS, clock.now());
      return { migrated, centralId: await readOrMakeId(connection, clock.now()) };
    });
    logger.info({ database: address.shown, centralId, migrated }, "central is on MySQL");
    return new PooledStore(pool, clock, centralId);
  } catch (error) {
    await pool.close().catch(() => undefined);
    throw error;
  }
};

const expectServer = async (
  connection: MysqlConnection,
  { shown }: MysqlAddress,
): Promise<void> => {
  const [row] = await connection.rows<{ packet: number; version: string }>(
    "SELECT @@max_allowed_packet AS packet, version() AS version",
  );
  invariant(row !== undefined, "a SELECT of variables has a row");
  const [major = 0, minor = 0, patch = 0] = row.version.split(/[.-]/).map(Number);
  if (major < 8 || (major === 8 && minor === 0 && patch < 19) || /maria/i.test(row.version)) {
    throw new UsageError(
      `MYSQL_URL (${shown}) is ${row.version}: MySQL 8.0.19 or later is needed.`,
    );
  }
  if (row.packet < PACKET_BYTES_MIN) {
    throw new UsageError(
      `MYSQL_URL (${shown}): max_allowed_packet is ${row.packet}; ` +
        `set it to ${PACKET_BYTES_MIN} or more on the server.`,
    );
  }
};

const readOrMakeId = async (connection: MysqlConnection, now: number): Promise<string> => {
  await connection.query(
    "INSERT INTO central VALUES (1, ?, ?) ON DUPLICATE KEY UPDATE central.id = central.id",
    [randomId(), now],
  );
  const [row] = await connection.rows<{ centralId: string }>(
    "SELECT central_id AS centralId FROM central",
  );
  invariant(row !== undefined, "central has its id");
  return row.centralId;
};

class PooledStore implements MysqlStore {
  readonly centralId: string;
  readonly #pool: MysqlPool;
  readonly #clock: Clock;
  readonly #apply: MysqlApply;

  constructor(pool: MysqlPool, clock: Clock, centralId: string) {
    this.centralId = centralId;
    this.#pool = pool;
    this.#clock = clock;
    this.#apply = new MysqlApply(pool, clock, PACKET_CHARACTERS);
  }

  apply(intake: Intake): Promise<readonly PushResult[]> {
    return this.#apply.apply(intake);
  }

  claimEpoch(claim: Claim): Promise<Grant> {
    return this.#pool.use("claim epoch", (connection) =>
      claimEpoch(connection, this.centralId, claim, this.#clock.now()),
    );
  }

  grantedEpoch(shard: string): Promise<number> {
    return this.#pool.use("read epoch", (connection) => readEpoch(connection, shard));
  }

  cursors(shard: string): Promise<readonly Cursor[]> {
    return this.#pool.use("read cursors", (connection) => readCursors(connection, shard));
  }

  stoppedStreams(): Promise<readonly StoppedStream[]> {
    return this.#rows<StoppedStream>(READ_ALL_STOPS);
  }

  /** A row at 0 is there to be locked only. */
  positions(): Promise<readonly TopicPosition[]> {
    return this.#rows<TopicPosition>(
      `SELECT \`partition\`, CAST(next_offset AS CHAR) AS nextOffset FROM topic_position
       WHERE next_offset > 0 ORDER BY \`partition\``,
    );
  }

  deleteOutcomes(before: number, limit: number): Promise<number> {
    return this.#pool.use("delete outcomes", (connection) =>
      deleteOutcomes(connection, before, limit),
    );
  }

  close(): Promise<void> {
    return this.#pool.close();
  }

  #rows<Row>(statement: string): Promise<readonly Row[]> {
    return this.#pool.use("read central", (connection) => connection.rows<Row>(statement));
  }
}
