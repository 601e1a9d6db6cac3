/**
 * The wire, as recorded: each file in fixtures/ is one frame as a version of ours has sent it. It
 * must decode to the value here for ever, and the version that we send must still give those very
 * bytes. A new protocol version adds a folder; files that are there are never edited.
 */
import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import type {
  AccountId,
  CanonicalDecimal,
  ClientOrderId,
  InstrumentSymbol,
  OrderId,
} from "../domain/brands.ts";
import type { OrderRequest } from "../domain/order.ts";
import {
  ANSWERS,
  type Answer,
  DRAINING,
  decodeAnswer,
  decodeProgress,
  encodeAnswer,
  encodeProgress,
  PROGRESS,
  type Progress,
} from "./answer.ts";
import { decodeFrame, encodeFrame, FrameError } from "./frame.ts";
import {
  type ApplierWelcome,
  HELLO,
  type Hello,
  readApplierWelcome,
  readHello,
  readShardWelcome,
  type ShardWelcome,
  WELCOME,
} from "./hello.ts";
import { decodeOperation, encodeOperation, OPERATIONS, type OperationEntry } from "./operation.ts";
import { type CommittedRecord, chainHash, ZERO_HASH } from "./record.ts";
import {
  ASK,
  type CentralStanding,
  CLAIM,
  type Claim,
  decodeRecords,
  encodeRecords,
  GRANTED,
  type Grant,
  RECORDS,
  readClaim,
  readGrant,
  readStanding,
  readStopped,
  STANDING,
  STOPPED,
  type Stopped,
} from "./relay.ts";

const ACCOUNT = 42 as AccountId;
const LAST_ACCOUNT = Number.MAX_SAFE_INTEGER as AccountId;
const ORDER = 4097 as OrderId;
const SYMBOL = "BTCUSDT" as InstrumentSymbol;
const CLIENT_ORDER = "a-1" as ClientOrderId;
const HASH = "c0ffee".padEnd(64, "0");
const decimal = (text: string): CanonicalDecimal => text as CanonicalDecimal;

const LIMIT: OrderRequest = {
  clientOrderId: CLIENT_ORDER,
  symbol: SYMBOL,
  side: "BUY",
  type: "LIMIT",
  timeInForce: "GTD",
  goodTillDate: 1790000600000,
  price: decimal("50000.1"),
  quantity: decimal("0.01"),
  selfTradePrevention: "EXPIRE_TAKER",
  ...{ stopPrice: null, workingType: null, takeProfit: null, stopLoss: null },
  ...{ reduceOnly: false, closePosition: false, positionSide: "BOTH" },
};
const MARKET: OrderRequest = {
  ...LIMIT,
  clientOrderId: ".A-Z:/a-z0-9_-" as ClientOrderId,
  side: "SELL",
  type: "MARKET",
  timeInForce: null,
  goodTillDate: null,
  price: null,
  selfTradePrevention: "NONE",
};

const AT = 1790000000000;
const entry = (
  requestId: number,
  operation: OperationEntry["operation"],
  deadlineAt = AT,
): OperationEntry => ({ requestId, deadlineAt, operation });

const operations: OperationEntry[] = [
  entry(1, { kind: "place", accountId: ACCOUNT, request: LIMIT }),
  entry(2, { kind: "place", accountId: LAST_ACCOUNT, request: MARKET }, AT + 1),
  entry(3, {
    kind: "amend",
    accountId: ACCOUNT,
    orderId: ORDER,
    price: decimal("1.5"),
    quantity: null,
  }),
  entry(4, {
    kind: "amend",
    accountId: ACCOUNT,
    orderId: ORDER,
    price: null,
    quantity: decimal("2"),
  }),
  entry(5, { kind: "cancel", accountId: ACCOUNT, orderId: Number.MAX_SAFE_INTEGER as OrderId }),
  entry(6, { kind: "cancel_many", accountId: ACCOUNT, symbol: null }),
  entry(7, { kind: "cancel_many", accountId: ACCOUNT, symbol: SYMBOL }),
  entry(8, { kind: "get_order", accountId: ACCOUNT, orderId: ORDER }),
  entry(9, {
    kind: "find_order",
    accountId: ACCOUNT,
    symbol: SYMBOL,
    clientOrderId: CLIENT_ORDER,
  }),
  entry(10, { kind: "open_orders", accountId: ACCOUNT, symbol: SYMBOL }),
  entry(11, { kind: "open_orders", accountId: ACCOUNT, symbol: null }),
  entry(12, { kind: "instruments" }),
  entry(13, { kind: "status" }),
  entry(14, { kind: "metrics" }),
];

const administration: OperationEntry[] = [
  entry(15, { kind: "raise_partitions", partitionCount: 10 }),
  entry(16, { kind: "resend" }),
];

