/**
 * The HTTP contract as a judge: what every answer must have, and what the served OpenAPI document
 * says of this one. Bodies are checked against the document's own schemas, in JSON Schema's sense.
 */
import { z } from "zod";
import { CODES, type Code } from "../../shards/domain/codes.ts";

/** An answer as it came, with what was asked. */
export interface Exchange {
  readonly method: string;
  /** With its query string. */
  readonly path: string;
  /** The X-Request-Id that was sent. */
  readonly givenRequestId?: string | undefined;
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

interface HeaderObject {
  readonly required?: boolean;
}
interface ResponseObject {
  readonly description: string;
  readonly headers?: Readonly<Record<string, HeaderObject>>;
  readonly content?: Readonly<Record<string, MediaType>>;
}
interface MediaType {
  readonly schema: object;
  readonly example?: unknown;
}
export interface OperationObject {
  readonly operationId: string;
  readonly summary: string;
  readonly security: readonly object[];
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, MediaType>> };
  readonly responses: Readonly<Record<string, ResponseObject>>;
}
export interface OpenapiDocument {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, OperationObject>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, object>>;
    readonly securitySchemes: Readonly<Record<string, object>>;
  };
}

const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;
const DURATION = ";dur=\\d+\\.\\d{3}";
const STAGES = ["auth", "parse", "route", "queue", "decide", "commit"];
const SERVER_TIMING = new RegExp(
  `^${STAGES.map((stage) => `(${stage}${DURATION}, )?`).join("")}total${DURATION}$`,
);

export class Contract {
  readonly #operations: readonly Operation[];

  constructor(document: OpenapiDocument) {
    this.#operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(
        ([method, operation]) => new Operation(method.toUpperCase(), path, operation, document),
      ),
    );
  }

  /** Sentences on what is wrong with the answer; none when it is as promised. */
  violations(exchange: Exchange): readonly string[] {
    return [
      ...headerViolations(exchange),
      ...problemViolations(exchange),
      ...this.#documentViolations(exchange),
    ];
  }

  #documentViolations(exchange: Exchange): readonly string[] {
    const { method, status } = exchange;
    const path = pathOf(exchange);
    const asked = method === "HEAD" ? "GET" : method;
    const exact = this.#operations.find((one) => one.path === path && one.method === asked);
    const operation = exact ?? this.#operations.find((one) => one.matches(asked, path));
    const isNowhere = status === 404 && exchange.text.includes('"code":"not_found"');
    if (exact !== undefined || (operation !== undefined && status !== 405 && !isNowhere)) {
      return operation?.violations(exchange) ?? [];
    }
    // Names such as /v1/orders/check stand where an id stands, behind the same authentication.
    const refusals = method === "OPTIONS" ? [204, 404] : [401, 403, 404, 405];
    const isAsset = /^\/docs\/[a-z-]+\.(js|css)$/.test(path) && status === 200;
    if (refusals.includes(status) || isAsset) return [];
    return [`${method} ${path} is not documented and gives ${status}`];
  }
}

class Operation {
  readonly #segments: RegExp;
  readonly #answers: ReadonlyMap<string, ReadonlyMap<string, z.ZodType>>;

  constructor(
    readonly method: string,
    readonly path: string,
    private readonly operation: OperationObject,
    document: OpenapiDocument,
  ) {
    this.#segments = new RegExp(`^${path.replaceAll(/\{\w+\}/g, "[^/]+")}$`);
    this.#answers = new Map(
      Object.entries(operation.responses).map(([status, { content = {} }]) => [
        status,
        new Map(
          Object.entries(content).map(([type, { schema }]) => [type, validator(document, schema)]),
        ),
      ]),
    );
  }

  matches(method: string, path: string): boolean {
    return this.method === method && this.#segments.test(path);
  }

  violations({ method, status, headers, text }: Exchange): readonly string[] {
    const response = this.operation.responses[status];
    const { operationId } = this.operation;
    if (response === undefined) return [`${operationId} does not document ${status}`];
    const found: string[] = [];
    for (const [name, { required }] of Object.entries(response.headers ?? {})) {
      if (required === true && !headers.has(name)) found.push(`${status} without ${name}`);
    }
    if (method === "HEAD") return found;
    const type = mediaType(headers);
    const schema = this.#answers.get(String(status))?.get(type);
    if (schema === undefined) return [...found, `${operationId} ${status} documents no ${type}`];
    const value = type.endsWith("json") ? parseJson(text) : text;
    const parsed = schema.safeParse(value);
    if (!parsed.success) found.push(`${operationId} ${status}: ${z.prettifyError(parsed.error)}`);
    const code = (value as { code?: string }).code;
    if (status >= 400 && code !== undefined && !response.description.split(", ").includes(code)) {
      found.push(`${operationId} ${status} does not document ${code}`);
    }
    return found;
  }
}

