/**
 * The bare echo that rates are compared with: Bun.serve and Hono, the body parsed, a constant answer
 * of an accepted order's size for each order, nothing else. With `raw` as argument without Hono.
 */
import { Hono } from "hono";
import { announceReady } from "../../shards/process/signals.ts";

const ANSWER = {
  orderId: "409701025",
  clientOrderId: "o-k3xj9q0a-1000000001",
  accountId: "1042",
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
  createdAt: 1790000000000,
  updatedAt: 1790000000000,
  receipt: { shard: "shard1", epoch: 1, commitSeq: 400105, partition: 4, seq: 400096 },
} as const;

const results = (orders: readonly unknown[]) => ({
  results: orders.map(() => ({ status: 201, body: ANSWER })),
});

const app = new Hono();
app.post("/v1/orders", async (c) => {
  await c.req.json();
  return c.json(ANSWER, 201);
});

app.post("/v1/orders/batch", async (c) => {
  const { orders } = await c.req.json<{ readonly orders: readonly unknown[] }>();
  return c.json(results(orders));
});

const raw = async (request: Request): Promise<Response> => {
  await request.json();
  return Response.json(ANSWER, { status: 201 });
};

const fetch = process.argv[2] === "raw" ? raw : app.fetch;
const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch });
process.on("disconnect", () => process.exit());
announceReady({ port: server.port ?? 0 });
