/**
 * Orders of the shard against their rows in central. Central may be newer than the record or row in
 * hand, since traffic goes on; then the shard, read once more, must know that change too.
 */
import { renderOrder } from "../../shards/domain/order-body.ts";
import type { ShardReader } from "../../shards/store/shard-reader.ts";
import { type CentralReader, renderAcceptedRow } from "../central/central-reader.ts";
import { type OrderRow, renderOrderRow } from "../central/order-row.ts";
import { bothTexts, type Findings } from "./findings.ts";

/** What the shard says of one order, at one time. */
export interface ShardOrder {
  /** The value of its acceptance, when that is at hand. */
  readonly accepted: string | null;
  readonly version: number;
  /** The order as rendered, with that version's values. */
  readonly text: string;
}

/** An order of which central has a later version, and of which the shard has no row any more. */
export interface AheadOfShard {
  readonly orderId: number;
  readonly version: number;
}

export interface OrderCheckParts {
  readonly shard: ShardReader;
  readonly central: CentralReader;
  readonly findings: Findings;
}

/** Gives the orders whose later version only the journal can confirm. */
export const checkOrders = async (
  { shard, central, findings }: OrderCheckParts,
  orders: ReadonlyMap<number, ShardOrder>,
): Promise<readonly AheadOfShard[]> => {
  const ids = [...orders.keys()];
  if (ids.length === 0) return [];
  const rows = new Map((await central.orders(ids)).map((row) => [row.orderId, row]));
  const ahead: AheadOfShard[] = [];
  for (const [orderId, own] of orders) {
    const row = rows.get(orderId);
    const where = `order ${orderId}`;
    if (row === undefined) {
      findings.add("order_missing", where, own.text);
      continue;
    }
    checkAcceptance(row, own, where, findings);
    if (row.version < own.version) {
      findings.add("order_behind", where, `central ${row.version}, shard ${own.version}`);
    } else if (row.version === own.version) {
      checkText(row, own.text, where, findings);
    } else if (!isKnown(shard, row, where, findings)) {
      ahead.push({ orderId, version: row.version });
    }
  }
  return ahead;
};

const checkAcceptance = (
  row: OrderRow,
  { accepted }: ShardOrder,
  where: string,
  findings: Findings,
): void => {
  if (accepted === null) return;
  const theirs = renderAcceptedRow(row);
  if (theirs !== accepted) findings.add("acceptance_differs", where, bothTexts(theirs, accepted));
};

const checkText = (row: OrderRow, text: string, where: string, findings: Findings): void => {
  const theirs = renderOrderRow(row);
  if (theirs !== text) findings.add("order_differs", where, bothTexts(theirs, text));
};

/** Central's version is newer than what was read: false when the shard has no row to compare. */
const isKnown = (shard: ShardReader, row: OrderRow, where: string, findings: Findings): boolean => {
  const now = shard.order(row.orderId);
  if (now === undefined) return false;
  if (now.version < row.version) {
    findings.add("order_ahead", where, `central ${row.version}, shard ${now.version}`);
  } else if (now.version === row.version) {
    checkText(row, renderOrder(now, shard.pins.shard), where, findings);
  }
  return true;
};
