/** Epochs given out by the central MySQL: one claim at a time, each epoch once. */
import { counterOf, type OrderId } from "../../../shards/domain/brands.ts";
import type { Cursor } from "../../../shards/protocol/hello.ts";
import type { Claim, Grant } from "../../../shards/protocol/relay.ts";
import type { MysqlConnection } from "./mysql-connection.ts";

/** Rows of epoch 0 are there to be locked only. */
export const readCursors = (
  connection: MysqlConnection,
  shard: string,
): Promise<readonly Cursor[]> =>
  connection.rows<Cursor>(
    `SELECT \`partition\`, epoch, seq, hash FROM stream_cursor
     WHERE shard = ? AND epoch > 0 ORDER BY \`partition\``,
    [shard],
  );

/** 0 when the shard was given none. */
export const readEpoch = async (connection: MysqlConnection, shard: string): Promise<number> => {
  const [row] = await connection.rows<{ epoch: number }>(
    "SELECT epoch FROM shard_epoch WHERE shard = ?",
    [shard],
  );
  return row?.epoch ?? 0;
};

/**
 * In a transaction. Claims wait for each other at central's own row, because a shard that is not
 * known has none to lock; the shard's row then waits for what is being applied of the epoch before.
 */
export const claimEpoch = async (
  connection: MysqlConnection,
  centralId: string,
  claim: Claim,
  now: number,
): Promise<Grant> => {
  const { shard, shardIndex, claimId, acceptLoss } = claim;
  await connection.query("START TRANSACTION; SELECT id FROM central WHERE id = 1 FOR UPDATE");
  const [known] = await connection.rows<{ epoch: number; claimId: string }>(
    "SELECT epoch, claim_id AS claimId FROM shard_epoch WHERE shard = ? FOR UPDATE",
    [shard],
  );
  const isAgain = known?.claimId === claimId;
  if (known !== undefined && !isAgain && !acceptLoss) {
    await connection.query("ROLLBACK");
    const orders = await countOrders(connection, shardIndex);
    return { granted: false, epoch: known.epoch, orders };
  }
  const epoch = isAgain ? known.epoch : (known?.epoch ?? 0) + 1;
  if (!isAgain) {
    await connection.query(
      `INSERT INTO shard_epoch VALUES (?, ?, ?, ?) AS n ON DUPLICATE KEY UPDATE
       epoch = n.epoch, claim_id = n.claim_id, granted_at = n.granted_at`,
      [shard, epoch, claimId, now],
    );
  }
  const orderCounter = known === undefined ? 0 : await newestCounter(connection);
  const cursors = await readCursors(connection, shard);
  await connection.query("COMMIT");
  return { granted: true, centralId, epoch, orderCounter, cursors: [...cursors] };
};

/** Of all shards' oldest: seconds, and for the message to an operator it is enough. */
const COUNTED_ROWS_MAX = 5_000_000;

/** Holds no lock, because it reads so much. */
const countOrders = async (connection: MysqlConnection, shardIndex: number): Promise<number> => {
  const [row] = await connection.rows<{ orders: number }>(
    `SELECT count(*) AS orders FROM orders FORCE INDEX (PRIMARY)
     WHERE order_id % 1024 = ? AND order_id < COALESCE((SELECT order_id FROM orders AS counted
       FORCE INDEX (PRIMARY) ORDER BY order_id LIMIT 1 OFFSET ${COUNTED_ROWS_MAX}), ~0)`,
    [shardIndex],
  );
  return row?.orders ?? 0;
};

/** The newest order's of any shard: no less than this shard's own, and found at once. */
const newestCounter = async (connection: MysqlConnection): Promise<number> => {
  const [row] = await connection.rows<{ orderId: number | null }>(
    "SELECT max(order_id) AS orderId FROM orders",
  );
  return counterOf((row?.orderId ?? 0) as OrderId);
};
