/** How records are cut into requests, and what the broker's refusals mean to an operator. */
import { reasonOf } from "../process/failure.ts";
import { kafkaErrorType } from "../process/kafka.ts";
import type { CommittedRecord } from "../protocol/record.ts";

/** Half of the broker's usual `message.max.bytes` (1 MiB). */
export const BATCH_BYTES_MAX = 512 * 1024;
/** The library copies a batch once for each of its records: longer ones cost more a record. */
const BATCH_RECORDS_MAX = 500;
/** Headers and framing of one record, about. */
const RECORD_OVERHEAD_BYTES = 400;

/** In order; a record larger than `bytesMax` goes alone. Bytes are those of UTF-8. */
export const splitBatches = (
  records: readonly CommittedRecord[],
  bytesMax: number,
): CommittedRecord[][] => {
  const batches: CommittedRecord[][] = [];
  let batch: CommittedRecord[] = [];
  let bytes = 0;
  for (const record of records) {
    const size = Buffer.byteLength(record.value) + RECORD_OVERHEAD_BYTES;
    if (batch.length === BATCH_RECORDS_MAX || (batch.length > 0 && bytes + size > bytesMax)) {
      batches.push(batch);
      batch = [];
      bytes = 0;
    }
    batch.push(record);
    bytes += size;
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
};

/** The code of an OperatingError: the topic, as far as is known, lacks the record's partition. */
export const PARTITION_MISSING = "partition_missing";

export interface Trouble {
  readonly sentence: string;
  /** Only an operator can end it. */
  readonly operator: boolean;
}

type Remedy = (topic: string, partition: number) => string;

const REMEDIES: Readonly<Record<string, Remedy>> = {
  MESSAGE_TOO_LARGE: (topic, partition) =>
    `a record of partition ${partition} is larger than topic ${topic} takes: ` +
    "raise its max.message.bytes",
  RECORD_LIST_TOO_LARGE: (topic) =>
    `a batch is larger than the segments of topic ${topic}: raise its segment.bytes`,
  UNKNOWN_TOPIC_OR_PARTITION: (topic, partition) =>
    `the broker has no partition ${partition} of topic ${topic}: create the topic, or raise ` +
    "its partitions; `sluice doctor` shows how many are needed",
  INVALID_TOPIC_EXCEPTION: (topic) => `the broker refuses the topic's name ${topic}`,
  TOPIC_AUTHORIZATION_FAILED: (topic) =>
    `the broker's user may not write topic ${topic}: grant it WRITE and DESCRIBE`,
  CLUSTER_AUTHORIZATION_FAILED: () =>
    "the broker's user may not use an idempotent producer: grant it IDEMPOTENT_WRITE",
  SASL_AUTHENTICATION_FAILED: () => "the broker refuses the user's name or password",
  NOT_ENOUGH_REPLICAS: (topic) =>
    `too few replicas of topic ${topic} are in sync: bring the missing brokers back`,
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: (topic) =>
    `too few replicas of topic ${topic} are in sync: bring the missing brokers back`,
  POLICY_VIOLATION: (topic) => `the broker's policy refuses what is sent to topic ${topic}`,
};

/** These pass by themselves when a broker comes back. */
const PASSING = new Set(["NOT_ENOUGH_REPLICAS", "NOT_ENOUGH_REPLICAS_AFTER_APPEND"]);

export const explain = (error: unknown, topic: string, partition: number): Trouble => {
  const type = kafkaErrorType(error);
  const remedy = type === undefined ? undefined : REMEDIES[type];
  if (type === undefined || remedy === undefined) {
    const operator = (error as { code?: unknown } | null)?.code === PARTITION_MISSING;
    return { sentence: reasonOf(error), operator };
  }
  return {
    sentence: `${type}: ${remedy(topic, partition)}.`,
    operator: !PASSING.has(type),
  };
};
