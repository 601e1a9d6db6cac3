/** Requests of every kind, good ones among them: what `fast-check` makes for the fuzz. */
import fc from "fast-check";

export interface FuzzRequest {
  readonly method: string;
  /** With its query; `{mine}` stands for an order of the sender. */
  readonly path: string;
  /** `keeper` only places and reads; `churner` also amends and cancels. */
  readonly sender: "keeper" | "churner" | "nobody";
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array<ArrayBuffer> | undefined;
}

const SHOWN = 300;
const MEBIBYTE = 1024 * 1024;

/** JSON texts, some of them no JSON, that stand where a value is wanted. */
const values: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    ...["null", "true", "0", "-0", "1e5", "1E400", "-1e-400", "0.1", "9".repeat(400), "NaN"],
    ...["Infinity", "undefined", "[]", "{}", "[[]]", '""', '" "', '"1e5"', '"-0"', '"-1"', '"0"'],
    ...['"0.000"', '".5"', '"5."', '"+1"', '"NaN"', '"٣"', '"１"', '"1\\u0000"', '"\\ud800"'],
    ...['"9007199254740993"', '"9999999999999999.999999999999999999"', '"0.000000000000000001"'],
    ...['"__proto__"', '"constructor"', "'single'", '"unclosed', "[1,]", "01", "--1", "\\u0031"],
    ...["\u2028", '"\ufeff"', `"${"a".repeat(5000)}"`, `"${"💥".repeat(64)}"`],
    ...["9007199254740993", "253402300800000", "1.5", "-1"],
  ),
  fc.constantFrom(1000, 10_000).map((levels) => "[".repeat(levels) + "]".repeat(levels)),
  fc.constantFrom(1000, 10_000).map((levels) => `${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`),
  fc.double().map(String),
  fc.bigInt().map(String),
  fc.tuple(fc.nat(99_999_999), fc.nat(999)).map(([whole, part]) => `"${whole}.${part}"`),
  fc.string({ unit: "grapheme" }).map((text) => JSON.stringify(text)),
  fc.string({ unit: "binary" }).map((text) => `"${text}"`),
  fc.json(),
);

type Field = readonly [name: string, value: string];

const templates: readonly (readonly [symbol: string, price: string, quantity: string])[] = [
  ["BTCUSDT", "50000.10", "0.010"],
  ["BTCUSDC", "50000.1", "0.01"],
  ["ETHUSDT", "3000.00", "0.100"],
  ["1000SHIBUSDT", "0.020000", "100000"],
  ["XRPUSDT", "0.5000", "100"],
  ["NOSUCH", "1", "1"],
  ["FTTUSDT", "2.0000", "10"],
];

const FIELD_NAMES = [
  ...["clientOrderId", "symbol", "side", "type", "timeInForce", "goodTillDate", "price"],
  ...["quantity", "reduceOnly", "closePosition", "positionSide", "selfTradePrevention"],
  ...["stopPrice", "workingType", "takeProfit", "stopLoss", "orders", "__proto__", "toString", ""],
];

const clientOrderIds = fc.oneof(
  fc.constantFrom("f-1", "f-2", "f-3").map((id): Field[] => [["clientOrderId", `"${id}"`]]),
  fc
    .stringMatching(/^[.A-Z:/a-z0-9_-]{1,36}$/)
    .map((id): Field[] => [["clientOrderId", `"${id}"`]]),
  fc.constant<Field[]>([]),
);

const times = fc.constantFrom<Field[]>(
  [],
  [["timeInForce", '"GTC"']],
  [["timeInForce", '"IOC"']],
  [["timeInForce", '"GTX"']],
  [
    ["timeInForce", '"GTD"'],
    ["goodTillDate", "9000000000000"],
  ],
);

const goodOrders: fc.Arbitrary<Field[]> = fc
  .tuple(fc.constantFrom(...templates), fc.constantFrom("BUY", "SELL"), clientOrderIds, times)
  .map(([[symbol, price, quantity], side, id, time]) => [
    ["symbol", `"${symbol}"`],
    ["side", `"${side}"`],
    ["type", '"LIMIT"'],
    ["price", `"${price}"`],
    ["quantity", `"${quantity}"`],
    ...id,
    ...time,
  ]);

