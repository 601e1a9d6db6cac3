import { describe, expect, test } from "bun:test";
import { CHANGE_REASONS } from "../../shards/domain/event.ts";
import type { CommittedRecord } from "../../shards/protocol/record.ts";
import type { StoredRecord } from "../../shards/store/shard-reader.ts";
import { TestShard } from "../central/test-shard.ts";
import { bothTexts, Findings } from "./findings.ts";
import { type Chains, followChain, readContent, readOrder } from "./journal-chunk.ts";

const P = 2;

const followed = (records: readonly StoredRecord[], chains: Chains = new Map()): string[] => {
  const findings = new Findings(100);
  for (const record of records) followChain(chains, record, findings);
  return findings.first.map(({ code, where }) => `${code} ${where}`);
};

/** An order, a refusal, and the order's cancel. */
const stream = (): readonly [CommittedRecord, CommittedRecord, CommittedRecord] => {
  const shard = new TestShard();
  const { order, record } = shard.place(P);
  const refused = shard.refused(P);
  return [record, refused, shard.changed(P, { ...order, status: "CANCELED", version: 2 })];
};

describe("a chain", () => {
  const sound = (): readonly [
    CommittedRecord,
    CommittedRecord,
    CommittedRecord,
    CommittedRecord,
  ] => {
    const shard = new TestShard();
    return [shard.epochStarted(P), shard.accepted(P), shard.refused(P), shard.accepted(P)];
  };

  test("that is sound is sound from its first record, and from any other", () => {
    const records = sound();
    for (let from = 0; from < records.length; from++)
      expect(followed(records.slice(from))).toEqual([]);
  });

  test.each([0, 1, 2, 3])("with record %d altered is broken there", (at) => {
    const records = sound().map((record, i) =>
      i === at ? { ...record, value: record.value.replace('"', '" ') } : record,
    );
    expect(followed(records)).toEqual([`record_altered record ${at + 1}`]);
  });

  test.each([1, 2])("without record %d is broken behind it", (at) => {
    expect(followed(sound().toSpliced(at, 1))).toEqual([`record_missing record ${at + 2}`]);
  });

  test("goes on from where an earlier walk has got", () => {
    const [, , third, last] = sound();
    expect(followed([last], new Map([[P, { seq: third.seq, hash: third.hash }]]))).toEqual([]);
    expect(followed([last], new Map([[P, { seq: third.seq, hash: "00" }]]))).toEqual([
      `record_altered record ${last.commitSeq}`,
    ]);
  });
});

describe("a chunk's content", () => {
  test("is each order's acceptance and latest text, and the refusals", () => {
    const [accepted, refused, changed] = stream();
    const findings = new Findings(10);
    const { orders, refusals } = readContent([accepted, refused, changed], () => true, findings);
    const text = `${changed.value.slice(0, changed.value.indexOf(',"version"'))}}`;
    expect([...orders.values()]).toMatchObject([{ accepted: accepted.value, version: 2, text }]);
    expect([...refusals.keys()]).toEqual([refused.commitSeq]);
    expect(findings.count).toBe(0);
  });

  test.each([...CHANGE_REASONS])("has a change because of %s", (reason) => {
    const shard = new TestShard();
    const { order } = shard.place(P);
    const changed = shard.changed(P, { ...order, version: 2 }, reason);
    expect(readOrder(changed)).toMatchObject({ orderId: order.orderId, version: 2 });
  });

  test("leaves out what central did not have", () => {
    const [accepted, refused, changed] = stream();
    const has = ({ commitSeq }: StoredRecord) => commitSeq < refused.commitSeq;
    const findings = new Findings(10);
    const { orders, refusals } = readContent([accepted, refused, changed], has, findings);
    expect([...orders.values()]).toMatchObject([{ version: 1, text: accepted.value }]);
    expect(refusals.size).toBe(0);
  });

  test.each(["", "{}", '{"orderId":"x"}'])("with the value %p cannot be read", (value) => {
    const [accepted] = stream();
    const findings = new Findings(10);
    readContent([{ ...accepted, value }], () => true, findings);
    expect(findings.first.map(({ code }) => code)).toEqual(["record_unreadable"]);
    expect(readOrder({ ...accepted, type: "order_changed" })).toBeUndefined();
  });
});

describe("findings", () => {
  test("count each difference once and keep the first", () => {
    const findings = new Findings(2);
    for (const where of ["a", "b", "a", "c"]) findings.add("order_missing", where, "");
    findings.add("order_differs", "a", "");
    expect(findings.count).toBe(4);
    expect(findings.first.map(({ where }) => where)).toEqual(["a", "b"]);
  });

  test("show two texts from shortly before where they part", () => {
    const shown = bothTexts(`${"x".repeat(500)}A`, `${"x".repeat(500)}B`);
    expect(shown).toBe(`central: …${"x".repeat(40)}A shard: …${"x".repeat(40)}B`);
    expect(bothTexts("a", "ab")).toBe("central: a shard: ab");
  });
});
