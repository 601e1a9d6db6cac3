import { describe, expect, test } from "bun:test";
import { CHOICES, SYMBOLS_EACH } from "../risk/market.ts";
import { entryTemplates, variantsOf } from "./requests.ts";

const NUMBER = "1000000001";

interface Sent {
  readonly clientOrderId: string;
  readonly symbol: string;
  readonly side: string;
}

/** The orders of a request, whose head must say how long its body is. */
const ordersIn = (request: string): readonly Sent[] => {
  const [head = "", body = ""] = request.split("\r\n\r\n");
  expect(/Content-Length: (\d+)/.exec(head)?.[1]).toBe(String(Buffer.byteLength(body)));
  const parsed = JSON.parse(body);
  return parsed.orders ?? [parsed];
};

describe("requests of order entry", () => {
  for (const batch of [1, 10, 100]) {
    test(`have ${batch} orders with an id each, and their length`, () => {
      const variants = variantsOf(batch, "o-abcdef-0001-");
      expect(variants).toHaveLength(CHOICES.length * 2 * SYMBOLS_EACH);
      for (const pieces of variants) {
        const orders = ordersIn(pieces.join(NUMBER));
        expect(orders).toHaveLength(batch);
        expect(new Set(orders.map(({ clientOrderId }) => clientOrderId)).size).toBe(batch);
        for (const { clientOrderId } of orders) expect(clientOrderId).toMatch(/^[\w-]{1,36}$/);
      }
    });
  }

  test("take an account through six symbols, buying and then selling", () => {
    const passes = 2 * SYMBOLS_EACH;
    const orders = variantsOf(1, "o-")
      .slice(0, passes)
      .flatMap((pieces) => ordersIn(pieces.join(NUMBER)));
    const symbols = new Set(orders.map(({ symbol }) => symbol));
    expect(symbols.size).toBe(SYMBOLS_EACH);
    for (const symbol of symbols) {
      const sides = orders.filter((one) => one.symbol === symbol).map(({ side }) => side);
      expect(sides).toEqual(["BUY", "SELL"]);
    }
  });

  test("ask for their durable level in the path, and each carries its account's token", () => {
    const traders = [
      { accountId: 1 as never, token: "t-1" },
      { accountId: 2 as never, token: "t-2" },
    ];
    const templates = entryTemplates(traders, 8080, "central");
    expect(templates).toHaveLength(2 * 2 * SYMBOLS_EACH);
    expect(templates[0]?.head).toStartWith("POST /v1/orders?ack=central HTTP/1.1\r\n");
    expect(templates[1]?.head).toContain("Authorization: Bearer t-2\r\n");
    expect(entryTemplates(traders, 8080)[0]?.head).toStartWith("POST /v1/orders HTTP/1.1\r\n");
  });
});
