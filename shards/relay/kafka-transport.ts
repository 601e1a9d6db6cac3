/**
 * The hand-over to a broker: what it has taken, all its replicas in sync have.
 *
 * What keeps every record there exactly once and in order, however the broker fails:
 * - one partition a request: one that spans several leaders loses records in silence when a leader
 *   dies (measured, and no promise is rejected);
 * - a batch that failed is sent again as it was, by the same producer, until it is taken: the
 *   broker knows the producer's sequence and drops the double. A new producer, which a new
 *   `connect` makes, may double what was in flight; central drops that by its cursor;
 * - no send while the producer's id is not known: such a batch would not be deduplicated;
 * - the broker's answer must name the partition: for one that the topic doesn't have the library
 *   sends nothing and reports success.
 *
 * A failure that only an operator can end is told and tried again, slower: nothing is left out.
 */
import type { Kafka, Message, Producer } from "kafkajs";
import { OperatingError, reasonOf } from "../process/failure.ts";
import {
  KAFKA_METADATA_AGE_MS_MAX,
  KAFKA_REQUEST_TIMEOUT_MS,
  type KafkaSettings,
  kafkaClient,
  kafkaErrorType,
} from "../process/kafka.ts";
import type { Logger } from "../process/logger.ts";
import type { CommittedRecord } from "../protocol/record.ts";
import { encodeTopicRecord } from "../protocol/topic.ts";
import { BATCH_BYTES_MAX, explain, PARTITION_MISSING, splitBatches } from "./kafka-batches.ts";
import type { SendResult, Transport } from "./ports.ts";

export interface KafkaTransportOptions {
  readonly settings: KafkaSettings;
  readonly logger: Logger;
  /** Told at each change; the reason is a sentence. */
  readonly onState: (state: "connecting" | "running", reason: string | null) => void;
}

const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 1000;
/** An operator must act: a try now and then is enough to notice that. */
const RETRY_MS_OPERATOR = 2000;
/** After a raise the library knows of no new partition until its metadata has grown old. */
const NEW_PARTITION_MS_MAX = KAFKA_METADATA_AGE_MS_MAX + 500;

/** The broker no longer knows this producer's sequence: only another one gets further. */
const PRODUCER_LOST = new Set([
  "OUT_OF_ORDER_SEQUENCE_NUMBER",
  "DUPLICATE_SEQUENCE_NUMBER",
  "UNKNOWN_PRODUCER_ID",
  "INVALID_PRODUCER_EPOCH",
  "INVALID_PRODUCER_ID_MAPPING",
  "PRODUCER_FENCED",
]);

/** What lives from one `connect` to the next. */
interface Connection {
  readonly producer: Producer;
  /** Aborted when it is over: whoever waits in it ends. */
  readonly end: AbortController;
  readonly inFlight: Set<Promise<unknown>>;
}

export class KafkaTransport implements Transport {
  readonly #options: KafkaTransportOptions;
  readonly #kafka: Kafka;
  #connection: Connection | null = null;
  /** By partition: why its records don't get through. */
  readonly #troubles = new Map<number, string>();
  #toldReason: string | null = null;

  constructor(options: KafkaTransportOptions) {
    this.#options = options;
    this.#kafka = kafkaClient(options.settings, options.logger);
  }

