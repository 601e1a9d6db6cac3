import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { reasonOf, UsageError } from "../../../shards/process/failure.ts";
import { readTape, TAPE_HEADER, type TapeRow } from "./tape.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-tape-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const read = async (text: string): Promise<readonly TapeRow[]> => {
  const file = join(folder, "tape.csv");
  writeFileSync(file, text);
  return Array.fromAsync(readTape(file));
};
const refusal = async (text: string): Promise<string> => {
  try {
    await read(text);
  } catch (error) {
    if (error instanceof UsageError) return error.message.replace(`${folder}/`, "");
    throw error;
  }
  return "nothing refused";
};

const ROW = "1790000000000,BTCUSDT,BUY,50000.10,0.010";

describe("a tape", () => {
  test("gives its rows with their lines", async () => {
    expect(await read(`${TAPE_HEADER}\n${ROW}\n1790000000005,ETHUSDT,SELL,0,1`)).toEqual([
      {
        line: 2,
        timestampMs: 1_790_000_000_000,
        symbol: "BTCUSDT",
        side: "BUY",
        price: "50000.10",
        quantity: "0.010",
        text: ROW,
      },
      {
        line: 3,
        timestampMs: 1_790_000_000_005,
        symbol: "ETHUSDT",
        side: "SELL",
        price: "0",
        quantity: "1",
        text: "1790000000005,ETHUSDT,SELL,0,1",
      },
    ]);
  });

  test.each([
    ["line ends of Windows", `${TAPE_HEADER}\r\n${ROW}\r\n`],
    ["a byte order mark", `\uFEFF${TAPE_HEADER}\n${ROW}\n`],
    ["an empty line at the end", `${TAPE_HEADER}\n${ROW}\n\n`],
  ])("may have %s", async (_what, text) => {
    expect((await read(text)).map((row) => row.text)).toEqual([ROW]);
  });

  test("longer than one read is whole, and its size is told as it is read", async () => {
    const file = join(folder, "long.csv");
    const count = 20_000;
    const lines = Array.from({ length: count }, (_, index) => `${index},BTCUSDT,BUY,1.5,${index}`);
    const text = `${TAPE_HEADER}\n${lines.join("\n")}\n`;
    writeFileSync(file, text);
    const told: number[] = [];
    let rows = 0;
    for await (const row of readTape(file, (bytes) => told.push(bytes))) {
      expect(row.text).toBe(lines[rows] ?? "");
      rows += 1;
    }
    expect(rows).toBe(count);
    expect(told.length).toBeGreaterThan(1);
    expect(told.at(-1)).toBe(text.length);
  });

  test("with a header alone has no row", async () => {
    expect(await read(`${TAPE_HEADER}\n`)).toEqual([]);
  });
});

describe("what is no tape is refused by file and line", () => {
  test.each([
    ["", `tape.csv is empty: its first line must be ${TAPE_HEADER}.`],
    [`${ROW}\n`, `tape.csv, line 1 is "${ROW}": expected ${TAPE_HEADER}.`],
    [`${TAPE_HEADER}\n1,2`, `tape.csv, line 2 has 2 fields: expected ${TAPE_HEADER}.`],
    [`${TAPE_HEADER}\n${ROW},x`, `tape.csv, line 2 has 6 fields: expected ${TAPE_HEADER}.`],
    [
      `${TAPE_HEADER}\n${ROW}\nnow,BTCUSDT,BUY,1,1`,
      'tape.csv, line 3: ts_ms is "now", not milliseconds since 1970.',
    ],
    [
      `${TAPE_HEADER}\n1,btcusdt,BUY,1,1`,
      'tape.csv, line 2: symbol is "btcusdt", not 1 to 32 of A-Z, 0-9, _ and -.',
    ],
    [`${TAPE_HEADER}\n1,A,buy,1,1`, 'tape.csv, line 2: side is "buy", not BUY or SELL.'],
    [`${TAPE_HEADER}\n1,A,BUY,1e3,1`, 'tape.csv, line 2: price is "1e3", not a decimal number.'],
    [`${TAPE_HEADER}\n1,A,BUY,1,-1`, 'tape.csv, line 2: quantity is "-1", not a decimal number.'],
    [`${TAPE_HEADER}${"x".repeat(5000)}`, "tape.csv is not a tape."],
  ])("%p", async (text, sentence) => {
    expect(await refusal(text)).toBe(sentence);
  });

  test("a file that is not there", async () => {
    const missing = Array.fromAsync(readTape(join(folder, "none.csv")));
    expect(await missing.catch(reasonOf)).toMatch(/none\.csv cannot be read: /);
  });
});
