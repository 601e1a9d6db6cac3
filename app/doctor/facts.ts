/** What was seen of the system, gathered by `gather/` and judged by `checks/`. */
import type { Stopped } from "../../shards/protocol/relay.ts";

/** What one source gave, or a sentence on why it gave nothing. */
export type Gathered<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reason: string };

/** A clock that is not this host's. */
export interface ClockReading {
  /** Ahead of this host's when positive. */
  readonly offsetMs: number;
  /** Half of the time the question took: by this much the offset may be wrong. */
  readonly uncertaintyMs: number;
}

/** What the configuration says. */
export interface Expected {
  readonly dataDir: string;
  readonly apiUrl: string;
  readonly shards: readonly string[];
  /** Of new shard files. */
  readonly partitionCount: number;
  readonly freeSpaceFloorBytes: number;
  readonly backlogRecordsMax: number;
  /** null: no broker is configured, the central store is embedded. */
  readonly topic: ExpectedTopic | null;
}

export interface ExpectedTopic {
  readonly name: string;
  readonly groupId: string;
  /** 0: as many as there are brokers, 3 at most. */
  readonly replicationFactor: number;
  readonly retentionMs: number;
}

export interface HostFacts {
  /** null: there is none. */
  readonly folder: FolderFacts | null;
  readonly sqlite: {
    readonly version: string;
    /** Why this version is refused; null when it is not. */
    readonly refusal: string | null;
  };
  /** Why the configured keys can't be used; null when they can. */
  readonly keysRefusal: string | null;
}

export interface FolderFacts {
  /** Permission bits, such as 0o700. */
  readonly mode: number;
  /** By the user who runs doctor. */
  readonly writable: boolean;
  readonly freeBytes: number;
}

export interface ApiFacts {
  readonly clock: ClockReading;
  readonly token: TokenFacts;
  /** null when the api does not tell. */
  readonly shards: readonly ShardFacts[] | null;
}

/** What the api says to doctor's token, or why there is none to show it. */
export type TokenFacts =
  | { readonly kind: "accepted" }
  | { readonly kind: "refused"; readonly detail: string }
  | { readonly kind: "missing"; readonly detail: string };

/** A shard as the running api shows it; null where its version does not say. */
export interface ShardFacts {
  readonly shard: string;
  readonly state: string;
  readonly reason: string | null;
  readonly epoch: number | null;
  readonly partitionCount: number | null;
  readonly freeBytes: number | null;
  readonly sqliteVersion: string | null;
  readonly relay: RelayFacts | null;
  readonly central: { readonly lagRecords: number; readonly lagMs: number } | null;
  /** Since the shard's start. */
  readonly executionsQuarantined: number | null;
  /** null with `risk: none`, too. */
  readonly risk: RiskFacts | null;
}

export interface RiskFacts {
  readonly isReconciling: boolean;
  /** The oldest request, and the oldest event, that a bank has not answered. */
  readonly pendingAgeMs: number;
  readonly outboxAgeMs: number;
  readonly staleMarks: number;
}

export interface RelayFacts {
  readonly state: string;
  readonly reason: string | null;
  readonly backlogRecords: number;
}

export interface BrokerFacts {
  readonly brokers: number;
  /** null: the topic is not there. */
  readonly topic: TopicFacts | null;
  readonly group: GroupFacts;
}

export interface TopicFacts {
  readonly partitions: readonly PartitionFacts[];
  readonly minInsyncReplicas: number;
  /** null: for ever. */
  readonly retentionMs: number | null;
  readonly cleanupPolicy: string;
  readonly uncleanElection: boolean;
}

export interface PartitionFacts {
  readonly partition: number;
  readonly hasLeader: boolean;
  readonly replicas: number;
  readonly inSync: number;
  /** The oldest record that is still there. */
  readonly low: number;
  /** One past the newest record. */
  readonly high: number;
}

export interface GroupFacts {
  /** `Stable`, `Empty`, `Dead`, `PreparingRebalance`, `CompletingRebalance`. */
  readonly state: string;
  readonly members: readonly MemberFacts[];
}

export interface MemberFacts {
  readonly memberId: string;
  readonly host: string;
  /** Of our topic. */
  readonly partitions: readonly number[];
}

export interface MysqlFacts {
  readonly version: string;
  readonly clock: ClockReading;
  readonly readOnly: boolean;
  readonly flushLogAtCommit: number;
  /** null: there is no binary log. */
  readonly syncBinlog: number | null;
  readonly doublewrite: string;
  readonly maxAllowedPacketBytes: number;
}

export interface RedisFacts {
  readonly version: string;
  readonly clock: ClockReading;
}

/** What central knows of streams and topic, in either form. */
export interface CentralFacts {
  /** The epoch that each shard was given last. */
  readonly epochs: readonly { readonly shard: string; readonly epoch: number }[];
  readonly stopped: readonly StoppedFacts[];
  /** Records that belong to no stream. */
  readonly quarantinedRecords: number;
  /** One for each partition of the topic that was read; none without a broker. */
  readonly positions: readonly { readonly partition: number; readonly nextOffset: number }[];
}

export interface StoppedFacts {
  readonly shard: string;
  readonly epoch: number;
  readonly partition: number;
  readonly code: Stopped["code"];
  readonly detail: string;
  /** Milliseconds since 1970. */
  readonly stoppedAt: number;
}

/** How far central is behind in one partition of the topic. */
export interface PartitionLag {
  readonly partition: number;
  readonly records: number;
  /** The age of the oldest record that waits, within some 5 %; null when the broker does not say. */
  readonly ms: number | null;
}

/** null stands for what is not configured. */
export interface Facts {
  /** Milliseconds since 1970, by this host's clock. */
  readonly at: number;
  readonly expected: Expected;
  readonly host: HostFacts;
  readonly api: Gathered<ApiFacts>;
  /** Of an applier whose address is configured. */
  readonly applier: Gathered<true> | null;
  readonly broker: Gathered<BrokerFacts> | null;
  readonly mysql: Gathered<MysqlFacts> | null;
  readonly redis: Gathered<RedisFacts> | null;
  /** The value is null where central has no tables yet. */
  readonly central: Gathered<CentralFacts | null>;
  readonly lag: readonly PartitionLag[];
}
