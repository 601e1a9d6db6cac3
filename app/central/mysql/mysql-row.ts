/**
 * An order's row on MySQL: decimals as exact numbers beside the digits that their text has, so that
 * an operator can sum and compare them and history still gives the shard's very bytes.
 */
import type { OrderRow } from "../order-row.ts";
import { ContentRefusal } from "./mysql-failure.ts";

export interface MysqlOrderRow extends OrderRow {
  /** Digits after the point, 0 … 18, of all its prices but the average; null where there is none. */
  readonly priceScale: number | null;
  readonly quantityScale: number;
  readonly averagePriceScale: number | null;
}

/** DECIMAL(38, 18) holds 20 digits before the point; `formatUnits` writes no other text. */
const DECIMAL = /^(?:0|[1-9]\d{0,19})(?:\.\d{1,18})?$/;

/** Throws {@link ContentRefusal} for an order whose texts these columns would not give back. */
export const toMysqlRow = (row: OrderRow): MysqlOrderRow => {
  const priceScale = commonScale(
    row,
    "price",
    row.price,
    row.acceptedPrice,
    row.stopPrice,
    row.amendmentPrice,
  );
  const quantityScale = commonScale(
    row,
    "quantity",
    row.quantity,
    row.executedQuantity,
    row.acceptedQuantity,
    row.amendmentQuantity,
  );
  if (quantityScale === null) throw new ContentRefusal(`order ${row.orderId} has no quantity`);
  const averagePriceScale = commonScale(row, "averagePrice", row.averagePrice);
  return { ...row, priceScale, quantityScale, averagePriceScale };
};

const commonScale = (
  { orderId }: OrderRow,
  field: string,
  ...texts: readonly (string | null)[]
): number | null => {
  let scale: number | null = null;
  for (const text of texts) {
    if (text === null) continue;
    if (!DECIMAL.test(text)) {
      throw new ContentRefusal(`order ${orderId}: ${field} ${text} is no decimal of 20.18 digits`);
    }
    const point = text.indexOf(".");
    const digits = point === -1 ? 0 : text.length - point - 1;
    scale ??= digits;
    if (digits !== scale) {
      throw new ContentRefusal(`order ${orderId}: ${field} has ${scale} decimals and ${digits}`);
    }
  }
  return scale;
};

/** The row as the shard's text has it; `stored` has decimals with all 18 digits. */
export const fromMysqlRow = (stored: MysqlOrderRow): OrderRow => {
  const { priceScale, quantityScale, averagePriceScale, ...row } = stored;
  return {
    ...row,
    price: scaled(row.price, priceScale),
    quantity: scaled(row.quantity, quantityScale) as string,
    executedQuantity: scaled(row.executedQuantity, quantityScale) as string,
    averagePrice: scaled(row.averagePrice, averagePriceScale),
    acceptedPrice: scaled(row.acceptedPrice, priceScale),
    stopPrice: scaled(row.stopPrice, priceScale),
    amendmentPrice: scaled(row.amendmentPrice, priceScale),
    amendmentQuantity: scaled(row.amendmentQuantity, quantityScale),
    acceptedQuantity: scaled(row.acceptedQuantity, quantityScale) as string,
  };
};

const scaled = (text: string | null, scale: number | null): string | null => {
  if (text === null || scale === null) return null;
  const point = text.indexOf(".");
  return text.slice(0, scale === 0 ? point : point + 1 + scale);
};
