/** Asks MySQL how it keeps commits, and central's tables how streams and topic stand. */
import { systemClock } from "../../../shards/process/clock.ts";
import { invariant } from "../../../shards/process/failure.ts";
import {
  type MysqlConnection,
  MysqlPool,
  readMysqlUrl,
} from "../../central/mysql/mysql-connection.ts";
import { READ_ALL_STOPS } from "../../central/mysql/mysql-statements.ts";
import type { CentralFacts, ClockReading, MysqlFacts, StoppedFacts } from "../facts.ts";

export interface MysqlSeen {
  readonly mysql: MysqlFacts;
  /** null: the tables are not there. */
  readonly central: CentralFacts | null;
}

/** `msMax` bounds connecting and each question. The database is not made, nothing is written. */
export const gatherMysql = async (url: string, msMax: number): Promise<MysqlSeen> => {
  const { database, shown, options } = readMysqlUrl(url);
  const { database: _, ...server } = options;
  const pool = new MysqlPool({ database, shown, options: { ...server, connectTimeout: msMax } }, 1);
  try {
    return await pool.use(`ask ${shown}`, async (connection) => ({
      mysql: await readServer(connection, msMax),
      central: await readCentral(connection, database, msMax),
    }));
  } finally {
    await pool.close().catch(() => undefined);
  }
};

interface ServerRow {
  readonly version: string;
  readonly now: number | string;
  readonly readOnly: number;
  readonly flush: number;
  readonly hasBinlog: number;
  readonly syncBinlog: number;
  readonly doublewrite: string | number;
  readonly packet: number;
}

const readServer = async (connection: MysqlConnection, msMax: number): Promise<MysqlFacts> => {
  const askedAt = systemClock.now();
  const [row] = await connection.rows<ServerRow>(
    `SELECT version() AS version, CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED) AS now,
     @@GLOBAL.read_only AS readOnly, @@GLOBAL.innodb_flush_log_at_trx_commit AS flush,
     @@GLOBAL.log_bin AS hasBinlog, @@GLOBAL.sync_binlog AS syncBinlog,
     @@GLOBAL.innodb_doublewrite AS doublewrite, @@GLOBAL.max_allowed_packet AS packet`,
    [],
    msMax,
  );
  invariant(row !== undefined, "a SELECT of variables has a row");
  return {
    version: row.version,
    clock: clockOf(askedAt, Number(row.now)),
    readOnly: row.readOnly === 1,
    flushLogAtCommit: row.flush,
    syncBinlog: row.hasBinlog === 1 ? row.syncBinlog : null,
    // Up to 8.0.29 a number.
    doublewrite: { 0: "OFF", 1: "ON" }[row.doublewrite] ?? String(row.doublewrite),
    maxAllowedPacketBytes: row.packet,
  };
};

const clockOf = (askedAt: number, theirs: number): ClockReading => {
  const uncertaintyMs = (systemClock.now() - askedAt) / 2;
  return { offsetMs: theirs - (askedAt + uncertaintyMs), uncertaintyMs };
};

const TABLES = ["shard_epoch", "stopped_stream", "topic_position", "quarantine"] as const;

const readCentral = async (
  connection: MysqlConnection,
  database: string,
  msMax: number,
): Promise<CentralFacts | null> => {
  const rows = <Row>(sql: string): Promise<Row[]> => connection.rows<Row>(sql, [], msMax);
  const [{ there } = { there: 0 }] = await rows<{ there: number }>(
    `SELECT COUNT(*) AS there FROM information_schema.tables WHERE table_schema = '${database}'
     AND table_name IN (${TABLES.map((name) => `'${name}'`).join(", ")})`,
  );
  if (there < TABLES.length) return null;
  await rows(`USE \`${database}\``);
  const [{ records } = { records: 0 }] = await rows<{ records: number }>(
    // One that stopped a stream has no offset there: the stream's stop says it.
    "SELECT COUNT(*) AS records FROM quarantine WHERE `offset` IS NOT NULL",
  );
  return {
    epochs: await rows("SELECT shard, epoch FROM shard_epoch ORDER BY shard"),
    stopped: await rows<StoppedFacts>(READ_ALL_STOPS),
    quarantinedRecords: Number(records),
    positions: await rows(
      `SELECT \`partition\`, next_offset AS nextOffset FROM topic_position
       WHERE next_offset > 0 ORDER BY \`partition\``,
    ),
  };
};
