/** One applier on a full topic, against MySQL's own multi-row upsert of the rows it made. */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Connection, createConnection, type RowDataPacket } from "mysql2/promise";
import { detectGenerator, runLoad } from "../load/load.ts";
import { makeTemplates } from "../load/orders.ts";
import { say } from "../support/options.ts";
import { fixed, type Table, whole } from "../support/report.ts";
import { median } from "../support/statistics.ts";
import { type RunningSystem, startApplier, startSystem } from "../system/system.ts";
import { newInstallation, type Stage } from "./stage.ts";

export interface ApplyRun {
  readonly records: number;
  readonly appliedPerSecond: number;
  readonly upsertPerSecond: number;
  readonly ratio: number;
}

const ROWS_A_STATEMENT = 1000;
/** Past the group's joining and the first, small batches. */
const MEASURED_FROM = 0.05;
const LOOK_MS = 20;

export const measureApplyRate = async (stage: Stage): Promise<ApplyRun> => {
  const { options } = stage;
  const { database, settings } = newInstallation(stage);
  const folder = mkdtempSync(join(stage.folder, "apply-"));
  const system = await startSystem({ folder, replicated: false, binary: options.binary, settings });
  try {
    await fillTopic(stage, system);
    const applier = await startApplier({ folder, binary: options.binary, settings });
    const connection = await createConnection(database);
    try {
      const applied = await watchRows(connection, options.records);
      await applier.kill();
      const upsertPerSecond = await upsertRate(connection);
      const ratio = applied.perSecond / upsertPerSecond;
      say(
        `one applier: ${whole(applied.perSecond)} records/s, MySQL's upsert ` +
          `${whole(upsertPerSecond)}/s, ratio ${fixed(ratio, 2)}`,
      );
      return { records: applied.rows, appliedPerSecond: applied.perSecond, upsertPerSecond, ratio };
    } finally {
      await connection.end();
    }
  } finally {
    await system.stop();
    rmSync(folder, { recursive: true, force: true });
  }
};

/** Orders that the broker has and central has not. */
const fillTopic = async (stage: Stage, system: RunningSystem): Promise<void> => {
  const { options, folder } = stage;
  const { port } = system;
  while ((await system.shardStatus()).ordersAccepted < options.records) {
    const templates = makeTemplates(stage.accounts, port);
    const { connections, seconds } = options;
    const generator = detectGenerator();
    await runLoad(generator, { port, connections, seconds, templates, check: false, folder });
  }
  while ((await system.shardStatus()).relay.backlogRecords > 0) await Bun.sleep(LOOK_MS);
};

const countRows = async (connection: Connection): Promise<number> => {
  const [rows] = await connection.query<RowDataPacket[]>("SELECT COUNT(*) AS n FROM orders");
  return Number(rows[0]?.n);
};

const watchRows = async (connection: Connection, records: number) => {
  let from: { readonly rows: number; readonly ms: number } | null = null;
  for (;;) {
    const rows = await countRows(connection);
    const ms = performance.now();
    if (from === null && rows > records * MEASURED_FROM) from = { rows, ms };
    if (from !== null && rows >= records) {
      return { rows, perSecond: ((rows - from.rows) * 1000) / (ms - from.ms) };
    }
    await Bun.sleep(LOOK_MS);
  }
};

/** The same rows into an empty table of the same form, a statement and a commit for each thousand. */
const upsertRate = async (connection: Connection): Promise<number> => {
  await connection.query("CREATE TABLE orders_again LIKE orders");
  const [rows] = await connection.query<RowDataPacket[]>({
    sql: "SELECT * FROM orders ORDER BY order_id LIMIT 200000",
    rowsAsArray: true,
  });
  const values = rows as unknown as unknown[][];
  let ms = 0;
  for (let at = 0; at < values.length; at += ROWS_A_STATEMENT) {
    const start = performance.now();
    await connection.query(
      "INSERT INTO orders_again VALUES ? AS n ON DUPLICATE KEY UPDATE status = n.status",
      [values.slice(at, at + ROWS_A_STATEMENT)],
    );
    ms += performance.now() - start;
  }
  return (values.length * 1000) / ms;
};

export const applyTable = (runs: readonly ApplyRun[]): Table => ({
  columns: ["apply rate", "ratio", "one applier, records/s", "MySQL's upsert, rows/s", "records"],
  rows: [
    [
      "a full topic",
      fixed(median(runs.map(({ ratio }) => ratio)), 2),
      whole(median(runs.map(({ appliedPerSecond }) => appliedPerSecond))),
      whole(median(runs.map(({ upsertPerSecond }) => upsertPerSecond))),
      whole(median(runs.map(({ records }) => records))),
    ],
  ],
});
