/** Computes every number of the tables in docs/MARGIN.md again. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import type { AccountId, InstrumentSymbol } from "../brands.ts";
import { formatUnits, parseUnits } from "../decimal.ts";
import type { Order, PositionSide, Side } from "../order.ts";
import { emptyExposure, highestHeldPrice, orderChanged, positionChanged } from "./exposure.ts";
import { initialMarginMinor, marginPriceOf, openLossOf } from "./margin.ts";
import { marginCeil, parseMoney } from "./money.ts";
import { applyFill, averageEntryPrice } from "./position.ts";
import type { Position } from "./types.ts";

const SCALES = { priceScale: 2, quantityScale: 3 };
const MARK_UNITS = 5_000_000;
const SETTINGS = { feeRateUnits: 50_000, marketBufferUnits: 1_000_000 };

const document = await Bun.file(join(import.meta.dir, "../../../docs/MARGIN.md")).text();

/** The rows under the table head that starts with these columns. */
const rowsUnder = (head: string): string[][] => {
  const lines = document.split("\n");
  const start = lines.findIndex((line) => line.replaceAll(/ +/g, " ").startsWith(head));
  if (start < 0) throw new Error(`the document has no table ${head}`);
  const end = lines.indexOf("", start);
  return lines.slice(start + 2, end).map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
};

const cellsOf = (row: readonly string[], count: number): readonly string[] => {
  if (row.length !== count) throw new Error(`${row.length} cells in ${row.join(" | ")}`);
  return row;
};

const units = (text: string, scale: number): number => {
  const value = parseUnits(text.replace("-", ""), scale);
  if (typeof value !== "number") throw new Error(`${text} is ${value}`);
  return text.startsWith("-") ? -value : value;
};
const priceOf = (text: string): number => units(text, SCALES.priceScale);
const quantityOf = (text: string): number => units(text, SCALES.quantityScale);

const parts = (cell: string, shape: RegExp): Record<string, string | undefined>[] =>
  cell === "none"
    ? []
    : cell.split("; ").map((text) => {
        const groups = shape.exec(text)?.groups;
        if (groups === undefined) throw new Error(`"${text}" is not understood`);
        return groups;
      });

const ORDER =
  /^(?<side>buy|sell) ((?<book>LONG|SHORT) )?(?<quantity>\S+) at (?<price>\S+?)(?<reduce> reduce-only)?$/;
const POSITION = /^(?<book>BOTH|LONG|SHORT) (?<quantity>\S+) at (?<price>\S+)$/;

const orderOf = (groups: Record<string, string | undefined>): Order => {
  const isMarket = groups.price === "market";
  const draft = {
    type: isMarket ? ("MARKET" as const) : ("LIMIT" as const),
    side: (groups.side ?? "").toUpperCase() as Side,
    positionSide: (groups.book ?? "BOTH") as PositionSide,
    priceUnits: isMarket ? null : priceOf(groups.price ?? ""),
    stopPriceUnits: null,
    quantityUnits: quantityOf(groups.quantity ?? ""),
    executedUnits: 0,
    reduceOnly: groups.reduce !== undefined,
    closePosition: false,
    parentId: null,
    amendment: null,
    status: "NEW",
  } as const;
  return {
    ...draft,
    marginPriceUnits: marginPriceOf(draft, MARK_UNITS, SETTINGS),
    openLossMinor: openLossOf(draft, MARK_UNITS, SCALES),
  } as unknown as Order;
};

const marginRows = rowsUnder("| Position | Open orders");
test("the document has its examples", () => expect(marginRows.length).toBeGreaterThanOrEqual(14));

test.each(marginRows)("%s with %s at leverage %s", (...row) => {
  const [held = "", open = "", leverage, notional = "", fees = "", loss = "", used = ""] = cellsOf(
    row,
    7,
  );
  let exposure = emptyExposure;
  for (const { book, quantity = "", price = "" } of parts(held, POSITION)) {
    const quantityUnits = quantityOf(quantity);
    const costUnits = BigInt(Math.abs(quantityUnits)) * BigInt(priceOf(price));
    exposure = positionChanged(exposure, {
      side: book as PositionSide,
      quantityUnits,
      costUnits,
    });
  }
  const orders = parts(open, ORDER).map(orderOf);
  for (const order of orders) exposure = orderChanged(exposure, undefined, order);
  const margin = initialMarginMinor(
    exposure,
    { leverage: Number(leverage), instrument: SCALES, feeRateUnits: SETTINGS.feeRateUnits },
    (side) => highestHeldPrice(orders, side),
  );
  expect({
    notional: marginCeil(margin.notionalUnits, SCALES),
    fees: margin.feesMinor,
    loss: margin.openLossMinor,
    used: margin.usedMinor,
  } as Record<string, unknown>).toEqual({
    notional: parseMoney(notional),
    fees: parseMoney(fees),
    loss: parseMoney(loss),
    used: parseMoney(used),
  });
});

test("the document's fills give its position, and what was sold less what was bought", () => {
  const rows = rowsUnder("| Fill | Realised");
  let position: Position | undefined;
  let cashUnits = 0n;
  for (const row of rows) {
    const [text = "", realised = "", quantity = "", cost = "", average = ""] = cellsOf(row, 5);
    const [made = {}] = parts(text, ORDER);
    const side = (made.side ?? "").toUpperCase() as Side;
    const fill = {
      accountId: 1 as AccountId,
      symbol: "BTCUSDT" as InstrumentSymbol,
      side,
      positionSide: "BOTH" as const,
      priceUnits: priceOf(made.price ?? ""),
      quantityUnits: quantityOf(made.quantity ?? ""),
    };
    const after = applyFill(position, fill, SCALES, 1);
    position = after.position;
    const moved = BigInt(fill.priceUnits) * BigInt(fill.quantityUnits);
    cashUnits += side === "SELL" ? moved : -moved;
    expect([text, after.realisedMinor as unknown]).toEqual([text, parseMoney(realised)]);
    expect([text, position.quantityUnits]).toEqual([text, quantityOf(quantity)]);
    expect([text, formatUnits(position.costUnits, 5)]).toEqual([
      text,
      formatUnits(units(cost, 5), 5),
    ]);
    expect([text, averageEntryPrice(position) ?? "none"]).toEqual([text, average]);
  }
  expect(rows.length).toBeGreaterThanOrEqual(5);
  expect(position?.quantityUnits).toBe(0);
  expect(position?.realisedMinor).toBe(marginCeil(cashUnits, SCALES));
});
