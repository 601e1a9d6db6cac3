/** The one file that `bun run build` makes, where there is nothing else. */
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { closeSync, cpSync, openSync, readdirSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { Client, centralHasAll, isReady } from "../support/client.ts";
import {
  allEnded,
  endAll,
  makeFolder,
  ROOT,
  runProcess,
  startProcess,
} from "../support/processes.ts";
import { expectNobodyListens, START_MS_MAX } from "../support/sluice.ts";
import { until } from "../support/until.ts";

const BUILD_MS_MAX = 120_000;
const TEST_MS_MAX = 180_000;
const PAGE_BYTES = 4096;

const ORDER = {
  clientOrderId: "from-the-binary",
  symbol: "BTCUSDT",
  side: "BUY",
  type: "LIMIT",
  price: "50000.10",
  quantity: "0.010",
};

let folder: string;

beforeAll(async () => {
  folder = makeFolder();
  const built = await runProcess([process.execPath, "run", "build"], {}, BUILD_MS_MAX);
  expect(`${built.exitCode} ${built.exitCode === 0 ? "" : built.stderr}`).toBe("0 ");
  cpSync(join(ROOT, "dist", "sluice"), join(folder, "sluice"));
}, BUILD_MS_MAX);

afterAll(() => endAll(), TEST_MS_MAX);

/** `./sluice dev` with no environment at all. */
const startBinary = async () => {
  const started = startProcess(["./sluice", "dev", "--port", "0", "--data-dir", "d"], {
    environment: {},
    folder,
  });
  await started.says(/Ctrl-C/, START_MS_MAX);
  const [, url = ""] = /Sluice serves at (http:\S+)/.exec(started.stdout()) ?? [];
  const [token = ""] = /^eyJ\S+$/m.exec(started.stdout()) ?? [];
  await until("every shard answers", START_MS_MAX, () => isReady(url));
  return { started, url, client: new Client(url, 42, token) };
};

const expectEnds = async ({ started, url }: Awaited<ReturnType<typeof startBinary>>) => {
  started.kill("SIGINT");
  expect(await started.ended()).toBe(0);
  await allEnded(folder, 0);
  await expectNobodyListens(url);
};

const expectInHistory = async (client: Client, body: string): Promise<void> => {
  await centralHasAll(client);
  expect((await client.history()).map((order) => JSON.stringify(order))).toEqual([body]);
};

/** The file must have it; a start reads neither this page nor a neighbour's. */
const overwritePageOf = (file: string, text: string): void => {
  const database = new Database(file);
  database.run("PRAGMA wal_checkpoint(TRUNCATE)");
  database.close();
  const at = readFileSync(file).indexOf(text);
  expect(at).toBeGreaterThan(0);
  const descriptor = openSync(file, "r+");
  writeSync(descriptor, new Uint8Array(PAGE_BYTES), 0, PAGE_BYTES, at - (at % PAGE_BYTES));
  closeSync(descriptor);
};

describe("the binary in an empty folder, with no environment", () => {
  let first: string;

  test(
    "takes an order, repeats its answer, carries it to central, serves its docs and drains",
    async () => {
      expect(readdirSync(folder)).toEqual(["sluice"]);
      const running = await startBinary();
      const { client, url } = running;
      const answer = await client.place(ORDER);
      expect(answer.status).toBe(201);
      first = answer.body;
      const replayed = { status: 200, replayed: true, body: first };
      expect(await client.place(ORDER)).toEqual(replayed);
      await expectInHistory(client, first);
      for (const path of ["/docs", "/openapi.json", "/metrics"]) {
        expect((await fetch(`${url}${path}`)).status).toBe(200);
      }
      await expectEnds(running);
    },
    TEST_MS_MAX,
  );

  test(
    "goes on with the data at its next start",
    async () => {
      const running = await startBinary();
      const replayed = { status: 200, replayed: true, body: first };
      expect(await running.client.place(ORDER)).toEqual(replayed);
      await expectInHistory(running.client, first);
      await expectEnds(running);
    },
    TEST_MS_MAX,
  );

  test(
    "finds a damaged page in a thread of its own",
    async () => {
      const running = await startBinary();
      for (let batch = 0; batch < 3; batch++) {
        const orders = Array.from({ length: 100 }, (_, i) => ({
          ...ORDER,
          clientOrderId: `order-${batch}-${i}`,
        }));
        const answer = await running.client.send("POST", "/v1/orders/batch", { orders });
        expect(answer.status).toBe(200);
      }
      await expectEnds(running);
      const file = join(folder, "d", "shard1.sqlite");
      overwritePageOf(file, '"clientOrderId":"order-1-50"');
      const started = startProcess(["./sluice", "dev", "--port", "0", "--data-dir", "d"], {
        environment: {},
        folder,
      });
      await until("the damage is told", START_MS_MAX, () =>
        started.stderr().includes("shard1.sqlite is damaged"),
      );
      started.kill("SIGINT");
      await started.ended();
      await allEnded(folder);
    },
    TEST_MS_MAX,
  );
});
