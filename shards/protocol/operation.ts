/**
 * Api → shard: one frame a micro-batch, one entry an operation. An operation may be sent twice
 * (after a reconnect): every one of them is safe to repeat.
 */
import type { Administration, Command, Query } from "../domain/command.ts";
import type { OrderRequest } from "../domain/order.ts";
import { FrameError, parseHead } from "./frame.ts";

export const OPERATIONS = "operations";

/** Commands that a client may send, queries, operators' requests. `expire` is the shard's own. */
export type Operation = Exclude<Command, { kind: "expire" }> | Query | Administration;

export interface OperationEntry {
  /** Unique on its connection and after a reconnect; chosen by the api. */
  readonly requestId: number;
  /** Milliseconds since 1970; a command that is met later is refused, for nobody waits for it. */
  readonly deadlineAt: number;
  readonly operation: Operation;
}

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
} as const satisfies Record<Operation["kind"], string>;

export const encodeOperation = (entry: OperationEntry): string => {
  const { requestId, deadlineAt, operation } = entry;
  const head = `[${requestId},"${LETTER[operation.kind]}",${deadlineAt}`;
  switch (operation.kind) {
    case "place":
      return `${head},${operation.accountId},${encodeRequest(operation.request)}]`;
    case "amend": {
      const { accountId, orderId, price, quantity } = operation;
      return `${head},${accountId},${orderId},${text(price)},${text(quantity)}]`;
    }
    case "cancel":
    case "get_order":
      return `${head},${operation.accountId},${operation.orderId}]`;
    case "cancel_many":
    case "open_orders":
      return `${head},${operation.accountId},${text(operation.symbol)}]`;
    case "find_order":
      return `${head},${operation.accountId},"${operation.symbol}","${operation.clientOrderId}"]`;
    case "raise_partitions":
      return `${head},${operation.partitionCount}]`;
    default:
      return `${head}]`;
  }
};

/** Texts here come from closed lists and patterns without quotes or backslashes. */
const text = (value: string | null): string => (value === null ? "null" : `"${value}"`);

const encodeRequest = (r: OrderRequest): string =>
  `"${r.clientOrderId}","${r.symbol}","${r.side}","${r.type}",${text(r.timeInForce)},` +
  `${r.goodTillDate},${text(r.price)},"${r.quantity}","${r.selfTradePrevention}"`;

export const decodeOperation = (entry: string): OperationEntry => {
  const head = parseHead(entry);
  const [requestId, letter, deadlineAt, ...fields] = head;
  if (typeof requestId !== "number" || typeof deadlineAt !== "number") {
    throw new FrameError(`operation without its numbers: ${entry.slice(0, 80)}`);
  }
  return { requestId, deadlineAt, operation: decodeFields(letter, fields) };
};

/** The api parsed these values; between our own processes only the shape is looked at again. */
const decodeFields = (letter: unknown, f: unknown[]): Operation => {
  switch (letter) {
    case LETTER.place:
      return { kind: "place", accountId: f[0], request: decodeRequest(f) } as Operation;
    case LETTER.amend:
      expectLength(f, 4);
      return {
        kind: "amend",
        accountId: f[0],
        orderId: f[1],
        price: f[2],
        quantity: f[3],
      } as Operation;
    case LETTER.cancel:
      expectLength(f, 2);
      return { kind: "cancel", accountId: f[0], orderId: f[1] } as Operation;
    case LETTER.get_order:
      expectLength(f, 2);
      return { kind: "get_order", accountId: f[0], orderId: f[1] } as Operation;
    case LETTER.cancel_many:
      expectLength(f, 2);
      return { kind: "cancel_many", accountId: f[0], symbol: f[1] } as Operation;
    case LETTER.open_orders:
      expectLength(f, 2);
      return { kind: "open_orders", accountId: f[0], symbol: f[1] } as Operation;
    case LETTER.find_order:
      expectLength(f, 3);
      return {
        kind: "find_order",
        accountId: f[0],
        symbol: f[1],
        clientOrderId: f[2],
      } as Operation;
    case LETTER.instruments:
      return { kind: "instruments" };
    case LETTER.status:
      return { kind: "status" };
    case LETTER.metrics:
      return { kind: "metrics" };
    case LETTER.raise_partitions:
      expectLength(f, 1);
      return { kind: "raise_partitions", partitionCount: f[0] } as Operation;
    case LETTER.resend:
      return { kind: "resend" };
    default:
      throw new FrameError(`unknown operation ${JSON.stringify(letter)}`);
  }
};

const expectLength = (fields: readonly unknown[], length: number): void => {
  if (fields.length !== length) throw new FrameError(`operation of ${fields.length} fields`);
};

const decodeRequest = (f: unknown[]): OrderRequest => {
  expectLength(f, 10);
  return {
    clientOrderId: f[1],
    symbol: f[2],
    side: f[3],
    type: f[4],
    timeInForce: f[5],
    goodTillDate: f[6],
    price: f[7],
    quantity: f[8],
    selfTradePrevention: f[9],
  } as OrderRequest;
};
