import type { Clock } from "../../shards/process/clock.ts";
import type { Progress, RecordPlace } from "../../shards/protocol/answer.ts";
import { DeadlineTimer } from "./deadline-timer.ts";

/** How far a record has got, nearest first: shard's disk, broker, central store. */
export const DURABILITY_LEVELS = ["local", "replicated", "central"] as const;
export type DurabilityLevel = (typeof DURABILITY_LEVELS)[number];

interface Waiter {
  readonly place: RecordPlace;
  readonly level: "replicated" | "central";
  readonly expiresMs: number;
  readonly resolve: (reached: DurabilityLevel) => void;
  /** The best that any progress has shown; a later epoch's progress says nothing of this record. */
  reached: DurabilityLevel;
}

interface Known {
  readonly progress: Progress;
  readonly heardMs: number;
}

const rankOf = (level: DurabilityLevel): number => DURABILITY_LEVELS.indexOf(level);

const levelOf = (place: RecordPlace, progress: Progress | undefined): DurabilityLevel => {
  if (progress === undefined || progress.epoch !== place.epoch) return "local";
  if (progress.appliedSeq >= place.seq) return "central";
  return progress.replicatedSeq >= place.seq ? "replicated" : "local";
};

/**
 * What one shard has said of its partitions' replication, and who waits for it. A shard never holds
 * an answer for `?ack=`; the api holds it against this board.
 */
export class ProgressBoard {
  private readonly clock: Clock;
  private readonly timer: DeadlineTimer;
  private readonly known = new Map<number, Known>();
  private readonly waiters = new Map<number, Waiter[]>();

  constructor(clock: Clock) {
    this.clock = clock;
    this.timer = new DeadlineTimer(clock, this.endDue);
  }

  /** Resolves when the record has reached `level`, else at `expiresMs` (monotonic), with what is reached. */
  waitFor(
    place: RecordPlace,
    level: "replicated" | "central",
    expiresMs: number,
  ): Promise<DurabilityLevel> {
    const reached = levelOf(place, this.known.get(place.partition)?.progress);
    if (rankOf(reached) >= rankOf(level)) return Promise.resolve(reached);
    const { promise, resolve } = Promise.withResolvers<DurabilityLevel>();
    const waiter: Waiter = { place, level, expiresMs, resolve, reached };
    const others = this.waiters.get(place.partition);
    if (others === undefined) this.waiters.set(place.partition, [waiter]);
    else others.push(waiter);
    this.timer.watch(expiresMs);
    return promise;
  }

  update(progress: Progress): void {
    const { partition } = progress;
    this.known.set(partition, { progress, heardMs: this.clock.monotonicMs() });
    this.keepWaiting(partition, (waiter) => {
      const level = levelOf(waiter.place, progress);
      if (rankOf(level) > rankOf(waiter.reached)) waiter.reached = level;
      return rankOf(waiter.reached) < rankOf(waiter.level);
    });
  }

  /**
   * Age in ms of the oldest record that central is known to lack; 0 when it has all. It grows while
   * the shard says nothing new: a shard tells every change, and a lost one may hide some.
   */
  lagMs(): number {
    const nowMs = this.clock.monotonicMs();
    let lagMs = 0;
    for (const { progress, heardMs } of this.known.values()) {
      if (progress.lagMs > 0) lagMs = Math.max(lagMs, progress.lagMs + nowMs - heardMs);
    }
    return Math.round(lagMs);
  }

  /** Tells all who wait what is reached. */
  stop(): void {
    this.timer.stop();
    for (const partition of this.waiters.keys()) this.keepWaiting(partition, () => false);
  }

  private keepWaiting(partition: number, waitsOn: (waiter: Waiter) => boolean): void {
    const waiters = this.waiters.get(partition);
    if (waiters === undefined) return;
    const left = waiters.filter((waiter) => {
      if (waitsOn(waiter)) return true;
      waiter.resolve(waiter.reached);
      return false;
    });
    if (left.length > 0) this.waiters.set(partition, left);
    else this.waiters.delete(partition);
  }

  private readonly endDue = (nowMs: number): number => {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const partition of this.waiters.keys()) {
      this.keepWaiting(partition, (waiter) => {
        if (waiter.expiresMs <= nowMs) return false;
        nextMs = Math.min(nextMs, waiter.expiresMs);
        return true;
      });
    }
    return nextMs;
  };
}
