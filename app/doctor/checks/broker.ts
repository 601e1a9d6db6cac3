/** The broker: can it be reached, is the topic what the promise needs, who reads it, how late. */
import { type Check, type CheckResult, counted, given, seen, skipped } from "../check.ts";
import type {
  BrokerFacts,
  ExpectedTopic,
  Facts,
  GroupFacts,
  PartitionFacts,
  PartitionLag,
  TopicFacts,
} from "../facts.ts";
import { type Finding, found } from "../findings.ts";
import { durationText } from "../units.ts";
import { pinnedPartitions } from "./api.ts";

const broker: Check = {
  name: "broker",
  run: ({ broker: gathered, expected: { topic } }) => {
    if (gathered === null || topic === null) return skipped("KAFKA_BROKERS is not set");
    if (!gathered.ok) return seen("", [found("broker_unreachable", `${gathered.reason}.`)]);
    const { brokers, topic: there } = gathered.value;
    return seen(
      `${counted(brokers, "broker")}, topic ${topic.name}`,
      there === null ? [found("topic_missing", `There is no topic ${topic.name}.`)] : [],
    );
  },
};

interface Known {
  readonly broker: BrokerFacts;
  readonly topic: TopicFacts;
  readonly expected: ExpectedTopic;
  readonly facts: Facts;
}

/** A check of a topic that is there. */
const ofTopic = (name: string, run: (known: Known) => CheckResult): Check => ({
  name,
  run: (facts) => {
    const { topic: expected } = facts.expected;
    const seenBroker = given(facts.broker);
    if (facts.broker === null || expected === null) return skipped("KAFKA_BROKERS is not set");
    if (seenBroker === null) return skipped("the broker does not answer");
    const { topic } = seenBroker;
    if (topic === null) return skipped("the topic is not there");
    return run({ broker: seenBroker, topic, expected, facts });
  },
});

const partitions = ofTopic("topic partitions", ({ topic, facts }) => {
  const there = topic.partitions.length;
  const pinned = pinnedPartitions(facts);
  const what = `The topic has ${counted(there, "partition")}, the shards number ${pinned}.`;
  if (there < pinned) {
    const fix = `Run \`sluice partitions raise ${pinned}\`: it raises the topic too.`;
    return seen("", [found("topic_partitions_fewer", what, fix)]);
  }
  if (there === pinned) return seen(`${there}, as pinned in the shards`);
  const fix = `Run \`sluice partitions raise ${there}\` to use them.`;
  return seen("", [found("topic_partitions_more", what, fix)]);
});

/** More copies than this are not asked for. */
const REPLICAS_WANTED = 3;
const IN_SYNC_WANTED = 2;

const replication = ofTopic("replication", ({ topic, broker: { brokers }, expected }) => {
  const replicas = Math.min(...topic.partitions.map((one) => one.replicas));
  const wanted = expected.replicationFactor || Math.min(REPLICAS_WANTED, brokers);
  const findings: Finding[] = [];
  if (replicas < wanted) {
    const what = `The topic has ${counted(replicas, "replica")}; ${wanted} are wanted.`;
    findings.push(found("replication_too_low", what));
  } else if (brokers === 1) {
    findings.push(found("single_broker", "One broker, one replica."));
  }
  findings.push(
    ...settingFindings(topic, replicas),
    ...topic.partitions.flatMap(syncFindings(topic)),
  );
  const { minInsyncReplicas } = topic;
  return seen(
    `factor ${replicas}, min.insync.replicas ${minInsyncReplicas}, all in sync`,
    findings,
  );
});

const settingFindings = (topic: TopicFacts, replicas: number): readonly Finding[] => {
  const { minInsyncReplicas, cleanupPolicy, uncleanElection } = topic;
  const findings: Finding[] = [];
  const what = `min.insync.replicas is ${minInsyncReplicas} with ${counted(replicas, "replica")}.`;
  if (minInsyncReplicas > replicas) findings.push(found("min_insync_too_high", what));
  else if (replicas > 1 && minInsyncReplicas < IN_SYNC_WANTED) {
    findings.push(found("min_insync_too_low", what));
  }
  if (uncleanElection) {
    findings.push(found("unclean_election", "unclean.leader.election.enable is true."));
  }
  if (cleanupPolicy.includes("compact")) {
    findings.push(found("topic_compacted", `cleanup.policy is ${cleanupPolicy}.`));
  }
  return findings;
};

