/**
 * The partitions that the group gave to this process, from one join to the next: where to begin,
 * how far each has come, and whether central or the topic has moved behind our back.
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

interface Reading {
  next: bigint;
  high: bigint | null;
  committed: bigint;
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

  /** A batch begins here: is that where the last one ended? */
  expect(partition: number, first: bigint): void {
    const reading = this.#readings.get(partition);
    if (reading === undefined || reading.next === first) return;
    const { next } = reading;
    this.#parts.onFinding(
      partition,
      first > next
        ? `records ${next} to ${first - 1n} are gone from the topic, unread`
        : `the topic goes on at ${first}, not at ${next}: it was made anew or has lost its end`,
    );
    reading.next = first;
  }

  taken(partition: number, next: bigint, high: bigint): void {
    const reading = this.#readings.get(partition);
    if (reading === undefined) return;
    reading.next = next;
    reading.high = high;
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
    const offsets = await this.#untilKnown(() => this.#offsets());
    const low = offsets?.get(partition)?.low;
    if (low === undefined) return;
    this.#parts.onFinding(
      partition,
      `central has gone back to an older state; the topic is read again from ${low}`,
    );
    this.#seek(partition, low);
  }

  /** Asks the topic for its ends, and central for positions that went back. Never throws. */
  async watch(): Promise<void> {
    if (this.#watching) return;
    this.#watching = true;
    try {
      await this.ready;
      const before = new Map([...this.#readings].map(([partition, { next }]) => [partition, next]));
      const [positions, offsets] = await Promise.all([this.#parts.positions(), this.#offsets()]);
      if (!this.#over) this.#compare(before, positionsByPartition(positions), offsets);
    } catch (error) {
      this.#parts.logger.debug({ reason: reasonOf(error) }, "the topic can't be watched now");
    } finally {
      this.#watching = false;
    }
  }

  #compare(
    before: ReadonlyMap<number, bigint>,
    positions: ReadonlyMap<number, bigint>,
    offsets: ReadonlyMap<number, OffsetRange>,
  ): void {
    for (const [partition, reading] of this.#readings) {
      const range = offsets.get(partition);
      if (range === undefined) continue;
      reading.high = range.high;
      let position = positions.get(partition) ?? range.low;
      if (position < range.low) position = range.low;
      if (position >= (before.get(partition) ?? 0n)) continue;
      const { offset } = startOffset(position, range);
      this.#parts.onFinding(
        partition,
        `central has gone back to ${position}; the topic is read again from ${offset}`,
      );
      this.#seek(partition, offset);
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
      const { offset, finding } = startOffset(byPartition.get(partition) ?? null, range);
      if (finding !== null) this.#parts.onFinding(partition, finding);
      this.#seek(partition, offset, range.high);
    }
  }

  #seek(partition: number, offset: bigint, high: bigint | null = null): void {
    this.#readings.set(partition, { next: offset, high, committed: -1n });
    this.#parts.seek(partition, offset);
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
