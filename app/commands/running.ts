/**
 * How each serving command lives: start, say that it serves, wait for a stop, drain, end. A stop is
 * SIGTERM, SIGINT, or the end of the supervisor that started it.
 */
import { codeOf, EXIT, reasonOf, UsageError } from "../../shards/process/failure.ts";
import { announceReady, onParentGone, onStopSignal } from "../../shards/process/signals.ts";
import type { ListenAddress } from "../config-fields.ts";

export interface Running {
  readonly port: number;
  drain(): Promise<void>;
}

/** Without a supervisor nobody else would end a process whose drain hangs. */
const ORPHAN_DRAIN_MS_MAX = 5000;

/** Resolves when the process was asked to stop and has drained. `describe` makes the ready line. */
export const runUntilStopped = async (
  start: () => Promise<Running>,
  describe: (port: number) => string,
): Promise<void> => {
  const stop = Promise.withResolvers<void>();
  const abort = (): never => process.exit(EXIT.problemFound);
  onParentGone(() => {
    setTimeout(abort, ORPHAN_DRAIN_MS_MAX).unref();
    stop.resolve();
  });
  const running = await start();
  onStopSignal(stop.resolve, abort);
  if (process.connected) announceReady({ port: running.port });
  else console.log(describe(running.port));
  await stop.promise;
  await running.drain();
};

/** Runs `listen`; a port that can't be had becomes a {@link UsageError} that names the setting. */
export const listening = async <T>(
  setting: string,
  { host, port }: ListenAddress,
  listen: () => T | Promise<T>,
): Promise<T> => {
  try {
    return await listen();
  } catch (error) {
    const code = codeOf(error);
    if (code === "EADDRINUSE") {
      throw new UsageError(
        `Port ${port} on ${host} is taken: end what uses it, or set ${setting}.`,
      );
    }
    if (code === "EACCES" || code === "EADDRNOTAVAIL" || code === "ENOTFOUND") {
      throw new UsageError(
        `Cannot listen on ${host}:${port} (${reasonOf(error)}): set ${setting}.`,
      );
    }
    throw error;
  }
};
