/** A recorded tape through HTTP: every row ends in central as it must, and only once. */
import { afterEach, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { accountOf, clientOrderIdOf } from "../../app/commands/replay/order-sender.ts";
import type { RefusalBody } from "../../shards/domain/order-body.ts";
import { centralHasAll, clientOf } from "../support/client.ts";
import { endAll, makeFolder, runProcess, SLUICE } from "../support/processes.ts";
import { printedSeed } from "../support/random.ts";
import { environmentOf, startDev } from "../support/sluice.ts";
import { contentsOf } from "../support/stores.ts";
import { type ExpectedRow, makeTape, readTapeFile } from "../support/tape.ts";

const TEST_MS_MAX = 300_000;
const ROWS = 3000;
const ACCOUNTS = 3;
const SHOWN_MAX = 5;

afterEach(() => endAll(), TEST_MS_MAX);

/** Gives the counts that it printed, by their title. */
const replay = async (url: string, file: string): Promise<Readonly<Record<string, string>>> => {
  const flags = ["--url", url, "--speed", "max", "--accounts", `${ACCOUNTS}`];
  const { exitCode, stdout, stderr } = await runProcess(
    [...SLUICE, "replay", file, ...flags],
    { environment: environmentOf({}) },
    TEST_MS_MAX,
  );
  expect(`${exitCode} ${exitCode === 0 ? "" : stderr}`).toBe("0 ");
  const counts = [...stdout.matchAll(/^(sent|accepted|refused|replayed) +(.+)$/gm)];
  return Object.fromEntries(counts.map(([, title, count]) => [title, count]));
};

const keyOf = (row: ExpectedRow): string => `${accountOf(row, ACCOUNTS)} ${clientOrderIdOf(row)}`;

/** What central must show of an accepted row, without what the server made. */
const fieldsOf = (row: ExpectedRow) => ({
  accountId: String(accountOf(row, ACCOUNTS)),
  clientOrderId: clientOrderIdOf(row),
  symbol: row.symbol,
  side: row.side,
  type: "LIMIT",
  timeInForce: "GTC",
  price: row.price,
  quantity: row.quantity,
  executedQuantity: "0.000",
  averagePrice: null,
  status: "NEW",
  reduceOnly: false,
  positionSide: "BOTH",
  children: [],
});

const expectAccepted = async (url: string, rows: readonly ExpectedRow[]): Promise<void> => {
  const clients = await Promise.all(
    Array.from({ length: ACCOUNTS }, (_, i) => clientOf(url, i + 1)),
  );
  const orders = (await Promise.all(clients.map((client) => client.history()))).flat();
  expect(orders.length).toBe(rows.length);
  expect(new Set(orders.map(({ orderId }) => orderId)).size).toBe(orders.length);
  const byKey = new Map(orders.map((o) => [`${o.accountId} ${o.clientOrderId}`, o]));
  const differences = rows.flatMap((row) => {
    const { orderId, createdAt, updatedAt, receipt, ...rest } = byKey.get(keyOf(row)) ?? {};
    return Bun.deepEquals(rest, fieldsOf(row)) ? [] : [{ row, rest }];
  });
  expect(differences.slice(0, SHOWN_MAX)).toEqual([]);
};

/** Central keeps refusals with their request, for the time that their ids are remembered. */
const expectRefused = async (dataDir: string, rows: readonly ExpectedRow[]): Promise<void> => {
  const { refusals: values } = await contentsOf(dataDir);
  const refusals = values.map((value) => JSON.parse(value) as RefusalBody);
  const found = refusals.map(({ accountId, code, request }) =>
    JSON.stringify([`${accountId} ${request.clientOrderId}`, code, request.symbol, request.side]),
  );
  const expected = rows.map((row) =>
    JSON.stringify([keyOf(row), "notional_too_small", row.symbol, row.side]),
  );
  expect(found.toSorted()).toEqual(expected.toSorted());
};

const expectTapeInCentral = async (file: string): Promise<void> => {
  const rows = readTapeFile(file);
  const refused = rows.filter(({ isRefused }) => isRefused);
  const accepted = rows.filter(({ isRefused }) => !isRefused);
  expect(refused.length).toBeGreaterThan(0);
  console.log(`${rows.length} rows: ${accepted.length} to accept, ${refused.length} to refuse`);
  const dataDir = makeFolder();
  const dev = await startDev({ dataDir });
  expect(await replay(dev.url, file)).toEqual({
    sent: `${rows.length}`,
    accepted: `${accepted.length}`,
    refused: `${refused.length}  notional_too_small`,
    replayed: "0",
  });
  await centralHasAll(await clientOf(dev.url, 1));
  await expectAccepted(dev.url, accepted);
  expect(await replay(dev.url, file)).toEqual({
    sent: `${rows.length}`,
    accepted: "0",
    replayed: `${rows.length}`,
  });
  await centralHasAll(await clientOf(dev.url, 1));
  await expectAccepted(dev.url, accepted);
  expect(await dev.stop()).toBe(0);
  await expectRefused(dataDir, refused);
};

test(
  "a generated tape is all in central, field by field; a second replay adds nothing",
  async () => {
    const file = join(makeFolder(), "tape.csv");
    writeFileSync(file, makeTape(printedSeed("tape"), ROWS));
    await expectTapeInCentral(file);
  },
  TEST_MS_MAX,
);

const SAMPLE = process.env.SLUICE_SAMPLE_TAPE;
if (SAMPLE !== undefined) {
  test(
    `the tape ${SAMPLE} is all in central, field by field; a second replay adds nothing`,
    async () => {
      await expectTapeInCentral(SAMPLE);
    },
    TEST_MS_MAX,
  );
}
