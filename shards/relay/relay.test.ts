import { describe, expect, test } from "bun:test";
import { printedSeed, randomOf, wholeOf } from "../../tests/support/random.ts";
import {
  FakeCentral,
  FakeOutbox,
  PARTITIONS,
  relayBench,
} from "../../tests/support/relay-bench.ts";
import type { Cursor } from "../protocol/hello.ts";
import { ZERO_HASH } from "../protocol/record.ts";

describe("the relay", () => {
  test("carries every record once, and says how far central is", async () => {
    const outbox = new FakeOutbox();
    outbox.commit(0, 1, 0, 2);
    const { central, relay, until, report, states, end } = relayBench(outbox);
    await until(() => report()?.appliedCommitSeq === 4);
    outbox.commit(1, 1);
    relay.notify();
    await until(() => report()?.appliedCommitSeq === 6);
    expect(report()).toEqual({
      replicatedCommitSeq: 6,
      appliedCommitSeq: 6,
      partitions: [2, 3, 1].map((seq, partition) => ({
        partition,
        replicatedSeq: seq,
        replicatedHash: outbox.end(partition).hash,
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
    const { central, until, reports, end, idle } = relayBench(outbox);
    await until(() => idle() > 0);
    expect(reports.map(({ appliedCommitSeq }) => appliedCommitSeq)).toEqual([0, 2000, 4000, 4500]);
    expect(central.applied).toHaveLength(4_500);
    await end();
  });

  test("finds a record that was committed while it looked", async () => {
    const outbox = new FakeOutbox();
    const read = outbox.read.bind(outbox);
    const bench = relayBench(outbox);
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
    const { until, report, end } = relayBench(outbox, central);
    await until(() => report()?.appliedCommitSeq === 5);
    expect(central.applied.map(({ commitSeq }) => commitSeq).toSorted()).toEqual([2, 4, 5]);
    expect(central.duplicates).toBe(0);
    await end();
  });

  test("sends again what a central put back from a backup lacks", async () => {
    const outbox = new FakeOutbox();
    outbox.commit(0, 1, 2, 0);
    outbox.appliedCommitSeq = 4;
    const { central, until, report, end } = relayBench(outbox);
    await until(() => report()?.appliedCommitSeq === 4 && central.applied.length === 4);
    await end();
  });

  test("tries to connect until central is there", async () => {
    const central = new FakeCentral();
    central.connectFailures = 2;
    const outbox = new FakeOutbox();
    outbox.commit(0);
    const { until, report, states, end } = relayBench(outbox, central);
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
      const { until, report, states, end } = relayBench(outbox, central);
      await until(() => report()?.appliedCommitSeq === 3);
      expect(central.applied).toHaveLength(3);
      expect(states).toEqual(["running", "connecting", "running"]);
      await end();
    },
  );

  test("loses and doubles nothing however often the connection is lost", async () => {
    const random = randomOf(printedSeed("relay"));
    const outbox = new FakeOutbox();
    const { central, relay, until, report, end } = relayBench(outbox);
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
    const { until, report, reports, end } = relayBench(outbox, central);
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
    const { relay, until, report, end } = relayBench(outbox, central);
    await until(() => report()?.stoppedPartitions.length === 1);
    outbox.commit(2, 1, 0);
    relay.notify();
    await until(() => central.applied.length === 5);
    await until(() => report()?.partitions[0]?.appliedSeq === 3);
    expect(report()).toEqual({
      replicatedCommitSeq: 8,
      appliedCommitSeq: 2,
      partitions: [3, 0, 2].map((seq, partition) => ({
        partition,
        replicatedSeq: seq,
        replicatedHash: seq === 0 ? ZERO_HASH : outbox.end(partition).hash,
        appliedSeq: seq,
      })),
      stoppedPartitions: [1],
    });
    await end();
  });

  test("of an epoch before central's newest ends the shard", async () => {
    const outbox = new FakeOutbox();
    const central = new FakeCentral();
    const detail = "shard1 is in epoch 2; this record is of 1";
    central.send = async ([record]) => ({
      kind: "stopped",
      stopped: { partition: record?.partition ?? 0, code: "old_epoch", detail },
    });
    outbox.commit(1);
    const { refused, run } = relayBench(outbox, central);
    await run;
    expect(refused).toEqual([`central takes nothing more of this file: ${detail}`]);
  });

  test("goes on from where it was once central takes it again", async () => {
    const outbox = new FakeOutbox();
    const central = new FakeCentral();
    central.stoppedPartitions.add(1);
    outbox.commit(0, 1, 0, 1);
    const { relay, until, report, end } = relayBench(outbox, central);
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
    central.send = (records, generation) => send(records.slice(0, 2), generation);
    const { until, report, end } = relayBench(outbox, central);
    await until(() => report()?.stoppedPartitions.length === 1);
    expect(report()).toMatchObject({
      appliedCommitSeq: 2,
      partitions: [{ appliedSeq: 2 }, {}, {}],
    });
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
      "central knows epoch 2 of this shard, the file is of epoch 1",
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
    const { refused, states, run } = relayBench(outbox, central);
    await run;
    expect(refused).toEqual([expect.stringContaining(reason)]);
    expect(central.applied).toEqual([]);
    expect(states.at(-1)).not.toBe("connecting");
  });

  test("is never said to be running after the refusal", async () => {
    const central = new FakeCentral();
    central.centralId = "central-2";
    const { states, run } = relayBench(new FakeOutbox(), central);
    await run;
    expect(states).not.toContain("running");
  });
});

describe("a pause", () => {
  test("reads nothing until it is over, whatever is committed", async () => {
    const bench = relayBench();
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
    const bench = relayBench();
    await bench.until(() => bench.idle() === 1);
    await bench.end();
    expect(bench.central.closes).toBeGreaterThan(0);
  });
});

describe("a change of the number of partitions", () => {
  test("is met while it runs: new lanes, and nothing of it before all that went before", async () => {
    const outbox = new FakeOutbox();
    outbox.commit(0, 1);
    const { central, relay, until, report, states, idle, end } = relayBench(outbox);
    await until(() => idle() === 1);
    outbox.commit(2, 0);
    outbox.raise(5);
    outbox.commit(3, 0, 4);
    relay.notify();
    await until(() => report()?.appliedCommitSeq === 9);
    expect(
      central.applied
        .map(({ commitSeq }) => commitSeq)
        .slice(0, 4)
        .toSorted(),
    ).toEqual([1, 2, 3, 4]);
    expect(central.sends.map(({ generation }) => generation)).toEqual([1, 1, 1, 1, 2, 2, 2]);
    expect(report()?.partitions.map(({ appliedSeq }) => appliedSeq)).toEqual([3, 1, 1, 2, 2]);
    expect(states).toEqual(["running"]);
    await end();
  });

  test("waits for a partition that central has stopped", async () => {
    const outbox = new FakeOutbox();
    const central = new FakeCentral();
    central.stoppedPartitions.add(1);
    outbox.commit(0, 1);
    outbox.raise(4);
    outbox.commit(0, 3);
    const { relay, until, report, end } = relayBench(outbox, central);
    await until(() => report()?.stoppedPartitions.length === 1);
    expect(report()).toMatchObject({ replicatedCommitSeq: 2, appliedCommitSeq: 1 });
    central.stoppedPartitions.clear();
    relay.resend();
    await until(() => report()?.appliedCommitSeq === 5);
    expect(central.sends.map(({ generation }) => generation)).toEqual([1, 1, 1, 2, 2]);
    await end();
  });
});
