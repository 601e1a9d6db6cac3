import { afterAll, describe, expect, test } from "bun:test";
import { type Browser, chromium, type Page } from "playwright-core";
import { CODES } from "../../shards/domain/codes.ts";
import { freshAccount, limitOrder, type OrderFields } from "../support/contract-client.ts";
import {
  Contract,
  type Exchange,
  type OpenapiDocument,
  type OperationObject,
  validator,
} from "../support/contract-document.ts";
import { startedOnce } from "../support/contract-fixture.ts";

const running = startedOnce();

const METHODS = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

const operationsOf = ({ paths }: OpenapiDocument) =>
  Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );

/** Every object in a JSON value, with the path that leads to it. */
const objectsIn = (value: unknown, path = "#"): [string, Readonly<Record<string, unknown>>][] => {
  if (typeof value !== "object" || value === null) return [];
  return [
    [path, value as Readonly<Record<string, unknown>>],
    ...Object.entries(value).flatMap(([key, inner]) => objectsIn(inner, `${path}/${key}`)),
  ];
};

const schemasOf = (operation: OperationObject): readonly object[] =>
  [...Object.values(operation.responses), operation.requestBody ?? {}].flatMap(
    ({ content = {} }: { content?: Readonly<Record<string, { schema: object }>> }) =>
      Object.values(content).map(({ schema }) => schema),
  );

