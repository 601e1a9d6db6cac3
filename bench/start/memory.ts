/** A writer's memory over millions of orders of which few are open at a time. */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { AccountId, OrderId } from "../../shards/domain/brands.ts";
import type { Answer } from "../../shards/protocol/answer.ts";
import type { Operation } from "../../shards/protocol/operation.ts";
import { say } from "../support/options.ts";
import { whole } from "../support/report.ts";
import { PlaceCommands } from "../system/commands.ts";
import { ShardClient } from "../system/shard-client.ts";
import { startSystem } from "../system/system.ts";
import { OPEN_ORDERS, type StartOptions } from "./options.ts";

export interface MemorySample {
  /** Placed so far. */
  readonly orders: number;
  readonly open: number;
  /** Resident set of the shard's process, its relay included, MiB. */
  readonly residentMiB: number;
}

export interface Memory {
  readonly seconds: number;
  readonly samples: readonly MemorySample[];
}

/** A stall may be time: 503 `overloaded` after the product's 50 ms would end the run. */
export const MEMORY_SETTINGS = { SLUICE_SHARD_INTAKE_WAIT_MAX: "4s" } as const;

const BATCH = 256;
const SAMPLES = 100;

interface OpenOrder {
  readonly accountId: AccountId;
  readonly orderId: OrderId;
}

export const measureMemory = async (options: StartOptions, folder: string): Promise<Memory> => {
  const systemFolder = join(folder, "memory");
  mkdirSync(systemFolder);
  const { binary, memoryOrders } = options;
  const settings = { ...MEMORY_SETTINGS, ...options.settings };
  const system = await startSystem({ folder: systemFolder, replicated: true, binary, settings });
  try {
    const shard = system.processes.find(({ name }) => name === "shard");
    if (shard === undefined) throw new Error("no shard runs");
    const client = await ShardClient.connect(shard.port);
    const start = performance.now();
    const samples = await placeAndCancel(client, memoryOrders, (orders, open) => ({
      orders,
      open,
      residentMiB: residentMiBOf(shard.pid),
    }));
    client.close();
    return { seconds: (performance.now() - start) / 1000, samples };
  } finally {
    await system.stop();
  }
};

/** Each frame places a batch and cancels the oldest beyond what may be open. */
const placeAndCancel = async (
  client: ShardClient,
  total: number,
  sample: (orders: number, open: number) => MemorySample,
): Promise<readonly MemorySample[]> => {
  const placements = new PlaceCommands(crypto.randomUUID(), "GTC");
  const samples: MemorySample[] = [];
  let open: OpenOrder[] = [];
  const sampleEvery = Math.max(BATCH, Math.ceil(total / SAMPLES));
  for (let orders = 0; orders < total; ) {
    const places = placements.take(Math.min(BATCH, total - orders));
    const excess = Math.max(0, open.length + places.length - OPEN_ORDERS);
    const cancels = open.slice(0, excess).map((order): Operation => ({ kind: "cancel", ...order }));
    open = open.slice(excess);
    const answers = await client.send([...cancels, ...places]);
    expectStatus(answers.slice(0, excess), 200);
    const placed = answers.slice(excess);
    expectStatus(placed, 201);
    for (const [i, { body }] of placed.entries()) {
      const accountId = places[i]?.accountId as AccountId;
      open.push({ accountId, orderId: orderIdIn(body) });
    }
    const before = orders;
    orders += places.length;
    if (Math.floor(before / sampleEvery) === Math.floor(orders / sampleEvery)) continue;
    samples.push(sample(orders, open.length));
    if (samples.length % 10 === 0) say(`${whole(orders)} orders`);
  }
  return samples;
};

const expectStatus = (answers: readonly Answer[], status: number): void => {
  const other = answers.find((answer) => answer.status !== status);
  if (other !== undefined) throw new Error(`expected ${status}: ${other.status} ${other.body}`);
};

const orderIdIn = (body: string): OrderId =>
  Number(/^\{"orderId":"(\d+)"/.exec(body)?.[1]) as OrderId;

const residentMiBOf = (pid: number): number => {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kib) / 1024;
};
