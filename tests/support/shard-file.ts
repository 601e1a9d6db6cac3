/** For unit tests of the shard: a real file in a folder of its own, written as the writer does. */
import type { Database } from "bun:sqlite";
import { onTestFinished } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ShardName } from "../../shards/domain/brands.ts";
import type { Command } from "../../shards/domain/command.ts";
import { DEFAULT_ESCROW_POLICY } from "../../shards/domain/escrow/policy.ts";
import { defaultSharding, parseShardMap } from "../../shards/domain/symbol-map.ts";
import { type CommittedRecord, ZERO_HASH } from "../../shards/protocol/record.ts";
import type { Checkpointer } from "../../shards/store/checkpointer.ts";
import type { ClusterConfig, NewEpoch } from "../../shards/store/cluster.ts";
import { JournalReader } from "../../shards/store/journal.ts";
import { hashKey } from "../../shards/store/key-table.ts";
import type { Loaded } from "../../shards/store/load-shard.ts";
import { openShardFile } from "../../shards/store/open-shard.ts";
import { ShardStore, type StoreOptions } from "../../shards/store/shard-store.ts";
import { Batch } from "../../shards/writer/batch.ts";
import { Overlay } from "../../shards/writer/overlay.ts";
import { applyRaise, raiseWrites } from "../../shards/writer/raise-partitions.ts";
import type { RiskTerms } from "../../shards/writer/risk/risk-state.ts";
import { TransferRoom } from "../../shards/writer/risk/transfer-room.ts";
import { WaitingRoom } from "../../shards/writer/risk/waiting-room.ts";
import { ShardState } from "../../shards/writer/state.ts";
import { type BatchAnswer, INSTRUMENTS, PARTITIONS, START_AT, waitingOf } from "./shard-state.ts";

export const CONFIG: ClusterConfig = {
  shard: "shard1" as ShardName,
  shardIndex: 1,
  shardMap: parseShardMap(defaultSharding),
  partitionCount: PARTITIONS,
  risk: "none",
  venue: "none",
};

export const FIRST_EPOCH: NewEpoch = {
  epoch: 1,
  centralId: "central-1",
  orderCounter: 0,
  cursors: [],
};

export const DAY_MS = 86_400_000;

/** What {@link CONFIG} says: the shard has the last word and asks no bank. */
const WITHOUT_RISK: RiskTerms = {
  risk: "none",
  venue: "none",
  settings: { feeRateUnits: 0, marketBufferUnits: 0, markAgeMsMax: 0, leverageDefault: 1 },
  escrow: {
    shardIndex: CONFIG.shardIndex,
    epoch: FIRST_EPOCH.epoch,
    shardIndexes: [CONFIG.shardIndex],
    homeOf: () => CONFIG.shardIndex,
    bankBoot: "boot-1",
    isReconciling: false,
    policy: DEFAULT_ESCROW_POLICY,
    replicatedCommitSeq: () => 0,
  },
};

/** The tests of the file place more orders than an account may have open. */
const MANY_ORDERS = INSTRUMENTS.map((one) => ({ ...one, maxOrders: 1_000_000 }));

/** A folder that is gone when the test that asked for it is over. */
export const temporaryFolder = (): { readonly path: string } => {
  const path = mkdtempSync(join(tmpdir(), "sluice-shard-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return { path };
};

export interface FileOptions extends Partial<StoreOptions> {
  readonly config?: Partial<ClusterConfig>;
  readonly grant?: NewEpoch;
  readonly checkpointer?: (database: Database) => Checkpointer;
  /** In place of the hash of each key, to force collisions. */
  readonly hashKey?: (key: string) => number;
}

export const noCheckpoints = (): Checkpointer =>
  ({ afterBatch: () => {}, close: () => {} }) as unknown as Checkpointer;

export class ShardFile {
  readonly database: Database;
  readonly store: ShardStore;
  readonly state: ShardState;
  readonly loaded: Loaded;
  now = START_AT;
  readonly #hashKey: (key: string) => number;

  constructor(database: Database, loaded: Loaded, epoch: number, path: string, o: FileOptions) {
    this.database = database;
    this.loaded = loaded;
    this.#hashKey = o.hashKey ?? hashKey;
    const checkpointer = (o.checkpointer ?? noCheckpoints)(database);
    this.store = new ShardStore(
      database,
      {
        path,
        epoch,
        outcomeRetentionMs: o.outcomeRetentionMs ?? DAY_MS,
        orderRetentionMs: o.orderRetentionMs ?? DAY_MS,
        outcomeGenerationSize: o.outcomeGenerationSize ?? 1_000,
      },
      checkpointer,
      loaded,
    );
    const { shard, shardIndex } = CONFIG;
    this.state = new ShardState({ shard, shardIndex, epoch, ...loaded }, WITHOUT_RISK);
  }

  /** Decides and commits one batch. Throws what the commit throws; then nothing has changed. */
  run(commands: readonly Command[]): readonly BatchAnswer[] {
    const overlay = new Overlay(this.state, {
      store: this.store,
      hashKey: this.#hashKey,
      admission: undefined,
      openOrdersMax: 1_000_000,
      now: this.now,
    });
    const { state, store, now } = this;
    const room = new WaitingRoom<null>(0);
    const transfers = new TransferRoom<null>();
    const batch = new Batch({ overlay, state, store, room, transfers, now });
    for (const waiting of waitingOf(commands)) batch.take(waiting);
    batch.finish();
    this.store.commit(overlay.writes());
    overlay.apply();
    this.store.maintain(this.now);
    return batch.drafts.map(({ status, kind, body }) => ({ status, kind, body }));
  }

  /** Raises the partitions as the writer does. */
  raise(partitionCount: number): void {
    const writes = raiseWrites(this.state, partitionCount, this.now);
    this.store.commit(writes);
    applyRaise(this.state, writes);
  }

  /** Central has everything up to here. */
  applied(commitSeq = this.state.commitSeq): void {
    const partitions = Array.from({ length: this.state.partitionCount }, (_, partition) => {
      const { seq, hash } = this.state.streamEnd(partition);
      return { partition, replicatedSeq: seq, replicatedHash: hash, appliedSeq: seq };
    });
    const appliedValueBytes = this.store.valueBytes;
    this.store.setWatermarks({ appliedCommitSeq: commitSeq, appliedValueBytes, partitions });
  }

  /** All records, chained again from the start of each partition's stream. */
  chainedRecords(): CommittedRecord[] {
    const reader = new JournalReader(this.database, "shard1", 1);
    const ends = new Map<number, string>();
    return reader.read(0, 1_000_000).map((record) => {
      const prevHash = ends.get(record.partition) ?? ZERO_HASH;
      ends.set(record.partition, record.hash);
      return { ...record, prevHash };
    });
  }

  number(sql: string): number {
    const [row] = this.database.query(sql).values();
    return Number(row?.[0]);
  }

  close(): void {
    this.store.close();
  }
}

export const openFile = async (path: string, options: FileOptions = {}): Promise<ShardFile> => {
  const { database, epoch, loaded } = await openShardFile({
    path,
    config: { ...CONFIG, ...options.config },
    instruments: MANY_ORDERS,
    backlogRecordsMax: 1_000,
    now: START_AT,
    claimEpoch: async () => options.grant ?? FIRST_EPOCH,
  });
  return new ShardFile(database, loaded, epoch, path, options);
};
