/** `sluice dev` with its paper matching engine: an order fills, a bracket fires, a position closes. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { OrderBody } from "../../shards/domain/order-body.ts";
import { type Client, clientOf } from "../support/client.ts";
import { childrenOf, endAll, isAlive, makeFolder } from "../support/processes.ts";
import { type Dev, START_MS_MAX, startDev } from "../support/sluice.ts";
import { until } from "../support/until.ts";

const WAIT_MS_MAX = 30_000;
const TEST_MS_MAX = 90_000;
/** Those that dev gives money at its start. */
const [DEMO, OTHER] = [42, 43];

let dev: Dev;
let demo: Client;
let other: Client;

beforeAll(async () => {
  dev = await startDev({
    dataDir: makeFolder(),
    settings: { RISK: "margin", VENUE: "external" },
    stores: {},
  });
  demo = await clientOf(dev.url, DEMO);
  other = await clientOf(dev.url, OTHER);
}, START_MS_MAX);

afterAll(() => endAll(), START_MS_MAX);

const limit = (side: string, price: string, quantity: string, more: object = {}) => ({
  symbol: "BTCUSDT",
  type: "LIMIT",
  side,
  price,
  quantity,
  ...more,
});

const placed = async (client: Client, order: object): Promise<OrderBody> => {
  const { status, body } = await client.send("POST", "/v1/orders", order);
  expect([status, body]).toEqual([201, body]);
  return JSON.parse(body) as OrderBody;
};

const becomes = (client: Client, { orderId }: { orderId: string }, wanted: Partial<OrderBody>) =>
  until(`order ${orderId} becomes ${JSON.stringify(wanted)}`, WAIT_MS_MAX, async () => {
    const order = JSON.parse((await client.order(orderId)).body) as OrderBody;
    return Object.entries(wanted).every(([key, value]) => order[key as keyof OrderBody] === value);
  });

const positionOf = async (client: Client): Promise<string | undefined> => {
  const { body } = await client.send("GET", "/v1/positions");
  const { items } = JSON.parse(body) as { items: { symbol: string; quantity: string }[] };
  return items.find(({ symbol }) => symbol === "BTCUSDT")?.quantity;
};

const holds = (client: Client, quantity: string | undefined) =>
  until(`a position of ${quantity}`, WAIT_MS_MAX, async () => {
    return (await positionOf(client)) === quantity;
  });

test(
  "a bracket's parent fills in parts, its take-profit fires at the mark and closes the position",
  async () => {
    const parent = await placed(
      demo,
      limit("BUY", "50000.00", "0.010", {
        takeProfit: { stopPrice: "50500.00" },
        stopLoss: { stopPrice: "49000.00" },
      }),
    );
    const [takeProfit, stopLoss] = parent.children;
    await placed(other, limit("SELL", "50000.00", "0.004"));
    await becomes(demo, parent, { status: "PARTIALLY_FILLED", executedQuantity: "0.004" });
    for (const child of [takeProfit, stopLoss]) {
      await becomes(demo, child ?? { orderId: "" }, { status: "UNTRIGGERED", quantity: "0.004" });
    }
    await placed(other, limit("SELL", "50000.00", "0.006"));
    await becomes(demo, parent, { status: "FILLED", averagePrice: "50000.00" });
    await holds(demo, "0.010");
    await holds(other, "-0.010");
    // The mark follows the trades of the other account with itself.
    await placed(other, limit("BUY", "50500.00", "0.020"));
    await placed(other, limit("SELL", "50500.00", "0.005"));
    await becomes(demo, takeProfit ?? { orderId: "" }, { status: "FILLED" });
    await becomes(demo, stopLoss ?? { orderId: "" }, { status: "CANCELED" });
    await holds(demo, undefined);
  },
  TEST_MS_MAX,
);

test(
  "killed by -9 it goes on with what is open: amended, cancelled and new orders",
  async () => {
    const resting = await placed(other, limit("SELL", "52000.00", "0.010"));
    const killed = childrenOf(dev.process.pid, / match\b/)[0] ?? 0;
    process.kill(killed, "SIGKILL");
    await other.send("PATCH", `/v1/orders/${resting.orderId}`, { price: "51000.00" });
    const cancelled = await placed(demo, limit("BUY", "48000.00", "0.010"));
    await demo.cancel(cancelled.orderId);
    const taker = await placed(demo, limit("BUY", "51000.00", "0.010", { timeInForce: "IOC" }));
    await until("a new engine runs", WAIT_MS_MAX, () => {
      const [pid] = childrenOf(dev.process.pid, / match\b/);
      return pid !== undefined && pid !== killed && !isAlive(killed);
    });
    await becomes(demo, cancelled, { status: "CANCELED" });
    await becomes(other, resting, { price: "51000.00" });
    await until("the taker has ended", WAIT_MS_MAX, async () => {
      const { status } = JSON.parse((await demo.order(taker.orderId)).body) as OrderBody;
      return status === "FILLED" || status === "EXPIRED";
    });
  },
  TEST_MS_MAX,
);
