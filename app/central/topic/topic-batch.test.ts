import { describe, expect, test } from "bun:test";
import type { CommittedRecord } from "../../../shards/protocol/record.ts";
import { encodeTopicRecord } from "../../../shards/protocol/topic.ts";
import { TestShard } from "../test-shard.ts";
import { intakeOf, type OffsetMessage } from "./topic-batch.ts";

const messageOf = (record: CommittedRecord, offset: number): OffsetMessage => {
  const { key, value, headers } = encodeTopicRecord(record, 1);
  return {
    offset: String(offset),
    key: key === null ? null : Buffer.from(key),
    value: Buffer.from(value),
    headers,
  };
};

describe("a batch of the topic becomes an intake", () => {
  test("with one push a shard and epoch, each in the topic's order", () => {
    const [one, two] = [new TestShard(1), new TestShard(2)];
    const a = [one.epochStarted(3), one.accepted(3), one.accepted(3)] as const;
    const b = [two.epochStarted(3), two.accepted(3)] as const;
    one.startEpoch(2);
    const c = [one.epochStarted(3)] as const;
    const mixed = [a[0], b[0], a[1], b[1], a[2], ...c];
    const move = { partition: 3, from: "90", nextOffset: "106" };
    const { pushes, positions, quarantined } = intakeOf(mixed.map(messageOf), move);
    const plain = pushes.map((push) => push.map(({ shard, epoch, seq }) => [shard, epoch, seq]));
    expect(plain).toEqual([a, b, c].map((own) => own.map((r) => [r.shard, r.epoch, r.seq])));
    expect(pushes[0]?.[1]).toMatchObject({ ...a[1] });
    expect(positions).toEqual([move]);
    expect(quarantined).toEqual([]);
  });

  test("without what cannot be read, which is kept as it came", () => {
    const shard = new TestShard();
    const records = [shard.epochStarted(0), shard.accepted(0)];
    const broken: OffsetMessage = {
      offset: "7",
      key: Buffer.from([0xff]),
      value: null,
      headers: { version: Buffer.from("2"), twice: [Buffer.from("a"), "b"], none: undefined },
    };
    const messages = [...records.map(messageOf), broken];
    const { pushes, quarantined } = intakeOf(messages, {
      partition: 0,
      from: "0",
      nextOffset: "8",
    });
    expect(pushes.map((push) => push.length)).toEqual([2]);
    expect(quarantined).toEqual([
      {
        partition: 0,
        offset: "7",
        shard: null,
        epoch: null,
        seq: null,
        code: "unreadable",
        detail: 'version is "2"; this process reads 1',
        key: "base64:/w==",
        headers: '{"version":"2","twice":["a","b"],"none":""}',
        value: "",
      },
    ]);
  });
});