const timing = { queueUs: 12, decideUs: 3, commitUs: 845 };
const noTime = { queueUs: 0, decideUs: 0, commitUs: 0 };
const answers: Answer[] = [
  {
    requestId: 1,
    status: 201,
    kind: "final",
    place: { partition: 4, epoch: 1, seq: 1234 },
    timing,
    body: '{"orderId":"4097","status":"NEW"}',
  },
  {
    requestId: 2,
    status: 422,
    kind: "replayed",
    place: { partition: 0, epoch: 2, seq: 1 },
    timing,
    body: '{"code":"price_off_tick","detail":"a\\tb\\n \u00fc\u20ac\ud83d\udcc8"}',
  },
  {
    requestId: 3,
    status: 404,
    kind: "problem",
    place: null,
    timing: noTime,
    body: '{"code":"order_not_found","detail":"The account has no order 5."}',
  },
  { requestId: 4, status: 200, kind: "final", place: null, timing: noTime, body: "" },
];

const progress: Progress[] = [
  { partition: 0, epoch: 1, committedSeq: 9, replicatedSeq: 8, appliedSeq: 7, lagMs: 25 },
  { partition: 11, epoch: 3, committedSeq: 0, replicatedSeq: 0, appliedSeq: 0, lagMs: 0 },
];

const record = (
  type: CommittedRecord["type"],
  seq: number,
  key: string,
  value: string,
  prevHash: string,
): CommittedRecord => ({
  type,
  shard: "shard1",
  epoch: 2,
  partition: 4,
  seq,
  commitSeq: seq * 3,
  at: AT + seq,
  key,
  value,
  prevHash,
  hash: chainHash(prevHash, value),
});
const started = record(
  "epoch_started",
  1,
  "",
  `{"previousEpoch":1,"previousSeq":1234,"previousHash":"${HASH}"}`,
  ZERO_HASH,
);
const accepted = record("order_accepted", 2, SYMBOL, '{"orderId":"4097"}', started.hash);
const refused = record("order_refused", 3, SYMBOL, '{"code":"\u20ac"}', accepted.hash);
const changed = record("order_changed", 4, "account:42", '{"version":2}', refused.hash);
const records: CommittedRecord[] = [started, accepted, refused, changed];

const hello: Hello = { role: "api", name: "api-1", secret: "s".repeat(32) };
const shardWelcome: ShardWelcome = {
  shard: "shard1023",
  shardIndex: 1023,
  epoch: 1,
  centralId: "0198f3c2",
};
const applierWelcome: ApplierWelcome = {
  centralId: "0198f3c2",
  epoch: 2,
  cursors: [
    { partition: 0, epoch: 0, seq: 0, hash: ZERO_HASH },
    { partition: 4, epoch: 2, seq: 4, hash: HASH },
  ],
};
const stopped: Stopped = { partition: 4, code: "gap", detail: "seq 6 came after 4" };
const standing: CentralStanding = { ...applierWelcome, stopped: [stopped] };
const claim: Claim = { shard: "shard1", shardIndex: 1, claimId: "c-1", acceptLoss: false };
const grant: Grant = {
  granted: true,
  centralId: "0198f3c2",
  epoch: 2,
  orderCounter: 1000,
  cursors: [{ partition: 4, epoch: 1, seq: 1234, hash: HASH }],
};
const grantRefused: Grant = { granted: false, epoch: 1, orders: 1234 };

interface Recorded {
  readonly file: string;
  readonly kind: string;
  readonly value: unknown;
  readonly decode: (entries: readonly string[]) => unknown;
  readonly entries: readonly string[];
}

const greeting = <T>(
  file: string,
  kind: string,
  value: T,
  decode: (entries: readonly string[]) => T,
): Recorded => ({ file, kind, value, decode, entries: [JSON.stringify(value)] });

const RECORDED: readonly Recorded[] = [
  greeting("hello", HELLO, hello, readHello),
  greeting("welcome-of-shard", WELCOME, shardWelcome, readShardWelcome),
  greeting("welcome-of-applier", WELCOME, applierWelcome, readApplierWelcome),
  {
    file: "operations",
    kind: OPERATIONS,
    value: operations,
    decode: (entries) => entries.map(decodeOperation),
    entries: operations.map(encodeOperation),
  },
  {
    file: "administration",
    kind: OPERATIONS,
    value: administration,
    decode: (entries) => entries.map(decodeOperation),
    entries: administration.map(encodeOperation),
  },
  {
    file: "answers",
    kind: ANSWERS,
    value: answers,
    decode: (entries) => entries.map(decodeAnswer),
    entries: answers.map(encodeAnswer),
  },
  {
    file: "progress",
    kind: PROGRESS,
    value: progress,
    decode: (entries) => entries.map(decodeProgress),
    entries: progress.map(encodeProgress),
  },
  { file: "draining", kind: DRAINING, value: [], decode: (entries) => entries, entries: [] },
  {
    file: "records",
    kind: RECORDS,
    value: records,
    decode: decodeRecords,
    entries: encodeRecords(records),
  },
  greeting("stopped", STOPPED, stopped, readStopped),
  { file: "ask", kind: ASK, value: [], decode: (entries) => entries, entries: [] },
  greeting("standing", STANDING, standing, readStanding),
  greeting("claim", CLAIM, claim, readClaim),
  greeting("granted", GRANTED, grant, readGrant),
  greeting("granted-not", GRANTED, grantRefused, readGrant),
];

