/** What the documents show of requests and answers; a page's first order is to be taken. */
import { CODES, type Code } from "../../../shards/domain/codes.ts";
import type { OrderBody } from "../../../shards/domain/order-body.ts";
import type { Problem } from "../../../shards/domain/problem.ts";

export const ORDER_REQUEST = {
  clientOrderId: "a-1",
  symbol: "BTCUSDT",
  side: "BUY",
  type: "LIMIT",
  timeInForce: "GTC",
  price: "50000.10",
  quantity: "0.010",
} as const;

export const AMENDMENT = { price: "49999.90" } as const;

export const ORDER: OrderBody = {
  orderId: "4097",
  clientOrderId: "a-1",
  accountId: "42",
  symbol: "BTCUSDT",
  side: "BUY",
  type: "LIMIT",
  timeInForce: "GTC",
  price: "50000.10",
  quantity: "0.010",
  executedQuantity: "0.000",
  averagePrice: null,
  status: "NEW",
  reduceOnly: false,
  positionSide: "BOTH",
  children: [],
  createdAt: 1_790_000_000_000,
  updatedAt: 1_790_000_000_000,
  receipt: { shard: "shard1", epoch: 1, commitSeq: 5678, partition: 4, seq: 1234 },
};

export const AMENDED_ORDER: OrderBody = {
  ...ORDER,
  amendment: { price: "49999.90", quantity: "0.010", state: "PENDING" },
};

const HELD = { shard: "shard1", rights: "500.00000000", used: "25.30000000" } as const;

export const CHECK = {
  shard: "shard1",
  decision: "accepted",
  status: 201,
  asset: "USDT",
  required: "25.30000000",
  available: "974.70000000",
  leverage: 20,
  notional: "500.00100000",
  fees: "0.25000050",
  openLoss: "0.00000000",
  markPrice: "50000.00",
  free: "500.00000000",
  held: [{ ...HELD, unused: "474.70000000" }],
} as const;

export const ACCOUNT = {
  accountId: "42",
  balances: [
    {
      asset: "USDT",
      wallet: "1000.00000000",
      usedByOrders: "25.30000000",
      usedByPositions: "0.00000000",
      available: "974.70000000",
      inTransit: "0.00000000",
      deposited: "1000.00000000",
      withdrawn: "0.00000000",
      realised: "0.00000000",
      free: "500.00000000",
      shards: [
        {
          ...HELD,
          usedByOrders: "25.30000000",
          usedByPositions: "0.00000000",
          unused: "474.70000000",
        },
      ],
    },
  ],
} as const;

export const POSITIONS = {
  items: [
    {
      symbol: "BTCUSDT",
      positionSide: "BOTH",
      quantity: "-0.010",
      averagePrice: "50000.10",
      markPrice: "50010.00",
      unrealised: "-0.09900000",
      realised: "0.00000000",
      fees: "0.25000050",
      leverage: 20,
      marginMode: "CROSS",
      updatedAt: 1_790_000_000_000,
    },
  ],
  nextCursor: null,
} as const;

export const SYMBOL_SETTINGS = {
  accountId: "42",
  symbol: "BTCUSDT",
  leverage: 20,
  marginMode: "CROSS",
  version: 1,
} as const;

export const TRANSFER = {
  accountId: "42",
  asset: "USDT",
  transferId: "t-1",
  amount: "1000.00000000",
  outcome: "PAID",
  at: 1_790_000_000_000,
} as const;

export const EXECUTION = {
  executionId: "e-1",
  orderId: "4097",
  symbol: "BTCUSDT",
  kind: "FILL",
  price: "50000.10",
  quantity: "0.010",
  fee: "0.25",
  at: 1_790_000_000_000,
} as const;

export const MARK_PRICE = {
  symbol: "BTCUSDT",
  markPrice: "50000.00",
  at: 1_790_000_000_000,
} as const;

const REQUEST_ID = "0b54e3a2-6c1d-4f8e-9a70-2d3c4b5a6978";

export const problemExample = (code: Code) => {
  const { status, title, effect } = CODES[code];
  const detail: Problem["detail"] = `${title}.`;
  return {
    type: `/docs/errors#${code}`,
    title,
    status,
    code,
    detail,
    ...(effect === "stored" ? {} : { requestId: REQUEST_ID }),
    ...(code === "invalid_request" ? { errors: [{ path: "side", reason: "is required" }] } : {}),
  };
};
