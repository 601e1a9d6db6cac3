/** From an order's ack to its row in MySQL, while a thousand others come each second. */
import { createConnection, type RowDataPacket } from "mysql2/promise";
import { runOpenLoop } from "../load/open-loop.ts";
import { makeTemplates } from "../load/orders.ts";
import { say } from "../support/options.ts";
import { fixed, type Table } from "../support/report.ts";
import { type Latency, latencyOf } from "../support/statistics.ts";
import { signBenchToken } from "../system/system.ts";
import { type Stage, withReplicated } from "./stage.ts";

export interface VisibleRun {
  readonly perSecond: number;
  readonly probes: number;
  readonly latencyMs: Latency;
}

const ORDERS_PER_SECOND = 1000;
const PROBE_PAUSE_MS = 20;
const LOOK_MS = 2;
const PROBE_ACCOUNT = 2001;

export const measureVisible = (stage: Stage): Promise<VisibleRun> =>
  withReplicated(stage, async (system, { database }) => {
    const { accounts, folder, options } = stage;
    const seconds = options.quick ? options.seconds * 2 : Math.max(10, options.seconds * 4);
    const { port } = system;
    const background = runOpenLoop(
      {
        port,
        connections: options.connections,
        perSecond: ORDERS_PER_SECOND,
        seconds,
        warmUpSeconds: options.warmUpSeconds,
        templates: makeTemplates(accounts, port),
      },
      folder,
    );
    await Bun.sleep(options.warmUpSeconds * 1000);
    const times = await probe(system.url, database, seconds * 1000);
    await background;
    const latencyMs = latencyOf(Float64Array.from(times));
    say(
      `visible in MySQL after: p50 ${fixed(latencyMs.p50, 0)}, p99 ${fixed(latencyMs.p99, 0)} ms`,
    );
    return { perSecond: ORDERS_PER_SECOND, probes: times.length, latencyMs };
  });

const probe = async (url: string, database: string, msMax: number): Promise<readonly number[]> => {
  const connection = await createConnection(database);
  const authorization = `Bearer ${await signBenchToken(PROBE_ACCOUNT)}`;
  const times: number[] = [];
  const endsAt = performance.now() + msMax;
  try {
    while (performance.now() < endsAt) {
      const orderId = await place(url, authorization);
      const ackedAt = performance.now();
      for (;;) {
        const sql = "SELECT 1 FROM orders WHERE order_id = ?";
        const [rows] = await connection.execute<RowDataPacket[]>(sql, [orderId]);
        if (rows.length > 0) break;
        await Bun.sleep(LOOK_MS);
      }
      times.push(performance.now() - ackedAt);
      await Bun.sleep(PROBE_PAUSE_MS);
    }
    return times;
  } finally {
    await connection.end();
  }
};

const place = async (url: string, authorization: string): Promise<string> => {
  const answer = await fetch(`${url}/v1/orders`, {
    method: "POST",
    headers: { authorization, "content-type": "application/json" },
    body: JSON.stringify({
      symbol: "BTCUSDT",
      side: "BUY",
      type: "LIMIT",
      timeInForce: "GTC",
      price: "50000.10",
      quantity: "0.010",
    }),
  });
  if (answer.status !== 201) throw new Error(`a probe was answered ${answer.status}`);
  const { orderId } = (await answer.json()) as { readonly orderId: string };
  return orderId;
};

export const visibleTable = ({ latencyMs, probes, perSecond }: VisibleRun): Table => ({
  columns: ["ack to row, ms", "p50", "p90", "p99", "p99.9", "most", "probes"],
  rows: [
    [
      `${perSecond} orders/s`,
      ...[latencyMs.p50, latencyMs.p90, latencyMs.p99, latencyMs.p999, latencyMs.max].map((ms) =>
        fixed(ms, 0),
      ),
      probes,
    ],
  ],
});
