/**
 * Reads one topic of the exchange, executions or mark prices, and hands each partition's messages
 * on in their order. A batch is done when all of it was taken; until then the member keeps its place
 * in the group and offers the same batch again. What is read twice does no harm: executions have
 * their ids, prices their times.
 */
import type { Consumer, EachBatchPayload, Kafka } from "kafkajs";
import { reasonOf } from "../../shards/process/failure.ts";
import {
  KAFKA_METADATA_AGE_MS_MAX,
  type KafkaSettings,
  kafkaClient,
} from "../../shards/process/kafka.ts";
import type { Logger } from "../../shards/process/logger.ts";
import { endsWithin } from "../../shards/process/time-limit.ts";
import { whenOver, whileBeating } from "../central/topic/patience.ts";
import { ensureTopic, type TopicShape } from "../central/topic/topic-admin.ts";

export interface TopicReaderOptions {
  /** The topic's too. */
  readonly settings: KafkaSettings;
  /** Of a topic that is not there yet. */
  readonly shape: TopicShape;
  readonly groupId: string;
  /** Takes messages of one partition, in order. Rejects when they have to be offered again. */
  readonly take: (messages: readonly TopicMessage[]) => Promise<void>;
  readonly logger: Logger;
}

export interface TopicMessage {
  readonly text: string;
  /** `topic:partition:offset`, for logs. */
  readonly place: string;
}

const SESSION_MS = 10_000;
const HEARTBEAT_MS = 1000;
/** Mark prices should not wait for others. */
const FETCH_WAIT_MS = 20;
const PARTITIONS_AT_ONCE = 128;
const RESTART_MS = 1000;
const RETRY_MS = 250;
const STOP_STEP_MS = 1000;

export class TopicReader {
  readonly #options: TopicReaderOptions;
  readonly #kafka: Kafka;
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #lastFailure = "";

  constructor(options: TopicReaderOptions) {
    this.#options = options;
    this.#kafka = kafkaClient(options.settings, options.logger);
  }

  /** Reads until stopped; a broker that is away is waited for. */
  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { logger, settings, shape } = this.#options;
    while (!this.#stopping.signal.aborted) {
      try {
        await ensureTopic(settings, shape, logger);
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
    consumer.on(consumer.events.CRASH, ({ payload }) => crashed.reject(payload.error));
    consumer.on(consumer.events.GROUP_JOIN, () => {
      this.#lastFailure = "";
    });
    const over = Promise.race([crashed.promise, whenOver(this.#stopping.signal)]);
    try {
      await Promise.race([over, this.#begin(consumer)]);
      await over;
    } finally {
      await endsWithin(STOP_STEP_MS, consumer.disconnect()).catch(() => undefined);
    }
  }

  #newConsumer(): Consumer {
    return this.#kafka.consumer({
      groupId: this.#options.groupId,
      sessionTimeout: SESSION_MS,
      heartbeatInterval: HEARTBEAT_MS,
      metadataMaxAge: KAFKA_METADATA_AGE_MS_MAX,
      allowAutoTopicCreation: false,
      minBytes: 1,
      maxWaitTimeInMs: FETCH_WAIT_MS,
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
      eachBatch: (payload) => this.#receive(consumer, payload),
    });
  }

  async #receive(consumer: Consumer, payload: EachBatchPayload): Promise<void> {
    const { batch, heartbeat, resolveOffset } = payload;
    const { topic, partition } = batch;
    const messages = batch.messages.map(({ value, offset }) => ({
      text: value?.toString() ?? "",
      place: `${topic}:${partition}:${offset}`,
    }));
    const taken = await whileBeating(HEARTBEAT_MS, heartbeat, this.#offer(payload, messages));
    if (!taken) return;
    resolveOffset(batch.lastOffset());
    const offset = String(BigInt(batch.lastOffset()) + 1n);
    await consumer.commitOffsets([{ topic, partition, offset }]);
  }

  /** False when the batch was left to whoever has the partition next. */
  async #offer(
    { isRunning, isStale }: EachBatchPayload,
    messages: readonly TopicMessage[],
  ): Promise<boolean> {
    const { take, logger } = this.#options;
    const isOver = (): boolean => this.#stopping.signal.aborted || !isRunning() || isStale();
    while (!isOver()) {
      try {
        await take(messages);
        return true;
      } catch (error) {
        logger.warn({ err: error, place: messages[0]?.place }, "messages wait to be taken");
        await endsWithin(RETRY_MS, whenOver(this.#stopping.signal));
      }
    }
    return false;
  }
}
