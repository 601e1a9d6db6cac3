import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultSharding } from "../../shards/domain/symbol-map.ts";
import { FIRST_NUMBER } from "../load/orders.ts";
import { pick } from "../load/scenario-pick.ts";
import { ROOT } from "../support/machine.ts";
import { templatesOf, writeForK6, writeForWrk } from "./requests.ts";
import { fieldsOf, offsetFor, Scenario, VARIANTS } from "./scenario.ts";
import { compareStored, type StoredChild, type StoredOrder } from "./stored.ts";

const ACCOUNTS = 60;
const ORDERS = 30 * ACCOUNTS;
const PREFIX = "o-test-";
const scenario = await Scenario.make(ACCOUNTS);
const variants = Array.from(
  { length: ORDERS },
  (_, place) => scenario.orderAt(FIRST_NUMBER + 1 + place, offsetFor(0)).variant,
);
const shareOf = (holds: (variant: (typeof VARIANTS)[number]) => boolean): number =>
  variants.filter(holds).length / ORDERS;

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-scenario-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the scenario of the comparison", () => {
  test("sends a third of the orders to each shard of the map", () => {
    const named = [defaultSharding.shard1, defaultSharding.shard2].map(({ symbols }) =>
      symbols.split(","),
    );
    for (const symbols of named) {
      expect(shareOf(({ market }) => symbols.includes(market.symbol))).toBeCloseTo(1 / 3, 2);
    }
  });

  test("gives every fifth order children, and buys as often as it sells", () => {
    expect(shareOf(({ shape }) => shape === "bracket")).toBe(0.2);
    expect(shareOf(({ side }) => side === "BUY")).toBe(0.5);
  });

  test("keeps an account to the symbols that it was given money for", () => {
    const traded = new Map<number, Set<string>>();
    for (let place = 0; place < ORDERS; place++) {
      const { account, variant } = pick(place, scenario.sizes);
      const symbols = traded.get(account) ?? new Set();
      traded.set(account, symbols.add(VARIANTS[variant]?.market.symbol ?? ""));
    }
    for (const [account, symbols] of traded) {
      const expected = scenario.marketsOf(account).map(({ symbol }) => String(symbol));
      expect([...symbols].toSorted()).toEqual(expected.toSorted());
    }
  });

  test("goes on where it stopped", () => {
    const later = scenario.orderAt(FIRST_NUMBER + 1, offsetFor(777));
    expect(later.variant).toBe(scenario.orderAt(FIRST_NUMBER + 778, offsetFor(0)).variant);
  });
});

describe("what the generators send", () => {
  const systems = [18_080, 19_090].map((port) => ({ port, prefix: PREFIX, sent: 4321 }));

  test("is the same for both systems but for the port", () => {
    const texts = systems.map((stretch) => {
      const wrk = readFileSync(writeForWrk(folder, scenario, stretch), "utf8");
      const k6 = readFileSync(writeForK6(folder, scenario, stretch), "utf8");
      const openLoop = JSON.stringify(templatesOf(scenario, stretch, 100));
      return [wrk, k6, openLoop].map((text) => text.replaceAll(`${stretch.port}`, "PORT"));
    });
    expect(texts[0]).toEqual(texts[1] ?? []);
  });

  test("is the scenario's order at each number", () => {
    const stretch = { port: 18_080, prefix: PREFIX, sent: 4321 };
    const templates = templatesOf(scenario, stretch, 250);
    for (let number = FIRST_NUMBER + 1; number <= FIRST_NUMBER + 250; number++) {
      const { head = "", tail } = templates[number % 250] ?? {};
      const [lines = "", before] = head.split("\r\n\r\n");
      const body = `${before}${number}${tail}`;
      const { trader, variant } = scenario.orderAt(number, offsetFor(4321));
      expect(lines).toContain(`Bearer ${trader.token}\r\n`);
      expect(lines).toEndWith(`Content-Length: ${body.length}`);
      const expected = { clientOrderId: `${PREFIX}${number}`, ...fieldsOf(variant) };
      expect(JSON.parse(body)).toEqual(expected);
    }
  });
});

describe("the look at what MySQL has", () => {
  const zeros = (text: string): string =>
    `${text}${text.includes(".") ? "" : "."}`.padEnd(text.length + 4, "0");

  const stored = (place: number): [StoredOrder, StoredChild[]] => {
    const number = FIRST_NUMBER + 1 + place;
    const { trader, variant } = scenario.orderAt(number, offsetFor(0));
    const fields = { takeProfit: undefined, stopLoss: undefined, ...fieldsOf(variant) };
    const { symbol, side, type, takeProfit, stopLoss } = fields;
    const order = {
      order_id: String(place),
      account_id: String(trader.accountId),
      client_order_id: `${PREFIX}${number}`,
      price: zeros(fields.price),
      quantity: zeros(fields.quantity),
      status: "NEW",
      ...{ symbol, side, type },
    };
    const child = {
      parent_order_id: order.order_id,
      symbol,
      side: side === "BUY" ? "SELL" : "BUY",
      quantity: order.quantity,
    };
    const children = [
      ["STOP_MARKET", stopLoss] as const,
      ["TAKE_PROFIT_MARKET", takeProfit] as const,
    ].flatMap(([childType, request]) =>
      request === undefined
        ? []
        : [{ ...child, type: childType, stop_price: zeros(request.stopPrice) }],
    );
    return [order, children];
  };
  const rows = Array.from({ length: 50 }, (_, place) => stored(place));
  const orders = rows.map(([order]) => order);
  const children = rows.flatMap(([, own]) => own);
  const [bracket] = children;

  test("finds every order as it was sent", () => {
    const { right, wrong } = compareStored(scenario, 0, PREFIX, orders, children);
    expect([right, wrong]).toEqual([50, 0]);
  });

  test.each<[string, readonly StoredOrder[], readonly StoredChild[]]>([
    ["a price", orders.map((one, i) => (i === 7 ? { ...one, price: "1.0" } : one)), children],
    ["a side", orders.map((one, i) => (i === 7 ? { ...one, side: "?" } : one)), children],
    ["an account", orders.map((one, i) => (i === 7 ? { ...one, account_id: "1" } : one)), children],
    ["a status", orders.map((one, i) => (i === 7 ? { ...one, status: "PENDING" } : one)), children],
    ["a missing child", orders, children.slice(1)],
    ["a child too many", orders, bracket === undefined ? [] : [bracket, ...children]],
    [
      "a child's price",
      orders,
      children.map((one, i) => (i === 1 ? { ...one, stop_price: "1.0" } : one)),
    ],
    ["an order that is there twice", [...orders, ...orders.slice(0, 1)], children],
    [
      "an order of nobody's",
      orders.map((one, i) => (i === 7 ? { ...one, client_order_id: `${PREFIX}7` } : one)),
      children,
    ],
  ])("sees %s", (_, someOrders, someChildren) => {
    expect(compareStored(scenario, 0, PREFIX, someOrders, someChildren).wrong).toBe(1);
  });
});

describe("the comparison's programs", () => {
  test.each([
    "bench/versus/versus.ts",
    "bench/predecessor/api-main.ts",
    "bench/predecessor/consumer-main.ts",
    "bench/load/scenario.js",
  ])("%s builds", async (entry) => {
    const built = await Bun.build({
      entrypoints: [join(ROOT, entry)],
      target: "bun",
      packages: "external",
      external: ["k6", "k6/*"],
    });
    expect(built.success).toBe(true);
  });
});
