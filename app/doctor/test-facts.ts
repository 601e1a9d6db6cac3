/** A system in health, for the tests: three brokers, three shards, two appliers. */
import type {
  ApiFacts,
  BrokerFacts,
  CentralFacts,
  Facts,
  HostFacts,
  MysqlFacts,
  PartitionFacts,
  ShardFacts,
  TopicFacts,
} from "./facts.ts";

export const GIB = 1024 ** 3;
const DAY_MS = 86_400_000;
const CLOCK = { offsetMs: 3, uncertaintyMs: 2 };

export const HOST: HostFacts = {
  folder: { mode: 0o700, writable: true, freeBytes: 100 * GIB },
  sqlite: { version: "3.53.4", refusal: null },
  keysRefusal: null,
};

export const shardOf = (shard: string): ShardFacts => ({
  shard,
  state: "filling",
  reason: null,
  epoch: 2,
  partitionCount: 2,
  freeBytes: 50 * GIB,
  sqliteVersion: "3.53.4",
  relay: { state: "running", reason: null, backlogRecords: 0 },
  central: { lagRecords: 4, lagMs: 12 },
  executionsQuarantined: 0,
  risk: { isReconciling: false, pendingAgeMs: 0, outboxAgeMs: 20, staleMarks: 0 },
});

export const API: ApiFacts = {
  clock: CLOCK,
  token: { kind: "accepted" },
  shards: ["shard1", "shard2", "shard3"].map(shardOf),
};

export const partitionOf = (partition: number): PartitionFacts => ({
  partition,
  hasLeader: true,
  replicas: 3,
  inSync: 3,
  low: 100,
  high: 200,
});

export const TOPIC: TopicFacts = {
  partitions: [partitionOf(0), partitionOf(1)],
  minInsyncReplicas: 2,
  retentionMs: 14 * DAY_MS,
  cleanupPolicy: "delete",
  uncleanElection: false,
};

export const BROKER: BrokerFacts = {
  brokers: 3,
  topic: TOPIC,
  group: {
    state: "Stable",
    members: [
      { memberId: "member-a", host: "/10.0.0.1", partitions: [0] },
      { memberId: "member-b", host: "/10.0.0.2", partitions: [1] },
    ],
  },
};

export const MYSQL: MysqlFacts = {
  version: "9.7.4",
  clock: CLOCK,
  readOnly: false,
  flushLogAtCommit: 1,
  syncBinlog: 1,
  doublewrite: "ON",
  maxAllowedPacketBytes: 64 * 1024 ** 2,
};

export const CENTRAL: CentralFacts = {
  epochs: ["shard1", "shard2", "shard3"].map((shard) => ({ shard, epoch: 2 })),
  stopped: [],
  quarantinedRecords: 0,
  positions: [
    { partition: 0, nextOffset: 200 },
    { partition: 1, nextOffset: 196 },
  ],
};

export const found = <T>(value: T): { readonly ok: true; readonly value: T } => ({
  ok: true,
  value,
});

export const HEALTHY: Facts = {
  at: 1_800_000_000_000,
  expected: {
    dataDir: "/srv/sluice",
    apiUrl: "http://127.0.0.1:8080",
    shards: ["shard1", "shard2", "shard3"],
    partitionCount: 2,
    freeSpaceFloorBytes: GIB,
    backlogRecordsMax: 1000,
    topic: {
      name: "orders.committed",
      groupId: "sluice-applier",
      replicationFactor: 0,
      retentionMs: 14 * DAY_MS,
    },
  },
  host: HOST,
  api: found(API),
  applier: found(true),
  broker: found(BROKER),
  mysql: found(MYSQL),
  redis: found({ version: "8.0.6", clock: CLOCK }),
  central: found(CENTRAL),
  lag: [
    { partition: 0, records: 0, ms: 0 },
    { partition: 1, records: 4, ms: 12 },
  ],
};
