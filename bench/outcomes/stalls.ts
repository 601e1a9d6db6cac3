/** Do checkpoints show? Minutes at half of the peak, every late answer counted from its due time. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { detectGenerator, runLoad } from "../load/load.ts";
import { type OpenLoopResult, runOpenLoop } from "../load/open-loop.ts";
import { makeAccounts, makeTemplates } from "../load/orders.ts";
import { say } from "../support/options.ts";
import { whole } from "../support/report.ts";
import { startEcho } from "../system/echo.ts";
import { type RunningSystem, startSystem } from "../system/system.ts";
import type { OutcomesOptions } from "./options.ts";

export interface Stalls {
  readonly peakPerSecond: number;
  readonly orders: OpenLoopResult;
  /** The echo at the same rate, for how much of it is the machine. */
  readonly echo: OpenLoopResult;
  readonly walBytesMax: number;
  readonly lagRecordsMax: number;
  readonly batchMean: number;
}

/** A stall must show as time, not as 503 `overloaded` after the product's 50 ms. */
export const STALL_SETTINGS = { SLUICE_SHARD_INTAKE_WAIT_MAX: "4s" } as const;

const LOOK_MS = 1000;
const ECHO_SECONDS_MAX = 60;

export const measureStalls = async (options: OutcomesOptions, folder: string): Promise<Stalls> => {
  const { connections, stallSeconds, warmUpSeconds } = options;
  const systemFolder = join(folder, "system");
  mkdirSync(systemFolder);
  const accounts = await makeAccounts();
  const echo = await startEcho(folder);
  let system: RunningSystem | undefined;
  try {
    system = await startSystem({
      folder: systemFolder,
      replicated: true,
      binary: options.binary,
      settings: { ...STALL_SETTINGS, ...options.settings },
    });
    const { port } = system;
    const peakPerSecond = await peakOf(options, system, folder);
    const perSecond = Math.round(peakPerSecond / 2);
    say(`${stallSeconds} s at ${whole(perSecond)} orders/s, half of the peak`);
    const drive = (target: number, seconds: number): Promise<OpenLoopResult> => {
      const templates = makeTemplates(accounts, target, "IOC");
      return runOpenLoop(
        { port: target, connections, perSecond, seconds, warmUpSeconds, templates },
        folder,
      );
    };
    const before = await system.shardStatus();
    const watch = watchShard(system);
    const orders = await drive(port, stallSeconds);
    const seen = await watch.stop();
    const after = await system.shardStatus();
    const batchMean =
      (after.ordersAccepted - before.ordersAccepted) / (after.batches - before.batches);
    await system.stop();
    const echoed = await drive(echo.port, Math.min(stallSeconds, ECHO_SECONDS_MAX));
    return { peakPerSecond, orders, echo: echoed, ...seen, batchMean };
  } finally {
    await system?.stop();
    await echo.kill();
  }
};

const peakOf = async (
  options: OutcomesOptions,
  system: RunningSystem,
  folder: string,
): Promise<number> => {
  const { connections, seconds, warmUpSeconds } = options;
  const accounts = await makeAccounts();
  const load = (length: number) =>
    runLoad(detectGenerator(), {
      port: system.port,
      connections,
      seconds: length,
      templates: makeTemplates(accounts, system.port, "IOC"),
      check: false,
      folder,
    });
  await load(warmUpSeconds);
  const { perSecond } = await load(seconds);
  await system.untilCentralHasAll();
  return perSecond;
};

/** Looks at the shard each second; gives the largest of what it saw. */
const watchShard = (system: RunningSystem) => {
  let walBytesMax = 0;
  let lagRecordsMax = 0;
  let stopped = false;
  const watch = async (): Promise<void> => {
    while (!stopped) {
      const { walBytes, central } = await system.shardStatus();
      walBytesMax = Math.max(walBytesMax, walBytes);
      lagRecordsMax = Math.max(lagRecordsMax, central.lagRecords);
      await Bun.sleep(LOOK_MS);
    }
  };
  const watching = watch();
  return {
    stop: async () => {
      stopped = true;
      await watching;
      return { walBytesMax, lagRecordsMax };
    },
  };
};
