/** A recorded tape: CSV with a header line, one order a line, read as a stream. */
import { createReadStream } from "node:fs";
import { reasonOf, UsageError } from "../../../shards/process/failure.ts";

export const TAPE_HEADER = "ts_ms,symbol,side,price,quantity";

export interface TapeRow {
  /** In the file; the header is line 1. */
  readonly line: number;
  /** Milliseconds since 1970. */
  readonly timestampMs: number;
  readonly symbol: string;
  readonly side: "BUY" | "SELL";
  /** Decimal text, as it stands in the tape. */
  readonly price: string;
  readonly quantity: string;
  /** The line itself: with its number it makes the order's id. */
  readonly text: string;
}

/** The longest line is under 100 characters; more without a line end is no tape. */
const LINE_CHARACTERS_MAX = 4096;

/**
 * The rows of a tape file, one by one. `onProgress` gets the bytes read so far. Throws
 * {@link UsageError} naming file and line at the first line that is not a row.
 */
export async function* readTape(
  file: string,
  onProgress: (bytesRead: number) => void = () => {},
): AsyncGenerator<TapeRow, void, void> {
  let line = 0;
  for await (const text of readLines(file, onProgress)) {
    line += 1;
    if (line === 1) expectHeader(file, text);
    else if (text !== "") yield parseRow(file, line, text);
  }
  if (line === 0) throw new UsageError(`${file} is empty: its first line must be ${TAPE_HEADER}.`);
}

const expectHeader = (file: string, text: string): void => {
  if (text.replace(/^\uFEFF/, "") !== TAPE_HEADER) {
    throw new UsageError(`${file}, line 1 is ${shown(text)}: expected ${TAPE_HEADER}.`);
  }
};

const FIELDS = [
  ["ts_ms", /^\d{1,15}$/, "milliseconds since 1970"],
  ["symbol", /^[A-Z0-9_-]{1,32}$/, "1 to 32 of A-Z, 0-9, _ and -"],
  ["side", /^(BUY|SELL)$/, "BUY or SELL"],
  ["price", /^(0|[1-9]\d{0,15})(\.\d{1,18})?$/, "a decimal number"],
  ["quantity", /^(0|[1-9]\d{0,15})(\.\d{1,18})?$/, "a decimal number"],
] as const;

/** One line after the header. Throws {@link UsageError}. */
export const parseRow = (file: string, line: number, text: string): TapeRow => {
  const values = text.split(",");
  if (values.length !== FIELDS.length) {
    throw new UsageError(
      `${file}, line ${line} has ${values.length} fields: expected ${TAPE_HEADER}.`,
    );
  }
  for (const [index, [name, pattern, expected]] of FIELDS.entries()) {
    const value = values[index] ?? "";
    if (!pattern.test(value)) {
      throw new UsageError(`${file}, line ${line}: ${name} is ${shown(value)}, not ${expected}.`);
    }
  }
  const [timestamp = "", symbol = "", side = "", price = "", quantity = ""] = values;
  const timestampMs = Number(timestamp);
  return { line, timestampMs, symbol, side: side as TapeRow["side"], price, quantity, text };
};

const shown = (text: string): string =>
  JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);

async function* readLines(
  file: string,
  onProgress: (bytesRead: number) => void,
): AsyncGenerator<string, void, void> {
  let rest = "";
  let bytesRead = 0;
  const decoder = new TextDecoder();
  try {
    for await (const chunk of createReadStream(file) as AsyncIterable<Uint8Array>) {
      bytesRead += chunk.byteLength;
      onProgress(bytesRead);
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const text of lines) yield withoutReturn(text);
      if (rest.length > LINE_CHARACTERS_MAX) throw new UsageError(`${file} is not a tape.`);
    }
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${file} cannot be read: ${reasonOf(error)}.`, { cause: error });
  }
  if (rest !== "") yield withoutReturn(rest);
}

const withoutReturn = (text: string): string => (text.endsWith("\r") ? text.slice(0, -1) : text);
