/** `sluice verify`: clean whatever traffic goes on and whoever was killed; else it says what differs. */
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { centralHasAll, clientOf } from "../support/client.ts";
import { expectHandedOver } from "../support/ledger.ts";
import { Load } from "../support/load.ts";
import { endAll, makeFolder } from "../support/processes.ts";
import { printedSeed } from "../support/random.ts";
import { type Dev, startDev } from "../support/sluice.ts";
import { expectVerified, runVerify } from "../support/verify.ts";

const CONNECTIONS = 48;
const TEST_MS_MAX = 120_000;
/** Finished orders leave the shard while the journal still has them. */
const SETTINGS = { SHARD_INTAKE_WAIT_MAX: "4s", SHARD_ORDER_RETENTION: "200ms" };

describe("verify", () => {
  let dataDir: string;
  let image: string;
  let oldCentral: string;
  let dev: Dev;

  beforeAll(async () => {
    dataDir = makeFolder();
    image = makeFolder();
    oldCentral = makeFolder();
    dev = await startDev({ dataDir, settings: SETTINGS });
  }, TEST_MS_MAX);

  afterAll(() => endAll(), TEST_MS_MAX);

  const startLoad = (what: string) =>
    Load.start({ url: dev.url, seed: printedSeed(what), connections: CONNECTIONS, cancels: 0.3 });

  test(
    "finds nothing while traffic goes on, from the first order and to a later cut each time",
    async () => {
      const load = await startLoad("verify under load");
      const seqs: number[] = [];
      for (let round = 0; round < 4; round++) {
        await load.moreAcked(300);
        const shards = await expectVerified(dataDir, round === 3 ? ["--resume"] : []);
        const cursors = shards.flatMap(({ cut }) => cut.cursors);
        seqs.push(cursors.reduce((sum, { seq }) => sum + seq, 0));
      }
      await load.stop();
      expect(load.faults).toEqual([]);
      expect(seqs.toSorted((a, b) => a - b)).toEqual(seqs);
      expect(new Set(seqs).size).toBe(4);
    },
    TEST_MS_MAX,
  );

  test(
    "finds nothing after kills -9 of a writer and of the applier",
    async () => {
      const load = await startLoad("verify after kills");
      await load.moreAcked(300);
      const writer = dev.kill("shard1");
      await expectVerified(dataDir);
      await writer.recovered();
      const applier = dev.kill("applier");
      await expectVerified(dataDir);
      await applier.recovered();
      await load.moreAcked(300);
      await expectVerified(dataDir);
      await load.stop();
      expect(load.faults).toEqual([]);
    },
    TEST_MS_MAX,
  );

  test(
    "compares everything, and a resumed run only what is new",
    async () => {
      const client = await clientOf(dev.url, 1);
      await centralHasAll(client);
      const all = await expectVerified(dataDir);
      const records = all.map(({ compared }) => compared.records);
      expect(records.every((count) => count > 100)).toBe(true);
      const none = await expectVerified(dataDir, ["--resume"]);
      expect(none.every(({ compared }) => compared.records === 0)).toBe(true);
      expect(await dev.stop()).toBe(0);
      cpSync(dataDir, image, { recursive: true });
      copyFileSync(join(image, "central.sqlite"), join(oldCentral, "central.sqlite"));
      const stopped = await expectVerified(image);
      expect(stopped.map(({ compared }) => compared.records)).toEqual(records);
    },
    TEST_MS_MAX,
  );

  const alter = (folder: string, file: string, sql: string): number => {
    const database = new Database(join(folder, file));
    const { changes } = database.run(sql);
    database.close();
    return changes;
  };
  /** A copy of the files in which one row was altered. */
  const altered = (file: string, sql: string): string => {
    const folder = makeFolder();
    cpSync(image, folder, { recursive: true });
    expect(alter(folder, file, sql)).toBe(1);
    return folder;
  };
  const OF_SHARD1 = "order_id % 1024 = 1";
  const ORDER = `(SELECT order_id FROM orders WHERE ${OF_SHARD1} ORDER BY order_id LIMIT 1 OFFSET 40)`;
  const OPEN = `(SELECT order_id FROM orders WHERE ${OF_SHARD1} AND status = 'NEW' LIMIT 1)`;
  const DONE = `(SELECT order_id FROM orders WHERE ${OF_SHARD1} AND status = 'CANCELED' LIMIT 1)`;
  const REFUSAL = "(SELECT min(commit_seq) FROM outcomes WHERE shard = 'shard1')";
  const CHANGED_LATER = `json_extract(value, '$.orderId') IN
    (SELECT json_extract(value, '$.orderId') FROM journal WHERE type = 2)`;
  const columns = (id: string): string =>
    `SELECT ${id}, account_id, client_order_id, symbol, side, type, time_in_force, good_till_date,
      price, quantity, executed_quantity, average_price, status, reduce_only, position_side,
      self_trade_prevention, created_at, updated_at, shard, epoch, commit_seq, partition, seq,
      version, accepted_price, accepted_quantity, accepted_status, stop_price, working_type,
      close_position, parent_order_id, children, amendment_price, amendment_quantity FROM orders`;
  const typed = (type: number): string =>
    `(SELECT commit_seq FROM journal WHERE type = ${type} ORDER BY commit_seq LIMIT 1 OFFSET 20)`;

  const cases: readonly (readonly [string, string, string, readonly string[]])[] = [
    [
      "an open order's price altered in central",
      "central.sqlite",
      `UPDATE orders SET price = '1.00' WHERE order_id = ${OPEN}`,
      ["order_differs"],
    ],
    [
      "a cancelled order's status altered in central",
      "central.sqlite",
      `UPDATE orders SET status = 'NEW' WHERE order_id = ${DONE}`,
      ["order_differs"],
    ],
    [
      "an accepted price altered in central",
      "central.sqlite",
      `UPDATE orders SET accepted_price = '1.00' WHERE order_id = ${ORDER}`,
      ["acceptance_differs"],
    ],
    [
      "an order deleted in central",
      "central.sqlite",
      `DELETE FROM orders WHERE order_id = ${ORDER}`,
      ["order_missing"],
    ],
    [
      "a change undone in central",
      "central.sqlite",
      `UPDATE orders SET version = 1 WHERE order_id = ${DONE}`,
      ["order_behind"],
    ],
    [
      "a change of an open order that the shard never made",
      "central.sqlite",
      `UPDATE orders SET version = 2 WHERE order_id = ${OPEN}`,
      ["order_ahead"],
    ],
    [
      "a change of a finished order that the shard never made",
      "central.sqlite",
      `UPDATE orders SET version = 3 WHERE order_id = ${DONE}`,
      ["order_ahead"],
    ],
    [
      "an order in central that the shard never had",
      "central.sqlite",
      `INSERT INTO orders ${columns("order_id + 1024000000")} WHERE order_id = ${ORDER}`,
      ["order_unknown"],
    ],
    [
      "a trading state in central that the shard never had",
      "central.sqlite",
      `INSERT INTO entities VALUES ('shard1', 'trading_state_changed', 'all',
        '{"scope":"all","state":"HALTED","version":1}', 1, 1, 1, 0, 1)`,
      ["entity_unknown"],
    ],
    [
      "a refusal altered in central",
      "central.sqlite",
      `UPDATE outcomes SET value = replace(value, '50000.15', '50000.16')
        WHERE shard = 'shard1' AND commit_seq = ${REFUSAL}`,
      ["refusal_differs"],
    ],
    [
      "a refusal deleted in central",
      "central.sqlite",
      `DELETE FROM outcomes WHERE shard = 'shard1' AND commit_seq = ${REFUSAL}`,
      ["refusal_missing"],
    ],
    [
      "a refusal in central that the shard never gave",
      "central.sqlite",
      `UPDATE outcomes SET commit_seq = commit_seq + 1000000
        WHERE shard = 'shard1' AND commit_seq = ${REFUSAL}`,
      ["refusal_missing", "refusal_unknown"],
    ],
    [
      "a cursor's hash altered in central",
      "central.sqlite",
      `UPDATE stream_cursor SET hash = '${"ab".repeat(32)}' WHERE shard = 'shard1'
        AND partition = (SELECT partition FROM stream_cursor WHERE shard = 'shard1' LIMIT 1)`,
      ["end_differs"],
    ],
    [
      "a cursor beyond the file",
      "central.sqlite",
      `UPDATE stream_cursor SET seq = seq + 5 WHERE shard = 'shard1'
        AND partition = (SELECT partition FROM stream_cursor WHERE shard = 'shard1' LIMIT 1)`,
      ["file_behind"],
    ],
    [
      "an acceptance altered in the shard's journal",
      "shard1.sqlite",
      `UPDATE journal SET value = replace(value, '"quantity":"0.010"', '"quantity":"0.020"')
        WHERE commit_seq = (SELECT max(commit_seq) FROM journal WHERE type = 0 AND ${CHANGED_LATER})`,
      ["record_altered", "acceptance_differs"],
    ],
    [
      "a refusal altered in the shard's journal",
      "shard1.sqlite",
      `UPDATE journal SET value = replace(value, '50000.15', '50000.16')
        WHERE commit_seq = ${typed(1)}`,
      ["record_altered", "refusal_differs"],
    ],
    [
      "a record deleted from the shard's journal",
      "shard1.sqlite",
      `DELETE FROM journal WHERE commit_seq = ${typed(1)}`,
      ["record_missing", "record_missing", "refusal_unknown"],
    ],
    [
      "an open order altered in the shard's own table",
      "shard1.sqlite",
      `UPDATE orders SET price_units = 1 WHERE order_id =
        (SELECT order_id FROM orders WHERE status = 'NEW' LIMIT 1)`,
      ["order_differs"],
    ],
  ];
  test.each([...cases])(
    "names %s",
    async (_what, file, sql, codes) => {
      const folder = altered(file, sql);
      const first = await runVerify(folder, ["--shard", "shard1"]);
      expect(first.codes.toSorted()).toEqual(codes.toSorted());
      expect(first.exitCode).toBe(1);
      rmSync(folder, { recursive: true });
    },
    TEST_MS_MAX,
  );

  test(
    "counts the orders that retention has taken from the journal",
    async () => {
      const folder = altered("central.sqlite", `DELETE FROM orders WHERE order_id = ${ORDER}`);
      const half = "commit_seq < (SELECT commit_seq / 2 FROM sequence)";
      expect(alter(folder, "shard1.sqlite", `DELETE FROM journal WHERE ${half}`)).toBeGreaterThan(
        0,
      );
      alter(folder, "shard1.sqlite", `DELETE FROM orders WHERE ${half}`);
      const { exitCode, codes } = await runVerify(folder, ["--shard", "shard1"]);
      expect({ exitCode, codes }).toEqual({ exitCode: 1, codes: ["orders_miscounted"] });
      copyFileSync(join(image, "central.sqlite"), join(folder, "central.sqlite"));
      const [one] = await expectVerified(folder, ["--shard", "shard1"]);
      expect(one?.compared.olderOrders).toBeGreaterThan(0);
    },
    TEST_MS_MAX,
  );

  test(
    "finds a difference again when resumed, until it is healed",
    async () => {
      const folder = altered("central.sqlite", `DELETE FROM orders WHERE order_id = ${ORDER}`);
      rmSync(join(folder, "verify-shard1.json"));
      for (let i = 0; i < 2; i++) {
        const again = await runVerify(folder, ["--shard", "shard1", "--resume"]);
        expect(again).toMatchObject({ exitCode: 1, codes: ["order_missing"] });
      }
      copyFileSync(join(image, "central.sqlite"), join(folder, "central.sqlite"));
      await expectVerified(folder, ["--resume"]);
    },
    TEST_MS_MAX,
  );

  test(
    "refuses a folder without the shard's file, and names the way out",
    async () => {
      const folder = makeFolder();
      copyFileSync(join(image, "central.sqlite"), join(folder, "central.sqlite"));
      const { exitCode, stderr } = await runVerify(folder);
      expect(exitCode).toBe(2);
      expect(stderr).toContain("sluice restore --shard shard1");
    },
    TEST_MS_MAX,
  );

  test(
    "finds nothing once a central that was put back from an old copy has been healed",
    async () => {
      const folder = makeFolder();
      cpSync(image, folder, { recursive: true });
      dev = await startDev({ dataDir: folder, settings: SETTINGS });
      const load = await startLoad("before the old central comes back");
      await load.moreAcked(500);
      await load.stop();
      await centralHasAll(await clientOf(dev.url, 1));
      expect(await dev.stop()).toBe(0);
      for (const ending of ["", "-wal", "-shm"]) {
        rmSync(join(folder, `central.sqlite${ending}`), { force: true });
      }
      copyFileSync(join(oldCentral, "central.sqlite"), join(folder, "central.sqlite"));
      expect((await runVerify(folder)).codes).toEqual([]);
      dev = await startDev({ dataDir: folder, settings: SETTINGS });
      const more = await startLoad("after the old central came back");
      await more.moreAcked(300);
      await more.stop();
      await centralHasAll(await clientOf(dev.url, 1));
      await expectVerified(folder);
      expect(await dev.stop()).toBe(0);
      await expectHandedOver(folder);
    },
    TEST_MS_MAX,
  );
});
