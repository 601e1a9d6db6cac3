import { describe, expect, test } from "bun:test";
import { printedSeed, type Random, randomOf, wholeOf } from "../../tests/support/random.ts";
import { FakeOutbox, PARTITIONS } from "../../tests/support/relay-bench.ts";
import type { Cursor } from "../protocol/hello.ts";
import { ZERO_HASH } from "../protocol/record.ts";
import { Lanes, StreamBroken } from "./lanes.ts";
import type { OutboxRecord } from "./ports.ts";

const NOTHING = { seq: 0, hash: ZERO_HASH };
const HASH = "cd".repeat(32);

const cursorAt = ({ partition, seq, hash }: OutboxRecord): Cursor => ({
  partition,
  epoch: 1,
  seq,
  hash,
});
const emptyCursor = (partition: number): Cursor => ({ partition, epoch: 1, ...NOTHING });

const journalOf = (...partitions: readonly number[]): readonly OutboxRecord[] => {
  const outbox = new FakeOutbox();
  outbox.commit(...partitions);
  return outbox.records;
};

const lanesOf = (count = PARTITIONS): Lanes => {
  const lanes = new Lanes();
  for (let partition = 0; partition < count; partition++) {
    lanes.open(emptyCursor(partition), NOTHING, "next");
  }
  return lanes;
};

describe("lanes", () => {
  test("give what has to be sent by partition, each record chained to the one before", () => {
    const [a, b, c] = journalOf(0, 1, 0) as [OutboxRecord, OutboxRecord, OutboxRecord];
    expect(lanesOf().take([a, b, c])).toEqual([
      [
        { ...a, prevHash: ZERO_HASH },
        { ...c, prevHash: a.hash },
      ],
      [{ ...b, prevHash: ZERO_HASH }],
    ]);
  });

  test("give nothing twice, nothing that was sent before, nothing that central has", () => {
    const journal = journalOf(0, 0, 0, 1, 1);
    const [one, two, three, four, five] = journal as OutboxRecord[] & { length: 5 };
    if (!one || !two || !three || !four || !five) throw new Error("no records");
    const lanes = new Lanes();
    lanes.open(cursorAt(one), two, "adjacent");
    lanes.open(cursorAt(four), four, "next");
    expect(lanes.take(journal).map((send) => send.map(({ seq }) => seq))).toEqual([[3], [2]]);
    expect(lanes.take(journal)).toEqual([]);
    // Sent before, but central lacks it.
    expect(lanes.appliedCommitSeq(5)).toBe(1);
  });

  test("go on after central's last record when central is ahead of what was sent", () => {
    const journal = journalOf(0, 0, 0, 0);
    const [one, , three, four] = journal;
    if (!one || !three || !four) throw new Error("no records");
    const lanes = new Lanes();
    lanes.open(emptyCursor(0), NOTHING, "adjacent");
    lanes.take([one]);
    // Copies of an earlier send have reached central.
    lanes.applied(cursorAt(three));
    expect(lanes.take(journal.slice(1))).toEqual([[{ ...four, prevHash: three.hash }]]);
    expect(lanes.report()[0]).toMatchObject({ replicatedSeq: 3, appliedSeq: 3 });
  });

  test("compare with central's newest record, also one that came since they were opened", () => {
    const journal = journalOf(0, 0, 0);
    const lanes = new Lanes();
    lanes.open(emptyCursor(0), NOTHING, "adjacent");
    lanes.applied({ partition: 0, epoch: 1, seq: 1, hash: HASH });
    expect(() => lanes.take(journal)).toThrow(StreamBroken);
  });

  test.each([
    ["next", true],
    ["adjacent", false],
    ["none", false],
  ] as const)("compared as %s, a journal that has lost records is broken: %p", (how, isBroken) => {
    const journal = journalOf(0, 0, 0).slice(1);
    const lanes = new Lanes();
    lanes.open(emptyCursor(0), NOTHING, how);
    const take = () => lanes.take(journal);
    if (isBroken) expect(take).toThrow(StreamBroken);
    else expect(take().flat()).toHaveLength(2);
  });

  test.each(["next", "adjacent"] as const)(
    "compared as %s, another record after central's is broken, once it is met",
    (how) => {
      const lanes = new Lanes();
      lanes.open({ partition: 0, epoch: 1, seq: 1, hash: HASH }, { seq: 1, hash: HASH }, how);
      const journal = journalOf(0, 0);
      expect(lanes.take(journal.slice(0, 1))).toEqual([]);
      expect(() => lanes.take(journal.slice(1))).toThrow("does not follow record 1 of central");
    },
  );

  test("hold what central has stopped, from the first record that it lacks", () => {
    const [send = []] = lanesOf().take(journalOf(0, 0, 0));
    const lanes = lanesOf();
    const journal = journalOf(0, 0, 1, 0);
    lanes.take(journal.slice(0, 3));
    const [first, second] = send;
    if (first === undefined || second === undefined) throw new Error("no records");
    lanes.applied(cursorAt(first));
    lanes.hold(second);
    expect(lanes.held).toEqual([0]);
    expect(lanes.take(journal.slice(3))).toEqual([]);
    expect(lanes.appliedCommitSeq(4)).toBe(1);
  });

  test("know which partitions they have", () => {
    const lanes = lanesOf(2);
    expect([lanes.has(1), lanes.has(2)]).toEqual([true, false]);
    expect(() => lanes.take(journalOf(2))).toThrow("no stream for partition 2");
  });
});