/** One field gone, another, twice, or of a name that is none. */
const mutations: fc.Arbitrary<(fields: Field[]) => Field[]> = fc.oneof(
  fc.tuple(fc.constantFrom(...FIELD_NAMES), values).map(([name, value]) => (fields: Field[]) => [
    ...fields.filter(([known]) => known !== name),
    [name, value] as const,
  ]),
  fc.tuple(fc.constantFrom(...FIELD_NAMES), values).map(([name, value]) => (fields: Field[]) => [
    [name, value] as const,
    ...fields,
  ]),
  fc
    .constantFrom(...FIELD_NAMES)
    .map((name) => (fields: Field[]) => fields.filter(([known]) => known !== name)),
  fc.tuple(fc.string({ unit: "binary" }), values).map(([name, value]) => (fields: Field[]) => [
    ...fields,
    [name, value] as const,
  ]),
  fc
    .constantFrom(
      ...[
        ["reduceOnly", "true"],
        ["positionSide", '"LONG"'],
        ["closePosition", "true"],
      ],
      ...[
        ["takeProfit", '{"stopPrice":"60000.00"}'],
        ["stopLoss", '{"stopPrice":"0.100000"}'],
      ],
    )
    .map((field) => (fields: Field[]) => [...fields, field as unknown as Field]),
  fc
    .constantFrom('"STOP"', '"TAKE_PROFIT"')
    .map((type) => (fields: Field[]) => [
      ...fields.filter(([name]) => name !== "type"),
      ["type", type] as const,
      ["stopPrice", '"51000.00"'] as const,
    ]),
  fc
    .constantFrom('"MARKET"', '"STOP"')
    .map((type) => (fields: Field[]) => [
      ...fields.filter(([name]) => !["type", "price", "timeInForce"].includes(name)),
      ["type", type] as const,
    ]),
);

/** Decimals that are well formed and break a filter of one instrument or another. */
const decimals = fc.constantFrom(
  ...["50000.15", "50000.1", "0.0105", "0.01", "600", "1", "1000.0001", "9999999999999999", "0"],
);
const offTheRules: fc.Arbitrary<(fields: Field[]) => Field[]> = fc
  .tuple(fc.constantFrom("price", "quantity"), decimals)
  .map(
    ([name, value]) =>
      (fields: Field[]) =>
        fields.map((field) => (field[0] === name ? ([name, `"${value}"`] as const) : field)),
  );

const textOf = (fields: readonly Field[]): string =>
  `{${fields.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(",")}}`;

const orders: fc.Arbitrary<string> = fc
  .tuple(
    goodOrders,
    fc.oneof(
      { weight: 5, arbitrary: fc.constant([]) },
      { weight: 4, arbitrary: fc.array(mutations, { minLength: 1, maxLength: 2 }) },
      { weight: 2, arbitrary: fc.array(offTheRules, { minLength: 1, maxLength: 2 }) },
    ),
  )
  .map(([good, changes]) => textOf(changes.reduce((fields, change) => change(fields), good)));

const batches: fc.Arbitrary<string> = fc.oneof(
  { weight: 8, arbitrary: fc.array(orders, { maxLength: 4 }).map((all) => `{"orders":[${all}]}`) },
  { weight: 1, arbitrary: values.map((value) => `{"orders":${value}}`) },
  { weight: 1, arbitrary: fc.constant(`{"orders":[${Array(101).fill("{}")}]}`) },
);

const amendments: fc.Arbitrary<string> = fc
  .tuple(fc.constantFrom("price", "quantity", "side"), fc.oneof(fc.constant('"49000.00"'), values))
  .map(([name, value]) => textOf([[name, value]]));