/** A check of values against one schema of the document. */
export const validator = ({ components }: OpenapiDocument, schema: object): z.ZodType => {
  const local = (value: object): unknown =>
    JSON.parse(JSON.stringify(value).replaceAll("#/components/schemas/", "#/$defs/"));
  const bundled = { ...(local(schema) as object), $defs: local(components.schemas) };
  return z.fromJSONSchema(bundled as Parameters<typeof z.fromJSONSchema>[0]);
};

/** Decoded as far as it means the same (RFC 3986, 6.2.2). */
const pathOf = ({ path }: Exchange): string => {
  const [encoded = ""] = path.split(/[?#]/, 1);
  try {
    return decodeURI(encoded);
  } catch {
    return encoded;
  }
};

const mediaType = (headers: Headers): string =>
  (headers.get("content-type") ?? "").split(";", 1)[0] ?? "";

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

const headerViolations = ({ givenRequestId, headers }: Exchange): readonly string[] => {
  const found: string[] = [];
  const requestId = headers.get("request-id") ?? "";
  if (!REQUEST_ID.test(requestId)) found.push(`Request-Id is ${JSON.stringify(requestId)}`);
  const isTaken = givenRequestId !== undefined && REQUEST_ID.test(givenRequestId);
  if (isTaken && requestId !== givenRequestId) found.push("Request-Id is not the one given");
  const timing = headers.get("server-timing") ?? "";
  if (!SERVER_TIMING.test(timing)) found.push(`Server-Timing is ${JSON.stringify(timing)}`);
  return found;
};

/** What is promised of every answer from 400 up; /readyz lists its shards in place of a problem. */
const problemViolations = (exchange: Exchange): readonly string[] => {
  const { method, status, headers, text } = exchange;
  if (status < 400 || method === "HEAD" || pathOf(exchange) === "/readyz") return [];
  if (headers.get("content-type") !== "application/problem+json") {
    return [`${status} as ${headers.get("content-type")}`];
  }
  const problem = parseJson(text) as Readonly<Record<string, unknown>> | undefined;
  if (problem === undefined) return [`a problem that is no JSON: ${text.slice(0, 100)}`];
  if (!Object.hasOwn(CODES, String(problem.code))) return [`the code ${problem.code}`];
  const entry = CODES[problem.code as Code];
  const isStored = entry.effect === "stored" && method === "POST";
  const expected: Readonly<Record<string, unknown>> = {
    type: `/docs/errors#${problem.code}`,
    title: entry.title,
    status,
    requestId: isStored ? undefined : headers.get("request-id"),
  };
  const found = Object.keys(expected)
    .filter((field) => problem[field] !== expected[field])
    .map((field) => `${field} is ${problem[field]}, not ${expected[field]}`);
  if (entry.status !== status) found.push(`${problem.code} with status ${status}`);
  if (Array.isArray(problem.errors) !== (problem.code === "invalid_request")) {
    found.push(`errors are ${JSON.stringify(problem.errors)}`);
  }
  const header = HEADER_OF_STATUS[status];
  if (header !== undefined && !headers.has(header)) found.push(`${status} without ${header}`);
  return found;
};

const HEADER_OF_STATUS: Readonly<Record<number, string>> = {
  401: "www-authenticate",
  403: "www-authenticate",
  405: "allow",
  429: "retry-after",
  503: "retry-after",
};
