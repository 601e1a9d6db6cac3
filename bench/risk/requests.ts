/** The orders of `market.ts` as HTTP requests, for both generators. */
import { join } from "node:path";
import { listOf, luaList } from "../load/load.ts";
import { FIRST_NUMBER, nextPrefix, ORDERS_PATH, type RequestTemplate } from "../load/orders.ts";
import { CHOICES, MARKETS, type Market, type Shape, SYMBOLS_EACH } from "./market.ts";

const lineOf = (port: number): string =>
  `POST ${ORDERS_PATH} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer `;

/** What follows the token; a number of ten digits goes between. */
const partsOf = (prefix: string, fields: ReturnType<Market["fields"]>) => {
  const before = `{"clientOrderId":"${prefix}`;
  const tail = `",${JSON.stringify(fields).slice(1)}`;
  const length = before.length + String(FIRST_NUMBER).length + tail.length;
  const head = `Content-Type: application/json\r\nContent-Length: ${length}\r\n\r\n${before}`;
  return { head, tail };
};

export interface MarketLoad {
  readonly port: number;
  /** A file with the token of each account in a line. */
  readonly tokensFile: string;
  readonly shape: Shape;
  /** Requests of earlier runs: this one goes on where they ended. */
  readonly first: number;
}

/** What `orders.lua` is given: each request is the next account's. */
export const marketSource = ({ port, tokensFile, shape, first }: MarketLoad): string => {
  const prefix = nextPrefix();
  const orders = MARKETS.flatMap((market) =>
    (["BUY", "SELL"] as const).map((side) => {
      const { head, tail } = partsOf(prefix, market.fields(side, shape));
      return luaList([head, tail]);
    }),
  );
  const fields = [
    `tokens=${JSON.stringify(tokensFile)}`,
    `head=${JSON.stringify(lineOf(port))}`,
    `orders=${listOf(orders)}`,
    `choices=${listOf(CHOICES.map(luaList))}`,
    `turns=${SYMBOLS_EACH}`,
    `first=${first}`,
  ];
  const script = join(import.meta.dir, "../load/market.lua");
  return `return dofile(${JSON.stringify(script)}) ${listOf(fields)}\n`;
};

export interface OneOrder {
  readonly token: string;
  readonly market: Market;
  readonly side: "BUY" | "SELL";
  readonly group: string;
}

/** One template an order: with as many of them as requests each is sent once. */
export const templatesOf = (port: number, orders: readonly OneOrder[]): RequestTemplate[] => {
  const prefix = nextPrefix();
  const line = lineOf(port);
  return orders.map(({ token, market, side, group }) => {
    const { head, tail } = partsOf(prefix, market.fields(side, "plain"));
    return { head: `${line}${token}\r\n${head}`, tail, group };
  });
};
