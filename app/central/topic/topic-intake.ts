/**
 * Reads the topic and hands it to the applier; the group shares the partitions among the appliers.
 *
 * The truth about how far a partition has been read is the position in central, written in one
 * transaction with the records. Offsets committed to the broker are for its tools only. So each
 * assignment begins with central's positions, and nothing is taken before they are known. Reading
 * again does no harm: the applier drops what central has. Two members may even read the same
 * partition for a while: a position moves only from where its reader knew it to be.
 *
 * A batch is done when central's transaction has returned. Until then the member keeps its place
 * by heartbeats, also while central is away; when the group moves on meanwhile, the batch is left
 * and read again by whoever has the partition then.
 *
 * The library ends its consumer on some errors and tries again on others. Here each end is answered
 * with a new consumer a second later, for ever.
 */
import type { Consumer, EachBatchPayload, Kafka } from "kafkajs";
import { reasonOf } from "../../../shards/process/failure.ts";
import {
  KAFKA_METADATA_AGE_MS_MAX,
  type KafkaSettings,
  kafkaClient,
} from "../../../shards/process/kafka.ts";
import type { Logger } from "../../../shards/process/logger.ts";
import type { Registry } from "../../../shards/process/metrics.ts";
import { endsWithin } from "../../../shards/process/time-limit.ts";
import type { Applier } from "../applier.ts";
import type { PushResult, TopicStore } from "../store.ts";
import { Assignment, type Taking } from "./assignment.ts";
import { CursorWatch } from "./cursor-watch.ts";
import { offer, whenOver, whileBeating } from "./patience.ts";
import { intakeOf } from "./topic-batch.ts";
import { type PartitionReading, TopicMetrics } from "./topic-metrics.ts";

export interface TopicIntakeOptions {
  readonly settings: KafkaSettings;
  readonly groupId: string;
  readonly store: Pick<TopicStore, "positions">;
  readonly applier: Pick<Applier, "take">;
  readonly registry: Registry;
  readonly logger: Logger;
}

/** A member that is silent so long loses its partitions. */
const SESSION_MS = 10_000;
const HEARTBEAT_MS = 1000;
/** Members that have batches in hand get so long to come back into the group. */
const REBALANCE_MS = 30_000;
/** An empty fetch comes back after this; one with a record at once. */
const FETCH_WAIT_MS = 250;
/** Batches of one fetch that are taken together: more partitions than anybody has on one broker. */
const PARTITIONS_AT_ONCE = 128;
const RESTART_MS = 1000;
const COMMIT_PERIOD_MS = 1000;
/** Central's positions and the topic's ends are looked at so often. */
const WATCH_PERIOD_MS = 5000;
/** Each of the three steps of a stop: what is in hand, the offsets, the group. */
const STOP_STEP_MS = 1000;

export class TopicIntake {
  readonly #options: TopicIntakeOptions;
  readonly #kafka: Kafka;
  readonly #metrics: TopicMetrics;
  readonly #stopping = new AbortController();
  readonly #cursors = new CursorWatch();
  readonly #receivings = new Set<Promise<void>>();
  #assignment: Assignment | null = null;
  #running: Promise<void> = Promise.resolve();
  #lastFailure = "";

  constructor(options: TopicIntakeOptions) {
    this.#options = options;
    this.#kafka = kafkaClient(options.settings, options.logger);
    this.#metrics = new TopicMetrics(options.registry, () => this.assignment());
  }

  /** Reads until stopped; a broker that is away is waited for. */
  start(): void {
    this.#running = this.#run();
  }

  /** What this process reads now. */
  assignment(): readonly PartitionReading[] {
    return this.#assignment?.readings() ?? [];
  }

