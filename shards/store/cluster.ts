/** What is pinned in a shard's file, and what a new file begins with. */
import type { Database } from "bun:sqlite";
import { drizzle } from "drizzle-orm/bun-sqlite";
import type { InstrumentSymbol, ShardName } from "../domain/brands.ts";
import type { RiskMode, Venue } from "../domain/risk/types.ts";
import { describeShardMap, type ShardMap, symbolsThatMove } from "../domain/symbol-map.ts";
import { invariant, UsageError } from "../process/failure.ts";
import { randomId } from "../process/ids.ts";
import type { Cursor } from "../protocol/hello.ts";
import { chainHash, RECORD_TYPES, ZERO_HASH } from "../protocol/record.ts";
import type { PartitionRaise } from "../writer/store-port.ts";
import { cluster, epochClaim, journal, partitionGeneration, sequence, stream } from "./schema.ts";

/** Compared with the configuration at every start, but for the number of partitions. */
export interface ClusterConfig {
  readonly shard: ShardName;
  readonly shardIndex: number;
  readonly shardMap: ShardMap;
  /** Of a new file; later it is raised while the shard runs, and the file's own counts. */
  readonly partitionCount: number;
  readonly risk: RiskMode;
  readonly venue: Venue;
}

export interface Pinned {
  readonly epoch: number;
  readonly centralId: string;
}

/** What central gave for a file that is made now. */
export interface NewEpoch {
  readonly epoch: number;
  readonly centralId: string;
  /** The highest order counter that central knows of this shard. */
  readonly orderCounter: number;
  readonly cursors: readonly Cursor[];
}

/** Counters that a lost file may have given out and that central never saw. */
const COUNTER_SAFETY = 1_000_000;

export const readPinned = (database: Database): Pinned | undefined => {
  const row = readRow(database);
  return row && { epoch: row.epoch, centralId: row.centralId };
};

const readRow = (database: Database) => drizzle({ client: database }).select().from(cluster).get();

/** Durable before central is asked: an answer that is lost can be asked for again. */
export const readOrMakeClaim = (database: Database): string => {
  const tables = drizzle({ client: database });
  tables.insert(epochClaim).values({ id: 1, claimId: randomId() }).onConflictDoNothing().run();
  const claim = tables.select().from(epochClaim).get();
  invariant(claim !== undefined, "a new file has its claim");
  return claim.claimId;
};

/** Makes the rows of a new file: its pins, and the first record of every partition's stream. */
export const beginEpoch = (
  database: Database,
  config: ClusterConfig,
  grant: NewEpoch,
  backlogRecordsMax: number,
  now: number,
): void => {
  const { epoch, centralId, cursors } = grant;
  const { shard, shardIndex, shardMap, risk, venue } = config;
  // Central knows every partition of the epoch before: each of them has to go on.
  const known = cursors.map(({ partition }) => partition + 1);
  const partitionCount = Math.max(config.partitionCount, ...known);
  const firstCounter = epoch === 1 ? 0 : grant.orderCounter + backlogRecordsMax + COUNTER_SAFETY;
  drizzle({ client: database }).transaction((tables) => {
    tables
      .insert(cluster)
      .values({
        id: 1,
        shard,
        shardIndex,
        epoch,
        centralId,
        shardMap: describeShardMap(shardMap),
        shardCount: shardMap.shards.length,
        partitionCount,
        risk,
        venue,
        createdAt: now,
      })
      .run();
    for (let partition = 0; partition < partitionCount; partition++) {
      const before = cursors.find((cursor) => cursor.partition === partition);
      const value = epochStarted(before);
      const hash = chainHash(before?.hash ?? ZERO_HASH, value);
      const record = { seq: 1, at: now, key: "", value, hash };
      tables
        .insert(journal)
        .values({ ...record, commitSeq: partition + 1, type: EPOCH_STARTED, partition })
        .run();
      tables
        .insert(stream)
        .values({
          partition,
          seq: 1,
          hash,
          replicatedSeq: 0,
          appliedSeq: 0,
          replicatedHash: before?.hash ?? ZERO_HASH,
        })
        .run();
    }
    tables
      .insert(partitionGeneration)
      .values({ generation: 1, partitionCount, firstCommitSeq: 1 })
      .run();
    tables
      .insert(sequence)
      .values({ id: 1, orderCounter: firstCounter, commitSeq: partitionCount, appliedCommitSeq: 0 })
      .run();
  });
};

const EPOCH_STARTED = RECORD_TYPES.indexOf("epoch_started");

const epochStarted = (cursor: Cursor | undefined): string =>
  JSON.stringify({
    previousEpoch: cursor?.epoch ?? 0,
    previousSeq: cursor?.seq ?? 0,
    previousHash: cursor?.hash ?? ZERO_HASH,
  });

/** Part of a transaction that goes on with the new streams' first records. */
export const raisePartitions = (
  database: Database,
  { generation, partitionCount }: PartitionRaise,
  firstCommitSeq: number,
): void => {
  const tables = drizzle({ client: database });
  const row = readRow(database);
  invariant(row !== undefined && row.partitionCount < partitionCount, "partitions only grow");
  for (let partition = row.partitionCount; partition < partitionCount; partition++) {
    const sent = { replicatedSeq: 0, replicatedHash: ZERO_HASH, appliedSeq: 0 };
    tables
      .insert(stream)
      .values({ partition, seq: 0, hash: ZERO_HASH, ...sent })
      .run();
  }
  tables.insert(partitionGeneration).values({ generation, partitionCount, firstCommitSeq }).run();
  tables.update(cluster).set({ partitionCount }).run();
};

/**
 * Refuses a configuration that the file was not made for. A map that gives this shard other
 * symbols is taken over as long as no symbol moves away that has rows here.
 */
export const comparePinned = (
  database: Database,
  config: ClusterConfig,
  symbolsWithRows: () => readonly InstrumentSymbol[],
  path: string,
): void => {
  const row = readRow(database);
  if (row === undefined) return;
  const pins: readonly [string, string | number, string | number, string][] = [
    ["the shard's name", row.shard, config.shard, `--shard ${row.shard}`],
    ["the number of shards", row.shardCount, config.shardMap.shards.length, "sharding as it was"],
    ["risk", row.risk, config.risk, `SLUICE_RISK=${row.risk}`],
    ["venue", row.venue, config.venue, `SLUICE_VENUE=${row.venue}`],
  ];
  // All at once: a file of an older version differs in several.
  const others = pins.filter(([, pinned, configured]) => pinned !== configured);
  if (others.length > 0) {
    const what = others.map((pin) => `${pin[0]} ${pin[1]}, the configuration says ${pin[2]}`);
    const wayOut = others.map(([, , , setting]) => setting).join(" and ");
    throw new UsageError(
      `${path} was made with ${what.join("; with ")}: set ${wayOut}, or use another data folder.`,
    );
  }
  const map = describeShardMap(config.shardMap);
  if (row.shardMap === map) return;
  const moved = symbolsThatMove(row.shardMap, config.shardMap, config.shard, symbolsWithRows());
  if (moved.length > 0) {
    throw new UsageError(
      `sharding: moves ${moved.join(", ")} away from ${config.shard}, whose file ${path} holds ` +
        "their orders. Put them back; moving symbols is not supported.",
    );
  }
  drizzle({ client: database }).update(cluster).set({ shardMap: map }).run();
};
