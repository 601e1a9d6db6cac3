/** Time from the start of a shard's process on a full file until it has answered its first order. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../support/machine.ts";
import { say } from "../support/options.ts";
import { fixed } from "../support/report.ts";
import { cleanEnvironment, startChild } from "../system/child.ts";
import { PlaceCommands } from "../system/commands.ts";
import { copyFilledFile } from "../system/filled-file.ts";
import { ShardClient } from "../system/shard-client.ts";
import { BENCH_SETTINGS } from "../system/system.ts";
import { OPEN_ORDERS, type StartOptions } from "./options.ts";

export type Cache = "cold" | "warm";

export interface Serving {
  readonly round: number;
  readonly cache: Cache;
  /** Until the process said that it serves. */
  readonly readyMs: number;
  /** Until the first order was durable and answered. */
  readonly firstOrderMs: number;
}

export const measureServing = async (
  options: StartOptions,
  folder: string,
): Promise<readonly Serving[]> => {
  const dataDir = join(folder, "start");
  mkdirSync(dataDir);
  const path = join(dataDir, "shard1.sqlite");
  const { storedOrders } = options;
  const open = Math.min(OPEN_ORDERS, storedOrders);
  await copyFilledFile({ orders: storedOrders, open, sweepEnded: false }, path);
  const found: Serving[] = [];
  for (let round = 1; round <= options.rounds; round++) {
    for (const cache of ["cold", "warm"] as const) {
      if (cache === "cold") dropFromCache(path);
      const one = await startOnce(options, folder, dataDir, round, cache);
      say(`${cache} ${round}: first order after ${fixed(one.firstOrderMs, 0)} ms`);
      found.push(one);
    }
  }
  return found;
};

/** Asks the kernel to forget the file's pages (posix_fadvise DONTNEED); the program stays cached. */
const dropFromCache = (path: string): void => {
  for (const file of [path, `${path}-wal`]) {
    const args = ["sh", "-c", 'sync "$0" && dd if="$0" iflag=nocache count=0', file];
    Bun.spawnSync(args, { stdio: ["ignore", "ignore", "ignore"] });
  }
};

const startOnce = async (
  { binary, settings }: StartOptions,
  folder: string,
  dataDir: string,
  round: number,
  cache: Cache,
): Promise<Serving> => {
  const program = binary === undefined ? [process.execPath, join(ROOT, "app/main.ts")] : [binary];
  const start = performance.now();
  const shard = await startChild({
    name: "shard",
    command: [...program, "shard", "--shard", "shard1"],
    environment: {
      ...cleanEnvironment(),
      ...BENCH_SETTINGS,
      SLUICE_DATA_DIR: dataDir,
      SLUICE_SHARD_LISTEN: "127.0.0.1:0",
      // Nobody listens there: a start with a file needs no central.
      SLUICE_APPLIER_URL: "ws://127.0.0.1:1",
      ...settings,
    },
    folder,
  });
  const readyMs = performance.now() - start;
  try {
    const client = await ShardClient.connect(shard.port);
    const [answer] = await client.send(new PlaceCommands(crypto.randomUUID(), "IOC").take(1));
    const firstOrderMs = performance.now() - start;
    client.close();
    if (answer?.status !== 201)
      throw new Error(`the first order: ${answer?.status} ${answer?.body}`);
    return { round, cache, readyMs, firstOrderMs };
  } finally {
    await shard.kill();
  }
};
