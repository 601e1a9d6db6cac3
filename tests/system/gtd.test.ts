/** Good-till-date orders end by their shard's own timer. */
import { afterEach, expect, test } from "bun:test";
import { type Client, centralHasAll, clientOf } from "../support/client.ts";
import { endAll, makeFolder } from "../support/processes.ts";
import { startDev } from "../support/sluice.ts";
import { until } from "../support/until.ts";

const TEST_MS_MAX = 120_000;
/** The timer may be this late, on a busy machine. */
const LATE_MS_MAX = 30_000;
/** A date that an order still reaches before it is over, on a slow disk too. */
const SOON_MS = 2_000;

afterEach(() => endAll(), TEST_MS_MAX);

interface Order {
  readonly orderId: string;
  readonly status: string;
  readonly updatedAt: number;
}

const place = async (client: Client, goodTillDate: number): Promise<Order> => {
  const answer = await client.place({
    symbol: "BTCUSDT",
    side: "SELL",
    type: "LIMIT",
    timeInForce: "GTD",
    goodTillDate,
    price: "50000.10",
    quantity: "0.010",
  });
  expect(answer.status).toBe(201);
  return JSON.parse(answer.body) as Order;
};

const read = async (client: Client, { orderId }: Order): Promise<Order> =>
  JSON.parse((await client.order(orderId)).body) as Order;

const expectExpired = async (client: Client, order: Order, goodTillDate: number) => {
  const msMax = Math.max(0, goodTillDate - Date.now()) + LATE_MS_MAX;
  const ended = await until("the order expires", msMax, async () => {
    const now = await read(client, order);
    return now.status !== "NEW" && now;
  });
  expect(ended.status).toBe("EXPIRED");
  expect(ended.updatedAt).toBeGreaterThanOrEqual(goodTillDate);
};

test(
  "an order expires at its date, before and after a restart and also while nothing runs",
  async () => {
    const dataDir = makeFolder();
    const first = await startDev({ dataDir });
    const before = await clientOf(first.url, 42);
    const now = Date.now();
    const soon = await place(before, now + SOON_MS);
    const later = await place(before, now + 3_600_000);
    expect(soon.status).toBe("NEW");
    await expectExpired(before, soon, now + SOON_MS);

    const whileStopped = Date.now() + SOON_MS;
    const afterStart = Date.now() + 4 * SOON_MS;
    const [stopped, started] = [await place(before, whileStopped), await place(before, afterStart)];
    first.process.kill("SIGKILL");
    await first.process.ended();
    await until("its date is over", 2 * SOON_MS, () => Date.now() > whileStopped);
    const second = await startDev({ dataDir });
    const after = await clientOf(second.url, 42);
    await expectExpired(after, stopped, whileStopped);
    await expectExpired(after, started, afterStart);
    expect((await read(after, later)).status).toBe("NEW");

    await centralHasAll(after);
    const statuses = (await after.history()).map(({ orderId, status }) => [orderId, status]);
    expect(statuses.toSorted()).toEqual(
      [
        [soon.orderId, "EXPIRED"],
        [later.orderId, "NEW"],
        [stopped.orderId, "EXPIRED"],
        [started.orderId, "EXPIRED"],
      ].toSorted(),
    );
    expect(await second.stop()).toBe(0);
  },
  TEST_MS_MAX,
);
