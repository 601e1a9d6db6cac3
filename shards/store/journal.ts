import type { Database } from "bun:sqlite";
import type { OrderId } from "../domain/brands.ts";
import type { Outcome } from "../domain/decide.ts";
import { type OrderBody, type RefusalBody, requestOfBody } from "../domain/order-body.ts";
import { type CommittedRecord, RECORD_TYPES } from "../protocol/record.ts";
import type { Outbox, OutboxRecord, PartitionGeneration, Standing } from "../relay/ports.ts";
import type { OutcomeLookup } from "../writer/store-port.ts";

interface JournalRow {
  readonly type: number;
  readonly partition: number;
  readonly seq: number;
  readonly at: number;
  readonly value: string;
}

/** Every committed record, in commit order. */
export class Journal {
  readonly #insert;
  readonly #read;
  readonly #prune;
  readonly #epoch: number;
  #firstCommitSeq: number;

  constructor(database: Database, epoch: number, nextCommitSeq: number) {
    this.#epoch = epoch;
    this.#insert = database.prepare("INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    this.#read = database.prepare(
      "SELECT type, partition, seq, at, value FROM journal WHERE commit_seq = ?",
    );
    this.#prune = database.prepare("DELETE FROM journal WHERE commit_seq < ?");
    const { first } = database.query("SELECT min(commit_seq) AS first FROM journal").get() as {
      first: number | null;
    };
    this.#firstCommitSeq = first ?? nextCommitSeq;
  }

  append(r: CommittedRecord): void {
    const type = RECORD_TYPES.indexOf(r.type);
    this.#insert.run(r.commitSeq, type, r.partition, r.seq, r.at, r.key, r.value, r.hash);
  }

  /** Part of a batch's transaction: deletes at most `most` records below `keepFrom`. */
  prune(keepFrom: number, most: number): number {
    const to = Math.min(keepFrom, this.#firstCommitSeq + most);
    if (to > this.#firstCommitSeq) this.#prune.run(to);
    return to;
  }

  pruned(to: number): void {
    this.#firstCommitSeq = Math.max(this.#firstCommitSeq, to);
  }

  /** The outcome in this record, if it is that of the key and no older than `notBefore`. */
  outcomeAt(commitSeq: number, key: OutcomeLookup, notBefore: number): Outcome | undefined {
    const row = this.#read.get(commitSeq) as JournalRow | null;
    if (row === null || row.at < notBefore) return undefined;
    const { partition, seq } = row;
    const stamp = { epoch: this.#epoch, commitSeq, partition, seq };
    const type = RECORD_TYPES[row.type];
    if (type === "order_accepted") {
      const body: OrderBody = JSON.parse(row.value);
      const request = requestOfBody(body);
      if (!isOf(key, body.accountId, request)) return undefined;
      const orderId = Number(body.orderId) as OrderId;
      return { status: 201, body: row.value, request, stamp, orderId };
    }
    if (type === "order_refused") {
      const { accountId, request, status, answer }: RefusalBody = JSON.parse(row.value);
      if (!isOf(key, accountId, request)) return undefined;
      return { status, body: answer, request, stamp, orderId: null };
    }
    return undefined;
  }
}

const isOf = (
  key: OutcomeLookup,
  accountId: string,
  request: { readonly symbol: string; readonly clientOrderId: string },
): boolean =>
  accountId === String(key.accountId) &&
  request.symbol === key.symbol &&
  request.clientOrderId === key.clientOrderId;

/**
 * The journal as the relay reads it: short reads on a connection of its own, never an open cursor,
 * which would keep the write-ahead log from being truncated.
 */
export class JournalReader implements Outbox {
  readonly #read;
  readonly #streams;
  readonly #applied;
  readonly #generations;
  readonly #shard: string;
  readonly #epoch: number;

  constructor(database: Database, shard: string, epoch: number) {
    this.#shard = shard;
    this.#epoch = epoch;
    this.#read = database.prepare(
      "SELECT commit_seq, type, partition, seq, at, key, value, hash FROM journal " +
        "WHERE commit_seq > ? ORDER BY commit_seq LIMIT ?",
    );
    this.#streams = database.prepare(
      "SELECT partition, seq, hash, replicated_seq, replicated_hash, applied_seq FROM stream",
    );
    this.#applied = database.prepare("SELECT applied_commit_seq FROM sequence");
    this.#generations = database.prepare(
      "SELECT generation, partition_count, first_commit_seq FROM partition_generation ORDER BY 1",
    );
  }

  /** Records after `commitSeq`, oldest first. Their `prevHash` is empty: the relay chains them. */
  read(commitSeq: number, limit: number): OutboxRecord[] {
    const rows = this.#read.values(commitSeq, limit) as JournalTuple[];
    return rows.map(([commit, type, partition, seq, at, key, value, hash]) => ({
      commitSeq: commit,
      type: RECORD_TYPES[type] ?? "order_changed",
      shard: this.#shard,
      epoch: this.#epoch,
      partition,
      seq,
      at,
      key,
      value,
      hash,
    }));
  }

  /** The end of every partition's stream, and what is known to have reached central. */
  standing(): Standing {
    // Read before the streams: a commit between the two may only make the streams say more.
    const [applied] = this.#applied.values()[0] as [number];
    const streams = this.#streams.values() as StreamTuple[];
    return {
      epoch: this.#epoch,
      appliedCommitSeq: applied,
      streams: streams.map(([partition, seq, hash, replicatedSeq, replicatedHash, appliedSeq]) => ({
        partition,
        seq,
        hash,
        replicatedSeq,
        replicatedHash,
        appliedSeq,
      })),
    };
  }

  generations(): readonly PartitionGeneration[] {
    const rows = this.#generations.values() as [number, number, number][];
    return rows.map(([generation, partitionCount, firstCommitSeq]) => ({
      generation,
      partitionCount,
      firstCommitSeq,
    }));
  }
}

type StreamTuple = [number, number, string, number, string, number];
type JournalTuple = [number, number, number, number, number, string, string, string];