/** Bodies of the account's and the venue's routes; none that would change the orders of others. */
const smallBodies: fc.Arbitrary<string> = fc
  .tuple(
    fc.constantFrom(
      ...["leverage", "marginMode", "positionMode", "executions", "prices", "scope", "amount"],
    ),
    fc.oneof(fc.constantFrom("20", '"CROSS"', '"ONE_WAY"', '"10.5"', "[{}]"), values),
  )
  .map(([name, value]) => textOf([[name, value], ...(name === "amount" ? TRANSFER_FIELDS : [])]));
const TRANSFER_FIELDS: readonly Field[] = [
  ["transferId", '"t-1"'],
  ["asset", '"USDT"'],
];

/** The bytes of a text as they are, or as they should not be. */
const encoded = (texts: fc.Arbitrary<string>): fc.Arbitrary<Uint8Array<ArrayBuffer>> => {
  const as = (encode: (text: string) => Buffer) =>
    texts.map((text) => new Uint8Array(encode(text)));
  return fc.oneof(
    { weight: 60, arbitrary: as((text) => Buffer.from(text)) },
    { weight: 1, arbitrary: as((text) => Buffer.from(text, "utf16le")) },
    { weight: 1, arbitrary: as((text) => Buffer.from(`\ufeff${text}`, "utf16le").swap16()) },
    { weight: 1, arbitrary: as((text) => Buffer.from(`\ufeff${text}`)) },
    { weight: 1, arbitrary: as((text) => Buffer.from(`${text}ÿ`, "latin1")) },
    { weight: 1, arbitrary: as((text) => Buffer.from(text).subarray(0, text.length / 2)) },
    { weight: 1, arbitrary: fc.uint8Array().map((bytes) => new Uint8Array(bytes)) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(texts, fc.constantFrom(65_535, 65_536, 65_537, MEBIBYTE, MEBIBYTE + 1))
        .map(([text, bytes]) => new Uint8Array(Buffer.from(text.padEnd(bytes)))),
    },
  );
};

