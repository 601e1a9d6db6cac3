import { describe, expect, test } from "bun:test";
import { printedSeed, randomOf, wholeOf } from "../../tests/support/random.ts";
import { systemClock } from "../process/clock.ts";
import { OperatingError } from "../process/failure.ts";
import { createLogger } from "../process/logger.ts";
import type { Cursor } from "../protocol/hello.ts";
import { type CommittedRecord, chainHash, ZERO_HASH } from "../protocol/record.ts";
import type { Outbox, OutboxRecord, SendResult, Standing, Transport } from "./ports.ts";
import { Relay, type RelayReport } from "./relay.ts";
import { compareStanding, follows } from "./standing.ts";

const PARTITIONS = 3;
const CENTRAL = "central-1";

/** A shard's journal in memory. */
class FakeOutbox implements Outbox {
  records: OutboxRecord[] = [];
  readonly epoch: number;
  appliedCommitSeq = 0;
  reads = 0;
  #prunedTo = 0;

  constructor(epoch = 1) {
    this.epoch = epoch;
  }

  end(partition: number): { readonly seq: number; readonly hash: string } {
    return this.records.findLast((one) => one.partition === partition) ?? { seq: 0, hash: ZERO_HASH };
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
      streams: Array.from({ length: PARTITIONS }, (_, partition) => ({
        partition,
        ...this.end(partition),
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
class FakeCentral implements Transport {
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
  readonly #sending = new Set<number>();

  async connect() {
    this.connects++;
    if (this.connectFailures > 0) {
      this.connectFailures--;
      throw down("not there");
    }
    return { centralId: this.centralId, cursors: [...this.cursors.values()] };
  }

  async send(records: readonly CommittedRecord[]): Promise<SendResult> {
    const partition = records[0]?.partition ?? -1;
    expect(this.#sending.has(partition)).toBe(false);
    expect(records.every((one) => one.partition === partition)).toBe(true);
    this.#sending.add(partition);
    try {
      await this.gate;
      const failure = this.failures.shift();
      if (failure === "before") throw down("lost before");
      if (this.stoppedPartitions.has(partition)) {
        return { kind: "stopped", stopped: { partition, code: "gap", detail: "a gap" } };
      }
      for (const record of records) this.#apply(record);
      if (failure === "after") throw down("lost after");
      return { kind: "applied", cursor: this.cursor(partition) };
    } finally {
      this.#sending.delete(partition);
    }
  }

  cursor(partition: number): Cursor {
    return this.cursors.get(partition) ?? { partition, epoch: 1, seq: 0, hash: ZERO_HASH };
  }

  #apply(record: CommittedRecord): void {
    const { partition, seq, hash, prevHash, epoch } = record;
    const cursor = this.cursor(partition);
    if (seq <= cursor.seq) {
      this.duplicates++;
      return;
    }
    expect({ seq, prevHash }).toEqual({ seq: cursor.seq + 1, prevHash: cursor.hash });
    this.cursors.set(partition, { partition, epoch, seq, hash });
    this.applied.push(record);
  }

  close(): void {
    this.closes++;
  }
}

const benchOf = (outbox = new FakeOutbox(), central = new FakeCentral()) => {
  const reports: RelayReport[] = [];
  const states: string[] = [];
  const refused: string[] = [];
  let idle = 0;
  let look = (): void => {};
  const noted = <T>(list: T[]) => (item: T): void => {
    list.push(item);
    look();
  };
  const relay = new Relay({
    outbox,
    transport: central,
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
  };
  const report = (): RelayReport | undefined => reports.at(-1);
  return { outbox, central, relay, reports, report, states, refused, until, run, end, idle: () => idle };
};

describe("the relay", () => {
  test("carries every record once, and says how far central is", async () => {
    const outbox = new FakeOutbox();
    outbox.commit(0, 1, 0, 2);
    const { central, relay, until, report, states, end } = benchOf(outbox);
    await until(() => report()?.appliedCommitSeq === 4);
    outbox.commit(1, 1);
    relay.notify();
    await until(() => report()?.appliedCommitSeq === 6);
    expect(report()).toEqual({
      appliedCommitSeq: 6,
      partitions: [2, 3, 1].map((seq, partition) => ({
        partition,
        replicatedSeq: seq,
        appliedSeq: seq,
      })),
      stoppedPartitions: [],
    });
    expect(central.applied).toHaveLength(6);
    expect(central.duplicates).toBe(0);
    expect(states).toEqual(["running"]);
    await end();
    expect(central.closes).toBe(1);
  });

  test("carries more than one chunk, and says that it waits at the end only", async () => {
    const outbox = new FakeOutbox();
    outbox.commit(...Array.from({ length: 4_500 }, (_, i) => i % PARTITIONS));
    const { central, until, reports, end, idle } = benchOf(outbox);
    await until(() => idle() > 0);
    expect(reports.map(({ appliedCommitSeq }) => appliedCommitSeq)).toEqual([0, 2000, 4000, 4500]);
    expect(central.applied).toHaveLength(4_500);
    await end();
  });

  test("finds a record that was committed while it looked", async () => {
    const outbox = new FakeOutbox();
    const read = outbox.read.bind(outbox);
    const bench = benchOf(outbox);
    let raced = false;
    outbox.read = (commitSeq, limit) => {
      const found = read(commitSeq, limit);
      if (found.length === 0 && !raced) {
        raced = true;
        outbox.commit(0);
        bench.relay.notify();
      }
      return found;
    };
    await bench.until(() => bench.report()?.appliedCommitSeq === 1);
    await bench.end();
  });

  test("starts from central's cursors, not from its own watermark", async () => {
    const outbox = new FakeOutbox();
    outbox.commit(0, 1, 0, 2, 0);
    const central = new FakeCentral();
    const [first, , third] = outbox.records;
    if (first === undefined || third === undefined) throw new Error("no records");
    central.cursors.set(0, { partition: 0, epoch: 1, seq: 2, hash: third.hash });
    const { until, report, end } = benchOf(outbox, central);
    await until(() => report()?.appliedCommitSeq === 5);
    expect(central.applied.map(({ commitSeq }) => commitSeq).toSorted()).toEqual([2, 4, 5]);
    expect(central.duplicates).toBe(0);
    await end();
  });

  test("sends again what a central put back from a backup lacks", async () => {
    const outbox = new FakeOutbox();
    outbox.commit(0, 1, 2, 0);
    outbox.appliedCommitSeq = 4;
    const { central, until, report, end } = benchOf(outbox);
    await until(() => report()?.appliedCommitSeq === 4 && central.applied.length === 4);
    await end();
  });

  test("tries to connect until central is there", async () => {
    const central = new FakeCentral();
    central.connectFailures = 2;
    const outbox = new FakeOutbox();
    outbox.commit(0);
    const { until, report, states, end } = benchOf(outbox, central);
    await until(() => report()?.appliedCommitSeq === 1);
    expect(states).toEqual(["connecting", "connecting", "running"]);
    await end();
  });

  test.each(["before", "after"] as const)(
    "sends again after a connection that was lost %s central applied",
    async (when) => {
      const outbox = new FakeOutbox();
      const central = new FakeCentral();
      central.failures.push(when);
      outbox.commit(0, 1, 0);
      const { until, report, states, end } = benchOf(outbox, central);
      await until(() => report()?.appliedCommitSeq === 3);
      expect(central.applied).toHaveLength(3);
      expect(states).toEqual(["running", "connecting", "running"]);
      await end();
    },
  );

  test("loses and doubles nothing however often the connection is lost", async () => {
    const random = randomOf(printedSeed("relay"));
    const outbox = new FakeOutbox();
    const { central, relay, until, report, end } = benchOf(outbox);
    for (let n = 0; n < 12; n++) {
      outbox.commit(
        ...Array.from({ length: wholeOf(random, 1, 40) }, () => wholeOf(random, 0, PARTITIONS - 1)),
      );
      if (wholeOf(random, 0, 1) === 0) central.failures.push(random() < 0.5 ? "before" : "after");
      relay.notify();
      const last = outbox.records.length;
      await until(() => report()?.appliedCommitSeq === last);
      outbox.appliedCommitSeq = last;
    }
    const values = new Set(central.applied.map(({ value }) => value));
    expect(values.size).toBe(outbox.records.length);
    expect(central.applied).toHaveLength(outbox.records.length);
    await end();
  });

  test("never says more than central has", async () => {
    const outbox = new FakeOutbox();
    const central = new FakeCentral();
    const gate = Promise.withResolvers<void>();
    central.gate = gate.promise;
    outbox.commit(0, 1);
    const { until, report, reports, end } = benchOf(outbox, central);
    await until(() => reports.length > 0);
    expect(report()?.appliedCommitSeq).toBe(0);
    gate.resolve();
    await until(() => report()?.appliedCommitSeq === 2);
    await end();
  });
});

describe("a partition that central has stopped", () => {
  test("is held while the others go on; the watermark is before its first record", async () => {
    const outbox = new FakeOutbox();
    const central = new FakeCentral();
    central.stoppedPartitions.add(1);
    outbox.commit(0, 2, 1, 0, 1);
    const { relay, until, report, end } = benchOf(outbox, central);
    await until(() => report()?.stoppedPartitions.length === 1);
    outbox.commit(2, 1, 0);
    relay.notify();
    await until(() => central.applied.length === 5);
    await until(() => report()?.partitions[0]?.appliedSeq === 3);
    expect(report()).toEqual({
      appliedCommitSeq: 2,
      partitions: [
        { partition: 0, replicatedSeq: 3, appliedSeq: 3 },
        { partition: 1, replicatedSeq: 0, appliedSeq: 0 },
        { partition: 2, replicatedSeq: 2, appliedSeq: 2 },
      ],
      stoppedPartitions: [1],
    });
    await end();
  });

  test("goes on from where it was once central takes it again", async () => {
    const outbox = new FakeOutbox();
    const central = new FakeCentral();
    central.stoppedPartitions.add(1);
    outbox.commit(0, 1, 0, 1);
    const { relay, until, report, end } = benchOf(outbox, central);
    await until(() => report()?.stoppedPartitions.length === 1);
    outbox.appliedCommitSeq = 1;
    central.stoppedPartitions.clear();
    central.failures.push("before");
    outbox.commit(0);
    relay.notify();
    await until(() => report()?.appliedCommitSeq === 5);
    expect(central.applied).toHaveLength(5);
    await end();
  });

  test("of which central took a part is held from the first record that it lacks", async () => {
    const outbox = new FakeOutbox();
    const central = new FakeCentral();
    outbox.commit(0, 0, 0);
    const send = central.send.bind(central);
    central.send = (records) => send(records.slice(0, 2));
    const { until, report, end } = benchOf(outbox, central);
    await until(() => report()?.stoppedPartitions.length === 1);
    expect(report()).toMatchObject({ appliedCommitSeq: 2, partitions: [{ appliedSeq: 2 }, {}, {}] });
    await end();
  });
});

describe("a file that is not the one central knows", () => {
  const hash = "cd".repeat(32);
  const cursorOf = (partition: number, seq: number, epoch = 1, own = hash): Cursor => ({
    partition,
    epoch,
    seq,
    hash: own,
  });

  test.each<[string, (central: FakeCentral, outbox: FakeOutbox) => void, string]>([
    [
      "another central",
      (central) => {
        central.centralId = "central-2";
      },
      "central is central-2, the file belongs to central-1",
    ],
    [
      "a central that is ahead",
      (central) => central.cursors.set(0, cursorOf(0, 9)),
      "central has 9 records of partition 0, the file has 2: it is older than what central has",
    ],
    [
      "a central with another last record",
      (central) => central.cursors.set(0, cursorOf(0, 2)),
      "record 2 of partition 0 is not the one that central has",
    ],
    [
      "a central with another record in between",
      (central) => central.cursors.set(0, cursorOf(0, 1)),
      "record 2 of partition 0 does not follow record 1 of central",
    ],
    [
      "a central in a later epoch",
      (central) => central.cursors.set(1, cursorOf(1, 1, 2)),
      "central has epoch 2 of this shard, the file is of epoch 1",
    ],
    [
      "a central that needs what the file has dropped",
      (_central, outbox) => {
        outbox.appliedCommitSeq = 3;
        outbox.prune(2);
      },
      "does not follow record 0 of central",
    ],
  ])("is refused: %s", async (_, prepare, reason) => {
    const outbox = new FakeOutbox();
    outbox.commit(0, 1, 0);
    const central = new FakeCentral();
    prepare(central, outbox);
    const { refused, states, run } = benchOf(outbox, central);
    await run;
    expect(refused).toEqual([expect.stringContaining(reason)]);
    expect(central.applied).toEqual([]);
    expect(states.at(-1)).not.toBe("connecting");
  });

  test("is never said to be running after the refusal", async () => {
    const central = new FakeCentral();
    central.centralId = "central-2";
    const { states, run } = benchOf(new FakeOutbox(), central);
    await run;
    expect(states).not.toContain("running");
  });

  test("is accepted in a new epoch, which central has nothing of", () => {
    const outbox = new FakeOutbox(2);
    outbox.commit(0);
    expect(compareStanding(outbox.standing(), [cursorOf(0, 50, 1), cursorOf(1, 3, 1)])).toBe(
      undefined,
    );
    expect(compareStanding(outbox.standing(), [])).toBe(undefined);
  });

  test("is told by the first record: seq and hash follow central's", () => {
    const outbox = new FakeOutbox();
    outbox.commit(0, 0);
    const [first, second] = outbox.records;
    if (first === undefined || second === undefined) throw new Error("no records");
    const cursor = cursorOf(0, 1, 1, first.hash);
    expect(follows(cursor, second)).toBe(true);
    expect(follows({ ...cursor, seq: 0 }, second)).toBe(false);
    expect(follows({ ...cursor, hash }, second)).toBe(false);
    expect(follows(cursor, { ...second, value: "{}" })).toBe(false);
  });
});

describe("a pause", () => {
  test("reads nothing until it is over, whatever is committed", async () => {
    const bench = benchOf();
    await bench.until(() => bench.idle() === 1);
    bench.relay.setPaused(true);
    bench.outbox.commit(0);
    const { reads } = bench.outbox;
    bench.relay.notify();
    await bench.until(() => bench.idle() === 2);
    expect(bench.outbox.reads).toBe(reads);
    bench.relay.setPaused(false);
    await bench.until(() => bench.report()?.appliedCommitSeq === 1);
    await bench.end();
  });
});

describe("a close", () => {
  test("ends the relay while it waits", async () => {
    const bench = benchOf();
    await bench.until(() => bench.idle() === 1);
    await bench.end();
    expect(bench.central.closes).toBeGreaterThan(0);
  });
});