const syncFindings =
  ({ minInsyncReplicas }: TopicFacts) =>
  ({ partition, hasLeader, replicas, inSync }: PartitionFacts): readonly Finding[] => {
    if (!hasLeader)
      return [found("partition_not_writable", `Partition ${partition} has no leader.`)];
    if (inSync === replicas) return [];
    const what = `Partition ${partition}: ${inSync} of ${replicas} replicas in sync.`;
    // Where more are asked for than there are, min_insync_too_high says it.
    const isStopped = inSync < Math.min(minInsyncReplicas, replicas);
    return [found(isStopped ? "partition_not_writable" : "replicas_out_of_sync", what)];
  };

const consumers = ofTopic("consumers", ({ topic, broker: { group }, expected }) => {
  const { members, state } = group;
  if (members.length === 0) {
    const what = `The group ${expected.groupId} has no member (${state}).`;
    return seen("", [found("no_consumers", what)]);
  }
  if (state !== "Stable") {
    const what = `The group ${expected.groupId} is in ${state}, ${counted(members.length, "member")}.`;
    return seen("", [found("group_rebalancing", what)]);
  }
  const text = `${counted(members.length, "applier")} of the group ${expected.groupId}`;
  return seen(text, [...idleFindings(group), ...unconsumedFindings(group, topic)]);
});

const idleFindings = ({ members }: GroupFacts): readonly Finding[] =>
  members
    .filter((member) => member.partitions.length === 0)
    .map(({ memberId, host }) =>
      found("consumer_idle", `${memberId} (${host}) has no partition of the topic.`),
    );

const unconsumedFindings = ({ members }: GroupFacts, topic: TopicFacts): readonly Finding[] => {
  const taken = new Set(members.flatMap((member) => member.partitions));
  const left = topic.partitions.filter(({ partition }) => !taken.has(partition));
  if (left.length === 0) return [];
  const numbers = left.map(({ partition }) => partition).join(", ");
  return [found("partition_unconsumed", `Nobody reads partition ${numbers}.`)];
};

/** Of the retention: older than this, somebody should look. */
const NEAR_RETENTION = 0.5;

const retention = ofTopic("retention", ({ topic, expected, facts }) => {
  const { retentionMs } = topic;
  if (retentionMs === null) return seen("for ever");
  const near = facts.lag.filter(({ ms }) => ms !== null && ms > NEAR_RETENTION * retentionMs);
  const findings = near.map(({ partition, ms }) =>
    found(
      "lag_near_retention",
      `Partition ${partition}: the oldest record that waits is ${durationText(ms ?? 0)} old, ` +
        `the topic keeps ${durationText(retentionMs)}.`,
    ),
  );
  if (retentionMs < expected.retentionMs) {
    const meant = durationText(expected.retentionMs);
    const what = `retention.ms is ${durationText(retentionMs)}, kafka.retention says ${meant}.`;
    findings.push(found("retention_short", what));
  }
  return seen(durationText(retentionMs), findings);
});

const lag = ofTopic("lag", ({ topic, facts }) => {
  const central = given(facts.central);
  if (central === null) return skipped("central does not say how far it has read");
  const findings = topic.partitions.flatMap((one) => {
    const position = central.positions.find(({ partition }) => partition === one.partition);
    return position === undefined ? [] : positionFindings(one, position.nextOffset);
  });
  findings.push(...facts.lag.flatMap(lateFindings));
  const records = facts.lag.reduce((sum, one) => sum + one.records, 0);
  const oldestMs = Math.max(0, ...facts.lag.map(({ ms }) => ms ?? 0));
  const oldest = records === 0 ? "" : `, the oldest ${durationText(oldestMs)} old`;
  return seen(`${counted(records, "record")} behind${oldest}`, findings);
});

const positionFindings = (
  { partition, low, high }: PartitionFacts,
  nextOffset: number,
): Finding[] => {
  if (nextOffset > high) {
    const what = `Partition ${partition} ends at offset ${high}; central has read up to ${nextOffset}.`;
    return [found("topic_tail_lost", what)];
  }
  if (nextOffset >= low) return [];
  const what = `Partition ${partition} begins at offset ${low}; central has read up to ${nextOffset}.`;
  return [found("records_expired", what)];
};

const LAG_MS_MAX = 60_000;

const lateFindings = ({ partition, records, ms }: PartitionLag): readonly Finding[] => {
  if (ms === null || ms <= LAG_MS_MAX) return [];
  const behind = counted(records, "record");
  const what = `Partition ${partition}: ${behind}, the oldest ${durationText(ms)} old.`;
  return [found("central_lags", what)];
};

export const BROKER_CHECKS: readonly Check[] = [
  broker,
  partitions,
  replication,
  retention,
  consumers,
  lag,
];