describe("/openapi.json", () => {
  test("has the form of OpenAPI 3.1", () => {
    const { document } = running.client;
    expect(document.openapi).toMatch(/^3\.1\.\d+$/);
    expect(document.info).toMatchObject({ title: "Sluice", version: expect.any(String) });
    const known = ["openapi", "info", "servers", "paths", "components", "security", "tags"];
    expect(Object.keys(document).filter((key) => !known.includes(key))).toEqual([]);
    for (const path of Object.keys(document.paths)) expect(path).toMatch(/^\/[\w{}./-]*$/);
    for (const name of Object.keys(document.components.schemas)) {
      expect(name).toMatch(/^[a-zA-Z0-9._-]+$/);
    }
    for (const { method, operation } of operationsOf(document)) {
      expect(METHODS).toContain(method);
      expect(operation.summary).toMatch(/\w/);
      for (const [status, response] of Object.entries(operation.responses)) {
        expect(status).toMatch(/^[1-5]\d\d$/);
        expect(response.description).toMatch(/\w/);
        for (const type of Object.keys(response.content ?? {}))
          expect(type).toMatch(/^\w+\/[\w+-]+$/);
      }
      for (const requirement of operation.security) {
        for (const [scheme, scopes] of Object.entries(requirement)) {
          expect(Object.keys(document.components.securitySchemes)).toContain(scheme);
          expect(scopes).toEqual([expect.stringMatching(/^(read|trade|admin)$/)]);
        }
      }
    }
  });

  test("names each operation once, and each parameter of its path as required", () => {
    const operations = operationsOf(running.client.document);
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { path, operation } of operations) {
      const parameters = (operation.parameters ?? []) as readonly {
        name: string;
        in: string;
        required?: boolean;
        schema: object;
      }[];
      const keys = parameters.map((one) => `${one.in} ${one.name}`);
      expect(new Set(keys).size).toBe(keys.length);
      const inPath = parameters.filter((one) => one.in === "path");
      expect(inPath.map(({ name, required }) => [name, required])).toEqual(
        [...path.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => [name, true]),
      );
      for (const { schema } of parameters) expect(typeof schema).toBe("object");
    }
  });

  test("has schemas that compile and references that lead somewhere", () => {
    const { document } = running.client;
    const references = objectsIn(document).filter(([, { $ref }]) => typeof $ref === "string");
    expect(references.length).toBeGreaterThan(10);
    for (const [path, { $ref }] of references) {
      const name = String($ref).replace("#/components/schemas/", "");
      expect([path, name in document.components.schemas]).toEqual([path, true]);
    }
    const schemas = operationsOf(document).flatMap(({ operation }) => schemasOf(operation));
    expect(schemas.length).toBeGreaterThan(50);
    for (const schema of [...schemas, ...Object.values(document.components.schemas)]) {
      expect(() => validator(document, schema)).not.toThrow();
    }
  });

  test("describes only what answers", async () => {
    const account = freshAccount();
    const { orderId } = await running.client.accepted(limitOrder(), { account });
    await running.client.send("POST", `/admin/v1/accounts/${account}/transfers`, {
      json: { transferId: "t-1", asset: "USDT", amount: "1" },
    });
    for (const { path, method, operation } of operationsOf(running.client.document)) {
      const answer = await running.client.send(
        method.toUpperCase(),
        path
          .replace("{orderId}", orderId)
          .replace("{shard}", "shard1")
          .replace("{symbol}", "BTCUSDT")
          .replace("{accountId}", String(account)),
        { account, ...(operation.requestBody === undefined ? {} : { json: {} }) },
      );
      const [good] = Object.keys(operation.responses);
      expect([operation.operationId, `${answer.status}`]).toEqual([
        operation.operationId,
        operation.requestBody === undefined ? `${good}` : "400",
      ]);
    }
  });

  test("names every code at some operation, save those of no operation", () => {
    const named = new Set(
      operationsOf(running.client.document).flatMap(({ operation }) =>
        Object.values(operation.responses).flatMap(({ description }) => description.split(", ")),
      ),
    );
    const unnamed = Object.keys(CODES).filter((code) => !named.has(code));
    expect(unnamed).toEqual(["method_not_allowed", "not_supported"]);
  });

  test("shows examples that are as described, and requests that are taken", async () => {
    const { document } = running.client;
    const shown = objectsIn(document.paths).filter(([, value]) => "example" in value);
    expect(shown.length).toBeGreaterThan(50);
    for (const [path, { schema, example }] of shown) {
      const { error } = validator(document, schema as object).safeParse(example);
      expect([path, error?.message]).toEqual([path, undefined]);
    }
    const account = freshAccount();
    const exampleOf = (path: string, method: string): unknown =>
      document.paths[path]?.[method]?.requestBody?.content["application/json"]?.example;
    const placed = await running.client.send("POST", "/v1/orders", {
      account,
      json: exampleOf("/v1/orders", "post"),
    });
    expect(placed.status).toBe(201);
    const amended = await running.client.send("PATCH", `/v1/orders/${placed.json.orderId}`, {
      account,
      json: exampleOf("/v1/orders/{orderId}", "patch"),
    });
    expect(amended.status).toBe(200);
  });

  test.each<[OrderFields, boolean]>([
    [{}, true],
    [{ timeInForce: "IOC" }, true],
    [{ type: "MARKET", price: undefined }, true],
    [{ price: 1 }, false],
    [{ price: "1e5" }, false],
    [{ side: undefined }, false],
    [{ symbol: "btc" }, false],
    [{ type: "STOP", stopPrice: "60000.00", workingType: "LAST_PRICE" }, true],
    [{ takeProfit: { stopPrice: "60000.00" } }, true],
    [{ type: "ICEBERG" }, false],
    [{ takeProfit: {} }, false],
    [{ unknown: 1 }, false],
  ])("describes an order with %j as the server takes it: %p", async (fields, isTaken) => {
    const { document } = running.client;
    const schema = document.components.schemas.OrderRequest as object;
    const order = JSON.parse(JSON.stringify(limitOrder(fields)));
    expect(validator(document, schema).safeParse(order).success).toBe(isTaken);
    expect((await running.client.place(order)).status === 201).toBe(isTaken);
  });
});

