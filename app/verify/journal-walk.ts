/**
 * Walks a shard's journal from its oldest record, or from where an earlier run got, to the cut:
 * hash chains, each order, refusal and entity against central, and what central has between them that the
 * shard never had. A chunk is read from the shard first and from central afterwards, so that
 * central must have whatever the chunk has up to the cut.
 */
import { makeOrderId, type OrderId, shardIndexOf } from "../../shards/domain/brands.ts";
import type { ShardReader, StoredRecord } from "../../shards/store/shard-reader.ts";
import type { CentralReader } from "../central/central-reader.ts";
import { type Cut, seqAt } from "./cut.ts";
import { checkRecords } from "./entity-walk.ts";
import { bothTexts, type Findings } from "./findings.ts";
import { type Chains, followChain, isRestored, readContent, readOrder } from "./journal-chunk.ts";
import { checkOrders } from "./order-check.ts";

export interface WalkOptions {
  readonly shard: ShardReader;
  readonly central: CentralReader;
  readonly cut: Cut;
  readonly findings: Findings;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Central deletes refusals that are older than this. */
  readonly outcomeRetentionMs: number;
  readonly onChunk: (walk: JournalWalk) => void;
}

/** Where a walk stands: what is before it was compared. */
export interface WalkPosition {
  readonly commitSeq: number;
  readonly chains: Readonly<Record<string, { readonly seq: number; readonly hash: string }>>;
  /** Of the last acceptance; null before the first. */
  readonly orderId: number | null;
}

const CHUNK_RECORDS = 1000;
/** Clocks of shard and applier differ, and a retention is not to the moment. */
const RETENTION_SLACK_MS = 120_000;

export class JournalWalk {
  readonly #options: WalkOptions;
  readonly #chains: Chains;
  /** Orders whose row has left the shard: a record to come must have central's version. */
  readonly #ahead = new Map<number, { readonly version: number; readonly from: WalkPosition }>();
  #commitSeq: number;
  #orderId: number | null;
  #verified: WalkPosition | null;
  #isPastCut = false;
  records = 0;
  /** Every record up to here was in central at the cut. */
  cutCommitSeq = 0;
  /** Id of the oldest acceptance that the journal has; null when it has none. */
  firstOrderId: number | null = null;

