/**
 * The partitions that the group gave to this process, from one join to the next: where to begin,
 * how far each has come, and whether central or the topic has moved behind our back.
 *
 * A position is written only where this process last knew it to be (`PositionMove`). When somebody
 * has set it back meanwhile, what is written has no effect, and the partition is read again from
 * there when that is noticed.
 */
import { reasonOf } from "../../../shards/process/failure.ts";
import type { KafkaSettings } from "../../../shards/process/kafka.ts";
import type { Logger } from "../../../shards/process/logger.ts";
import type { TopicPosition } from "../store.ts";
import { startOffset } from "./start-offset.ts";
import { type OffsetRange, topicOffsets } from "./topic-admin.ts";
import type { PartitionReading } from "./topic-metrics.ts";

export interface AssignmentParts {
  readonly settings: KafkaSettings;
  readonly partitions: readonly number[];
  readonly positions: () => Promise<readonly TopicPosition[]>;
  readonly seek: (partition: number, offset: bigint) => void;
  /** Something is not where it should be; a sentence. */
  readonly onFinding: (partition: number, finding: string) => void;
  readonly logger: Logger;
}

/** From one seek to the next. */
interface Reading {
  next: bigint;
  /** Central's position, as it was read or written last; 0 when central has none. */
  position: bigint;
  high: bigint | null;
  committed: bigint;
}

/** A batch in hand. */
export interface Taking {
  /** Where central's position is, as far as is known here. */
  readonly from: bigint;
  /** The partition is read again from elsewhere, or by somebody else: the batch is left. */
  isOver(): boolean;
  /** Central has taken it. */
  taken(next: bigint, high: bigint): void;
}

const TRY_AGAIN_MS = 500;
/** A topic that was just made has no leader for a moment: not worth a word. */
const QUIET_TRIES = 10;

export class Assignment {
  readonly #parts: AssignmentParts;
  readonly #readings = new Map<number, Reading>();
  #over = false;
  #watching = false;
  /** Every partition stands where central is; resolves too when the assignment is over. */
  readonly ready: Promise<void>;

  constructor(parts: AssignmentParts) {
    this.#parts = parts;
    this.ready = this.#begin();
  }

  end(): void {
    this.#over = true;
  }

  isOver(): boolean {
    return this.#over;
  }

  readings(): readonly PartitionReading[] {
    return [...this.#readings].map(([partition, { next, high }]) => ({
      partition,
      nextOffset: next,
      highOffset: high,
    }));
  }

  /** A batch begins here, where the last one ended or else. null: the partition is not ours. */
  take(partition: number, first: bigint): Taking | null {
    const reading = this.#readings.get(partition);
    if (reading === undefined) return null;
    if (reading.next !== first) this.#goOnElsewhere(partition, reading, first);
    const isOver = (): boolean => this.#over || this.#readings.get(partition) !== reading;
    return {
      from: reading.position,
      isOver,
      taken: (next, high) => {
        if (isOver()) return;
        reading.next = next;
        reading.position = next;
        reading.high = high;
      },
    };
  }

  #goOnElsewhere(partition: number, reading: Reading, first: bigint): void {
    const { next } = reading;
    this.#parts.onFinding(
      partition,
      first > next
        ? `records ${next} to ${first - 1n} are gone from the topic, unread`
        : `the topic goes on at ${first}, not at ${next}: it was made anew or has lost its end`,
    );
    reading.next = first;
  }

  /** What the broker has not been told yet; it counts as told. */
  uncommitted(): readonly PartitionReading[] {
    const behind = this.readings().filter(
      ({ partition, nextOffset }) => this.#readings.get(partition)?.committed !== nextOffset,
    );
    for (const { partition, nextOffset } of behind) {
      const reading = this.#readings.get(partition);
      if (reading !== undefined) reading.committed = nextOffset;
    }
    return behind;
  }

  /** Reads the partition from its beginning: central has lost what the topic may still have. */
  async rewind(partition: number): Promise<void> {
    const known = await this.#untilKnown(() =>
      Promise.all([this.#parts.positions(), this.#offsets()]),
    );
    if (known === null) return;
    const [positions, offsets] = known;
    const low = offsets.get(partition)?.low;
    if (low === undefined) return;
    this.#parts.onFinding(
      partition,
      `central has gone back to an older state; the topic is read again from ${low}`,
    );
    const position = positionsByPartition(positions).get(partition) ?? 0n;
    this.#seek(partition, { next: low, position, high: null });
  }

  /** Asks the topic for its ends, and central for positions that went back. Never throws. */
  async watch(): Promise<void> {
    if (this.#watching) return;
    this.#watching = true;
    try {
      await this.ready;
      const before = new Map([...this.#readings.values()].map((one) => [one, one.position]));
      const [positions, offsets] = await Promise.all([this.#parts.positions(), this.#offsets()]);
      if (!this.#over) this.#compare(before, positionsByPartition(positions), offsets);
    } catch (error) {
      this.#parts.logger.debug({ reason: reasonOf(error) }, "the topic can't be watched now");
    } finally {
      this.#watching = false;
    }
  }

  #compare(
    before: ReadonlyMap<Reading, bigint>,
    positions: ReadonlyMap<number, bigint>,
    offsets: ReadonlyMap<number, OffsetRange>,
  ): void {
    for (const [partition, reading] of this.#readings) {
      const range = offsets.get(partition);
      if (range === undefined) continue;
      reading.high = range.high;
      const position = positions.get(partition) ?? 0n;
      if (position >= (before.get(reading) ?? 0n)) continue;
      const { offset } = startOffset(position, range);
      this.#parts.onFinding(
        partition,
        `central has gone back to ${position}; the topic is read again from ${offset}`,
      );
      this.#seek(partition, { next: offset, position, high: range.high });
    }
  }

  async #begin(): Promise<void> {
    const known = await this.#untilKnown(() =>
      Promise.all([this.#parts.positions(), this.#offsets()]),
    );
    if (known === null) return;
    const [positions, offsets] = known;
    const byPartition = positionsByPartition(positions);
    for (const partition of this.#parts.partitions) {
      const range = offsets.get(partition) ?? { low: 0n, high: 0n };
      const position = byPartition.get(partition) ?? null;
      const { offset, finding } = startOffset(position, range);
      if (finding !== null) this.#parts.onFinding(partition, finding);
      this.#seek(partition, { next: offset, position: position ?? 0n, high: range.high });
    }
  }

  #seek(partition: number, to: Omit<Reading, "committed">): void {
    this.#readings.set(partition, { ...to, committed: -1n });
    this.#parts.seek(partition, to.next);
  }

  #offsets(): Promise<ReadonlyMap<number, OffsetRange>> {
    return topicOffsets(this.#parts.settings, this.#parts.logger);
  }

  /** null: the assignment is over. */
  async #untilKnown<T>(ask: () => Promise<T>): Promise<T | null> {
    for (let tries = 1; !this.#over; tries++) {
      try {
        const known = await ask();
        return this.#over ? null : known;
      } catch (error) {
        this.#parts.logger[tries > QUIET_TRIES ? "warn" : "debug"](
          { reason: reasonOf(error) },
          "central's positions or the topic's ends are not known yet",
        );
        await Bun.sleep(TRY_AGAIN_MS);
      }
    }
    return null;
  }
}

const positionsByPartition = (positions: readonly TopicPosition[]): ReadonlyMap<number, bigint> =>
  new Map(positions.map(({ partition, nextOffset }) => [partition, BigInt(nextOffset)]));
