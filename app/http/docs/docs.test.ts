import { beforeAll, describe, expect, test } from "bun:test";
import { ORDER_TYPES } from "../../../shards/domain/order.ts";
import { createFakeEdge, type FakeEdge } from "../fake-edge.ts";

interface Operation {
  readonly operationId: string;
  readonly responses: Record<string, { readonly content?: Record<string, object> }>;
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: { readonly content: Record<string, object> };
}

interface Document {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: {
    readonly schemas: Record<
      string,
      { readonly properties: Record<string, { readonly enum?: string[] }>; required?: string[] }
    >;
  };
}

let edge: FakeEdge;
let document: Document;
beforeAll(async () => {
  edge = await createFakeEdge();
  document = (await (await edge.send("GET", "/openapi.json")).json()) as Document;
});

const operations = (): [string, Operation][] =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, Operation] => [
      `${method.toUpperCase()} ${path}`,
      operation,
    ]),
  );

/** Every `$ref` in the document. */
const references = (value: unknown): string[] => {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    key === "$ref" && typeof inner === "string" ? [inner] : references(inner),
  );
};

describe("the OpenAPI document", () => {
  test("is 3.1 and names exactly the routes that exist", () => {
    expect(document.openapi).toStartWith("3.1.");
    const routes = edge.api.routes
      .filter(({ path }) => !/^\/docs\/.*\.(js|css)$/.test(path))
      .map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, "{$1}")}`);
    expect(
      operations()
        .map(([route]) => route)
        .sort(),
    ).toEqual(routes.sort());
  });

  test("has an id of its own and answers for each operation", () => {
    const ids = operations().map(([, operation]) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [route, { responses }] of operations()) {
      expect([route, Object.keys(responses).length > 0]).toEqual([route, true]);
      for (const status of Object.keys(responses)) expect(status).toMatch(/^[1-5]\d\d$/);
    }
  });

  test("declares each parameter of a path, and only those", () => {
    for (const [route, { parameters = [] }] of operations()) {
      const named = [...route.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? "");
      const declared = parameters.filter((one) => one.in === "path").map((one) => one.name);
      expect([route, ...declared]).toEqual([route, ...named]);
    }
  });

  test("has no reference that leads nowhere", () => {
    const all = references(document);
    expect(all.length).toBeGreaterThan(10);
    for (const reference of all) {
      const name = reference.replace("#/components/schemas/", "");
      expect([reference, name in document.components.schemas]).toEqual([reference, true]);
    }
  });

  test("describes the order that the edge takes", () => {
    const schema = document.components.schemas.OrderRequest;
    expect(schema?.required?.toSorted()).toEqual(["side", "symbol", "type"]);
    expect(schema?.properties.type?.enum).toEqual([...ORDER_TYPES]);
    expect(Object.keys(schema?.properties ?? {})).toContain("stopPrice");
    expect(schema).toMatchObject({ additionalProperties: false });
  });

  test("says numbers where the query takes numbers", () => {
    const limit = document.paths["/v1/orders"]?.get?.parameters?.find(
      ({ name }) => name === "limit",
    );
    expect(limit).toMatchObject({ schema: { type: "integer", minimum: 1, maximum: 1000 } });
  });
});

describe("the pages", () => {
  test.each([
    ["/docs", "text/html; charset=utf-8", 'id="swagger-ui"'],
    ["/docs/errors", "text/html; charset=utf-8", "client_order_id_reused"],
    ["/docs/start.js", "text/javascript; charset=utf-8", "validatorUrl: null"],
    ["/docs/swagger-ui-bundle.js", "text/javascript; charset=utf-8", "SwaggerUIBundle"],
    ["/docs/swagger-ui.css", "text/css; charset=utf-8", ".swagger-ui"],
  ])("%s is served from here", async (path, contentType, text) => {
    const response = await edge.api.app.request(path);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe(contentType);
    expect(await response.text()).toContain(text);
  });

  test("name nothing that lies elsewhere, and have no inline script", async () => {
    for (const path of ["/docs", "/docs/errors"]) {
      const response = await edge.api.app.request(path);
      expect(response.headers.get("content-security-policy")).toContain("default-src 'none'");
      const html = await response.text();
      expect(html).not.toMatch(/(src|href)="(https?:)?\/\//);
      expect(html).not.toMatch(/<script>/);
    }
  });

  test("name only files that are served", async () => {
    const html = await (await edge.api.app.request("/docs")).text();
    const files = [...html.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map((match) => match[1] ?? "");
    expect(files.length).toBe(3);
    for (const file of files) expect((await edge.api.app.request(file)).status).toBe(200);
  });
});
