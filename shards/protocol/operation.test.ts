/** Operations beyond plain orders, as recorded: see protocol.test.ts for what recorded frames are. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { AccountId, InstrumentSymbol, OrderId } from "../domain/brands.ts";
import type { OrderRequest } from "../domain/order.ts";
import { decodeFrame, encodeFrame, FrameError } from "./frame.ts";
import {
  decodeOperation,
  encodeOperation,
  OPERATIONS,
  type Operation,
  type OperationEntry,
} from "./operation.ts";

const AT = 1790000000000;
const ACCOUNT = 42 as AccountId;
const SYMBOL = "BTCUSDT" as InstrumentSymbol;

const PLAIN = {
  clientOrderId: "a-1",
  symbol: "BTCUSDT",
  side: "BUY",
  type: "LIMIT",
  timeInForce: "GTC",
  goodTillDate: null,
  price: "50000.1",
  quantity: "0.01",
  stopPrice: null,
  workingType: null,
  reduceOnly: false,
  closePosition: false,
  positionSide: "BOTH",
  selfTradePrevention: "NONE",
  takeProfit: null,
  stopLoss: null,
};
const requestWith = (fields: object): OrderRequest =>
  ({ ...PLAIN, ...fields }) as unknown as OrderRequest;

const STOP = { type: "STOP", stopPrice: "51000", workingType: "LAST_PRICE" };
const CLOSE = {
  type: "STOP_MARKET",
  timeInForce: null,
  price: null,
  quantity: null,
  stopPrice: "1.5",
  workingType: "MARK_PRICE",
  reduceOnly: true,
  closePosition: true,
};
const BRACKET = {
  takeProfit: {
    clientOrderId: "tp-1",
    stopPrice: "60000",
    price: "60001",
    workingType: "MARK_PRICE",
  },
  stopLoss: { clientOrderId: null, stopPrice: "40000", price: null, workingType: "LAST_PRICE" },
};

const place = (fields: object): Operation => ({
  kind: "place",
  accountId: ACCOUNT,
  request: requestWith(fields),
});
const execute = (fields: object): Operation =>
  ({
    kind: "execute",
    execution: {
      executionId: "e-1",
      orderId: 4097,
      symbol: SYMBOL,
      kind: "FILL",
      price: "50000.1",
      quantity: "0.01",
      fee: "-0.25",
      feeAsset: "USDT",
      at: AT,
      ...fields,
    },
  }) as Operation;
const nothing = { price: null, quantity: null, fee: null, feeAsset: null };

const operations: readonly Operation[] = [
  place(STOP),
  place(CLOSE),
  place(BRACKET),
  place({ reduceOnly: true }),
  place({ positionSide: "SHORT" }),
  { kind: "check", accountId: ACCOUNT, request: requestWith({}) },
  { kind: "check", accountId: ACCOUNT, request: requestWith(BRACKET) },
  { kind: "symbol_settings", accountId: ACCOUNT, symbol: SYMBOL, leverage: 20, marginMode: null },
  {
    kind: "symbol_settings",
    accountId: ACCOUNT,
    symbol: SYMBOL,
    leverage: null,
    marginMode: "ISOLATED",
  },
  { kind: "account_settings", accountId: ACCOUNT, positionMode: "HEDGE", isTrial: true },
  execute({}),
  execute({ kind: "CANCEL", orderId: Number.MAX_SAFE_INTEGER as OrderId, ...nothing }),
  { kind: "mark", symbol: SYMBOL, price: "50000.5" as never, at: AT },
  { kind: "trading_state", scope: { kind: "all" }, state: "ACTIVE" },
  { kind: "trading_state", scope: { kind: "symbol", symbol: SYMBOL }, state: "HALTED" },
  { kind: "trading_state", scope: { kind: "account", accountId: ACCOUNT }, state: "REDUCE_ONLY" },
  {
    kind: "transfer",
    accountId: ACCOUNT,
    asset: "USDT",
    transferId: "t-1",
    amount: "-10.5" as never,
  },
  { kind: "positions", accountId: ACCOUNT },
  { kind: "account", accountId: ACCOUNT },
];

const entries: readonly OperationEntry[] = operations.map((operation, index) => ({
  requestId: index + 1,
  deadlineAt: AT,
  operation,
}));

const recorded = readFileSync(`${import.meta.dir}/fixtures/v1/risk-operations.frame`, "utf8");

describe("the recorded operations of version 1", () => {
  test("decode to their values", () => {
    const frame = decodeFrame(recorded);
    expect(frame.kind).toBe(OPERATIONS);
    expect(frame.entries.map(decodeOperation)).toEqual([...entries]);
  });

  test("are what we still send", () => {
    expect(encodeFrame(OPERATIONS, entries.map(encodeOperation))).toBe(recorded);
  });
});

test("a plain order carries nothing of what few orders have", () => {
  const operation = place({});
  const text = encodeOperation({ requestId: 1, deadlineAt: AT, operation });
  expect(JSON.parse(text)).toHaveLength(13);
  expect(decodeOperation(text).operation).toEqual(operation);
});

describe("what no version of ours has sent is refused", () => {
  test.each([
    ["an order with a field too few", '[1,"P",2,42,"a","B","BUY","LIMIT",null,null,"1","1"]'],
    [
      "an order whose rare part is none",
      '[1,"P",2,42,"a","B","BUY","LIMIT",null,null,"1","1","NONE",1]',
    ],
    [
      "an order whose rare part is short",
      '[1,"P",2,42,"a","B","BUY","LIMIT",null,null,"1","1","NONE",[null]]',
    ],
    [
      "an order with two rare parts",
      '[1,"P",2,42,"a","B","BUY","LIMIT",null,null,"1","1","NONE",[null,null,true,false,"BOTH",null,null],[]]',
    ],
    ["an execution with a field too many", '[1,"T",2,"e",1,"B","FILL","1","1",null,null,3,4]'],
    ["a trading state without its scope", '[1,"H",2,"ACTIVE"]'],
    ["a command of the shard's own", '[1,"expire",2,4097]'],
  ])("%s", (_, text) => {
    expect(() => decodeOperation(text)).toThrow(FrameError);
  });
});
