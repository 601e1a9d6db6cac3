import { describe, expect, test } from "bun:test";
import { printedSeed, randomOf, wholeOf } from "../../tests/support/random.ts";
import { FakeBroker, FakeOutbox, relayBench } from "../../tests/support/relay-bench.ts";
import { until as soon } from "../../tests/support/until.ts";
import { type CommittedRecord, ZERO_HASH } from "../protocol/record.ts";
import type { RelayReport } from "./relay.ts";

const HASH = "cd".repeat(32);

const bench = (outbox = new FakeOutbox(), broker = new FakeBroker()) => relayBench(outbox, broker);

/** The stream of a partition as the broker would hold it. */
const chained = (outbox: FakeOutbox, partition: number): CommittedRecord[] => {
  let prevHash = ZERO_HASH;
  return outbox.records
    .filter((record) => record.partition === partition)
    .map((record) => {
      const one = { ...record, prevHash };
      prevHash = record.hash;
      return one;
    });
};

const seqsIn = (broker: FakeBroker, partition: number): number[] =>
  (broker.log.get(partition) ?? []).map(({ seq }) => seq);

describe("with a broker the relay", () => {
  test("says what the broker has at once, and what central has when central says so", async () => {
    const { outbox, central, relay, until, report, end } = bench();
    outbox.commit(0, 1, 0);
    relay.notify();
    await until(() => report()?.replicatedCommitSeq === 3);
    expect(report()).toMatchObject({
      appliedCommitSeq: 0,
      partitions: [
        { replicatedSeq: 2, replicatedHash: outbox.end(0).hash, appliedSeq: 0 },
        { replicatedSeq: 1, replicatedHash: outbox.end(1).hash, appliedSeq: 0 },
        { replicatedSeq: 0, appliedSeq: 0 },
      ],
    });
    central.consume(1);
    await until(() => report()?.partitions[0]?.appliedSeq === 1);
    // By what was read at a time: the first three are in central together.
    expect(report()).toMatchObject({
      appliedCommitSeq: 0,
      partitions: [{}, { appliedSeq: 1 }, {}],
    });
    central.consume();
    await until(() => report()?.appliedCommitSeq === 3);
    await end();
  });

  test("hears of central also after a send that took long", async () => {
    const broker = new FakeBroker();
    const gate = Promise.withResolvers<void>();
    broker.gate = gate.promise;
    const { outbox, central, relay, until, report, end } = bench(new FakeOutbox(), broker);
    outbox.commit(0);
    relay.notify();
    // Longer than the pause between two questions; being longer still would change nothing.
    await Bun.sleep(60);
    gate.resolve();
    await until(() => report()?.replicatedCommitSeq === 1);
    central.consume();
    await until(() => report()?.appliedCommitSeq === 1);
    await end();
  });

  test("asks nothing while central has everything", async () => {
    const { outbox, central, relay, until, report, end } = bench();
    outbox.commit(0);
    relay.notify();
    await until(() => report()?.replicatedCommitSeq === 1);
    central.consume();
    await until(() => report()?.appliedCommitSeq === 1);
    const { asks } = central;
    await Bun.sleep(60);
    expect(central.asks).toBe(asks);
    await end();
  });

  test("goes on where the broker is known to be", async () => {
    const outbox = new FakeOutbox();
    outbox.commit(0, 0, 1, 0);
    const broker = new FakeBroker();
    const [one, two] = chained(outbox, 0) as [CommittedRecord, CommittedRecord];
    broker.log.set(0, [one, two]);
    broker.consume(1);
    outbox.replicated.set(0, two);
    const { until, report, end } = bench(outbox, broker);
    await until(() => report()?.replicatedCommitSeq === 4);
    expect(seqsIn(broker, 0)).toEqual([1, 2, 3]);
    expect(report()?.appliedCommitSeq).toBe(1);
    broker.consume();
    await until(() => report()?.appliedCommitSeq === 4);
    await end();
  });

  test("hears of central after a restart also when the broker has everything already", async () => {
    const outbox = new FakeOutbox();
    outbox.commit(0, 0, 1);
    const broker = new FakeBroker();
    for (const partition of [0, 1]) {
      const records = chained(outbox, partition);
      broker.log.set(partition, records);
      outbox.replicated.set(partition, records.at(-1) as CommittedRecord);
    }
    const { until, report, end } = bench(outbox, broker);
    await until(() => report()?.replicatedCommitSeq === 3);
    expect(broker.sends).toEqual([]);
    broker.consume();
    await until(() => report()?.appliedCommitSeq === 3);
    await end();
  });

  test("goes on where central is when the broker's place is not known or behind it", async () => {
    const outbox = new FakeOutbox();
    outbox.commit(0, 0, 1, 1, 0);
    outbox.replicated.set(0, { seq: 0, hash: "" });
    const broker = new FakeBroker();
    for (const partition of [0, 1]) broker.log.set(partition, chained(outbox, partition));
    broker.consume(1);
    broker.log.set(0, chained(outbox, 0).slice(0, 1));
    broker.log.set(1, chained(outbox, 1).slice(0, 1));
    const { until, report, end } = bench(outbox, broker);
    await until(() => report()?.replicatedCommitSeq === 5);
    expect([seqsIn(broker, 0), seqsIn(broker, 1)]).toEqual([
      [1, 2, 3],
      [1, 2],
    ]);
    broker.consume();
    await until(() => report()?.appliedCommitSeq === 5);
    await end();
  });

  test("sends nothing while neither is known", async () => {
    const outbox = new FakeOutbox();
    outbox.commit(0);
    outbox.replicated.set(0, { seq: 0, hash: "" });
    const broker = new FakeBroker();
    broker.isSilent = true;
    const { until, report, states, end } = bench(outbox, broker);
    await until(() => states.length === 2);
    expect([states, broker.sends]).toEqual([["connecting", "connecting"], []]);
    broker.isSilent = false;
    await until(() => report()?.replicatedCommitSeq === 1);
    await end();
  });

  test("carries without central's word, and starts again when central speaks", async () => {
    const outbox = new FakeOutbox();
    outbox.commit(0, 1);
    const broker = new FakeBroker();
    broker.isSilent = true;
    const { until, report, states, end } = bench(outbox, broker);
    await until(() => report()?.replicatedCommitSeq === 2);
    broker.isSilent = false;
    broker.consume();
    await until(() => report()?.appliedCommitSeq === 2);
    expect(states).toEqual(["running", "running"]);
    await end();
  });

  test.each<[string, number, string]>([
    ["another record", 2, "record 2 of partition 0 is not the one that central has"],
    ["another record before", 1, "record 2 of partition 0 does not follow record 1 of central"],
    ["more records", 9, "central has 9 records of partition 0, the file has 2"],
  ])("refuses the file when central, silent at the start, has %s", async (_, seq, reason) => {
    const outbox = new FakeOutbox();
    outbox.commit(0, 0, 1);
    const broker = new FakeBroker();
    broker.isSilent = true;
    const { until, report, refused, run } = bench(outbox, broker);
    await until(() => report()?.replicatedCommitSeq === 3);
    broker.cursors.set(0, { partition: 0, epoch: 1, seq, hash: HASH });
    broker.isSilent = false;
    await run;
    expect(refused).toEqual([expect.stringContaining(reason)]);
  });

  test("claims nothing for central before a file that started alone is compared with it", async () => {
    const outbox = new FakeOutbox();
    outbox.commit(0, 0);
    const broker = new FakeBroker();
    broker.isSilent = true;
    const { relay, until, report, refused, run } = bench(outbox, broker);
    await until(() => report()?.replicatedCommitSeq === 2);
    // The broker hangs, and central, which has another record 1, is asked again and again.
    const gate = Promise.withResolvers<void>();
    broker.gate = gate.promise;
    outbox.commit(0);
    relay.notify();
    broker.cursors.set(0, { partition: 0, epoch: 1, seq: 1, hash: HASH });
    broker.isSilent = false;
    const { asks } = broker;
    await soon("central is asked", 5000, () => broker.asks >= asks + 3);
    expect(report()?.partitions[0]?.appliedSeq).toBe(0);
    gate.resolve();
    await run;
    expect(refused).toEqual([expect.stringContaining("does not follow record 1 of central")]);
  });

  test("refuses the file when central gets ahead of it while it runs", async () => {
    const { outbox, central, relay, until, report, refused, run } = bench();
    outbox.commit(0);
    relay.notify();
    await until(() => report()?.replicatedCommitSeq === 1);
    central.cursors.set(0, { partition: 0, epoch: 1, seq: 2, hash: HASH });
    await run;
    expect(refused).toEqual([expect.stringContaining("it is older than what central has")]);
  });

  test("tells which partitions central has stopped, and goes on sending", async () => {
    const { outbox, central, relay, until, report, end } = bench();
    central.stoppedPartitions.add(1);
    outbox.commit(1);
    relay.notify();
    await until(() => report()?.stoppedPartitions.length === 1);
    outbox.commit(1, 0);
    relay.notify();
    await until(() => report()?.replicatedCommitSeq === 3);
    expect(report()).toMatchObject({ appliedCommitSeq: 0, stoppedPartitions: [1] });
    central.stoppedPartitions.clear();
    central.consume();
    await until(() => report()?.stoppedPartitions.length === 0);
    await until(() => report()?.appliedCommitSeq === 3);
    await end();
  });

  test("sends again from central's cursors when it is told that the broker has lost them", async () => {
    const { outbox, central, relay, until, report, end } = bench();
    outbox.commit(0, 1, 0, 0);
    relay.notify();
    await until(() => report()?.replicatedCommitSeq === 4);
    central.consume(1);
    await until(() => report()?.partitions[0]?.appliedSeq === 1);
    central.lose();
    relay.resend();
    await until(() => seqsIn(central, 0).length === 2);
    expect([seqsIn(central, 0), seqsIn(central, 1)]).toEqual([[2, 3], []]);
    central.consume();
    await until(() => report()?.appliedCommitSeq === 4);
    await end();
  });

  test("keeps a resend in mind until central can say from where", async () => {
    const { outbox, central, relay, until, report, states, end } = bench();
    outbox.commit(0, 0);
    relay.notify();
    await until(() => report()?.replicatedCommitSeq === 2);
    central.lose();
    central.isSilent = true;
    relay.resend();
    await until(() => states.at(-1) === "connecting");
    expect(seqsIn(central, 0)).toEqual([]);
    central.isSilent = false;
    await until(() => report()?.replicatedCommitSeq === 2 && seqsIn(central, 0).length === 2);
    central.consume();
    await until(() => report()?.appliedCommitSeq === 2);
    await end();
  });

  test("sends a generation only when central has all of the one before", async () => {
    const { outbox, central, relay, until, report, end } = bench();
    outbox.commit(0, 1, 0);
    relay.notify();
    await until(() => report()?.replicatedCommitSeq === 3);
    outbox.commit(2);
    outbox.raise(5);
    outbox.commit(4, 0);
    relay.notify();
    await until(() => report()?.replicatedCommitSeq === 4);
    central.consume(1);
    await until(() => report()?.partitions[0]?.appliedSeq === 1);
    expect(central.sends.every(({ generation }) => generation === 1)).toBe(true);
    central.consume();
    await until(() => report()?.replicatedCommitSeq === 8);
    expect(central.sends.slice(-4).map(({ generation }) => generation)).toEqual([1, 2, 2, 2]);
    expect(report()?.partitions.map(({ replicatedSeq }) => replicatedSeq)).toEqual([3, 1, 1, 1, 2]);
    central.consume();
    await until(() => report()?.appliedCommitSeq === 8);
    await end();
  });
});

