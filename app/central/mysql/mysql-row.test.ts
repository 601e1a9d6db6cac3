import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { formatUnits, SCALE_MAX } from "../../../shards/domain/decimal.ts";
import { type OrderRow, readRecord } from "../order-row.ts";
import { TestShard } from "../test-shard.ts";
import { ContentRefusal } from "./mysql-failure.ts";
import { fromMysqlRow, type MysqlOrderRow, toMysqlRow } from "./mysql-row.ts";

const rowOf = (changes: Partial<OrderRow> = {}): OrderRow => {
  const content = readRecord(new TestShard().accepted(4));
  if (content.type !== "order_accepted") throw new Error(content.type);
  return { ...content.row, ...changes };
};

/** As MySQL gives DECIMAL(38, 18) back. */
const stored = (text: string | null): string | null => {
  if (text === null) return null;
  const [whole, decimals = ""] = text.split(".");
  return `${whole}.${decimals.padEnd(SCALE_MAX, "0")}`;
};
const storedRow = (row: MysqlOrderRow): MysqlOrderRow => ({
  ...row,
  price: stored(row.price),
  quantity: stored(row.quantity) as string,
  executedQuantity: stored(row.executedQuantity) as string,
  averagePrice: stored(row.averagePrice),
  acceptedPrice: stored(row.acceptedPrice),
  stopPrice: stored(row.stopPrice),
  amendmentPrice: stored(row.amendmentPrice),
  amendmentQuantity: stored(row.amendmentQuantity),
  acceptedQuantity: stored(row.acceptedQuantity) as string,
});

const units = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const scale = fc.nat({ max: SCALE_MAX });

describe("an order's row on MySQL", () => {
  test("gives every text of the domain back, digit by digit", () => {
    const prices = fc.option(fc.tuple(units, units), { nil: null });
    fc.assert(
      fc.property(prices, units, units, units, scale, scale, scale, (p, q, e, a, ps, qs, as) => {
        const row = rowOf({
          price: p === null ? null : formatUnits(p[0], ps),
          acceptedPrice: p === null ? null : formatUnits(p[1], ps),
          quantity: formatUnits(q, qs),
          acceptedQuantity: formatUnits(a, qs),
          executedQuantity: formatUnits(e, qs),
          averagePrice: a % 2 === 0 ? null : formatUnits(a, as),
          stopPrice: q % 2 === 0 ? null : formatUnits(q, ps),
          amendmentPrice: e % 2 === 0 ? null : formatUnits(e, ps),
          amendmentQuantity: e % 2 === 0 ? null : formatUnits(a, qs),
        });
        expect(fromMysqlRow(storedRow(toMysqlRow(row)))).toEqual(row);
      }),
    );
  });

  const REFUSED: readonly [string, Partial<OrderRow>][] = [
    ["a negative number", { price: "-1", acceptedPrice: "-1" }],
    ["an exponent", { quantity: "1e5" }],
    ["nothing before the point", { quantity: ".5" }],
    ["nothing after the point", { quantity: "5." }],
    ["a zero too many", { quantity: "05" }],
    ["19 digits after the point", { averagePrice: `0.${"1".repeat(19)}` }],
    ["21 digits before the point", { averagePrice: "1".repeat(21) }],
    ["other decimals than as accepted", { price: "1.0", acceptedPrice: "1.00" }],
    ["other decimals of the stop price", { price: "1.0", acceptedPrice: "1.0", stopPrice: "1" }],
    ["other decimals of what is executed", { quantity: "1.0", executedQuantity: "0" }],
    ["SQL", { averagePrice: "1),(2" }],
    ["no text", { averagePrice: "" }],
  ];
  test.each(REFUSED)("refuses %s", (_name, changes) => {
    expect(() => toMysqlRow(rowOf(changes))).toThrow(ContentRefusal);
  });
});
