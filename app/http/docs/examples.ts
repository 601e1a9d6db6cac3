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