const words = fc.oneof(
  fc.constantFrom(
    "BTCUSDT",
    "open",
    "central",
    "local",
    "1",
    "100",
    "1001",
    "-1",
    "1e3",
    "",
    "%00",
  ),
  fc.constantFrom("%ff", "%", "%zz", "..", "%2e%2e", "{mine}", "9007199254740993", "null", "😀"),
  fc.string({ unit: "grapheme", maxLength: 40 }).map(encodeURIComponent),
  fc.string({ unit: "binary-ascii", maxLength: 40 }).map((text) => text.replaceAll(/[#?]/g, "")),
);
const parameterNames = fc.oneof(
  fc.constantFrom("symbol", "clientOrderId", "status", "from", "to", "limit", "cursor", "ack"),
  words,
);
const queries = fc.oneof(
  { weight: 9, arbitrary: fc.constant("") },
  { weight: 1, arbitrary: fc.constantFrom("?", "??", "?&&", "?=", "?a", "?ack=central", "?%") },
  {
    weight: 2,
    arbitrary: fc
      .array(fc.tuple(parameterNames, words), { minLength: 1, maxLength: 3 })
      .map((pairs) => `?${pairs.map((pair) => pair.join("=")).join("&")}`),
  },
);

const ids = fc.oneof(
  { weight: 3, arbitrary: fc.constant("{mine}") },
  { weight: 2, arbitrary: words },
);

type Target = Pick<FuzzRequest, "method" | "path" | "body">;

const target = (
  method: string,
  path: fc.Arbitrary<string>,
  body: fc.Arbitrary<Uint8Array<ArrayBuffer> | undefined> = fc.constant(undefined),
): fc.Arbitrary<Target> =>
  fc
    .tuple(path, queries, body)
    .map(([known, query, bytes]) => ({ method, path: known + query, body: bytes }));

const exactly = (path: string): fc.Arbitrary<string> => fc.constant(path);
const ofId = ids.map((id) => `/v1/orders/${id}`);
const KNOWN = [
  ...[
    "/v1/account",
    "/v1/positions",
    "/v1/instruments",
    "/v1/time",
    "/admin/v1/shards",
    "/healthz",
    "/readyz",
    "/metrics",
  ],
  ...["/openapi.json", "/docs", "/docs/errors", "/docs/start.js"],
];

const targets: fc.Arbitrary<Target> = fc.oneof(
  { weight: 40, arbitrary: target("POST", exactly("/v1/orders"), encoded(orders)) },
  { weight: 10, arbitrary: target("POST", exactly("/v1/orders/batch"), encoded(batches)) },
  { weight: 4, arbitrary: target("POST", exactly("/v1/orders/check"), encoded(orders)) },
  {
    weight: 4,
    arbitrary: target(
      "PUT",
      fc.constantFrom("/v1/settings", "/v1/settings/BTCUSDT", "/admin/v1/trading-state"),
      encoded(smallBodies),
    ),
  },
  {
    weight: 4,
    arbitrary: target(
      "POST",
      fc.constantFrom(
        ...["/admin/v1/accounts/7/transfers", "/admin/v1/executions", "/admin/v1/mark-prices"],
      ),
      encoded(smallBodies),
    ),
  },
  { weight: 8, arbitrary: target("PATCH", ofId, encoded(amendments)) },
  { weight: 8, arbitrary: target("GET", exactly("/v1/orders")) },
  { weight: 8, arbitrary: target("GET", ofId) },
  { weight: 6, arbitrary: target("DELETE", ofId) },
  { weight: 2, arbitrary: target("DELETE", exactly("/v1/orders")) },
  { weight: 5, arbitrary: target("GET", fc.constantFrom(...KNOWN)) },
  {
    weight: 8,
    arbitrary: fc
      .constantFrom("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
      .chain((method) =>
        target(
          method,
          fc.oneof(
            fc.constantFrom(...KNOWN, "/v1/orders", "/v1/orders/batch", "/v1/orders/stream"),
            fc.array(words, { maxLength: 4 }).map((segments) => `/x/../${segments.join("/")}`),
          ),
        ),
      ),
  },
);

const latin = fc.string({ unit: fc.constantFrom(..."aZ09 ,;=/\"'%{}<>~éÿ"), maxLength: 60 });
const headers: fc.Arbitrary<Record<string, string>> = fc.oneof(
  { weight: 30, arbitrary: fc.constant({}) },
  { weight: 1, arbitrary: latin.map((value) => ({ Authorization: value })) },
  { weight: 1, arbitrary: latin.map((value) => ({ Authorization: `Bearer ${value}` })) },
  { weight: 1, arbitrary: latin.map((value) => ({ "Content-Type": value })) },
  { weight: 1, arbitrary: latin.map((value) => ({ "X-Request-Id": value })) },
  { weight: 1, arbitrary: latin.map((value) => ({ Accept: value, Range: value, Cookie: value })) },
  { weight: 1, arbitrary: latin.map((value) => ({ "If-None-Match": value, "X-A": value })) },
  { weight: 1, arbitrary: fc.constant({ "X-Long": "a".repeat(8000) }) },
);

const senders = fc.oneof(
  { weight: 12, arbitrary: fc.constant("keeper" as const) },
  { weight: 6, arbitrary: fc.constant("churner" as const) },
  { weight: 1, arbitrary: fc.constant("nobody" as const) },
);

/** Those who change orders are another account than those whose orders must stay as they are. */
const senderOf = (method: string, sender: FuzzRequest["sender"]): FuzzRequest["sender"] =>
  sender === "keeper" && (method === "PATCH" || method === "DELETE") ? "churner" : sender;

const shown = (request: FuzzRequest): string => {
  const text = request.body === undefined ? "" : Buffer.from(request.body).toString("latin1");
  return `${JSON.stringify({ ...request, body: text.slice(0, SHOWN) })} (${text.length} bytes)`;
};

export const fuzzRequests: fc.Arbitrary<FuzzRequest> = fc
  .tuple(targets, senders, headers)
  .map(([{ method, path, body }, sender, given]) => {
    const request: FuzzRequest = {
      method,
      path,
      sender: senderOf(method, sender),
      headers: given,
      body,
    };
    return Object.assign(request, { [fc.toStringMethod]: () => shown(request) });
  });
