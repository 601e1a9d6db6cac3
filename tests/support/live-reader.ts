/** Another system that reads the topic while it is written, and keeps what it got. */
import { type Consumer, Kafka, logLevel } from "kafkajs";
import { type RawMessage, TopicReader } from "./topic-reader.ts";
import { until } from "./until.ts";

const JOIN_MS_MAX = 60_000;
/** New partitions are to be noticed within seconds. */
const METADATA_AGE_MS_MAX = 1000;
const PARTITIONS_AT_ONCE = 32;

export class LiveReader {
  readonly reader = new TopicReader();
  /** By partition, in the order of the offsets. */
  readonly messages = new Map<number, Map<string, RawMessage>>();
  readonly #consumer: Consumer;

  static async start(brokers: readonly string[], topic: string): Promise<LiveReader> {
    const kafka = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING });
    const live = new LiveReader(
      kafka.consumer({
        groupId: `reader-${topic}`,
        allowAutoTopicCreation: false,
        metadataMaxAge: METADATA_AGE_MS_MAX,
        maxWaitTimeInMs: 100,
      }),
    );
    await live.#run(topic);
    return live;
  }

  private constructor(consumer: Consumer) {
    this.#consumer = consumer;
  }

  stop(): Promise<void> {
    return this.#consumer.disconnect();
  }

  async #run(topic: string): Promise<void> {
    let isMember = false;
    this.#consumer.on("consumer.group_join", () => {
      isMember = true;
    });
    await this.#consumer.connect();
    await this.#consumer.subscribe({ topics: [topic], fromBeginning: true });
    await this.#consumer.run({
      partitionsConsumedConcurrently: PARTITIONS_AT_ONCE,
      eachBatch: ({ batch: { partition, messages } }) => {
        for (const message of messages) this.#take(partition, message.offset, message);
        return Promise.resolve();
      },
    });
    await until("the reader is in its group", JOIN_MS_MAX, () => isMember);
  }

  #take(partition: number, offset: string, { key, value, headers }: RawMessage): void {
    const known = this.messages.get(partition) ?? new Map<string, RawMessage>();
    this.messages.set(partition, known);
    // After a rebalance what was not committed comes again.
    if (known.has(offset)) return;
    known.set(offset, { key, value, headers });
    this.reader.take(partition, { key, value, headers });
  }
}
