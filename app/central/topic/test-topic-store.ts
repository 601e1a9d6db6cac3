/** For tests: central in memory, with the real chain; a transaction is one synchronous step. */
import type { Grant } from "../../../shards/protocol/relay.ts";
import { emptyCursor, planPush, type StreamState } from "../chain.ts";
import type {
  Intake,
  PushResult,
  QuarantinedRecord,
  StoppedStream,
  TopicPosition,
  TopicStore,
} from "../store.ts";

export class MemoryTopicStore implements TopicStore {
  readonly centralId = "memory";
  readonly quarantine: QuarantinedRecord[] = [];
  /** Event ids in the order of their applying. */
  applied: string[] = [];
  duplicates = 0;
  transactions = 0;
  /** While set, nothing returns: a database that hangs. */
  hang: Promise<void> = Promise.resolve();
  granted = 1;
  #positions = new Map<number, string>();
  #streams = new Map<string, StreamState>();

  async apply({ pushes, positions, quarantined }: Intake): Promise<readonly PushResult[]> {
    await this.hang;
    this.transactions++;
    const results = pushes.map((push) => this.#push(push));
    for (const { partition, from, nextOffset } of positions) {
      const position = this.#positions.get(partition) ?? "0";
      if (position === from) this.#positions.set(partition, nextOffset);
    }
    this.quarantine.push(...quarantined);
    return results;
  }

  async grantedEpoch(): Promise<number> {
    return this.granted;
  }

  #push(push: Intake["pushes"][number]): PushResult {
    const { shard, partition } = push[0] ?? { shard: "", partition: 0 };
    const stream = `${shard}/${partition}`;
    const { cursor, stopped } = this.#streams.get(stream) ?? {
      cursor: emptyCursor(partition),
      stopped: null,
    };
    const grantedEpoch = this.granted;
    const plan = planPush({ cursor, stopped, grantedEpoch }, push);
    this.#streams.set(stream, { cursor: plan.cursor, stopped: plan.stopped, grantedEpoch });
    this.duplicates += plan.duplicates;
    for (const { record } of plan.apply) {
      this.applied.push(`${record.shard}-${record.epoch}-${record.commitSeq}`);
    }
    return {
      cursor: plan.cursor,
      applied: plan.apply.length,
      duplicates: plan.duplicates,
      skipped: plan.skipped,
      stopped: plan.stopped,
      isNewStop: plan.stoppedBy !== null,
    };
  }

  async positions(): Promise<readonly TopicPosition[]> {
    await this.hang;
    return [...this.#positions].map(([partition, nextOffset]) => ({ partition, nextOffset }));
  }

  setPosition(partition: number, nextOffset: string): void {
    this.#positions.set(partition, nextOffset);
  }

  /** What a backup holds, and how it is put back. */
  backUp(): () => void {
    const positions = new Map(this.#positions);
    const streams = new Map(this.#streams);
    const applied = [...this.applied];
    return () => {
      this.#positions = positions;
      this.#streams = streams;
      this.applied = applied;
    };
  }

  stops(): readonly string[] {
    return [...this.#streams.values()].flatMap(({ stopped }) =>
      stopped === null ? [] : [`${stopped.partition} ${stopped.code}`],
    );
  }

  cursors(): Promise<readonly []> {
    return Promise.resolve([]);
  }

  stoppedStreams(): Promise<readonly StoppedStream[]> {
    return Promise.resolve([]);
  }

  claimEpoch(): Promise<Grant> {
    return Promise.reject(new Error("no epochs here"));
  }

  deleteOutcomes(): Promise<number> {
    return Promise.resolve(0);
  }

  close(): void {}
}