  constructor(options: WalkOptions, from: WalkPosition | null) {
    this.#options = options;
    const chains = Object.entries(from?.chains ?? {});
    this.#chains = new Map(chains.map(([partition, end]) => [Number(partition), end]));
    this.#commitSeq = from?.commitSeq ?? BEFORE_ALL;
    this.#orderId = from?.orderId ?? null;
    this.#verified = from;
    this.cutCommitSeq = Math.max(0, this.#commitSeq);
  }

  /** Up to here all was compared; null before the first chunk. */
  get verified(): WalkPosition | null {
    let position = this.#verified;
    for (const { from } of this.#ahead.values()) {
      if (from.commitSeq < (position?.commitSeq ?? 0)) position = from;
    }
    return position;
  }

  get commitSeq(): number {
    return this.#commitSeq;
  }

  /** To the cut, and then to the journal's end as long as something has to be confirmed there. */
  async run(): Promise<void> {
    const { shard, findings, onChunk } = this.#options;
    for (;;) {
      const chunk = shard.records(this.#commitSeq, CHUNK_RECORDS);
      const last = chunk.at(-1);
      if (last === undefined) break;
      this.#expectNoHole(chunk);
      await this.#check(chunk);
      this.#commitSeq = last.commitSeq;
      if (!this.#isPastCut) this.#verified = this.#position;
      onChunk(this);
      if (this.#isAtCut && this.#ahead.size === 0) break;
    }
    for (const [orderId, { version }] of this.#ahead) {
      findings.add("order_ahead", `order ${orderId}`, `central ${version}, no record of the shard`);
    }
    this.#ahead.clear();
  }

  get #isAtCut(): boolean {
    return this.#options.cut.cursors.every(
      ({ partition }) =>
        seqAt(this.#options.cut, partition) <= (this.#chains.get(partition)?.seq ?? 0),
    );
  }

  /** CommitSeqs are gapless; only retention may have cut off what is before this chunk. */
  #expectNoHole(chunk: readonly StoredRecord[]): void {
    const { shard, findings } = this.#options;
    let before = this.#commitSeq;
    for (const { commitSeq } of chunk) {
      const isNext = commitSeq === before + 1 || before < 0 || (before === -1 && commitSeq === 1);
      if (!isNext) {
        const first = shard.firstCommitSeq() ?? commitSeq;
        if (first > before + 1) this.#startAfterPruned();
        else findings.add("record_missing", `record ${before + 1}`, `${commitSeq} is the next`);
      }
      before = commitSeq;
    }
  }

  #startAfterPruned(): void {
    this.#chains.clear();
    this.#ahead.clear();
    this.#orderId = null;
    this.cutCommitSeq = 0;
  }

  async #check(chunk: readonly StoredRecord[]): Promise<void> {
    const { cut, findings } = this.#options;
    const from = this.#position;
    for (const record of chunk) this.#follow(record);
    const has = (record: StoredRecord) =>
      isRestored(record) || record.seq <= seqAt(cut, record.partition);
    const content = readContent(chunk, has, findings);
    const ahead = await checkOrders(this.#options, content.orders);
    await this.#checkOrderIds(chunk);
    await this.#checkRefusals(chunk, content.refusals);
    await checkRecords(this.#options, content.entities.values());
    // The change of an order that is known from before a restore may be in the lost journal only.
    const ofEpoch = new Map(
      chunk.flatMap((record) => (isRestored(record) ? [] : versionIn(record))),
    );
    for (const { orderId, version } of ahead) {
      if (ofEpoch.has(orderId)) this.#ahead.set(orderId, { version, from });
    }
    for (const [orderId, { version }] of this.#ahead) {
      if ((ofEpoch.get(orderId) ?? 0) >= version) this.#ahead.delete(orderId);
    }
    this.records += chunk.filter(has).length;
  }

  get #position(): WalkPosition {
    return {
      commitSeq: this.#commitSeq,
      chains: Object.fromEntries(this.#chains),
      orderId: this.#orderId,
    };
  }

  #follow(record: StoredRecord): void {
    const { cut, findings } = this.#options;
    if (isRestored(record)) return;
    followChain(this.#chains, record, findings);
    const { partition, seq, hash, commitSeq } = record;
    const end = seqAt(cut, partition);
    if (seq > end) this.#isPastCut = true;
    if (!this.#isPastCut) this.cutCommitSeq = commitSeq;
    const cursor = cut.cursors.find((one) => one.partition === partition);
    if (seq === end && cursor !== undefined && cursor.hash !== hash) {
      const detail = `seq ${seq}: central ${cursor.hash}, file ${hash}`;
      findings.add("end_differs", `partition ${partition}`, detail);
    }
  }

  /** Ids grow with commitSeq: between two acceptances central must have no other one. */
  async #checkOrderIds(chunk: readonly StoredRecord[]): Promise<void> {
    const { shard, central, findings } = this.#options;
    const own = new Set(
      chunk
        .filter((record) => record.type === "order_accepted" && !isRestored(record))
        .flatMap((record) => readOrder(record)?.orderId ?? [])
        .filter((orderId) => shardIndexOf(orderId as OrderId) === shard.pins.shardIndex),
    );
    const ids = [...own];
    const [first] = ids;
    const last = ids.at(-1);
    if (first === undefined || last === undefined) return;
    this.firstOrderId ??= first;
    const from = this.#orderId === null ? first : this.#orderId + 1;
    this.#orderId = Math.max(last, this.#orderId ?? 0);
    const { shardIndex } = shard.pins;
    for (const orderId of await central.orderIds({ shardIndex, from, to: last })) {
      if (!own.has(orderId)) findings.add("order_unknown", `order ${orderId}`, BETWEEN_OTHERS);
    }
  }

  async #checkRefusals(
    chunk: readonly StoredRecord[],
    own: ReadonlyMap<number, StoredRecord>,
  ): Promise<void> {
    const { shard, central, findings, now, outcomeRetentionMs } = this.#options;
    const from = chunk.find((record) => !isRestored(record))?.commitSeq;
    const to = chunk.at(-1)?.commitSeq;
    if (from === undefined || to === undefined) return;
    const rows = await central.outcomes(shard.pins.shard, shard.pins.epoch, { from, to });
    const keptSince = now() - outcomeRetentionMs + RETENTION_SLACK_MS;
    const theirs = new Map(rows.map(({ commitSeq, value }) => [commitSeq, value]));
    for (const [commitSeq, { value, at }] of own) {
      const found = theirs.get(commitSeq);
      const where = `refusal ${commitSeq}`;
      if (found === undefined) {
        const isDue = commitSeq > 0 && at >= keptSince;
        if (isDue) findings.add("refusal_missing", where, value);
      } else if (found !== value) {
        findings.add("refusal_differs", where, bothTexts(found, value));
      }
    }
    const refused = new Set(
      chunk.flatMap(({ type, commitSeq }) => (type === "order_refused" ? [commitSeq] : [])),
    );
    for (const [commitSeq, value] of theirs) {
      if (!refused.has(commitSeq)) findings.add("refusal_unknown", `refusal ${commitSeq}`, value);
    }
  }
}

const BEFORE_ALL = Number.MIN_SAFE_INTEGER;
const BETWEEN_OTHERS = "the shard accepted the ones before and after it, and not this one";

const versionIn = (record: StoredRecord): [number, number][] => {
  if (record.type !== "order_accepted" && record.type !== "order_changed") return [];
  const order = readOrder(record);
  return order === undefined ? [] : [[order.orderId, order.version]];
};

/** Beyond what the journal says: nothing in central may be newer than the shard itself. */
export const checkNewest = async (
  shard: ShardReader,
  central: CentralReader,
  findings: Findings,
): Promise<void> => {
  const { shard: name, shardIndex, epoch } = shard.pins;
  const orderId = await central.newestOrderId(shardIndex);
  const commitSeq = await central.newestOutcome(name, epoch);
  const own = shard.sequences();
  const newest = makeOrderId(own.orderCounter, shardIndex);
  if (orderId !== null && orderId > newest) {
    findings.add("order_unknown", `order ${orderId}`, `${newest} is the shard's newest`);
  }
  if (commitSeq > own.commitSeq) {
    const detail = `${own.commitSeq} is the shard's newest record`;
    findings.add("refusal_unknown", `refusal ${commitSeq}`, detail);
  }
};
