/**
 * Which client order ids were used, by generation.
 *
 * Random keys in one huge index are the dearest thing a shard could do: inserts fall to a third at
 * ten million rows. So the current generation's keys are in memory only (their hashes also in
 * `outcome_key`, in commit order, to rebuild them at a start). A full or old generation is sealed:
 * its keys move, a few with every batch and in the order of their hashes, to `outcome_index`; once
 * there, a Bloom filter in memory answers for it. Its outcomes are dropped whole after the
 * retention. The hash finds candidates; the journal's record decides.
 */
import type { Database } from "bun:sqlite";
import { BloomFilter } from "./bloom.ts";
import { HASH_BITS, KeyTable } from "./key-table.ts";

/** Keys and slots that one batch moves, as multiples of its own outcomes: it must be above 2. */
const MOVE_FACTOR = 4;
/** A batch moves at least this much, so that a slow shard gets done too. */
const MOVE_MIN = 64;

interface Filling {
  readonly generation: number;
  readonly table: KeyTable;
  readonly firstCommitSeq: number;
  firstAt: number;
  newestAt: number;
}

interface Sealed {
  readonly generation: number;
  readonly firstCommitSeq: number;
  readonly lastCommitSeq: number;
  readonly newestAt: number;
  filter: BloomFilter | null;
}

/** A generation whose keys leave the index; those with a hash below `hashesGone` have left. */
interface Dropping {
  readonly generation: number;
  readonly records: number;
  hashesGone: number;
}

/** A sealed generation whose keys are on their way into the index. */
interface Moving {
  readonly sealed: Sealed;
  readonly table: KeyTable;
  readonly filter: BloomFilter;
  nextSlot: number;
}

/** A new outcome: the hash of its key and the record that holds it. */
export interface OutcomeKey {
  readonly hash: number;
  readonly commitSeq: number;
}

export interface OutcomesOptions {
  readonly generationSize: number;
  readonly retentionMs: number;
}

export class Outcomes {
  readonly #database: Database;
  readonly #options: OutcomesOptions;
  #filling: Filling;
  #moving: Moving[] = [];
  #sealed: Sealed[] = [];
  #dropping: Dropping | null = null;
  /** No key below is in `outcome_key` any more. */
  #keysFrom: number;
  readonly #insertKey;
  readonly #insertIndex;
  readonly #findIndex;
  readonly #deleteKeys;
  readonly #deleteIndex;