/** By the test beside their codec. */
const RECORDED_ELSEWHERE = ["risk-operations"];
const WITHOUT_EPOCH = "welcome-of-applier-without-epoch";
const FOLDER = `${import.meta.dir}/fixtures/v1`;
const fixture = (file: string): string => readFileSync(`${FOLDER}/${file}.frame`, "utf8");

describe("a recorded frame of version 1", () => {
  test.each(RECORDED.map((r) => [r.file, r] as const))("%s decodes to its value", (file, r) => {
    const frame = decodeFrame(fixture(file));
    expect(frame.kind).toBe(r.kind);
    expect(r.decode(frame.entries)).toEqual(r.value);
  });

  test.each(RECORDED.map((r) => [r.file, r] as const))("%s is what we still send", (file, r) => {
    expect(encodeFrame(r.kind, r.entries)).toBe(fixture(file));
  });

  test("of an applier that did not say the granted epoch decodes to none", () => {
    const { entries } = decodeFrame(fixture(WITHOUT_EPOCH));
    expect(readApplierWelcome(entries)).toEqual({ ...applierWelcome, epoch: 0 });
  });

  test("is one of those above, every one of them", () => {
    const expected = [WITHOUT_EPOCH, ...RECORDED_ELSEWHERE, ...RECORDED.map((r) => r.file)]
      .map((f) => `${f}.frame`)
      .sort();
    expect(readdirSync(FOLDER).sort()).toEqual(expected);
  });
});

const unreadable = (what: string, read: () => unknown, message: string) =>
  [what, read, message] as const;

describe("what no version of ours has sent is refused", () => {
  test.each([
    unreadable("no head", () => decodeFrame(""), 'not a frame: ""'),
    unreadable("no version", () => decodeFrame("hello\n{}"), 'not a frame: "hello"'),
    unreadable(
      "a later version",
      () => decodeFrame("2 hello\n{}"),
      "protocol version 2; this process speaks 1",
    ),
    unreadable("an unknown operation", () => decodeOperation('[1,"Z",2]'), 'unknown operation "Z"'),
    unreadable(
      "an operation with a field too few",
      () => decodeOperation('[1,"C",2,42]'),
      "operation of 1 fields",
    ),
    unreadable(
      "an operation without its id",
      () => decodeOperation('["S",2]'),
      'operation without its numbers: ["S",2]',
    ),
    unreadable(
      "an operation that is not JSON",
      () => decodeOperation("[1,"),
      'entry is not an array: "[1,"',
    ),
    unreadable(
      "an answer without a body",
      () => decodeAnswer("[1]"),
      'entry without a body: "[1]"',
    ),
    unreadable(
      "an answer with a fraction",
      () => decodeAnswer("[1,200,0,-1,0,0,0.5,0,0]\t{}"),
      "answer that cannot be read: [1,200,0,-1,0,0,0.5,0,0]\t{}",
    ),
    unreadable(
      "progress of five numbers",
      () => decodeProgress("[1,2,3,4,5]"),
      "progress that cannot be read: [1,2,3,4,5]",
    ),
    unreadable(
      "a record of an unknown type",
      () => decodeRecords([`["shard1",1,0,"${ZERO_HASH}"]`, `[99,1,1,1,"A","${HASH}"]\t{}`]),
      `record that cannot be read: [99,1,1,1,"A","${HASH}"]\t{}`,
    ),
    unreadable("a push without records", () => encodeRecords([]), "a push without records"),
    unreadable(
      "a hello with a role of its own",
      () => readHello(['{"role":"root","name":"x","secret":""}']),
      "a greeting that cannot be read",
    ),
    unreadable("an empty welcome", () => readShardWelcome([]), "a greeting that cannot be read"),
  ])("%s", (_, read, message) => {
    expect(read).toThrow(new FrameError(message));
  });
});

describe("a record's hash", () => {
  test.each([
    ["a short value", '{"a":1}'],
    ["text beyond ASCII", "\u00fc\u20ac\ud83d\udcc8"],
    ["a value of over a megabyte", "\u20ac".repeat(400_000)],
  ])("chains %s to the hash before", (_, value) => {
    const expected = createHash("sha256").update(HASH).update(value);
    expect(chainHash(HASH, value)).toBe(expected.digest("hex"));
  });
});
