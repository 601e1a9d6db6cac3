/** Deleting outcomes that no lost shard needs any more. */
import type { MysqlConnection } from "./mysql-connection.ts";

interface Oldest {
  readonly epoch: number;
  readonly at: number;
}

/** Each shard's oldest first, up to the first that is young enough; gives how many. */
export const deleteOutcomes = async (
  connection: MysqlConnection,
  before: number,
  limit: number,
): Promise<number> => {
  const shards = await connection.rows<{ shard: string }>("SELECT shard FROM shard_epoch");
  let left = limit;
  for (const { shard } of shards) left -= await deleteOldest(connection, shard, before, left);
  return limit - left;
};

const deleteOldest = async (
  connection: MysqlConnection,
  shard: string,
  before: number,
  limit: number,
): Promise<number> => {
  let deleted = 0;
  while (deleted < limit) {
    const [oldest] = await connection.rows<Oldest>(
      "SELECT epoch, at FROM outcomes WHERE shard = ? ORDER BY epoch, commit_seq LIMIT 1",
      [shard],
    );
    if (oldest === undefined || oldest.at >= before) break;
    const rows = await connection.rows<{ commitSeq: number; at: number }>(
      `SELECT commit_seq AS commitSeq, at FROM outcomes WHERE shard = ? AND epoch = ?
       ORDER BY commit_seq LIMIT ?`,
      [shard, oldest.epoch, limit - deleted],
    );
    const young = rows.findIndex(({ at }) => at >= before);
    const last = rows.at(young === -1 ? -1 : young - 1);
    // Another applier may have deleted them meanwhile.
    if (last === undefined || young === 0) break;
    const result = (await connection.query(
      "DELETE FROM outcomes WHERE shard = ? AND epoch = ? AND commit_seq <= ?",
      [shard, oldest.epoch, last.commitSeq],
    )) as { affectedRows: number };
    deleted += result.affectedRows;
    if (result.affectedRows === 0) break;
  }
  return deleted;
};
