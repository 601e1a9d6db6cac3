/** The topic itself: made with what the records need, raised, and looked at. */
import { type Admin, AssignerProtocol, ConfigResourceTypes } from "kafkajs";
import { OperatingError, reasonOf, UsageError } from "../../../shards/process/failure.ts";
import { type KafkaSettings, kafkaClient, kafkaErrorType } from "../../../shards/process/kafka.ts";
import type { Logger } from "../../../shards/process/logger.ts";

export interface TopicShape {
  readonly partitions: number;
  /** null: as many as there are brokers, three at most. */
  readonly replicationFactor: number | null;
  readonly retentionMs: number;
}

const REPLICATION_MAX = 3;

/**
 * Two must have a record before it counts, wherever there are two: so one broker may be lost and no
 * record with it. With two copies records then wait in the shards until both are back.
 */
const minInsyncOf = (replicationFactor: number): number => Math.min(replicationFactor, 2);

/**
 * Creates the topic unless it is there; gives its number of partitions. Several may do so at once.
 * More partitions than asked for are well: records go to the pinned number of them. Throws
 * {@link UsageError} when there are fewer, or when it can't be created as asked; a retryable
 * OperatingError `broker_unreachable` when no broker answers.
 */
export const ensureTopic = (
  settings: KafkaSettings,
  shape: TopicShape,
  logger: Logger,
): Promise<number> =>
  withAdmin(settings, logger, async (admin) => {
    const { topic } = settings;
    if (!(await admin.listTopics()).includes(topic)) await create(admin, topic, shape);
    const partitions = (await partitionsOf(admin, topic)).length;
    if (partitions >= shape.partitions) return partitions;
    throw new UsageError(
      `Topic ${topic} has ${partitions} partitions, ${shape.partitions} are needed. ` +
        `\`sluice partitions raise ${shape.partitions}\` adds them.`,
    );
  });

const create = async (admin: Admin, topic: string, shape: TopicShape): Promise<void> => {
  const { brokers } = await admin.describeCluster();
  const replicationFactor =
    shape.replicationFactor ?? Math.max(1, Math.min(brokers.length, REPLICATION_MAX));
  try {
    // Resolves to false when another process was faster.
    await admin.createTopics({
      waitForLeaders: true,
      topics: [
        {
          topic,
          numPartitions: shape.partitions,
          replicationFactor,
          configEntries: [
            { name: "cleanup.policy", value: "delete" },
            { name: "retention.ms", value: String(shape.retentionMs) },
            { name: "min.insync.replicas", value: String(minInsyncOf(replicationFactor)) },
          ],
        },
      ],
    });
  } catch (error) {
    if (typesOf(error).includes("TOPIC_ALREADY_EXISTS")) return;
    throw error;
  }
};

/** Gives the number that there was. Throws {@link UsageError} for fewer than there are. */
export const raiseTopicPartitions = (
  settings: KafkaSettings,
  count: number,
  logger: Logger,
): Promise<number> =>
  withAdmin(settings, logger, async (admin) => {
    const { topic } = settings;
    const before = (await partitionsOf(admin, topic)).length;
    if (count < before) {
      throw new UsageError(`Topic ${topic} has ${before} partitions: ${count} would be fewer.`);
    }
    if (count > before) await admin.createPartitions({ topicPartitions: [{ topic, count }] });
    return before;
  });

export interface PartitionFacts {
  readonly partition: number;
  readonly leader: number;
  readonly replicas: number;
  readonly inSync: number;
  /** The oldest record that is still there. */
  readonly lowOffset: bigint;
  /** One after the newest record. */
  readonly highOffset: bigint;
}

export interface MemberFacts {
  readonly memberId: string;
  readonly clientId: string;
  readonly host: string;
  /** Of the topic; empty: the member is idle. */
  readonly partitions: readonly number[];
}

export interface TopicFacts {
  readonly brokers: number;
  readonly partitions: readonly PartitionFacts[];
  readonly retentionMs: number;
  readonly minInsyncReplicas: number;
  readonly group: { readonly state: string; readonly members: readonly MemberFacts[] };
}

