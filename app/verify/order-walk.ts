/** The shard's own order rows, and the orders it has let go of, against central. */
import { counterOf, makeOrderId, type OrderId } from "../../shards/domain/brands.ts";
import { renderOrder } from "../../shards/domain/order-body.ts";
import type { CentralReader } from "../central/central-reader.ts";
import type { Findings } from "./findings.ts";
import { checkOrders, type OrderCheckParts, type ShardOrder } from "./order-check.ts";

const CHUNK_ROWS = 1000;
const CHUNK_IDS = 50_000;

/** Rows whose latest change central had at the cut; gives how many. */
export const walkOrders = async (
  parts: OrderCheckParts,
  cutCommitSeq: number,
  onChunk: (rows: number) => void,
): Promise<number> => {
  const { shard } = parts;
  let rows = 0;
  for (let after = 0; ; ) {
    const ids = shard.orderIds(after, CHUNK_ROWS);
    const last = ids.at(-1);
    if (last === undefined) return rows;
    const orders = new Map<number, ShardOrder>();
    for (const [orderId, lastCommitSeq] of ids) {
      const order = lastCommitSeq <= cutCommitSeq ? shard.order(orderId) : undefined;
      if (order === undefined) continue;
      // The row may have changed since its id was read: then it says more than the cut has.
      const text = renderOrder(order, shard.pins.shard);
      if (shard.orderIds(orderId - 1, 1)[0]?.[1] === lastCommitSeq) {
        orders.set(orderId, { accepted: null, version: order.version, text });
      }
    }
    await checkOrders(parts, orders);
    rows += orders.size;
    after = last[0];
    onChunk(rows);
  }
};

/**
 * Ids of an epoch are given out without a hole. So of those before `firstOrderId`, the oldest that
 * the journal knows, central has one order each; gives how many.
 */
export const countOlder = async (
  central: CentralReader,
  shard: { readonly shardIndex: number; readonly epoch: number },
  firstOrderId: number,
  findings: Findings,
): Promise<number> => {
  const { shardIndex, epoch } = shard;
  const end = counterOf(firstOrderId as OrderId);
  let first = epoch === 1 ? 1 : null;
  let count = 0;
  for (let from = 1; from < end; from += CHUNK_IDS) {
    const to = Math.min(end, from + CHUNK_IDS) - 1;
    const range = { from: makeOrderId(from, shardIndex), to: makeOrderId(to, shardIndex) };
    const found = await central.countOrders({ shardIndex, ...range }, epoch);
    count += found.count;
    if (found.first !== null) first ??= counterOf(found.first as OrderId);
  }
  const given = first === null ? 0 : end - first;
  if (count !== given) {
    const where = `orders before ${firstOrderId}`;
    findings.add("orders_miscounted", where, `central ${count}, ids given out ${given}`);
  }
  return count;
};
