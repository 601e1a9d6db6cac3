/** Query parameters and path ids of the order routes, parsed once. */
import { z } from "zod";
import type {
  AccountId,
  ClientOrderId,
  InstrumentSymbol,
  OrderId,
} from "../../../shards/domain/brands.ts";
import type { FieldError } from "../../../shards/domain/problem.ts";
import type { HistoryPlace } from "../../central/history.ts";
import { DURABILITY_LEVELS } from "../../routing/progress-board.ts";
import { clientOrderId, type Parsed, parseWith, symbol } from "../fields.ts";

const PAGE_LIMIT_DEFAULT = 100;
const PAGE_LIMIT_MAX = 1000;

const integerText = (min: number, max: number) =>
  z
    .string()
    .regex(/^(0|[1-9]\d{0,15})$/, "must be a decimal integer")
    .transform(Number)
    .pipe(z.number().min(min).max(max))
    .meta({ override: { type: "integer", minimum: min, maximum: max } });

const time = integerText(0, Number.MAX_SAFE_INTEGER);

export const ackQuery = z.strictObject({
  ack: z
    .enum(DURABILITY_LEVELS)
    .optional()
    .meta({ description: "What to wait for; local when absent" }),
});
export const noQuery = z.strictObject({});
export const cancelQuery = z.strictObject({
  symbol: symbol.optional().meta({ description: "All of the account's orders when absent" }),
});
export const ordersQuery = z.strictObject({
  symbol: symbol.optional(),
  clientOrderId: clientOrderId
    .optional()
    .meta({ description: "One order, with symbol; read from its shard" }),
  status: z.literal("open").optional().meta({ description: "Open orders, from the shards" }),
  from: time.optional().meta({ description: "createdAt at or after, milliseconds" }),
  to: time.optional().meta({ description: "createdAt before, milliseconds" }),
  limit: integerText(1, PAGE_LIMIT_MAX)
    .optional()
    .meta({ description: `${PAGE_LIMIT_DEFAULT} when absent` }),
  cursor: z.string().max(64).optional().meta({ description: "nextCursor of the page before" }),
});

/** The query string by its schema. A parameter given twice is an error, as is an unknown one. */
export const parseQuery = <T>(url: string, schema: z.ZodType<T>): Parsed<T> => {
  const start = url.indexOf("?");
  const values: Record<string, string> = {};
  if (start >= 0) {
    for (const [name, value] of new URLSearchParams(url.slice(start + 1))) {
      if (Object.hasOwn(values, name)) {
        return { ok: false, errors: [{ path: name, reason: "is given twice" }] };
      }
      Object.defineProperty(values, name, { value, enumerable: true });
    }
  }
  return parseWith(schema, values);
};

/** What `GET /v1/orders` is asked for: three reads behind one path. */
export type OrdersRead =
  | { readonly kind: "one"; readonly symbol: InstrumentSymbol; readonly id: ClientOrderId }
  | { readonly kind: "open"; readonly symbol: InstrumentSymbol | null }
  | {
      readonly kind: "history";
      readonly symbol: InstrumentSymbol | null;
      readonly from: number | null;
      readonly to: number | null;
      readonly limit: number;
      readonly after: HistoryPlace | null;
    };

export const parseOrdersRead = (url: string): Parsed<OrdersRead> => {
  const parsed = parseQuery(url, ordersQuery);
  if (!parsed.ok) return parsed;
  const query = parsed.value;
  const errors = togetherErrors(query);
  const after = query.cursor === undefined ? null : decodeCursor(query.cursor);
  if (after === undefined) errors.push({ path: "cursor", reason: "is not one given here" });
  if (errors.length > 0 || after === undefined) return { ok: false, errors };
  const inSymbol = (query.symbol ?? null) as InstrumentSymbol | null;
  const id = query.clientOrderId as ClientOrderId | undefined;
  if (id !== undefined && inSymbol !== null) {
    return { ok: true, value: { kind: "one", symbol: inSymbol, id } };
  }
  if (query.status === "open") return { ok: true, value: { kind: "open", symbol: inSymbol } };
  const { from = null, to = null, limit = PAGE_LIMIT_DEFAULT } = query;
  return { ok: true, value: { kind: "history", symbol: inSymbol, from, to, limit, after } };
};

/** Parameters that only make sense with, or without, each other. */
const togetherErrors = (query: z.infer<typeof ordersQuery>): FieldError[] => {
  const errors: FieldError[] = [];
  const { clientOrderId: id, status, from, to } = query;
  if (id !== undefined || status !== undefined) {
    const first = id === undefined ? "status" : "clientOrderId";
    for (const name of ["status", "from", "to", "limit", "cursor"] as const) {
      if (name !== first && query[name] !== undefined) {
        errors.push({ path: name, reason: `does not go with ${first}` });
      }
    }
  }
  if (id !== undefined && query.symbol === undefined) {
    errors.push({ path: "symbol", reason: "is required with clientOrderId" });
  }
  if (from !== undefined && to !== undefined && from > to) {
    errors.push({ path: "to", reason: "is before from" });
  }
  return errors;
};

/** Opaque to clients: base64url of `createdAt.orderId`. */
export const encodeCursor = (position: HistoryPlace): string =>
  Buffer.from(`${position.createdAt}.${position.orderId}`).toString("base64url");

const decodeCursor = (cursor: string): HistoryPlace | undefined => {
  const match = /^(\d{1,16})\.(\d{1,16})$/.exec(
    Buffer.from(cursor, "base64url").toString("latin1"),
  );
  const position = { createdAt: Number(match?.[1]), orderId: Number(match?.[2]) };
  const known = Number.isSafeInteger(position.createdAt) && Number.isSafeInteger(position.orderId);
  return known ? position : undefined;
};

const parseId = (text: string): number | undefined => {
  const id = /^[1-9]\d{0,15}$/.test(text) ? Number(text) : 0;
  return id > 0 && Number.isSafeInteger(id) ? id : undefined;
};

/** undefined: no order can have this id. */
export const parseOrderId = (text: string): OrderId | undefined =>
  parseId(text) as OrderId | undefined;

/** undefined: no account can have this id. */
export const parseAccountId = (text: string): AccountId | undefined =>
  parseId(text) as AccountId | undefined;
