/**
 * Somebody with his hands in the broker: shards write one topic, appliers read another, and between
 * the two each record passes through the test, which can alter it, leave it out or add others.
 */
import { type Consumer, Kafka, logLevel, type Message, type Producer } from "kafkajs";
import { decodeTopicRecord, type TopicRecord } from "../../shards/protocol/topic.ts";
import { until } from "./until.ts";

/** What goes on in place of a record. */
export type Tamper = (record: TopicRecord, message: Message) => readonly Message[];

const FETCH_WAIT_MS = 20;
const JOIN_MS_MAX = 60_000;
const untouched: Tamper = (_record, message) => [message];

export class TopicBridge {
  tamper: Tamper = untouched;
  /** What the appliers' topic has, in the order of each partition. */
  readonly passed: TopicRecord[] = [];
  readonly #consumer: Consumer;
  readonly #producer: Producer;
  readonly #to: string;

  /** Makes both topics. */
  static async start(options: {
    readonly brokers: readonly string[];
    readonly from: string;
    readonly to: string;
    readonly partitions: number;
  }): Promise<TopicBridge> {
    const { from, to, partitions: numPartitions } = options;
    const kafka = new Kafka({ brokers: [...options.brokers], logLevel: logLevel.NOTHING });
    const admin = kafka.admin();
    await admin.connect();
    await admin.createTopics({
      waitForLeaders: true,
      topics: [from, to].map((topic) => ({ topic, numPartitions, replicationFactor: 1 })),
    });
    await admin.disconnect();
    const bridge = new TopicBridge(kafka, to);
    await bridge.#run(from);
    return bridge;
  }

  private constructor(kafka: Kafka, to: string) {
    this.#to = to;
    this.#producer = kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      createPartitioner:
        () =>
        ({ message }) =>
          message.partition ?? 0,
    });
    const groupId = `bridge-${to}`;
    this.#consumer = kafka.consumer({ groupId, maxWaitTimeInMs: FETCH_WAIT_MS });
  }

  /** Puts a record at the end of its partition, whatever its shard has sent. */
  async add(partition: number, message: Message): Promise<void> {
    await this.#producer.send({ topic: this.#to, acks: -1, messages: [{ ...message, partition }] });
  }

  async stop(): Promise<void> {
    await this.#consumer.disconnect();
    await this.#producer.disconnect();
  }

  async #run(from: string): Promise<void> {
    await this.#producer.connect();
    let isMember = false;
    this.#consumer.on("consumer.group_join", () => {
      isMember = true;
    });
    await this.#consumer.connect();
    await this.#consumer.subscribe({ topics: [from], fromBeginning: true });
    await this.#consumer.run({
      eachBatch: async ({ batch: { partition, messages } }) => {
        const sent = messages.flatMap((message) => {
          const { key, value, headers = {} } = message;
          const record = decodeTopicRecord({ key, value, headers }, partition);
          return this.tamper(record, { key, value, headers });
        });
        const records = sent.map((message) => ({ ...message, partition }));
        if (records.length === 0) return;
        await this.#producer.send({ topic: this.#to, acks: -1, messages: records });
        this.passed.push(...sent.map((message) => decoded(message, partition)));
      },
    });
    await until("the bridge reads its topic", JOIN_MS_MAX, () => isMember);
  }
}

/** As a consumer would see what is sent. */
const decoded = ({ key, value, headers }: Message, partition: number): TopicRecord =>
  decodeTopicRecord({ key: bytes(key), value: bytes(value), headers }, partition);

const bytes = (text: Uint8Array | string | null | undefined): Uint8Array | null =>
  text === null || text === undefined ? null : Buffer.from(text);
