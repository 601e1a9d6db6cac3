/**
 * Carries committed records to central, in the order of each partition's stream.
 *
 * It reads a chunk of the journal after its position, sends each partition's part (one `send` a
 * partition at a time), and goes on when all are safe. The watermark is the last record before the
 * first that is not. After a restart, or a connection that was lost, it starts again from what
 * central says it has: records may arrive twice, and central drops them.
 *
 * A partition that central has stopped is left alone from then on: its records stay in the
 * journal, the others go on. If central has what this file lacks, the file is an old copy, and the
 * shard must stop: that is told to `onRefused`.
 */
import { reasonOf } from "../process/failure.ts";
import type { Logger } from "../process/logger.ts";
import type { Cursor } from "../protocol/hello.ts";
import { type CommittedRecord, ZERO_HASH } from "../protocol/record.ts";
import type { Outbox, OutboxRecord, Transport } from "./ports.ts";
import { compareStanding, follows } from "./standing.ts";

export interface RelayReport {
  readonly appliedCommitSeq: number;
  readonly partitions: readonly {
    readonly partition: number;
    readonly replicatedSeq: number;
    readonly appliedSeq: number;
  }[];
  readonly stoppedPartitions: readonly number[];
}

export interface RelayOptions {
  readonly outbox: Outbox;
  readonly transport: Transport;
  readonly centralId: string;
  readonly logger: Logger;
  readonly onReport: (report: RelayReport) => void;
  /** The journal is carried to its end; `notify` wakes it. */
  readonly onIdle: () => void;
  readonly onState: (state: "connecting" | "running", reason: string | null) => void;
  /** Central and this file exclude each other; the reason is a sentence. */
  readonly onRefused: (reason: string) => void;
}

/** Records read at a time: bounds memory, and the age of a read snapshot. */
const CHUNK_RECORDS = 2000;
const BACK_OFF_MIN_MS = 50;
const BACK_OFF_MAX_MS = 2000;

/** A partition as the relay sees it: the last record that central has, or why it is stopped. */
interface Lane {
  cursor: Cursor;
  /** The last record sent in this connection, which the next one must follow. */
  prevHash: string;
  stopped: boolean;
  /** CommitSeq before the first record that central lacks, when the lane is stopped. */
  heldAt: number | null;
  checked: boolean;
}

export class Relay {
  readonly #options: RelayOptions;
  readonly #lanes = new Map<number, Lane>();
  #position = 0;
  #wake = Promise.withResolvers<void>();
  #paused = false;
  #closed = false;

  constructor(options: RelayOptions) {
    this.#options = options;
  }

  /** The writer has committed: there may be records to carry. */
  notify(): void {
    this.#wake.resolve();
  }

  /** While paused nothing is read, so that the write-ahead log can be truncated. */
  setPaused(paused: boolean): void {
    this.#paused = paused;
    if (!paused) this.notify();
  }

  close(): void {
    this.#closed = true;
    this.notify();
    this.#options.transport.close();
  }

