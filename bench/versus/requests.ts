/** The scenario as the generators read it: the same bytes for both systems, but for the port. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { listOf, luaList } from "../load/load.ts";
import { FIRST_NUMBER, ORDERS_PATH, type RequestTemplate } from "../load/orders.ts";
import { fieldsOf, offsetFor, type Scenario, VARIANTS } from "./scenario.ts";

/** A part of the stream: its orders are those of the scenario from `sent` on. */
export interface Stretch {
  readonly port: number;
  /** Of every client order id; a number of ten digits follows. */
  readonly prefix: string;
  /** Orders of the scenario that this system was sent before. */
  readonly sent: number;
}

/** The two parts of an order's JSON; its number goes between. */
const bodyOf = (prefix: string, fields: object): readonly [string, string] => [
  `{"clientOrderId":"${prefix}`,
  `",${JSON.stringify(fields).slice(1)}`,
];

const lineOf = (port: number): string =>
  `POST ${ORDERS_PATH} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer `;

/** What follows the token. */
const restOf = (prefix: string, fields: object): readonly [string, string] => {
  const [before, after] = bodyOf(prefix, fields);
  const length = before.length + String(FIRST_NUMBER).length + after.length;
  const head = `Content-Type: application/json\r\nContent-Length: ${length}\r\n\r\n${before}`;
  return [head, after];
};

/** Gives the file for `scenario.lua`. */
export const writeForWrk = (folder: string, scenario: Scenario, stretch: Stretch): string => {
  const { port, prefix, sent } = stretch;
  const tokens = join(folder, "tokens.txt");
  writeFileSync(tokens, scenario.traders.map(({ token }) => `${token}\n`).join(""));
  const fields = [
    `tokens=${JSON.stringify(tokens)}`,
    `head=${JSON.stringify(lineOf(port))}`,
    `orders=${listOf(VARIANTS.map((variant) => luaList(restOf(prefix, fieldsOf(variant)))))}`,
    `symbols=${luaList(scenario.sizes.symbols)}`,
    `number=${FIRST_NUMBER}`,
    `offset=${offsetFor(sent)}`,
  ];
  const file = join(folder, "scenario-data.lua");
  writeFileSync(file, `return ${listOf(fields)}\n`);
  return file;
};

/** Gives the file for `scenario.js`. */
export const writeForK6 = (folder: string, scenario: Scenario, stretch: Stretch): string => {
  const { port, prefix, sent } = stretch;
  const file = join(folder, "scenario-data.json");
  const content = {
    url: `http://127.0.0.1:${port}${ORDERS_PATH}`,
    number: FIRST_NUMBER,
    offset: offsetFor(sent),
    sizes: scenario.sizes,
    tokens: scenario.traders.map(({ token }) => token),
    orders: VARIANTS.map((variant) => bodyOf(prefix, fieldsOf(variant))),
  };
  writeFileSync(file, JSON.stringify(content));
  return file;
};

/** For the open-loop generator, which takes the template at its number modulo their count. */
export const templatesOf = (
  scenario: Scenario,
  { port, prefix, sent }: Stretch,
  count: number,
): readonly RequestTemplate[] => {
  const line = lineOf(port);
  const templates: RequestTemplate[] = Array.from({ length: count });
  for (let number = FIRST_NUMBER + 1; number <= FIRST_NUMBER + count; number++) {
    const { trader, variant } = scenario.orderAt(number, offsetFor(sent));
    const [rest, tail] = restOf(prefix, fieldsOf(variant));
    templates[number % count] = { head: `${line}${trader.token}\r\n${rest}`, tail };
  }
  return templates;
};
