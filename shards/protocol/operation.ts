/**
 * Api → shard: one frame a micro-batch, one entry an operation. An operation may be sent twice
 * (after a reconnect): every one of them is safe to repeat.
 *
 * An entry is `[requestId, letter, deadlineAt, …fields]`. An order's nine plain fields come first;
 * what few orders have follows as one array, and is absent where all of it is the default.
 */
import type {
  Administration,
  ClientCommand,
  Execution,
  Query,
  VenueCommand,
} from "../domain/command.ts";
import type { ChildRequest, OrderRequest } from "../domain/order.ts";
import type { TradingScope } from "../domain/risk/types.ts";
import { FrameError, parseHead } from "./frame.ts";

export const OPERATIONS = "operations";

/** What comes from outside a shard; its own commands never travel here. */
export type Operation = ClientCommand | VenueCommand | Query | Administration;

export interface OperationEntry {
  /** Unique on its connection and after a reconnect; chosen by the api. */
  readonly requestId: number;
  /** Milliseconds since 1970; a command that is met later is refused, for nobody waits for it. */
  readonly deadlineAt: number;
  readonly operation: Operation;
}

type Kind = Operation["kind"];
type OperationOf<K extends Kind> = Extract<Operation, { readonly kind: K }>;

/** Letters on the wire. Never reused for another meaning. */
const LETTER = {
  place: "P",
  amend: "A",
  cancel: "C",
  cancel_many: "X",
  get_order: "G",
  find_order: "F",
  open_orders: "O",
  instruments: "I",
  status: "S",
  metrics: "M",
  raise_partitions: "R",
  resend: "E",
  symbol_settings: "L",
  account_settings: "W",
  execute: "T",
  mark: "K",
  trading_state: "H",
  transfer: "D",
  check: "Q",
  positions: "N",
  account: "U",
} as const satisfies Record<Kind, string>;

const KIND_OF_LETTER = new Map<unknown, Kind>(
  (Object.keys(LETTER) as Kind[]).map((kind) => [LETTER[kind], kind]),
);

/** What has a shape of its own, written below. */
type ShapedKind = "place" | "check" | "execute" | "trading_state";
type PlainKind = Exclude<Kind, ShapedKind>;

/** The fields of the others, in their order on the wire. */
const FIELDS: {
  readonly [K in PlainKind]: readonly Exclude<keyof OperationOf<K>, "kind">[];
} = {
  amend: ["accountId", "orderId", "price", "quantity"],
  cancel: ["accountId", "orderId"],
  cancel_many: ["accountId", "symbol"],
  symbol_settings: ["accountId", "symbol", "leverage", "marginMode"],
  account_settings: ["accountId", "positionMode", "isTrial"],
  mark: ["symbol", "price", "at"],
  transfer: ["accountId", "asset", "transferId", "amount"],
  get_order: ["accountId", "orderId"],
  find_order: ["accountId", "symbol", "clientOrderId"],
  open_orders: ["accountId", "symbol"],
  positions: ["accountId"],
  account: ["accountId"],
  instruments: [],
  status: [],
  metrics: [],
  raise_partitions: ["partitionCount"],
  resend: [],
};

const EXECUTION_FIELDS = [
  "executionId",
  "orderId",
  "symbol",
  "kind",
  "price",
  "quantity",
  "fee",
  "feeAsset",
  "at",
] as const satisfies readonly (keyof Execution)[];

export const encodeOperation = (entry: OperationEntry): string => {
  const { requestId, deadlineAt, operation } = entry;
  const head = `[${requestId},"${LETTER[operation.kind]}",${deadlineAt}`;
  switch (operation.kind) {
    case "place":
    case "check":
      return `${head},${operation.accountId},${encodeRequest(operation.request)}]`;
    case "execute":
      return `${head}${encodeFields(operation.execution, EXECUTION_FIELDS)}]`;
    case "trading_state": {
      const { scope, state } = operation;
      return `${head}${encodeFields({ ...encodeScope(scope), state }, SCOPE_FIELDS)}]`;
    }
    default:
      return `${head}${encodeFields(operation, FIELDS[operation.kind])}]`;
  }
};

const encodeFields = (values: object, names: readonly string[]): string => {
  let text = "";
  for (const name of names) text += `,${JSON.stringify((values as Fields)[name])}`;
  return text;
};
type Fields = Readonly<Record<string, unknown>>;

/** Texts here come from closed lists and patterns without quotes or backslashes. */
const text = (value: string | null): string => (value === null ? "null" : `"${value}"`);

