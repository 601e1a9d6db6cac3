/** One applier on the embedded central store: lock, file, queue, retention, door. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Clock, systemClock } from "../../shards/process/clock.ts";
import { codeOf, OperatingError, reasonOf, UsageError } from "../../shards/process/failure.ts";
import type { FileLock } from "../../shards/process/file-lock.ts";
import type { Logger } from "../../shards/process/logger.ts";
import { createRegistry } from "../../shards/process/metrics.ts";
import { Applier, type ApplierLimits } from "./applier.ts";
import { ApplierMetrics } from "./applier-metrics.ts";
import { type ApplierServerOptions, serveApplier } from "./applier-server.ts";
import { CENTRAL_FILE, lockCentral } from "./embedded/sqlite-file.ts";
import { openSqliteStore } from "./embedded/sqlite-store.ts";
import type { CentralStore } from "./store.ts";

export interface RunApplierOptions {
  readonly dataDir: string;
  readonly listen: { readonly host: string; readonly port: number };
  /** Empty on loopback. */
  readonly clusterSecret: string;
  /** How long the outcome of a client order id is kept for a shard that is lost. */
  readonly outcomeRetentionMs: number;
  readonly logger: Logger;
}

export interface RunningApplier {
  readonly port: number;
  /** Takes nothing more, commits what waits, closes. */
  drain(): Promise<void>;
}

/** Beside the central file: who owns it. */
const CENTRAL_LOCK = "central.lock";

const LIMITS: ApplierLimits = {
  commitRecordsMax: 8192,
  waitingBytesMax: 64 * 1024 * 1024,
  retryMsMin: 100,
  retryMsMax: 2000,
};

/** Outcomes in one deleting transaction: about 10 ms, in which no push is applied. */
const RETENTION_CHUNK = 4096;
const RETENTION_PERIOD_MS = 1000;

/** The file's path in a data folder; `history.ts` reads it there. */
export const centralFileOf = (dataDir: string): string => join(dataDir, CENTRAL_FILE);

/** Throws {@link UsageError} when the folder, the file, its lock or the port can't be had. */
export const runApplier = async (options: RunApplierOptions): Promise<RunningApplier> => {
  const { dataDir, logger, outcomeRetentionMs } = options;
  const clock = systemClock;
  const lock = lockFolder(dataDir, clock);
  let store: CentralStore | undefined;
  try {
    store = openStore(dataDir, clock);
    const registry = createRegistry({ process: "applier" });
    const metrics = new ApplierMetrics(registry, store);
    const applier = new Applier({ store, limits: LIMITS, observer: metrics, clock, logger });
    const server = listen({ ...options, store, applier, registry });
    const retention = startRetention({ store, clock, logger, metrics, outcomeRetentionMs });
    const { port } = server;
    logger.info({ port, centralId: store.centralId }, "applier serves");
    const opened = store;
    const drain = async (): Promise<void> => {
      await applier.drain();
      await server.stop(true);
      await retention.stop();
      opened.close();
      lock.release();
    };
    return { port: port ?? options.listen.port, drain };
  } catch (error) {
    store?.close();
    lock.release();
    throw error;
  }
};

const lockFolder = (dataDir: string, clock: Clock): FileLock => {
  try {
    mkdirSync(dataDir, { recursive: true });
    return lockCentral(join(dataDir, CENTRAL_LOCK), clock.now());
  } catch (error) {
    throw unusable(dataDir, error);
  }
};

const openStore = (dataDir: string, clock: Clock): CentralStore => {
  try {
    return openSqliteStore(centralFileOf(dataDir), clock);
  } catch (error) {
    throw unusable(dataDir, error);
  }
};

/** What stands in the way for a while: the next start may find it gone. */
const PASSING = /^SQLITE_(BUSY|LOCKED|FULL|IOERR|NOMEM)/;

const unusable = (dataDir: string, error: unknown): Error => {
  if (error instanceof UsageError) return error;
  if (error instanceof OperatingError && error.retryable) return error;
  const cause = error instanceof OperatingError ? error.cause : error;
  const what = `The central store can't be opened in SLUICE_DATA_DIR=${dataDir}: ${reasonOf(cause)}`;
  return PASSING.test(codeOf(cause) ?? "")
    ? new OperatingError("central_store_failed", what, { retryable: true, cause })
    : new UsageError(`${what}. Give a folder that this user may write.`, { cause: error });
};

const listen = (options: ApplierServerOptions): ReturnType<typeof serveApplier> => {
  try {
    return serveApplier(options);
  } catch (error) {
    const { host, port } = options.listen;
    const why = codeOf(error) === "EADDRINUSE" ? "is taken" : `can't be had: ${reasonOf(error)}`;
    throw new UsageError(
      `SLUICE_APPLIER_LISTEN: port ${port} on ${host} ${why}. Choose another, or 0 for any.`,
      { cause: error },
    );
  }
};

interface Retention {
  stop(): Promise<void>;
}

/** Chunk by chunk with a turn for the pushes between, so that it keeps up with any intake. */
const startRetention = (parts: {
  readonly store: CentralStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: ApplierMetrics;
  readonly outcomeRetentionMs: number;
}): Retention => {
  let running: Promise<void> | null = null;
  let stopped = false;
  const sweep = async (): Promise<void> => {
    let deleted = RETENTION_CHUNK;
    while (deleted === RETENTION_CHUNK && !stopped) {
      const before = parts.clock.now() - parts.outcomeRetentionMs;
      deleted = await parts.store.deleteOutcomes(before, RETENTION_CHUNK);
      parts.metrics.outcomesDeleted(deleted);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const start = (): void => {
    running ??= sweep()
      .catch((error) => {
        if (!(error instanceof OperatingError && error.retryable)) throw error;
        parts.logger.warn({ err: error }, `retention waits: ${reasonOf(error)}`);
      })
      .finally(() => {
        running = null;
      });
  };
  const timer = setInterval(start, RETENTION_PERIOD_MS);
  return {
    stop: async () => {
      stopped = true;
      clearInterval(timer);
      await running;
    },
  };
};