/** The last record before the first that central lacks, looked up one by one. */
const trueWatermark = (journal: readonly OutboxRecord[], position: number, applied: number[]) => {
  const lacked = journal.find(({ partition, seq }) => seq > (applied[partition] ?? 0));
  return Math.min(position, (lacked?.commitSeq ?? journal.length + 1) - 1);
};

const applySome = (lanes: Lanes, read: readonly OutboxRecord[], applied: number[], r: Random) => {
  const partition = wholeOf(r, 0, PARTITIONS - 1);
  const own = read.filter((one) => one.partition === partition);
  const next = own[(applied[partition] ?? 0) + wholeOf(r, 0, 8)] ?? own.at(-1);
  if (next === undefined || next.seq < (applied[partition] ?? 0)) return;
  applied[partition] = next.seq;
  lanes.applied(cursorAt(next));
};

describe("the watermark", () => {
  test("is never past what central has, never goes back, and is exact when it has all", () => {
    const random = randomOf(printedSeed("lanes"));
    for (let round = 0; round < 40; round++) {
      const journal = journalOf(
        ...Array.from({ length: 200 }, () => wholeOf(random, 0, PARTITIONS - 1)),
      );
      const lanes = lanesOf();
      const applied = Array.from({ length: PARTITIONS }, () => 0);
      let position = 0;
      let before = 0;
      while (position < journal.length) {
        const chunk = journal.slice(position, position + wholeOf(random, 1, 15));
        lanes.take(chunk);
        position += chunk.length;
        for (let n = wholeOf(random, 0, 3); n > 0; n--) {
          applySome(lanes, journal.slice(0, position), applied, random);
        }
        const watermark = lanes.appliedCommitSeq(position);
        expect(watermark).toBeLessThanOrEqual(trueWatermark(journal, position, applied));
        expect(watermark).toBeGreaterThanOrEqual(before);
        before = watermark;
      }
      for (let partition = 0; partition < PARTITIONS; partition++) {
        const last = journal.findLast((one) => one.partition === partition);
        if (last !== undefined) lanes.applied(cursorAt(last));
      }
      expect(lanes.appliedCommitSeq(position)).toBe(journal.length);
    }
  });

  test("is exact for chunks of one record, and coarser when there are very many", () => {
    const COUNT = 20_000;
    const journal = journalOf(...Array.from({ length: COUNT }, () => 0));
    const few = lanesOf();
    const many = lanesOf();
    for (const [i, record] of journal.entries()) {
      many.take([record]);
      if (i < 1_000) few.take([record]);
    }
    let coarser = 0;
    for (let seq = 1; seq <= COUNT; seq += 7) {
      const cursor = cursorAt(journal[seq - 1] as OutboxRecord);
      many.applied(cursor);
      const watermark = many.appliedCommitSeq(COUNT);
      expect(watermark).toBeLessThanOrEqual(seq);
      // 20,000 records in 256 parts.
      expect(watermark).toBeGreaterThan(seq - 80);
      if (watermark < seq) coarser++;
      if (seq > 1_000) continue;
      few.applied(cursor);
      expect(few.appliedCommitSeq(1_000)).toBe(seq);
    }
    expect(coarser).toBeGreaterThan(0);
  });
});