  constructor(database: Database, options: OutcomesOptions, nextCommitSeq: number) {
    this.#database = database;
    this.#options = options;
    this.#insertKey = database.prepare("INSERT INTO outcome_key VALUES (?, ?)");
    this.#insertIndex = database.prepare("INSERT OR IGNORE INTO outcome_index VALUES (?, ?, ?)");
    this.#findIndex = database.prepare(
      "SELECT commit_seq FROM outcome_index WHERE generation = ? AND key_hash = ?",
    );
    this.#deleteKeys = database.prepare("DELETE FROM outcome_key WHERE commit_seq < ?");
    this.#deleteIndex = database.prepare(
      "DELETE FROM outcome_index WHERE generation = ? AND key_hash < ?",
    );
    this.#keysFrom = firstKey(database) ?? nextCommitSeq;
    this.#filling = this.#load(nextCommitSeq);
  }

  /** CommitSeqs of the records that may be this key's outcome, newest first. */
  candidates(hash: number): readonly number[] {
    let found = this.#filling.table.find(hash);
    for (const { table } of this.#moving) found = found.concat(table.find(hash));
    for (const { filter, generation } of this.#sealed) {
      if (filter?.mayHave(hash) !== true) continue;
      const rows = this.#findIndex.values(generation, hash) as [number][];
      found = found.concat(rows.map(([commitSeq]) => commitSeq));
    }
    return found.length < 2 ? found : [...found].sort((a, b) => b - a);
  }

  /**
   * Part of the batch's transaction: writes the keys, and does a piece of the background work, in
   * proportion. Memory changes in `committed` only, so a transaction that fails is done again.
   */
  write(keys: readonly OutcomeKey[]): void {
    for (const { hash, commitSeq } of keys) this.#insertKey.run(commitSeq, hash);
    const budget = moveBudget(keys.length);
    const moving = this.#moving[0];
    moving?.table.forEach(moving.nextSlot, moving.nextSlot + budget, (hash, commitSeq) => {
      this.#insertIndex.run(moving.sealed.generation, hash, commitSeq);
    });
    const keysTo = this.#keysDroppedTo(budget);
    if (keysTo > this.#keysFrom) this.#deleteKeys.run(keysTo);
    const dropping = this.#dropping;
    if (dropping !== null) {
      this.#deleteIndex.run(dropping.generation, dropping.hashesGone + hashStep(dropping, budget));
    }
  }

  /** After the transaction of `write` has committed. */
  committed(keys: readonly OutcomeKey[], now: number): void {
    const filling = this.#filling;
    if (filling.table.count === 0 && keys.length > 0) filling.firstAt = now;
    for (const { hash, commitSeq } of keys) filling.table.add(hash, commitSeq);
    filling.newestAt = now;
    const budget = moveBudget(keys.length);
    this.#keysFrom = Math.max(this.#keysFrom, this.#keysDroppedTo(budget));
    const dropping = this.#dropping;
    if (dropping !== null) dropping.hashesGone += hashStep(dropping, budget);
    const moving = this.#moving[0];
    if (moving === undefined) return;
    const from = moving.nextSlot;
    moving.nextSlot += budget;
    moving.table.forEach(from, moving.nextSlot, (hash) => moving.filter.add(hash));
  }

  /** Between batches: the rare steps, each a small transaction of its own. */
  maintain(lastCommitSeq: number, now: number): void {
    const { table, firstAt } = this.#filling;
    const old = table.count > 0 && now - firstAt >= this.#options.retentionMs / 8;
    if (table.count >= this.#options.generationSize || old) this.#seal(lastCommitSeq);
    const moving = this.#moving[0];
    if (moving !== undefined && moving.nextSlot >= moving.table.slots) this.#finishMove(moving);
    this.#dropOldest(now);
  }

  /** The journal may lose what is at or below: no outcome stands there any more. */
  firstKeptCommitSeq(): number {
    const oldest = this.#sealed[0] ?? this.#filling;
    return oldest.firstCommitSeq;
  }

  #seal(lastCommitSeq: number): void {
    const { generation, table, firstCommitSeq, newestAt } = this.#filling;
    const next = generation + 1;
    this.#database.transaction(() => {
      this.#database
        .prepare(
          "UPDATE outcome_generation SET last_commit_seq = ?, newest_at = ? WHERE generation = ?",
        )
        .run(lastCommitSeq, newestAt, generation);
      this.#insertGeneration(next, lastCommitSeq + 1);
    })();
    const sealed = { generation, firstCommitSeq, lastCommitSeq, newestAt, filter: null };
    this.#sealed.push(sealed);
    const filter = BloomFilter.forKeys(table.count);
    this.#moving.push({ sealed, table: table.compacted(), filter, nextSlot: 0 });
    this.#filling = this.#empty(next, lastCommitSeq + 1, 0);
  }

  #finishMove(moving: Moving): void {
    const { sealed, filter } = moving;
    this.#database.transaction(() => {
      this.#database
        .prepare("UPDATE outcome_generation SET filter = ? WHERE generation = ?")
        .run(filter.bytes, sealed.generation);
    })();
    this.#moving.shift();
    sealed.filter = filter;
  }

  /** A generation past the retention goes piece by piece with the batches, then its row. */
  #dropOldest(now: number): void {
    const oldest = this.#sealed[0];
    if (this.#dropping === null) {
      if (oldest?.filter == null || now - oldest.newestAt <= this.#options.retentionMs) return;
      this.#sealed.shift();
      const { generation } = oldest;
      this.#dropping = { generation, records: recordsIn(oldest), hashesGone: 0 };
    } else if (this.#dropping.hashesGone > 2 ** HASH_BITS) {
      this.#database
        .prepare("DELETE FROM outcome_generation WHERE generation = ?")
        .run(this.#dropping.generation);
      this.#dropping = null;
    }
  }

  #keysDroppedTo(budget: number): number {
    const kept = this.#moving[0]?.sealed.firstCommitSeq ?? this.#filling.firstCommitSeq;
    return Math.min(kept, this.#keysFrom + budget);
  }

  #insertGeneration(generation: number, firstCommitSeq: number): void {
    this.#database
      .prepare("INSERT INTO outcome_generation (generation, first_commit_seq) VALUES (?, ?)")
      .run(generation, firstCommitSeq);
  }

  #empty(generation: number, firstCommitSeq: number, storedKeysMax: number): Filling {
    const size = Math.max(this.#options.generationSize, storedKeysMax);
    const table = new KeyTable(size + OVERSHOOT);
    return { generation, table, firstCommitSeq, firstAt: 0, newestAt: 0 };
  }

  #load(nextCommitSeq: number): Filling {
    const rows = this.#database
      .query("SELECT * FROM outcome_generation ORDER BY generation")
      .all() as GenerationRow[];
    for (const row of rows) {
      if (row.last_commit_seq === null) continue;
      const sealed: Sealed = {
        generation: row.generation,
        firstCommitSeq: row.first_commit_seq,
        lastCommitSeq: row.last_commit_seq,
        newestAt: row.newest_at ?? 0,
        filter: row.filter === null ? null : new BloomFilter(row.filter),
      };
      this.#sealed.push(sealed);
      if (sealed.filter === null) this.#moving.push(this.#reload(sealed));
    }
    const last = rows.at(-1);
    if (last === undefined) {
      this.#insertGeneration(1, nextCommitSeq);
      return this.#empty(1, nextCommitSeq, 0);
    }
    // A start with a smaller size finds a generation that is over it: it is sealed next.
    const storedKeysMax = nextCommitSeq - last.first_commit_seq;
    const filling = this.#empty(last.generation, last.first_commit_seq, storedKeysMax);
    this.#fill(filling.table, filling.firstCommitSeq, nextCommitSeq);
    const bounds = this.#database
      .query(
        "SELECT (SELECT at FROM journal WHERE commit_seq >= ? ORDER BY commit_seq LIMIT 1) AS first, " +
          "(SELECT at FROM journal ORDER BY commit_seq DESC LIMIT 1) AS last",
      )
      .get(filling.firstCommitSeq) as { first: number | null; last: number | null };
    filling.firstAt = bounds.first ?? 0;
    filling.newestAt = bounds.last ?? 0;
    return filling;
  }

  #reload(sealed: Sealed): Moving {
    const table = new KeyTable(recordsIn(sealed));
    this.#fill(table, sealed.firstCommitSeq, sealed.lastCommitSeq + 1);
    return { sealed, table, filter: BloomFilter.forKeys(table.count), nextSlot: 0 };
  }

  #fill(table: KeyTable, from: number, to: number): void {
    const read = this.#database.prepare(
      "SELECT commit_seq, key_hash FROM outcome_key WHERE commit_seq >= ? AND commit_seq < ? " +
        "ORDER BY commit_seq LIMIT 50000",
    );
    for (let next = from; ; ) {
      const rows = read.values(next, to) as [number, number][];
      for (const [commitSeq, hash] of rows) table.add(hash, commitSeq);
      const last = rows.at(-1);
      if (last === undefined) return;
      next = last[0] + 1;
    }
  }
}

interface GenerationRow {
  readonly generation: number;
  readonly first_commit_seq: number;
  readonly last_commit_seq: number | null;
  readonly newest_at: number | null;
  readonly filter: Uint8Array | null;
}

/** The batch that reaches the size may go over it by its own outcomes. */
const OVERSHOOT = 8192;

const moveBudget = (outcomes: number): number => Math.max(MOVE_MIN, MOVE_FACTOR * outcomes);

/** The part of all hashes in which this generation has at most `budget` keys. */
const hashStep = (dropping: Dropping, budget: number): number =>
  Math.ceil((budget / dropping.records) * 2 ** HASH_BITS);

/** An upper bound of its keys. */
const recordsIn = (sealed: Sealed): number => sealed.lastCommitSeq - sealed.firstCommitSeq + 1;

const firstKey = (database: Database): number | null =>
  (
    database.query("SELECT min(commit_seq) AS first FROM outcome_key").get() as {
      first: number | null;
    }
  ).first;