describe("the judge of these tests", () => {
  const judge = async (change: (exchange: Exchange) => Partial<Exchange>) => {
    const exchange = await running.client.place(limitOrder());
    const contract = new Contract(running.client.document);
    return contract.violations({ ...exchange, ...change(exchange) }).length;
  };
  const withBody =
    (change: (body: Record<string, unknown>) => void) =>
    ({ text }: Exchange): Partial<Exchange> => {
      const body = JSON.parse(text) as Record<string, unknown>;
      change(body);
      return { text: JSON.stringify(body) };
    };
  const without =
    (name: string) =>
    ({ headers }: Exchange): Partial<Exchange> => {
      const rest = new Headers(headers);
      rest.delete(name);
      return { headers: rest };
    };

  test.each<[string, (exchange: Exchange) => Partial<Exchange>, boolean]>([
    ["lets a good answer pass", () => ({}), true],
    ["misses a field", withBody((body) => delete body.receipt), false],
    ["sees a field too many", withBody((body) => (body.extra = 1)), false],
    ["sees a price that is a number", withBody((body) => (body.price = 1)), false],
    ["sees an unknown status", withBody((body) => (body.status = "LOST")), false],
    ["sees a status code that is not documented", () => ({ status: 418 }), false],
    ["sees an answer without Request-Id", without("request-id"), false],
    ["sees an answer without Server-Timing", without("server-timing"), false],
    ["sees a 201 without its durability", without("sluice-durability"), false],
    ["sees a path that is not documented", () => ({ path: "/v1/elsewhere" }), false],
  ])("%s", async (_, change, passes) => {
    expect((await judge(change)) === 0).toBe(passes);
  });

  test("sees each part of a problem that is not as promised", async () => {
    const exchange = await running.client.send("GET", "/v1/orders/1");
    const contract = new Contract(running.client.document);
    const problem = JSON.parse(exchange.text) as Record<string, unknown>;
    for (const [field, value] of [
      ["type", "about:blank"],
      ["title", "Oops"],
      ["status", 400],
      ["code", "lost"],
      ["code", "not_supported"],
      ["requestId", "another"],
      ["errors", []],
    ] as const) {
      const text = JSON.stringify({ ...problem, [field]: value });
      expect([field, contract.violations({ ...exchange, text }).length > 0]).toEqual([field, true]);
    }
    const headers = new Headers(exchange.headers);
    headers.set("content-type", "application/json");
    expect(contract.violations({ ...exchange, headers }).length).toBeGreaterThan(0);
  });
});

describe("in a browser", () => {
  let browser: Browser | undefined;
  afterAll(async () => {
    await browser?.close();
  });

  /** A page that notes what it asks for and what goes wrong on it. */
  const open = async (path: string): Promise<{ page: Page; asked: string[]; wrong: string[] }> => {
    browser ??= await chromium.launch({
      executablePath: "/usr/bin/chromium",
      args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
    });
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    const asked: string[] = [];
    const wrong: string[] = [];
    page.on("request", (request) => asked.push(request.url()));
    page.on("requestfailed", (request) => wrong.push(`failed: ${request.url()}`));
    page.on("pageerror", (error) => wrong.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error") wrong.push(message.text());
    });
    await page.goto(running.system.address + path);
    return { page, asked, wrong };
  };
  const elsewhere = (asked: readonly string[]): readonly string[] =>
    asked.filter(
      (url) => !url.startsWith(`${running.system.address}/`) && !url.startsWith("data:"),
    );

  test("/docs shows every operation, opens one, and asks nobody else for anything", async () => {
    const { page, asked, wrong } = await open("/docs");
    await page.waitForSelector(".opblock");
    const shown = await page.$$eval(".opblock", (blocks) =>
      blocks.map((block) => {
        const text = (selector: string) => block.querySelector(selector)?.textContent ?? "";
        return `${text(".opblock-summary-method")} ${text(".opblock-summary-path")}`;
      }),
    );
    const readable = (text: string): string => text.replaceAll(/[\u200b\s]+/g, " ").trim();
    expect(shown.map(readable).toSorted()).toEqual(
      operationsOf(running.client.document)
        .map(({ path, method }) => `${method.toUpperCase()} ${path}`)
        .toSorted(),
    );
    const place = page.locator("#operations-Orders-placeOrder");
    await place.locator(".opblock-summary-control").click();
    await place.locator(".responses-wrapper").waitFor();
    const text = await place.textContent();
    for (const part of [
      "clientOrderId",
      "50000.10",
      "outcome_unknown",
      "ack",
      "Sluice-Durability",
    ]) {
      expect(text).toContain(part);
    }
    expect(elsewhere(asked)).toEqual([]);
    expect(asked.length).toBeGreaterThan(3);
    expect(wrong).toEqual([]);
    await page.close();
  });

  test("/docs/errors lists every code with its status and what happened", async () => {
    const { page, asked, wrong } = await open("/docs/errors#outcome_unknown");
    const rows = await page.$$eval("tbody tr", (all) =>
      all.map((row) => [...row.querySelectorAll("td")].map((cell) => cell.textContent ?? "")),
    );
    expect(rows.map(([code, status, title]) => [code, status, title])).toEqual(
      Object.entries(CODES).map(([code, { status, title }]) => [code, String(status), title]),
    );
    for (const [, , , effect] of rows) expect(effect).toMatch(/\w/);
    expect(await page.locator("tr:target").count()).toBe(1);
    expect(elsewhere(asked)).toEqual([]);
    expect(wrong).toEqual([]);
    await page.close();
  });
});