  /** Takes nothing more, waits for what the applier has in hand, leaves the group. Bounded. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { logger, settings } = this.#options;
    while (!this.#stopping.signal.aborted) {
      try {
        await this.#consume();
      } catch (error) {
        const reason = reasonOf(error);
        if (reason !== this.#lastFailure) {
          logger.warn({ err: error, topic: settings.topic }, `the topic is not read: ${reason}`);
        }
        this.#lastFailure = reason;
        await endsWithin(RESTART_MS, whenOver(this.#stopping.signal));
      }
    }
  }

  /** One consumer from its making to its end. Throws what ended it. */
  async #consume(): Promise<void> {
    const consumer = this.#newConsumer();
    const crashed = Promise.withResolvers<never>();
    crashed.promise.catch(() => undefined);
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      this.#assignment?.end();
      this.#assignment = null;
      crashed.reject(payload.error);
    });
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) =>
      this.#join(
        consumer,
        payload.memberAssignment[this.#options.settings.topic] ?? [],
        crashed.reject,
      ),
    );
    const over = Promise.race([crashed.promise, whenOver(this.#stopping.signal)]);
    try {
      await Promise.race([over, this.#begin(consumer)]);
      const timers = [
        setInterval(() => void this.#commit(consumer), COMMIT_PERIOD_MS),
        setInterval(() => void this.#assignment?.watch(), WATCH_PERIOD_MS),
      ];
      await over.finally(() => timers.forEach(clearInterval));
    } finally {
      if (this.#stopping.signal.aborted) await this.#finish(consumer);
      this.#assignment?.end();
      this.#assignment = null;
      await endsWithin(STOP_STEP_MS, consumer.disconnect()).catch(() => undefined);
    }
  }

  /** What the applier has in hand is waited for, so that the broker's tools show the true end. */
  async #finish(consumer: Consumer): Promise<void> {
    if (this.#assignment === null) return;
    consumer.pause([{ topic: this.#options.settings.topic }]);
    await endsWithin(STOP_STEP_MS, Promise.allSettled(this.#receivings));
    await endsWithin(STOP_STEP_MS, this.#commit(consumer));
  }

  #newConsumer(): Consumer {
    return this.#kafka.consumer({
      groupId: this.#options.groupId,
      sessionTimeout: SESSION_MS,
      rebalanceTimeout: REBALANCE_MS,
      heartbeatInterval: HEARTBEAT_MS,
      metadataMaxAge: KAFKA_METADATA_AGE_MS_MAX,
      allowAutoTopicCreation: false,
      minBytes: 1,
      maxWaitTimeInMs: FETCH_WAIT_MS,
      // No record of ours is in a transaction.
      readUncommitted: true,
      retry: { retries: 5, restartOnFailure: () => Promise.resolve(false) },
    });
  }

  async #begin(consumer: Consumer): Promise<void> {
    await consumer.connect();
    await consumer.subscribe({ topics: [this.#options.settings.topic], fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: PARTITIONS_AT_ONCE,
      eachBatch: (payload) => {
        const receiving = this.#receive(payload);
        this.#receivings.add(receiving);
        return receiving.finally(() => this.#receivings.delete(receiving));
      },
    });
  }

  #join(consumer: Consumer, partitions: readonly number[], onGone: (error: unknown) => void): void {
    if (this.#stopping.signal.aborted) return;
    const { settings, store, logger } = this.#options;
    const { topic } = settings;
    this.#assignment?.end();
    this.#cursors.clear();
    this.#lastFailure = "";
    logger.info({ topic, partitions }, "partitions assigned");
    this.#assignment = new Assignment({
      settings,
      partitions,
      positions: () => store.positions(),
      seek: (partition, offset) => {
        try {
          consumer.seek({ topic, partition, offset: String(offset) });
        } catch (error) {
          // The library has let go of the group meanwhile: only a new consumer can read.
          onGone(error);
        }
      },
      onFinding: (partition, finding) => {
        this.#metrics.found();
        logger.error({ topic, partition }, `partition ${partition}: ${finding}`);
      },
      logger,
    });
  }

  async #receive(payload: EachBatchPayload): Promise<void> {
    const assignment = this.#assignment;
    const { batch, heartbeat, isRunning, isStale } = payload;
    if (assignment === null || this.#stopping.signal.aborted) return;
    await whileBeating(HEARTBEAT_MS, heartbeat, assignment.ready);
    const isOver = (): boolean =>
      this.#stopping.signal.aborted || assignment.isOver() || !isRunning() || isStale();
    if (isOver()) return;
    const { partition } = batch;
    const first = BigInt(batch.firstOffset() ?? batch.lastOffset());
    const taking = assignment.take(partition, first);
    if (taking === null) return;
    const results = await this.#take(payload, taking);
    if (results === null || taking.isOver() || isStale()) return;
    if (results.some((result) => this.#cursors.wentBack(result))) {
      await whileBeating(HEARTBEAT_MS, heartbeat, assignment.rewind(partition));
      return;
    }
    payload.resolveOffset(batch.lastOffset());
    taking.taken(BigInt(batch.lastOffset()) + 1n, BigInt(batch.highWatermark));
  }

  /** null: the batch was left before the applier had room. */
  async #take(
    { batch, heartbeat }: EachBatchPayload,
    { from, isOver }: Taking,
  ): Promise<readonly PartitionResult[] | null> {
    const { partition, messages } = batch;
    const nextOffset = String(BigInt(batch.lastOffset()) + 1n);
    const intake = intakeOf(messages, { partition, from: String(from), nextOffset });
    const turn = new AbortController();
    const offered = offer(this.#options.applier, intake, () => turn.signal.aborted || isOver());
    const results = await whileBeating(HEARTBEAT_MS, heartbeat, offered).finally(() =>
      turn.abort(),
    );
    if (results === null) return null;
    this.#metrics.taken(messages.length, intake.quarantined.length);
    for (const { offset, detail } of intake.quarantined) this.#alarm({ partition, offset, detail });
    return results.map((result, index) => {
      const shard = intake.pushes[index]?.[0]?.shard ?? "";
      if (result.isNewStop) this.#alarm({ shard, ...result.stopped });
      return { ...result, shard };
    });
  }

  #alarm(about: Readonly<Record<string, unknown>>): void {
    this.#options.logger.error(
      about,
      "a record of the topic was put aside: look at it with `sluice quarantine list`",
    );
  }

  async #commit(consumer: Consumer): Promise<void> {
    const { settings, logger } = this.#options;
    const offsets = this.#assignment?.uncommitted() ?? [];
    if (offsets.length === 0) return;
    try {
      await consumer.commitOffsets(
        offsets.map(({ partition, nextOffset }) => ({
          topic: settings.topic,
          partition,
          offset: String(nextOffset),
        })),
      );
    } catch (error) {
      logger.debug({ reason: reasonOf(error) }, "offsets not committed");
    }
  }
}

interface PartitionResult extends PushResult {
  readonly shard: string;
}