  /** Throws a retryable OperatingError `broker_unreachable`. */
  async connect(): Promise<null> {
    this.close();
    const connection = {
      producer: this.#newProducer(),
      end: new AbortController(),
      inFlight: new Set<Promise<unknown>>(),
    };
    this.#connection = connection;
    try {
      // Resolves only when the producer has its id.
      await unlessEnded(connection, connection.producer.connect());
    } catch (error) {
      this.#end(connection);
      throw unreachable(this.#options.settings, error);
    }
    return null;
  }

  /**
   * Resolves when the broker has all of them. Throws a retryable OperatingError when the transport
   * was closed or connected anew meanwhile, or needs to be.
   */
  async send(records: readonly CommittedRecord[], generation: number): Promise<SendResult> {
    const connection = this.#connection;
    if (connection === null) throw closed();
    const partition = records[0]?.partition ?? 0;
    for (const batch of splitBatches(records, BATCH_BYTES_MAX)) {
      const messages = batch.map((record) => ({
        ...encodeTopicRecord(record, generation),
        partition,
      }));
      await this.#sendUntilTaken(connection, partition, messages);
    }
    return { kind: "replicated" };
  }

  /** What is being sent is rejected at once; it may reach the broker all the same. */
  close(): void {
    if (this.#connection !== null) this.#end(this.#connection);
  }

  #newProducer(): Producer {
    return this.#kafka.producer({
      idempotent: true,
      // Requests to several partitions of one broker; each partition has one at most.
      maxInFlightRequests: 5,
      metadataMaxAge: KAFKA_METADATA_AGE_MS_MAX,
      allowAutoTopicCreation: false,
      createPartitioner:
        () =>
        ({ message }) =>
          message.partition ?? 0,
      // The fewest it takes: the loop below tries again, can tell, and can be ended.
      retry: { retries: 1 },
    });
  }

  async #sendUntilTaken(connection: Connection, partition: number, messages: Message[]) {
    let pauseMs = RETRY_MS_MIN;
    let missingMs = 0;
    for (;;) {
      if (connection.end.signal.aborted) throw closed();
      try {
        await unlessEnded(connection, this.#sendOnce(connection.producer, partition, messages));
        this.#troubles.delete(partition);
        this.#tell();
        return;
      } catch (error) {
        if (connection.end.signal.aborted) throw closed();
        const type = kafkaErrorType(error);
        if (type !== undefined && PRODUCER_LOST.has(type)) throw producerLost(type, error);
        if (isPartitionMissing(error) && missingMs < NEW_PARTITION_MS_MAX) {
          await pause(connection, RETRY_MS_MIN);
          missingMs += RETRY_MS_MIN;
          continue;
        }
        const { sentence, operator } = explain(error, this.#options.settings.topic, partition);
        // A leader that has moved is found by the second try: not worth a word.
        if (operator || pauseMs > RETRY_MS_MIN) {
          this.#troubles.set(partition, sentence);
          this.#tell();
        }
        await pause(connection, operator ? RETRY_MS_OPERATOR : pauseMs);
        pauseMs = Math.min(pauseMs * 2, RETRY_MS_MAX);
      }
    }
  }

  async #sendOnce(producer: Producer, partition: number, messages: Message[]): Promise<void> {
    const { topic } = this.#options.settings;
    const acks = -1;
    const timeout = KAFKA_REQUEST_TIMEOUT_MS;
    const taken = await producer.send({ topic, acks, timeout, messages });
    if (taken.length === 1 && taken[0]?.partition === partition) return;
    throw new OperatingError(
      PARTITION_MISSING,
      `Topic ${topic} has no partition ${partition}. Give it at least ${partition + 1}, ` +
        "as pinned in the shards; `sluice doctor` shows both.",
      { retryable: true },
    );
  }

  #tell(): void {
    const [reason = null] = this.#troubles.values();
    if (reason === this.#toldReason) return;
    this.#toldReason = reason;
    const { logger, onState } = this.#options;
    if (reason !== null) logger.warn({ topic: this.#options.settings.topic }, reason);
    onState(reason === null ? "running" : "connecting", reason);
  }

  #end(connection: Connection): void {
    connection.end.abort();
    if (this.#connection === connection) this.#connection = null;
    this.#troubles.clear();
    this.#toldReason = null;
    void this.#disconnect(connection);
  }

  /** Again when all has settled: a send that fails connects the library anew. */
  async #disconnect({ producer, inFlight }: Connection): Promise<void> {
    const settled = Promise.allSettled(inFlight);
    for (const before of [undefined, settled]) {
      await before;
      await producer.disconnect().catch((error: unknown) => {
        this.#options.logger.debug({ reason: reasonOf(error) }, "the producer is gone");
      });
    }
  }
}

const isPartitionMissing = (error: unknown): boolean =>
  error instanceof OperatingError && error.code === PARTITION_MISSING;

const unlessEnded = async <T>({ end, inFlight }: Connection, work: Promise<T>): Promise<T> => {
  inFlight.add(work);
  const ended = Promise.withResolvers<never>();
  const stop = (): void => ended.reject(closed());
  end.signal.addEventListener("abort", stop);
  try {
    return await Promise.race([work, ended.promise]);
  } finally {
    end.signal.removeEventListener("abort", stop);
    if (!end.signal.aborted) inFlight.delete(work);
  }
};

const pause = async (connection: Connection, ms: number): Promise<void> => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await unlessEnded(connection, promise).finally(() => {
    clearTimeout(timer);
    resolve();
  });
};

const closed = (): OperatingError =>
  new OperatingError("broker_unreachable", "closed", { retryable: true });

const unreachable = ({ brokers }: KafkaSettings, cause: unknown): OperatingError =>
  new OperatingError("broker_unreachable", `broker ${brokers.join(",")}: ${reasonOf(cause)}`, {
    retryable: true,
    cause,
  });

const producerLost = (type: string, cause: unknown): OperatingError =>
  new OperatingError("producer_lost", `the broker answers ${type}: a new producer is needed`, {
    retryable: true,
    cause,
  });