/** null when there is no such topic. */
export const topicFacts = (
  settings: KafkaSettings,
  groupId: string,
  logger: Logger,
): Promise<TopicFacts | null> =>
  withAdmin(settings, logger, async (admin) => {
    const { topic } = settings;
    if (!(await admin.listTopics()).includes(topic)) return null;
    const [cluster, partitions, offsets, config, { groups }] = await Promise.all([
      admin.describeCluster(),
      partitionsOf(admin, topic),
      offsetsOf(admin, topic),
      numbersOf(admin, topic, ["retention.ms", "min.insync.replicas"]),
      admin.describeGroups([groupId]),
    ]);
    return {
      brokers: cluster.brokers.length,
      partitions: partitions.map(({ partitionId, leader, replicas, isr }) => ({
        partition: partitionId,
        leader,
        replicas: replicas.length,
        inSync: isr.length,
        lowOffset: offsets.get(partitionId)?.low ?? 0n,
        highOffset: offsets.get(partitionId)?.high ?? 0n,
      })),
      retentionMs: config.get("retention.ms") ?? 0,
      minInsyncReplicas: config.get("min.insync.replicas") ?? 0,
      group: {
        state: groups[0]?.state ?? "Dead",
        members: (groups[0]?.members ?? []).map((member) => ({
          memberId: member.memberId,
          clientId: member.clientId,
          host: member.clientHost,
          partitions: assignedOf(member.memberAssignment, topic),
        })),
      },
    };
  });

export interface OffsetRange {
  readonly low: bigint;
  readonly high: bigint;
}

/** By partition. */
export const topicOffsets = (
  settings: KafkaSettings,
  logger: Logger,
): Promise<ReadonlyMap<number, OffsetRange>> =>
  withAdmin(settings, logger, (admin) => offsetsOf(admin, settings.topic));

const offsetsOf = async (
  admin: Admin,
  topic: string,
): Promise<ReadonlyMap<number, OffsetRange>> => {
  const offsets = await onceSpread(() => admin.fetchTopicOffsets(topic));
  return new Map(
    offsets.map(({ partition, low, high }) => [
      partition,
      { low: BigInt(low), high: BigInt(high) },
    ]),
  );
};

const partitionsOf = async (admin: Admin, topic: string) => {
  const { topics } = await onceSpread(() => admin.fetchTopicMetadata({ topics: [topic] }));
  const partitions = topics[0]?.partitions ?? [];
  return partitions.toSorted((a, b) => a.partitionId - b.partitionId);
};

const numbersOf = async (
  admin: Admin,
  name: string,
  configNames: string[],
): Promise<ReadonlyMap<string, number>> => {
  const { resources } = await onceSpread(() =>
    admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name, configNames }],
    }),
  );
  const entries = resources[0]?.configEntries ?? [];
  return new Map(entries.map(({ configName, configValue }) => [configName, Number(configValue)]));
};

const SPREAD_TRIES = 20;
const SPREAD_PAUSE_MS = 100;

/** Of a topic that was made a moment ago not every broker knows yet. */
const onceSpread = async <T>(ask: () => Promise<T>): Promise<T> => {
  for (let tries = 1; ; tries++) {
    try {
      return await ask();
    } catch (error) {
      const isUnknown = typesOf(error).includes("UNKNOWN_TOPIC_OR_PARTITION");
      if (!isUnknown || tries === SPREAD_TRIES) throw error;
      await Bun.sleep(SPREAD_PAUSE_MS);
    }
  }
};

/** A member that is joining has no assignment yet. */
const assignedOf = (assignment: Buffer, topic: string): readonly number[] => {
  if (assignment.length === 0) return [];
  const decoded = AssignerProtocol.MemberAssignment.decode(assignment);
  return (decoded?.assignment[topic] ?? []).toSorted((a, b) => a - b);
};

/** The types of an error that stands for several. */
const typesOf = (error: unknown): (string | undefined)[] => {
  const several = (error as { errors?: unknown } | null)?.errors;
  return (Array.isArray(several) ? several : [error]).map(kafkaErrorType);
};

const REFUSALS: Readonly<Record<string, string>> = {
  INVALID_REPLICATION_FACTOR: "there are fewer brokers than copies asked for",
  INVALID_PARTITIONS: "the number of partitions is refused",
  INVALID_TOPIC_EXCEPTION: "the name is refused",
  TOPIC_AUTHORIZATION_FAILED: "the broker's user may not create or describe it",
  CLUSTER_AUTHORIZATION_FAILED: "the broker's user may not create topics",
  POLICY_VIOLATION: "the broker's policy refuses it",
  INVALID_CONFIG: "the broker refuses its configuration",
};

const withAdmin = async <T>(
  settings: KafkaSettings,
  logger: Logger,
  work: (admin: Admin) => Promise<T>,
): Promise<T> => {
  const admin = kafkaClient(settings, logger).admin();
  try {
    await admin.connect();
    return await work(admin);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const type = typesOf(error).find((one) => one !== undefined && one in REFUSALS);
    if (type !== undefined) {
      throw new UsageError(`Topic ${settings.topic}: ${REFUSALS[type]} (${type}).`, {
        cause: error,
      });
    }
    const brokers = settings.brokers.join(",");
    throw new OperatingError(
      "broker_unreachable",
      `KAFKA_BROKERS (${brokers}) does not answer: ${reasonOf(error)}`,
      { retryable: true, cause: error },
    );
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
};
