/** Records of the topic that were put aside, for the operator's commands. Makes no tables. */
import { invariant } from "../../../shards/process/failure.ts";
import type { QuarantinedRecord, StoppedStream } from "../store.ts";
import { type MysqlConnection, MysqlPool, readMysqlUrl } from "./mysql-connection.ts";
import { READ_ALL_STOPS } from "./mysql-statements.ts";

/** A record that was put aside. */
export interface QuarantineRow extends Omit<QuarantinedRecord, "offset"> {
  /** null for a record that stopped its stream: shard, epoch and seq name it. */
  readonly offset: string | null;
  /** Milliseconds since 1970. */
  readonly quarantinedAt: number;
}

export interface Quarantine {
  readonly stopped: readonly StoppedStream[];
  /** The oldest first, `limit` at most. */
  readonly records: readonly QuarantineRow[];
}

/** What became of a retry. */
export type Retry =
  /** Nothing of the partition was put aside. */
  | { readonly kind: "nothing" }
  /** All of it stopped its streams: their shards have to send it again. */
  | { readonly kind: "resend"; readonly shards: readonly string[] }
  /** The topic is read again from `offset`; before, it was read up to `position`. */
  | {
      readonly kind: "rewound";
      readonly offset: string;
      readonly position: string;
      readonly records: number;
    };

export const readQuarantine = (url: string, limit: number): Promise<Quarantine> =>
  withCentral(url, "read the quarantine", async (connection) => ({
    stopped: await connection.rows<StoppedStream>(READ_ALL_STOPS),
    records: await connection.rows<QuarantineRow>(
      `SELECT \`partition\`, CAST(\`offset\` AS CHAR) AS \`offset\`, shard, epoch, seq, code, detail,
       record_key AS \`key\`, headers, value, quarantined_at AS quarantinedAt
       FROM quarantine ORDER BY id LIMIT ${Math.floor(limit)}`,
    ),
  }));

/**
 * Sets the partition's position back to its first record that was put aside, of one shard or of
 * all, in one transaction. What follows is read again: central drops what it has, and puts aside
 * again what it still can't read.
 */
export const retryQuarantined = (
  url: string,
  { partition, shard }: { readonly partition: number; readonly shard: string | null },
): Promise<Retry> =>
  withCentral(url, "retry the quarantine", async (connection) => {
    await connection.query("START TRANSACTION");
    // Before the quarantine, as an applier takes its locks.
    const [at] = await connection.rows<{ position: string }>(
      `SELECT CAST(next_offset AS CHAR) AS position FROM topic_position
       WHERE \`partition\` = ? FOR UPDATE`,
      [partition],
    );
    const aside = await connection.rows<{ offset: string | null; shard: string | null }>(
      `SELECT CAST(\`offset\` AS CHAR) AS \`offset\`, shard FROM quarantine
       WHERE \`partition\` = ? ${shard === null ? "" : "AND shard = ?"} ORDER BY quarantine.\`offset\``,
      shard === null ? [partition] : [partition, shard],
    );
    const offset = aside.find((row) => row.offset !== null)?.offset ?? null;
    if (at === undefined || offset === null) {
      const shards = [...new Set(aside.flatMap((row) => row.shard ?? []))];
      return shards.length === 0 ? { kind: "nothing" } : { kind: "resend", shards };
    }
    // A text among the arguments would make LEAST compare all of them as texts.
    await connection.query(
      `UPDATE topic_position SET next_offset = LEAST(next_offset, CAST(? AS SIGNED))
       WHERE \`partition\` = ?`,
      [offset, partition],
    );
    const records = await countFrom(connection, partition, offset);
    await connection.query("DELETE FROM quarantine WHERE `partition` = ? AND `offset` >= ?", [
      partition,
      offset,
    ]);
    await connection.query("COMMIT");
    return { kind: "rewound", offset, position: at.position, records };
  });

const countFrom = async (
  connection: MysqlConnection,
  partition: number,
  offset: string,
): Promise<number> => {
  const [row] = await connection.rows<{ records: number }>(
    "SELECT COUNT(*) AS records FROM quarantine WHERE `partition` = ? AND `offset` >= ?",
    [partition, offset],
  );
  invariant(row !== undefined, "a count has a row");
  return row.records;
};

/** One connection for one question. A transaction that was not committed ends with it. */
const withCentral = async <T>(
  url: string,
  what: string,
  work: (connection: MysqlConnection) => Promise<T>,
): Promise<T> => {
  const pool = new MysqlPool(readMysqlUrl(url), 1);
  try {
    return await pool.use(what, work);
  } finally {
    await pool.close().catch(() => undefined);
  }
};