/** What each report may say at most. */
const overstated = (outbox: FakeOutbox, broker: FakeBroker, report: RelayReport): string[] => {
  const lacked = outbox.records.find(({ partition, seq }) => seq > broker.cursor(partition).seq);
  const most = (lacked?.commitSeq ?? outbox.records.length + 1) - 1;
  const { appliedCommitSeq } = report;
  return appliedCommitSeq > most ? [`said ${appliedCommitSeq}, central has ${most}`] : [];
};

test("nothing is lost, put before its time or overstated, whatever fails and restarts", async () => {
  const random = randomOf(printedSeed("relay with a broker"));
  const outbox = new FakeOutbox();
  const broker = new FakeBroker();
  broker.sentBefore = (generation) => {
    const first = outbox.generations().find((one) => one.generation === generation);
    return (first?.firstCommitSeq ?? 1) - 1;
  };
  for (let life = 0; life < 6; life++) {
    const { relay, until, report, reports, refused, end } = bench(outbox, broker);
    for (let n = 0; n < 6; n++) {
      const partitions = Array.from({ length: wholeOf(random, 1, 30) }, () =>
        wholeOf(random, 0, outbox.partitionCount - 1),
      );
      outbox.commit(...partitions);
      if (n === 3) outbox.raise(outbox.partitionCount + wholeOf(random, 1, 3));
      if (random() < 0.3) broker.failures.push(random() < 0.5 ? "before" : "after");
      if (random() < 0.2) relay.resend();
      relay.notify();
      broker.consume(wholeOf(random, 0, 20));
      const before = reports.length;
      await until(() => reports.length > before);
    }
    for (const one of reports) expect(overstated(outbox, broker, one)).toEqual([]);
    const last = report();
    if (life === 5) {
      const all = outbox.records.length;
      while (report()?.appliedCommitSeq !== all) {
        broker.consume();
        const before = reports.length;
        await until(() => reports.length > before || report()?.appliedCommitSeq === all);
      }
    } else if (last !== undefined) {
      outbox.persist(last);
    }
    expect(refused).toEqual([]);
    await end();
  }
  expect(broker.applied).toHaveLength(outbox.records.length);
});
