/** Recorded tapes: how one is made, and what must come of each row. */
import { readFileSync } from "node:fs";
import { parseRow, TAPE_HEADER, type TapeRow } from "../../app/commands/replay/tape.ts";
import { type Random, randomOf, wholeOf } from "./random.ts";

/** Of the two symbols that tapes here have: the start of the walk in ticks, and typical sizes. */
const WALKS = {
  BTCUSDT: { ticks: 618_003, tickUnits: 10, small: [1, 1], usual: [2, 900] },
  ETHUSDT: { ticks: 268_162, tickUnits: 1, small: [1, 7], usual: [8, 9000] },
} as const;

/** As the instruments have it, USDT. */
const MIN_NOTIONAL = { BTCUSDT: 100n, ETHUSDT: 20n } as const;
/** Both have two decimals in prices and three in quantities. */
const NOTIONAL_UNITS = 100n * 1000n;

const SMALL_PART = 0.0265;
const FIRST_MS = 1_723_161_256_322;

const decimal = (units: number, decimals: number): string => {
  const digits = String(units).padStart(decimals + 1, "0");
  return `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`;
};

/** The text of a tape of trades: two symbols, walks by the tick, mostly small sizes, bursts. */
export const makeTape = (seed: number, rows: number): string => {
  const random = randomOf(seed);
  const ticks: Record<keyof typeof WALKS, number> = {
    BTCUSDT: WALKS.BTCUSDT.ticks,
    ETHUSDT: WALKS.ETHUSDT.ticks,
  };
  const lines = [TAPE_HEADER];
  let atMs = FIRST_MS;
  for (let row = 0; row < rows; row++) {
    const symbol = random() < 0.6 ? "BTCUSDT" : "ETHUSDT";
    const { tickUnits, small, usual } = WALKS[symbol];
    ticks[symbol] += wholeOf(random, -3, 3);
    if (random() < 0.4) atMs += wholeOf(random, 1, 80);
    const size = random() < SMALL_PART ? sizeOf(random, small) : sizeOf(random, usual);
    const price = decimal(ticks[symbol] * tickUnits, 2);
    lines.push([atMs, symbol, random() < 0.5 ? "BUY" : "SELL", price, size].join(","));
  }
  return `${lines.join("\n")}\n`;
};

/** Small sizes are the likely ones. */
const sizeOf = (random: Random, [least, most]: readonly [number, number]): string =>
  decimal(least + Math.floor((most - least + 1) * random() ** 3), 3);

export interface ExpectedRow extends TapeRow {
  /** Below the minimum notional; computed here in integers, not by the product. */
  readonly isRefused: boolean;
}

export const readTapeFile = (file: string): ExpectedRow[] => {
  const [header, ...lines] = readFileSync(file, "utf8").trimEnd().split(/\r?\n/);
  if (header !== TAPE_HEADER) throw new Error(`${file} is no tape`);
  return lines.map((text, i) => {
    const row = parseRow(file, i + 2, text);
    return { ...row, isRefused: isTooSmall(row) };
  });
};

const isTooSmall = ({ symbol, price, quantity }: TapeRow): boolean => {
  if (!(symbol in MIN_NOTIONAL)) throw new Error(`no minimum notional is known for ${symbol}`);
  const least = MIN_NOTIONAL[symbol as keyof typeof MIN_NOTIONAL];
  return unitsOf(price, 2) * unitsOf(quantity, 3) < least * NOTIONAL_UNITS;
};

const unitsOf = (text: string, decimals: number): bigint => {
  const [whole = "", part = ""] = text.split(".");
  if (part.length > decimals) throw new Error(`${text} has more than ${decimals} decimals`);
  return BigInt(`${whole}${part.padEnd(decimals, "0")}`);
};
