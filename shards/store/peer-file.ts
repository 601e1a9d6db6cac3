/**
 * The file of a shard that does not run, as the restore of another one uses it: what it holds and
 * has granted, and the new epoch that its banks take from then on for the restored shard.
 */
import type { Database } from "bun:sqlite";
import { drizzle } from "drizzle-orm/bun-sqlite";
import type { PurseKey } from "../domain/escrow/types.ts";
import { UsageError } from "../process/failure.ts";
import type { StreamStanding } from "../relay/ports.ts";
import type { DurablePurse } from "../writer/store-port.ts";
import { type Pinned, readPinned } from "./cluster.ts";
import { checkFileIsWhole } from "./file-check.ts";
import { readIsReconciling } from "./load-shard.ts";
import { migrateShardFile } from "./migrate.ts";
import { openForWriting } from "./open.ts";
import { loadPurses } from "./risk/load-purses.ts";
import { stream } from "./schema.ts";

export class PeerFile {
  readonly #database: Database;
  readonly pinned: Pinned;
  /** It does not know its own rights. */
  readonly isReconciling: boolean;

  /** The caller holds the shard's lock. Throws {@link UsageError} for a file that is none. */
  static open(path: string, now: number): PeerFile {
    checkFileIsWhole(path);
    const database = openForWriting(path);
    try {
      migrateShardFile(database, path, now);
      const pinned = readPinned(database);
      if (pinned === undefined) throw new UsageError(`${path} was never finished.`);
      return new PeerFile(database, pinned);
    } catch (error) {
      database.close();
      throw error;
    }
  }

  private constructor(database: Database, pinned: Pinned) {
    this.#database = database;
    this.pinned = pinned;
    this.isReconciling = readIsReconciling(database);
  }

  /** To compare with what central has of them. */
  streams(): readonly StreamStanding[] {
    return drizzle({ client: this.#database }).select().from(stream).all();
  }

  purses(): readonly (PurseKey & DurablePurse)[] {
    return loadPurses(this.#database);
  }

  /** From here on its banks refuse what an older file of that shard says. */
  beginEpoch(shardIndex: number, epoch: number): void {
    const begin = "UPDATE bank_shard SET epoch = ? WHERE shard_index = ? AND epoch < ?";
    this.#database.query(begin).run(epoch, shardIndex, epoch);
  }

  close(): void {
    this.#database.run("PRAGMA wal_checkpoint(TRUNCATE)");
    this.#database.close();
  }
}
