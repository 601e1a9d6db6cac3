/**
 * One applier: store, queue, retention, door. Embedded, relays push to the door and the store is a
 * file that this process owns. With a broker the topic is read, the store is MySQL, and any number
 * of appliers share the partitions; the door gives out epochs and says how far central has got.
 */
import { type Clock, systemClock } from "../../shards/process/clock.ts";
import { drainStep } from "../../shards/process/drain-step.ts";
import { codeOf, reasonOf, UsageError } from "../../shards/process/failure.ts";
import type { KafkaSettings } from "../../shards/process/kafka.ts";
import type { Logger } from "../../shards/process/logger.ts";
import type { Registry } from "../../shards/process/metrics.ts";
import { Applier, type ApplierLimits, type Commit } from "./applier.ts";
import { ApplierMetrics } from "./applier-metrics.ts";
import { type ApplierServerOptions, serveApplier } from "./applier-server.ts";
import { ownCentralFile } from "./embedded/own-file.ts";
import { openMysqlStore } from "./mysql/mysql-store.ts";
import { startRetention } from "./retention.ts";
import type { CentralStore, Intake } from "./store.ts";
import type { TopicShape } from "./topic/topic-admin.ts";
import { readTopic, type TopicReading } from "./topic/topic-reading.ts";

/** Where central is, and how records come. */
export type ApplierPlace =
  | { readonly kind: "embedded"; readonly dataDir: string }
  | {
      readonly kind: "mysql";
      readonly url: string;
      readonly kafka: KafkaSettings;
      readonly groupId: string;
      /** Of a topic that is not there yet. */
      readonly topic: TopicShape;
    };

export interface RunApplierOptions {
  readonly place: ApplierPlace;
  readonly listen: { readonly host: string; readonly port: number };
  /** Empty on loopback. */
  readonly clusterSecret: string;
  /** How long the outcome of a client order id is kept for a shard that is lost. */
  readonly outcomeRetentionMs: number;
  /** Every series of the process. */
  readonly registry: Registry;
  /** After each commit, with what it holds. */
  readonly onCommitted?: (intake: Intake) => void;
  readonly logger: Logger;
}

export interface RunningApplier {
  readonly port: number;
  /** Takes nothing more, commits what waits, closes. */
  drain(): Promise<void>;
}

const LIMITS: ApplierLimits = {
  commitRecordsMax: 8192,
  waitingBytesMax: 64 * 1024 * 1024,
  retryMsMin: 100,
  retryMsMax: 2000,
};

/** Together below what a supervisor waits for before it kills. */
const DRAIN_MS_MAX = {
  topic: 3000,
  commit: 3000,
  close: 1000,
  sweep: 1000,
  store: 1000,
} as const;

/**
 * Throws {@link UsageError} when file, lock, port or a setting can't be had; a retryable
 * OperatingError when MySQL does not answer.
 */
export const runApplier = async (options: RunApplierOptions): Promise<RunningApplier> => {
  const { logger, outcomeRetentionMs, place, registry } = options;
  const clock = systemClock;
  const { store, read, close } = await openCentral(place, clock, logger);
  try {
    const metrics = new ApplierMetrics(registry, store);
    const observer = {
      committed: (commit: Commit, intake: Intake) => {
        metrics.committed(commit);
        options.onCommitted?.(intake);
      },
      failed: () => metrics.failed(),
    };
    const applier = new Applier({ store, limits: LIMITS, observer, clock, logger });
    const server = listen({ ...options, store, applier });
    const reading = read?.(applier, registry) ?? null;
    const retention = startRetention({ store, clock, logger, metrics, outcomeRetentionMs });
    const { port } = server;
    logger.info({ port, centralId: store.centralId }, "applier serves");
    const drain = async (): Promise<void> => {
      const { topic, commit, close: closing, sweep, store: leaving } = DRAIN_MS_MAX;
      if (reading !== null) await drainStep(logger, "leaving the topic", topic, reading.stop());
      await drainStep(logger, "committing what waits", commit, applier.drain());
      await drainStep(logger, "closing connections", closing, server.stop(true));
      await drainStep(logger, "ending retention", sweep, retention.stop());
      // A server that hangs is not told that we go.
      await drainStep(logger, "closing central", leaving, Promise.resolve(close()));
    };
    return { port: port ?? options.listen.port, drain };
  } catch (error) {
    await close();
    throw error;
  }
};

interface Central {
  readonly store: CentralStore;
  /** Starts to read the topic; null when relays push. */
  readonly read: ((applier: Applier, registry: Registry) => TopicReading) | null;
  close(): void | Promise<void>;
}

const openCentral = async (place: ApplierPlace, clock: Clock, logger: Logger): Promise<Central> => {
  if (place.kind === "embedded") return { ...ownCentralFile(place.dataDir, clock), read: null };
  const { url, kafka: settings, groupId, topic } = place;
  const store = await openMysqlStore(url, clock, logger);
  return {
    store,
    read: (applier, registry) =>
      readTopic({ settings, groupId, topic, store, applier, registry, logger }),
    close: () => store.close(),
  };
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
