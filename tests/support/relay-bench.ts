/** For unit tests of the relay: a journal in memory, and a central that can be told to fail. */
import { systemClock } from "../../shards/process/clock.ts";
import { OperatingError } from "../../shards/process/failure.ts";
import { createLogger } from "../../shards/process/logger.ts";
import type { ApplierWelcome, Cursor } from "../../shards/protocol/hello.ts";
import { type CommittedRecord, chainHash, ZERO_HASH } from "../../shards/protocol/record.ts";
import type { CentralStanding } from "../../shards/protocol/relay.ts";
import type { StreamPoint } from "../../shards/relay/lanes.ts";
import type {
  CentralView,
  Outbox,
  OutboxRecord,
  PartitionGeneration,
  SendResult,
  Standing,
  Transport,
} from "../../shards/relay/ports.ts";
import { Relay, type RelayReport } from "../../shards/relay/relay.ts";

export const PARTITIONS = 3;
const CENTRAL = "central-1";

/** A shard's journal in memory. */
export class FakeOutbox implements Outbox {
  records: OutboxRecord[] = [];
  readonly epoch: number;
  appliedCommitSeq = 0;
  reads = 0;
  /** Where the broker is known to be; a new file knows that it has nothing. */
  readonly replicated = new Map<number, StreamPoint>();
  readonly #generations: PartitionGeneration[] = [
    { generation: 1, partitionCount: PARTITIONS, firstCommitSeq: 1 },
  ];
  #prunedTo = 0;

  constructor(epoch = 1) {
    this.epoch = epoch;
  }

  end(partition: number): { readonly seq: number; readonly hash: string } {
    return (
      this.records.findLast((one) => one.partition === partition) ?? { seq: 0, hash: ZERO_HASH }
    );
  }

  commit(...partitions: readonly number[]): void {
    for (const partition of partitions) {
      const commitSeq = this.records.length + 1;
      const { seq, hash } = this.end(partition);
      const value = `{"n":${commitSeq}}`;
      this.records.push({
        type: "order_accepted",
        shard: "shard1",
        epoch: this.epoch,
        partition,
        seq: seq + 1,
        commitSeq,
        at: commitSeq,
        key: "BTCUSDT",
        value,
        hash: chainHash(hash, value),
      });
    }
  }

  /** As the writer does: the new streams' first records are the first of the generation. */
  raise(partitionCount: number): void {
    const before = this.partitionCount;
    const generation = this.#generations.length + 1;
    this.#generations.push({
      generation,
      partitionCount,
      firstCommitSeq: this.records.length + 1,
    });
    this.commit(...Array.from({ length: partitionCount - before }, (_, i) => before + i));
  }

  get partitionCount(): number {
    return this.#generations.at(-1)?.partitionCount ?? 0;
  }

  generations(): readonly PartitionGeneration[] {
    return [...this.#generations];
  }

  /** What the writer makes durable of a report. */
  persist({ appliedCommitSeq, partitions }: RelayReport): void {
    this.appliedCommitSeq = appliedCommitSeq;
    for (const { partition, replicatedSeq, replicatedHash } of partitions) {
      this.replicated.set(partition, { seq: replicatedSeq, hash: replicatedHash });
    }
  }

  prune(to: number): void {
    this.#prunedTo = to;
  }

  read(commitSeq: number, limit: number): OutboxRecord[] {
    this.reads++;
    const from = Math.max(commitSeq, this.#prunedTo);
    return this.records.filter((one) => one.commitSeq > from).slice(0, limit);
  }

  standing(): Standing {
    return {
      epoch: this.epoch,
      appliedCommitSeq: this.appliedCommitSeq,
      streams: Array.from({ length: this.partitionCount }, (_, partition) => ({
        partition,
        seq: this.end(partition).seq,
        hash: this.end(partition).hash,
        replicatedSeq: this.replicated.get(partition)?.seq ?? 0,
        replicatedHash: this.replicated.get(partition)?.hash ?? ZERO_HASH,
        appliedSeq: this.records.filter(
          (one) => one.partition === partition && one.commitSeq <= this.appliedCommitSeq,
        ).length,
      })),
    };
  }
}

const down = (why: string): OperatingError =>
  new OperatingError("central_unreachable", why, { retryable: true });

/** Central behind a connection that can be told to fail. Checks what it is given. */
export class FakeCentral implements Transport {
  centralId = CENTRAL;
  readonly cursors = new Map<number, Cursor>();
  readonly applied: CommittedRecord[] = [];
  readonly stoppedPartitions = new Set<number>();
  /** For the next sends: lost before or after central applied them. */
  readonly failures: ("before" | "after")[] = [];
  connects = 0;
  closes = 0;
  duplicates = 0;
  connectFailures = 0;
  gate: Promise<void> = Promise.resolve();
  /** Of every send: what it was of. */
  readonly sends: { readonly generation: number; readonly partition: number }[] = [];
  readonly #sending = new Set<number>();
  /** What the relay must not do; not thrown, because it takes a throw for a lost connection. */
  readonly faults: string[] = [];

  protected must(holds: boolean, what: string): void {
    if (!holds) this.faults.push(what);
  }

  async connect(): Promise<ApplierWelcome | null> {
    this.connects++;
    if (this.connectFailures > 0) {
      this.connectFailures--;
      throw down("not there");
    }
    return { centralId: this.centralId, epoch: 0, cursors: [...this.cursors.values()] };
  }

  async send(records: readonly CommittedRecord[], generation: number): Promise<SendResult> {
    const partition = records[0]?.partition ?? -1;
    this.sends.push({ generation, partition });
    this.must(!this.#sending.has(partition), "two sends to one partition at a time");
    this.must(
      records.every((one) => one.partition === partition),
      "a send of several partitions",
    );
    this.#sending.add(partition);
    try {
      await this.gate;
      const failure = this.failures.shift();
      if (failure === "before") throw down("lost before");
      const result = this.take(partition, records);
      if (failure === "after") throw down("lost after");
      return result;
    } finally {
      this.#sending.delete(partition);
    }
  }

  protected take(partition: number, records: readonly CommittedRecord[]): SendResult {
    if (this.stoppedPartitions.has(partition)) {
      return { kind: "stopped", stopped: { partition, code: "gap", detail: "a gap" } };
    }
    for (const record of records) this.apply(record);
    return { kind: "applied", cursor: this.cursor(partition) };
  }

  cursor(partition: number): Cursor {
    return this.cursors.get(partition) ?? { partition, epoch: 1, seq: 0, hash: ZERO_HASH };
  }

  protected apply(record: CommittedRecord): void {
    const { partition, seq, hash, prevHash, epoch } = record;
    const cursor = this.cursor(partition);
    if (seq <= cursor.seq) {
      this.duplicates++;
      return;
    }
    this.must(
      seq === cursor.seq + 1 && prevHash === cursor.hash,
      `${partition}/${seq} does not follow`,
    );
    this.cursors.set(partition, { partition, epoch, seq, hash });
    this.applied.push(record);
  }

  close(): void {
    this.closes++;
  }
}

/** A broker, and behind it a central that takes what it is told to and answers when it likes. */
export class FakeBroker extends FakeCentral implements CentralView {
  /** What each partition holds, oldest first. */
  readonly log = new Map<number, CommittedRecord[]>();
  readonly #taken = new Map<number, number>();
  isSilent = false;
  asks = 0;

  override connect(): Promise<null> {
    return super.connect().then(() => null);
  }

  protected override take(partition: number, records: readonly CommittedRecord[]): SendResult {
    const isBehind = this.applied.length < this.sentBefore(this.sends.at(-1)?.generation ?? 1);
    this.must(!isBehind, "a generation sent before central has the one before");
    this.log.set(partition, [...(this.log.get(partition) ?? []), ...records]);
    return { kind: "replicated" };
  }

  /** Records of generations before this one, as far as they are known here. */
  sentBefore: (generation: number) => number = () => 0;

  /** Central takes the next `most` records of each partition. */
  consume(most = Number.POSITIVE_INFINITY): void {
    for (const [partition, records] of this.log) {
      const from = this.#taken.get(partition) ?? 0;
      const next = records.slice(from, from + most);
      this.#taken.set(partition, from + next.length);
      for (const record of next) this.apply(record);
    }
  }

  /** The broker's disks are lost. */
  lose(): void {
    this.log.clear();
    this.#taken.clear();
  }

  async ask(): Promise<CentralStanding> {
    this.asks++;
    if (this.isSilent) throw down("silent");
    const stopped = [...this.stoppedPartitions].map((partition) => {
      return { partition, code: "gap" as const, detail: "a gap" };
    });
    return { centralId: this.centralId, epoch: 0, cursors: [...this.cursors.values()], stopped };
  }
}

/** A relay that runs between the two, and everything it says. */
export const relayBench = <C extends FakeCentral = FakeCentral>(
  outbox = new FakeOutbox(),
  central: C = new FakeCentral() as C,
) => {
  const reports: RelayReport[] = [];
  const states: string[] = [];
  const refused: string[] = [];
  let idle = 0;
  let look = (): void => {};
  const noted =
    <T>(list: T[]) =>
    (item: T): void => {
      list.push(item);
      look();
    };
  const relay = new Relay({
    outbox,
    transport: central,
    central: central instanceof FakeBroker ? central : null,
    centralId: CENTRAL,
    clock: systemClock,
    logger: createLogger("test", "silent"),
    onReport: noted(reports),
    onIdle: () => {
      idle++;
      look();
    },
    onState: noted(states),
    onRefused: noted(refused),
  });
  /** Resolves at the first news after which it holds. */
  const until = (holds: () => boolean): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    look = () => {
      if (holds()) resolve();
    };
    look();
    return promise;
  };
  const run = relay.run();
  const end = async (): Promise<void> => {
    relay.close();
    await run;
    if (central.faults.length > 0) throw new Error(central.faults.join("; "));
  };
  const report = (): RelayReport | undefined => reports.at(-1);
  return {
    outbox,
    central,
    relay,
    reports,
    report,
    states,
    refused,
    until,
    run,
    end,
    idle: () => idle,
  };
};
