/** Ctrl-C and second starts. */
import { afterEach, describe, expect, test } from "bun:test";
import { pickPorts } from "../../app/supervisor/ports.ts";
import { type Client, centralHasAll, clientOf, type HttpAnswer } from "../support/client.ts";
import { expectFiles, expectHandedOver, expectInCentral, expectKept } from "../support/ledger.ts";
import { Load, SYMBOL_OF_SHARD } from "../support/load.ts";
import { allEnded, endAll, makeFolder, processesOf } from "../support/processes.ts";
import { printedSeed } from "../support/random.ts";
import { expectNobodyListens, startDev } from "../support/sluice.ts";
import { until } from "../support/until.ts";

const TEST_MS_MAX = 180_000;
const SYMBOLS = Object.values(SYMBOL_OF_SHARD);

const orderOf = (clientOrderId: string, symbol: string, price: string) => ({
  clientOrderId,
  symbol,
  side: "BUY",
  type: "LIMIT",
  price,
  quantity: "1",
});

const PRICES: Readonly<Record<string, string>> = {
  BTCUSDT: "50000.10",
  ETHUSDT: "2500.10",
  SOLUSDT: "140.1000",
};

afterEach(() => endAll(), TEST_MS_MAX);

describe("Ctrl-C, delivered twice within 10 ms", () => {
  test(
    "drains under load: nothing accepted is lost, and clients that ask again go on after a start",
    async () => {
      const dataDir = makeFolder();
      const [port = 0] = pickPorts(1);
      const settings = { SHARD_INTAKE_WAIT_MAX: "4s" };
      const first = await startDev({ dataDir, port, settings });
      const seed = printedSeed("Ctrl-C under load");
      const load = await Load.start({ url: first.url, seed, connections: 100 });
      await load.moreAcked(1000);
      const applier = first.pidOf("applier") as number;
      // Records gather that only a drain hands over.
      process.kill(applier, "SIGSTOP");
      await load.moreAcked(200);
      first.process.kill("SIGINT");
      await Bun.sleep(5);
      first.process.kill("SIGINT");
      await until("the api has drained", TEST_MS_MAX, () => first.pidOf("api") === undefined);
      process.kill(applier, "SIGCONT");
      expect(await first.process.ended()).toBe(0);
      await allEnded(dataDir, 0);
      await expectNobodyListens(first.url);
      await expectHandedOver(dataDir);

      const second = await startDev({ dataDir, port, settings });
      await load.moreAcked(500);
      await load.stop();
      expect(load.faults).toEqual([]);
      await expectKept(second.url, load.orders);
      await expectInCentral(second.url, load.orders);
      expect(await second.stop()).toBe(0);
      await expectFiles(dataDir, load.orders);
    },
    TEST_MS_MAX,
  );
});

interface Placed {
  readonly orderId: string;
  readonly receipt: { readonly shard: string; readonly commitSeq: number; readonly seq: number };
}

describe("a second start on the same data", () => {
  test(
    "repeats answers byte for byte, refusals too; open orders, ids and sequences go on",
    async () => {
      const dataDir = makeFolder();
      const first = await startDev({ dataDir });
      const before = await clientOf(first.url, 42);
      const orders = SYMBOLS.flatMap((symbol) => [
        orderOf("good", symbol, PRICES[symbol] as string),
        orderOf("off-tick", symbol, `${PRICES[symbol]}00001`),
      ]);
      const answers: HttpAnswer[] = [];
      for (const order of orders) answers.push(await before.place(order));
      expect(answers.map(({ status }) => status)).toEqual([201, 422, 201, 422, 201, 422]);
      const open = await openOrders(before);
      expect(await first.stop()).toBe(0);

      const second = await startDev({ dataDir });
      const after = await clientOf(second.url, 42);
      for (const [i, order] of orders.entries()) {
        const first = answers[i];
        const status = first?.status === 201 ? 200 : 422;
        expect(await after.place(order)).toEqual({
          status,
          replayed: true,
          body: first?.body ?? "",
        });
      }
      expect(await openOrders(after)).toEqual(open);
      for (const [i, symbol] of SYMBOLS.entries()) {
        const answer = await after.place(orderOf("next", symbol, PRICES[symbol] as string));
        const last = JSON.parse(answers[2 * i]?.body ?? "") as Placed;
        const next = JSON.parse(answer.body) as Placed;
        expect(next.receipt).toEqual({
          ...last.receipt,
          // The refusal came between, as a record of its own.
          commitSeq: last.receipt.commitSeq + 2,
          seq: last.receipt.seq + 2,
        });
        expect(Number(next.orderId) - Number(last.orderId)).toBe(1024);
      }
      expect(await second.stop()).toBe(0);
    },
    TEST_MS_MAX,
  );
});

const openOrders = async (client: Client): Promise<string[]> => {
  const { body } = await client.send("GET", "/v1/orders?status=open");
  const { items } = JSON.parse(body) as { items: object[] };
  return items.map((item) => JSON.stringify(item)).toSorted();
};

describe("one client order id", () => {
  test(
    "sent 50 times at once makes one order and 50 identical bodies",
    async () => {
      const dev = await startDev({ dataDir: makeFolder() });
      const client = await clientOf(dev.url, 42);
      for (const order of [
        orderOf("once", "BTCUSDT", "50000.10"),
        orderOf("refused-once", "BTCUSDT", "50000.15"),
      ]) {
        const sends = Array.from({ length: 50 }, () => client.place(order));
        const answers = await Promise.all(sends);
        expect(new Set(answers.map(({ body }) => body)).size).toBe(1);
        expect(answers.filter(({ replayed }) => !replayed).length).toBe(1);
        const isRefused = order.clientOrderId === "refused-once";
        const statuses = answers.map(({ status }) => status).toSorted();
        expect(statuses).toEqual(isRefused ? Array(50).fill(422) : [...Array(49).fill(200), 201]);
      }
      await centralHasAll(client);
      expect((await client.history()).length).toBe(1);
      expect(await dev.stop()).toBe(0);
    },
    TEST_MS_MAX,
  );
});

describe("the supervisor", () => {
  test(
    "killed by -9 takes its children with it, and the data can be started on again",
    async () => {
      const dataDir = makeFolder();
      const dev = await startDev({ dataDir });
      expect(processesOf(dataDir).length).toBe(6);
      dev.process.kill("SIGKILL");
      await dev.process.ended();
      await allEnded(dataDir);
      await expectNobodyListens(dev.url);
      const again = await startDev({ dataDir });
      expect(await again.stop()).toBe(0);
    },
    TEST_MS_MAX,
  );
});