  /** Runs until closed or refused. */
  async run(): Promise<void> {
    const { onState, logger } = this.#options;
    let backOffMs = BACK_OFF_MIN_MS;
    while (!this.#closed) {
      try {
        await this.#start();
        if (this.#closed) return;
        onState("running", null);
        backOffMs = BACK_OFF_MIN_MS;
        await this.#carry();
      } catch (error) {
        if (this.#closed) return;
        onState("connecting", reasonOf(error));
        logger.debug({ reason: reasonOf(error) }, "the relay connects again");
        await Bun.sleep(backOffMs);
        backOffMs = Math.min(BACK_OFF_MAX_MS, backOffMs * 2);
      }
    }
  }

  /** Connects and takes central's cursors as the place to start from. */
  async #start(): Promise<void> {
    const { transport, outbox, centralId, onRefused } = this.#options;
    const central = await transport.connect();
    const standing = outbox.standing();
    const refusal =
      central.centralId === centralId
        ? compareStanding(standing, central.cursors)
        : `central is ${central.centralId}, the file belongs to ${centralId}`;
    if (refusal !== undefined) {
      this.#closed = true;
      onRefused(refusal);
      return;
    }
    const behind = standing.streams.some(({ partition, appliedSeq }) => {
      const cursor = central.cursors.find((one) => one.partition === partition);
      return (cursor?.epoch === standing.epoch ? cursor.seq : 0) < appliedSeq;
    });
    this.#position = behind ? 0 : standing.appliedCommitSeq;
    for (const { partition } of standing.streams) {
      const known = central.cursors.find((one) => one.partition === partition);
      const cursor =
        known?.epoch === standing.epoch
          ? known
          : { partition, epoch: standing.epoch, seq: 0, hash: known?.hash ?? ZERO_HASH };
      this.#lanes.set(partition, {
        cursor,
        prevHash: cursor.hash,
        stopped: false,
        heldAt: null,
        checked: false,
      });
    }
    this.#report();
  }

  async #carry(): Promise<void> {
    while (!this.#closed) {
      this.#wake = Promise.withResolvers<void>();
      const chunk = this.#paused ? [] : this.#options.outbox.read(this.#position, CHUNK_RECORDS);
      const last = chunk.at(-1);
      if (last === undefined) {
        this.#options.onIdle();
        await this.#wake.promise;
        continue;
      }
      const parts = this.#split(chunk);
      await Promise.all(parts.map((part) => this.#send(part)));
      this.#position = last.commitSeq;
      this.#report();
    }
  }

  /** Chains the records that central lacks, by partition. */
  #split(chunk: readonly OutboxRecord[]): readonly CommittedRecord[][] {
    const parts = new Map<number, CommittedRecord[]>();
    for (const record of chunk) {
      const lane = this.#laneOf(record.partition);
      if (record.seq <= lane.cursor.seq) continue;
      if (lane.stopped) {
        lane.heldAt ??= record.commitSeq - 1;
        continue;
      }
      if (!lane.checked) this.#check(lane, record);
      const chained = { ...record, prevHash: lane.prevHash };
      lane.prevHash = record.hash;
      const part = parts.get(record.partition);
      if (part === undefined) parts.set(record.partition, [chained]);
      else part.push(chained);
    }
    return [...parts.values()];
  }

  /** The first record for this lane must follow central's last one, or the file is another. */
  #check(lane: Lane, next: OutboxRecord): void {
    lane.checked = true;
    if (follows(lane.cursor, next)) return;
    this.#closed = true;
    const { partition, seq } = lane.cursor;
    this.#options.onRefused(
      `record ${next.seq} of partition ${partition} does not follow record ${seq} of central: ` +
        "the file is not the one that central knows, or has lost records central needs",
    );
    throw new Error("the file was refused");
  }

  async #send(records: readonly CommittedRecord[]): Promise<void> {
    const first = records[0];
    if (first === undefined) return;
    const lane = this.#laneOf(first.partition);
    const result = await this.#options.transport.send(records);
    if (result.kind === "applied") lane.cursor = result.cursor;
    // Central may have taken a part before it stopped: the first that it lacks is held.
    const lacked = records.find(({ seq }) => seq > lane.cursor.seq);
    if (lacked === undefined) return;
    lane.stopped = true;
    lane.heldAt = lacked.commitSeq - 1;
    const { partition } = first;
    const stopped = result.kind === "stopped" ? result.stopped : { partition };
    this.#options.logger.error({ ...stopped }, "central stopped a partition of this shard");
  }

  #laneOf(partition: number): Lane {
    const lane = this.#lanes.get(partition);
    if (lane === undefined) throw new Error(`no stream for partition ${partition}`);
    return lane;
  }

  #report(): void {
    const lanes = [...this.#lanes.values()];
    const held = lanes.flatMap(({ heldAt }) => (heldAt === null ? [] : [heldAt]));
    this.#options.onReport({
      appliedCommitSeq: Math.min(this.#position, ...held),
      partitions: lanes.map(({ cursor }) => ({
        partition: cursor.partition,
        replicatedSeq: cursor.seq,
        appliedSeq: cursor.seq,
      })),
      stoppedPartitions: lanes.filter(({ stopped }) => stopped).map((l) => l.cursor.partition),
    });
  }
}
