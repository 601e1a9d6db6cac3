/**
 * Whether new orders are taken. Room on the disk and in the outbox is kept for what makes risk
 * smaller: cancels are never refused for these reasons.
 */
import type { Problem } from "../domain/problem.ts";

export interface AdmissionLimits {
  readonly freeSpaceFloorBytes: number;
  readonly backlogRecordsMax: number;
  readonly backlogBytesMax: number;
}

export class Admission {
  readonly #limits: AdmissionLimits;
  #freeBytes = Number.POSITIVE_INFINITY;
  #backlogRecords = 0;
  #backlogBytes = 0;
  /** Why the last commit failed; cleared when the disk has been looked at again. */
  #diskFailure: string | null = null;

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  /** Why no new order is taken now. */
  problem(): Problem | undefined {
    const { freeSpaceFloorBytes, backlogRecordsMax, backlogBytesMax } = this.#limits;
    if (this.#diskFailure !== null) {
      return {
        code: "shard_unavailable",
        detail: `The shard's disk failed (${this.#diskFailure}); new orders wait until it is well.`,
      };
    }
    if (this.#freeBytes < freeSpaceFloorBytes) {
      return {
        code: "shard_unavailable",
        detail:
          `The shard's disk has ${this.#freeBytes} bytes free, below the floor of ` +
          `${freeSpaceFloorBytes}; no new order is taken, cancels are.`,
      };
    }
    if (this.#backlogRecords > backlogRecordsMax) {
      return {
        code: "replication_backlog",
        detail:
          `${this.#backlogRecords} records wait for central, over the limit of ` +
          `${backlogRecordsMax}; no new order is taken, cancels are.`,
      };
    }
    if (this.#backlogBytes > backlogBytesMax) {
      return {
        code: "replication_backlog",
        detail:
          `${this.#backlogBytes} bytes wait for central, over the limit of ${backlogBytesMax}; ` +
          "no new order is taken, cancels are.",
      };
    }
    return undefined;
  }

  setBacklog(records: number, bytes: number): void {
    this.#backlogRecords = records;
    this.#backlogBytes = bytes;
  }

  diskFailed(reason: string): void {
    this.#diskFailure = reason;
  }

  /** The disk was looked at: a failure is over once there is room again. */
  setFreeSpace(bytes: number): void {
    this.#freeBytes = bytes;
    if (bytes >= this.#limits.freeSpaceFloorBytes) this.#diskFailure = null;
  }
}
