/**
 * Orders of many accounts, six symbols each, as HTTP requests for every generator: single ones and
 * batches. They differ in their `clientOrderId` alone, which has the request's number.
 */
import { join } from "node:path";
import { listOf, luaList } from "../load/load.ts";
import { FIRST_NUMBER, nextPrefix, ORDERS_PATH, type RequestTemplate } from "../load/orders.ts";
import type { Trader } from "../risk/accounts.ts";
import { CHOICES, MARKETS, type Market, SYMBOLS_EACH } from "../risk/market.ts";
import type { Row } from "./options.ts";

/** In turns an account goes through its symbols, buying in one pass and selling in the next. */
const PASSES = 2 * SYMBOLS_EACH;

export type RequestShape = Pick<Row, "batch" | "ack">;

/** The order that the account with this number, from 0, places in its turn. */
export const orderFields = (account: number, turn: number): ReturnType<Market["fields"]> => {
  const choice = CHOICES[account % CHOICES.length] ?? [];
  const market = MARKETS[choice[turn % SYMBOLS_EACH] ?? 0] as Market;
  const side = Math.floor(turn / SYMBOLS_EACH) % 2 === 0 ? "BUY" : "SELL";
  return market.fields(side, "plain");
};

/**
 * What follows the token's line, one list of pieces for each choice of symbols and each pass; the
 * request's number of ten digits goes between the pieces.
 */
export const variantsOf = (batch: number, prefix: string): readonly (readonly string[])[] =>
  CHOICES.flatMap((_choice, account) =>
    Array.from({ length: PASSES }, (_pass, pass) => piecesOf(account, pass, batch, prefix)),
  );

const piecesOf = (
  account: number,
  pass: number,
  batch: number,
  prefix: string,
): readonly string[] => {
  const isBatch = batch > 1;
  const pieces: string[] = [];
  let text = isBatch ? '{"orders":[' : "";
  for (let item = 0; item < batch; item++) {
    const id = isBatch ? `${prefix}${String(item).padStart(2, "0")}-` : prefix;
    pieces.push(`${text}{"clientOrderId":"${id}`);
    const fields = orderFields(account, pass * batch + item);
    text = `",${JSON.stringify(fields).slice(1)}${item < batch - 1 ? "," : ""}`;
  }
  pieces.push(isBatch ? `${text}]}` : text);
  const numbers = batch * String(FIRST_NUMBER).length;
  const length = pieces.reduce((sum, piece) => sum + piece.length, numbers);
  const head = `Content-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`;
  return [`${head}${pieces[0]}`, ...pieces.slice(1)];
};

export const BATCH_PATH = `${ORDERS_PATH}/batch`;

const lineOf = (port: number, { batch, ack }: RequestShape): string => {
  const path = batch > 1 ? BATCH_PATH : ORDERS_PATH;
  const query = ack === "local" ? "" : `?ack=${ack}`;
  return `POST ${path}${query} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer `;
};

export interface EntryLoad extends RequestShape {
  readonly port: number;
  /** A file with the token of each account in a line. */
  readonly tokensFile: string;
  /** Requests of earlier runs: this one goes on where they ended. */
  readonly first: number;
}

/** What `orders.lua` is given. */
export const entrySource = ({ port, tokensFile, first, ...shape }: EntryLoad): string => {
  const fields = [
    `tokens=${JSON.stringify(tokensFile)}`,
    `head=${JSON.stringify(lineOf(port, shape))}`,
    `variants=${listOf(variantsOf(shape.batch, nextPrefix()).map(luaList))}`,
    `choices=${CHOICES.length}`,
    `passes=${PASSES}`,
    `first=${first}`,
    `batch=${shape.batch}`,
  ];
  const script = join(import.meta.dir, "../load/entry.lua");
  return `return dofile(${JSON.stringify(script)}) ${listOf(fields)}\n`;
};

/** Single orders for the generators that take templates, each account once a pass. */
export const entryTemplates = (
  traders: readonly Trader[],
  port: number,
  ack: Row["ack"] = "local",
): readonly RequestTemplate[] => {
  const line = lineOf(port, { batch: 1, ack });
  const variants = variantsOf(1, nextPrefix());
  return Array.from({ length: PASSES }, (_, pass) =>
    traders.map(({ token }, account) => {
      const [head, tail] = variants[(account % CHOICES.length) * PASSES + pass] ?? [];
      return { head: `${line}${token}\r\n${head}`, tail: tail ?? "" };
    }),
  ).flat();
};