const encodeRequest = (r: OrderRequest): string => {
  const plain =
    `"${r.clientOrderId}","${r.symbol}","${r.side}","${r.type}",${text(r.timeInForce)},` +
    `${r.goodTillDate},${text(r.price)},${text(r.quantity)},"${r.selfTradePrevention}"`;
  return isPlain(r) ? plain : `${plain},${JSON.stringify(encodeRare(r))}`;
};

const isPlain = (r: OrderRequest): boolean =>
  r.stopPrice === null &&
  !r.reduceOnly &&
  r.positionSide === "BOTH" &&
  r.takeProfit === null &&
  r.stopLoss === null &&
  !r.closePosition;

const encodeRare = (r: OrderRequest): readonly unknown[] => [
  r.stopPrice,
  r.workingType,
  r.reduceOnly,
  r.closePosition,
  r.positionSide,
  encodeChild(r.takeProfit),
  encodeChild(r.stopLoss),
];

const encodeChild = (child: ChildRequest | null): readonly unknown[] | null =>
  child === null ? null : [child.clientOrderId, child.stopPrice, child.price, child.workingType];

const SCOPE_FIELDS = ["symbol", "accountId", "state"] as const;

/** Both null: all. */
const encodeScope = (scope: TradingScope) => ({
  symbol: scope.kind === "symbol" ? scope.symbol : null,
  accountId: scope.kind === "account" ? scope.accountId : null,
});

export const decodeOperation = (entry: string): OperationEntry => {
  const head = parseHead(entry);
  const [requestId, letter, deadlineAt, ...fields] = head;
  if (typeof requestId !== "number" || typeof deadlineAt !== "number") {
    throw new FrameError(`operation without its numbers: ${entry.slice(0, 80)}`);
  }
  const kind = KIND_OF_LETTER.get(letter);
  if (kind === undefined) throw new FrameError(`unknown operation ${JSON.stringify(letter)}`);
  return { requestId, deadlineAt, operation: decodeShape(kind, fields) };
};

/** The api parsed these values; between our own processes only the shape is looked at again. */
const decodeShape = (kind: Kind, f: readonly unknown[]): Operation => {
  switch (kind) {
    case "place":
    case "check":
      return { kind, accountId: f[0], request: decodeRequest(f) } as Operation;
    case "execute":
      return { kind, execution: decodeFields({}, EXECUTION_FIELDS, f) } as unknown as Operation;
    case "trading_state": {
      expectLength(f, SCOPE_FIELDS.length);
      return { kind, scope: decodeScope(f[0], f[1]), state: f[2] } as Operation;
    }
    default:
      return decodeFields({ kind }, FIELDS[kind], f) as unknown as Operation;
  }
};

const decodeFields = (
  values: Record<string, unknown>,
  names: readonly string[],
  fields: readonly unknown[],
): Fields => {
  expectLength(fields, names.length);
  for (const [index, name] of names.entries()) values[name] = fields[index];
  return values;
};

const expectLength = (fields: readonly unknown[], length: number): void => {
  if (fields.length !== length) throw new FrameError(`operation of ${fields.length} fields`);
};

const decodeScope = (symbol: unknown, accountId: unknown): TradingScope => {
  if (symbol !== null) return { kind: "symbol", symbol } as TradingScope;
  return accountId === null ? { kind: "all" } : ({ kind: "account", accountId } as TradingScope);
};

const PLAIN_LENGTH = 10;
const RARE_LENGTH = 7;
const NOTHING_RARE = [null, null, false, false, "BOTH", null, null] as const;

const decodeRequest = (f: readonly unknown[]): OrderRequest => {
  const rare = f.length === PLAIN_LENGTH ? NOTHING_RARE : f[PLAIN_LENGTH];
  if (f.length > PLAIN_LENGTH + 1 || !Array.isArray(rare) || rare.length !== RARE_LENGTH) {
    throw new FrameError(`operation of ${f.length} fields`);
  }
  const [stopPrice, workingType, reduceOnly, closePosition, positionSide, takeProfit, stopLoss] =
    rare as readonly unknown[];
  return {
    clientOrderId: f[1],
    symbol: f[2],
    side: f[3],
    type: f[4],
    timeInForce: f[5],
    goodTillDate: f[6],
    price: f[7],
    quantity: f[8],
    stopPrice,
    workingType,
    reduceOnly,
    closePosition,
    positionSide,
    selfTradePrevention: f[9],
    takeProfit: decodeChild(takeProfit),
    stopLoss: decodeChild(stopLoss),
  } as OrderRequest;
};

const decodeChild = (child: unknown): ChildRequest | null => {
  if (!Array.isArray(child)) return null;
  const [clientOrderId, stopPrice, price, workingType] = child as readonly unknown[];
  return { clientOrderId, stopPrice, price, workingType } as ChildRequest;
};
