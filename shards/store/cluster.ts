/** What is pinned in a shard's file, and what a new file begins with. */
import type { Database } from "bun:sqlite";
import type { InstrumentSymbol, ShardName } from "../domain/brands.ts";
import { describeShardMap, type ShardMap, symbolsThatMove } from "../domain/symbol-map.ts";
import { UsageError } from "../process/failure.ts";
import { randomId } from "../process/ids.ts";
import type { Cursor } from "../protocol/hello.ts";
import { chainHash, RECORD_TYPES, ZERO_HASH } from "../protocol/record.ts";

/** Compared with the configuration at every start. */
export interface ClusterConfig {
  readonly shard: ShardName;
  readonly shardIndex: number;
  readonly shardMap: ShardMap;
  readonly partitionCount: number;
  readonly risk: string;
  readonly venue: string;
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

interface ClusterRow {
  readonly shard: string;
  readonly shard_index: number;
  readonly epoch: number;
  readonly central_id: string;
  readonly shard_map: string;
  readonly shard_count: number;
  readonly partition_count: number;
  readonly risk: string;
  readonly venue: string;
}

export const readPinned = (database: Database): Pinned | undefined => {
  const row = readRow(database);
  return row === null ? undefined : { epoch: row.epoch, centralId: row.central_id };
};

const readRow = (database: Database): ClusterRow | null =>
  database.query("SELECT * FROM cluster WHERE id = 1").get() as ClusterRow | null;

/** Durable before central is asked: an answer that is lost can be asked for again. */
export const readOrMakeClaim = (database: Database): string => {
  database.prepare("INSERT OR IGNORE INTO epoch_claim VALUES (1, ?)").run(randomId());
  const { claim_id } = database.query("SELECT claim_id FROM epoch_claim").get() as {
    claim_id: string;
  };
  return claim_id;
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
  const counter = epoch === 1 ? 0 : grant.orderCounter + backlogRecordsMax + COUNTER_SAFETY;
  database
    .transaction(() => {
      database
        .prepare("INSERT INTO cluster VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .run(
          config.shard,
          config.shardIndex,
          epoch,
          centralId,
          describeShardMap(config.shardMap),
          config.shardMap.shards.length,
          config.partitionCount,
          config.risk,
          config.venue,
          now,
        );
      const journal = database.prepare("INSERT INTO journal VALUES (?, ?, ?, 1, ?, '', ?, ?)");
      const stream = database.prepare("INSERT INTO stream VALUES (?, 1, ?, 0, 0)");
      for (let partition = 0; partition < config.partitionCount; partition++) {
        const before = cursors.find((cursor) => cursor.partition === partition);
        const value = epochStarted(before);
        const hash = chainHash(before?.hash ?? ZERO_HASH, value);
        const type = RECORD_TYPES.indexOf("epoch_started");
        journal.run(partition + 1, type, partition, now, value, hash);
        stream.run(partition, hash);
      }
      database
        .prepare("INSERT INTO sequence VALUES (1, ?, ?, 0)")
        .run(counter, config.partitionCount);
    })
    .immediate();
};

const epochStarted = (cursor: Cursor | undefined): string =>
  JSON.stringify({
    previousEpoch: cursor?.epoch ?? 0,
    previousSeq: cursor?.seq ?? 0,
    previousHash: cursor?.hash ?? ZERO_HASH,
  });

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
  if (row === null) return;
  const pins: readonly [string, string | number, string | number][] = [
    ["the shard's name", row.shard, config.shard],
    ["partitionCount", row.partition_count, config.partitionCount],
    ["the number of shards", row.shard_count, config.shardMap.shards.length],
    ["risk", row.risk, config.risk],
    ["venue", row.venue, config.venue],
  ];
  for (const [what, pinned, configured] of pins) {
    if (pinned === configured) continue;
    throw new UsageError(
      `${path} was made with ${what} ${pinned}, the configuration says ${configured}: ` +
        `set it to ${pinned}, or use another data folder.`,
    );
  }
  const map = describeShardMap(config.shardMap);
  if (row.shard_map === map) return;
  const moved = symbolsThatMove(row.shard_map, config.shardMap, config.shard, symbolsWithRows());
  if (moved.length > 0) {
    throw new UsageError(
      `sharding: moves ${moved.join(", ")} away from ${config.shard}, whose file ${path} holds ` +
        "their orders. Put them back; moving symbols is not supported.",
    );
  }
  database.prepare("UPDATE cluster SET shard_map = ? WHERE id = 1").run(map);
};
