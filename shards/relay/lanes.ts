/**
 * The book of what the relay has sent and what has arrived, a lane for each partition's stream.
 * Pure: it reads no file and sends nothing.
 *
 * A record is *outstanding* from when it is read until central has it. Of each lane only the first
 * outstanding record's commitSeq matters to the watermark: every record before the oldest of these
 * is in central. So a lane keeps parts (what one read gave it) and not records, and neighbours are
 * joined when there are many: memory is bounded however long central is away.
 */
import type { Cursor } from "../protocol/hello.ts";
import type { CommittedRecord } from "../protocol/record.ts";
import type { OutboxRecord } from "./ports.ts";
import { follows } from "./standing.ts";

export interface StreamPoint {
  readonly seq: number;
  readonly hash: string;
}

export interface LaneReport {
  readonly partition: number;
  readonly replicatedSeq: number;
  readonly replicatedHash: string;
  readonly appliedSeq: number;
}

/**
 * What is compared with central's last record: the next one that is read; only one that comes
 * right after it, since a broker may have what is no longer in the journal; nothing.
 */
export type Comparison = "next" | "adjacent" | "none";

interface Part {
  firstCommitSeq: number;
  lastSeq: number;
}

interface Lane {
  readonly partition: number;
  /** The last record handed to the transport, which the next one must follow. */
  sent: StreamPoint;
  /** The last record that is safe where it was sent. */
  replicated: StreamPoint;
  appliedSeq: number;
  /** Central's last record when this connection began, until what follows it has been compared. */
  unchecked: Cursor | null;
  readonly comparison: Comparison;
  /** Central takes nothing more of it: nothing is sent. */
  isHeld: boolean;
  parts: Part[];
}

/** Parts of one lane; over it neighbours are joined, so that the watermark is coarser. */
const PARTS_MAX = 1024;
/** About as many are left; twice as many at most. */
const PARTS_JOINED = 256;

export class Lanes {
  readonly #lanes = new Map<number, Lane>();

  /** `cursor`: central's last record of the lane in this epoch, or where its epoch starts. */
  open(cursor: Cursor, replicated: StreamPoint, comparison: Comparison): void {
    this.#lanes.set(cursor.partition, {
      partition: cursor.partition,
      sent: replicated,
      replicated,
      appliedSeq: cursor.seq,
      unchecked: comparison === "none" ? null : cursor,
      comparison,
      isHeld: false,
      parts: [],
    });
  }

  has(partition: number): boolean {
    return this.#lanes.has(partition);
  }

  /**
   * Notes what was read, in commit order, and gives what has to be sent, chained, by partition.
   * Throws {@link StreamBroken} when central's last record is not the one before the next.
   */
  take(chunk: readonly OutboxRecord[]): CommittedRecord[][] {
    const sends = new Map<number, CommittedRecord[]>();
    const read = new Map<Lane, Part>();
    for (const record of chunk) {
      const lane = this.#laneOf(record.partition);
      if (record.seq <= lane.appliedSeq) continue;
      if (lane.unchecked !== null) check(lane, lane.unchecked, record);
      const part = read.get(lane);
      if (part !== undefined) part.lastSeq = record.seq;
      else read.set(lane, { firstCommitSeq: record.commitSeq, lastSeq: record.seq });
      if (lane.isHeld || record.seq <= lane.sent.seq) continue;
      const chained = { ...record, prevHash: lane.sent.hash };
      lane.sent = record;
      const send = sends.get(record.partition);
      if (send === undefined) sends.set(record.partition, [chained]);
      else send.push(chained);
    }
    for (const [lane, part] of read) append(lane, part);
    return [...sends.values()];
  }

  /** A send is safe where it went. */
  replicated(last: CommittedRecord): void {
    const { seq, hash } = last;
    this.#laneOf(last.partition).replicated = { seq, hash };
  }

  /** Central has the lane up to `cursor`; gives whether that is news. */
  applied(cursor: Cursor): boolean {
    const lane = this.#lanes.get(cursor.partition);
    if (lane === undefined || cursor.seq < lane.appliedSeq) return false;
    const isNews = cursor.seq > lane.appliedSeq;
    lane.appliedSeq = cursor.seq;
    const first = lane.parts.findIndex(({ lastSeq }) => lastSeq > cursor.seq);
    lane.parts = first < 0 ? [] : lane.parts.slice(first);
    const { seq, hash } = cursor;
    if (seq > lane.replicated.seq) lane.replicated = { seq, hash };
    // After a resend the first copies may arrive yet: what follows them is chained to them.
    if (seq > lane.sent.seq) lane.sent = { seq, hash };
    if (lane.unchecked !== null && seq > lane.unchecked.seq) lane.unchecked = cursor;
    return isNews;
  }

  /** Something that was read is not in central yet. */
  get isOutstanding(): boolean {
    return [...this.#lanes.values()].some(({ parts }) => parts.length > 0);
  }

  /** Central has stopped the lane before `lacked`: nothing more is sent. */
  hold(lacked: CommittedRecord): void {
    const lane = this.#laneOf(lacked.partition);
    lane.isHeld = true;
    const [oldest] = lane.parts;
    if (oldest !== undefined) oldest.firstCommitSeq = lacked.commitSeq;
  }

  isApplied({ partition, seq }: CommittedRecord): boolean {
    return seq <= this.#laneOf(partition).appliedSeq;
  }

  /** Every record up to here is in central; `position`: the last that was read. */
  appliedCommitSeq(position: number): number {
    let least = position;
    for (const { parts } of this.#lanes.values()) {
      const [oldest] = parts;
      if (oldest !== undefined) least = Math.min(least, oldest.firstCommitSeq - 1);
    }
    return least;
  }

  report(): readonly LaneReport[] {
    return [...this.#lanes.values()].map(({ partition, replicated, appliedSeq }) => ({
      partition,
      replicatedSeq: replicated.seq,
      replicatedHash: replicated.hash,
      appliedSeq,
    }));
  }

  get held(): readonly number[] {
    return [...this.#lanes.values()].filter((l) => l.isHeld).map(({ partition }) => partition);
  }

  #laneOf(partition: number): Lane {
    const lane = this.#lanes.get(partition);
    if (lane === undefined) throw new Error(`no stream for partition ${partition}`);
    return lane;
  }
}

/** The file and central exclude each other; the message is a sentence. */
export class StreamBroken extends Error {
  override readonly name = "StreamBroken";
}

const check = (lane: Lane, cursor: Cursor, next: OutboxRecord): void => {
  lane.unchecked = null;
  if (follows(cursor, next)) return;
  if (lane.comparison === "adjacent" && next.seq > cursor.seq + 1) return;
  throw new StreamBroken(
    `record ${next.seq} of partition ${cursor.partition} does not follow record ${cursor.seq} of ` +
      "central: the file is not the one that central knows, or has lost records central needs",
  );
};

const append = (lane: Lane, part: Part): void => {
  lane.parts.push(part);
  if (lane.parts.length <= PARTS_MAX) return;
  // Evenly: joining all by twos would make the oldest parts ever larger, the watermark useless.
  const recordsEach = Math.ceil((part.lastSeq - lane.appliedSeq) / PARTS_JOINED);
  const joined: Part[] = [];
  let before = lane.appliedSeq;
  for (const one of lane.parts) {
    const open = joined.at(-1);
    if (open !== undefined && one.lastSeq - before <= recordsEach) {
      open.lastSeq = one.lastSeq;
    } else {
      before = open?.lastSeq ?? before;
      joined.push(one);
    }
  }
  lane.parts = joined;
};
