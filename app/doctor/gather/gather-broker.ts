/** Asks the broker about the topic and the appliers' group, and how old what waits is. */
import { type Admin, ConfigResourceTypes } from "kafkajs";
import { systemClock } from "../../../shards/process/clock.ts";
import { type KafkaSettings, kafkaClient } from "../../../shards/process/kafka.ts";
import type { Logger } from "../../../shards/process/logger.ts";
import { topicFacts } from "../../central/topic/topic-admin.ts";
import type { BrokerFacts, PartitionLag } from "../facts.ts";

export interface BrokerSources {
  readonly kafka: KafkaSettings;
  readonly groupId: string;
  readonly logger: Logger;
}

export const gatherBroker = async (sources: BrokerSources): Promise<BrokerFacts> => {
  const { kafka, groupId, logger } = sources;
  const facts = await topicFacts(kafka, groupId, logger);
  return withAdmin(sources, async (admin) => {
    const { brokers } = await admin.describeCluster();
    if (facts === null) {
      return { brokers: brokers.length, topic: null, group: { state: "Dead", members: [] } };
    }
    const config = await configOf(admin, kafka.topic, [
      "cleanup.policy",
      "unclean.leader.election.enable",
    ]);
    return {
      brokers: brokers.length,
      topic: {
        partitions: facts.partitions.map((one) => ({
          partition: one.partition,
          hasLeader: one.leader >= 0,
          replicas: one.replicas,
          inSync: one.inSync,
          low: Number(one.lowOffset),
          high: Number(one.highOffset),
        })),
        minInsyncReplicas: facts.minInsyncReplicas,
        retentionMs: facts.retentionMs < 0 ? null : facts.retentionMs,
        cleanupPolicy: config.get("cleanup.policy") ?? "delete",
        uncleanElection: config.get("unclean.leader.election.enable") === "true",
      },
      group: facts.group,
    };
  });
};

const withAdmin = async <T>(
  { kafka, logger }: BrokerSources,
  work: (admin: Admin) => Promise<T>,
): Promise<T> => {
  const admin = kafkaClient(kafka, logger).admin();
  try {
    await admin.connect();
    return await work(admin);
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
};

const configOf = async (
  admin: Admin,
  name: string,
  configNames: string[],
): Promise<ReadonlyMap<string, string>> => {
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: ConfigResourceTypes.TOPIC, name, configNames }],
  });
  const entries = resources[0]?.configEntries ?? [];
  return new Map(entries.map(({ configName, configValue }) => [configName, configValue]));
};

/** How far central has read each partition; one that it has not read stands at its beginning. */
export const recordsBehind = (
  { topic }: BrokerFacts,
  positions: readonly { readonly partition: number; readonly nextOffset: number }[],
): readonly (PartitionLag & { readonly next: number })[] =>
  (topic?.partitions ?? []).map(({ partition, low, high }) => {
    const position = positions.find((one) => one.partition === partition)?.nextOffset ?? low;
    const next = Math.min(Math.max(position, low), high);
    return { partition, next, records: high - next, ms: null };
  });

/** Ages are looked for from here to the oldest that a topic may hold. */
const AGE_MS_MIN = 1;
const AGE_MS_MAX = 365 * 86_400_000;
/** Each halves the logarithm of the range: 24 / 2^9, 5 %. */
const STEPS = 9;

/**
 * The broker does not tell a record's age, but the first record that is younger than a time: so the
 * age of the record at `next` is found by halving.
 */
export const agesBehind = (
  sources: BrokerSources,
  behind: readonly (PartitionLag & { readonly next: number })[],
): Promise<readonly PartitionLag[]> =>
  withAdmin(sources, async (admin) => {
    const firstYounger = offsetsByAge(admin, sources.kafka.topic);
    const ageOf = async (partition: number, next: number): Promise<number> => {
      let youngest = AGE_MS_MIN;
      let oldest = AGE_MS_MAX;
      for (let step = 0; step < STEPS; step++) {
        const age = Math.sqrt(youngest * oldest);
        const first = (await firstYounger(age)).get(partition) ?? next;
        if (first > next) youngest = age;
        else oldest = age;
      }
      return Math.round(Math.sqrt(youngest * oldest));
    };
    return Promise.all(
      behind.map(async ({ partition, records, next }) => ({
        partition,
        records,
        ms: records === 0 ? 0 : await ageOf(partition, next),
      })),
    );
  });

/** By partition, the first record younger than an age. Partitions ask for the same ages at first. */
const offsetsByAge = (
  admin: Admin,
  topic: string,
): ((ageMs: number) => Promise<ReadonlyMap<number, number>>) => {
  const now = systemClock.now();
  const known = new Map<number, Promise<ReadonlyMap<number, number>>>();
  const ask = async (time: number): Promise<ReadonlyMap<number, number>> => {
    const offsets = await admin.fetchTopicOffsetsByTimestamp(topic, time);
    return new Map(offsets.map(({ partition, offset }) => [partition, Number(offset)]));
  };
  return (ageMs) => {
    const time = Math.round(now - ageMs);
    const asked = known.get(time) ?? ask(time);
    known.set(time, asked);
    return asked;
  };
};
