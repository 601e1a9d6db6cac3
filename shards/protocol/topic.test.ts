/**
 * The topic's wire, as recorded: each file in fixtures/topic-v1/ is one record as a version of ours
 * has written it. Records stay in a topic for weeks and with consumers for ever: each must decode
 * to the same for ever. A new version adds a folder; files that are there are never edited.
 */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { FrameError } from "./frame.ts";
import { partitionOf } from "./partition.ts";
import { chainHash, RECORD_TYPES } from "./record.ts";
import {
  decodeTopicRecord,
  encodeTopicRecord,
  type RawTopicMessage,
  TOPIC_HEADERS,
  type TopicRecord,
} from "./topic.ts";

interface Recorded {
  readonly partition: number;
  readonly message: { key: Buffer | null; value: Buffer; headers: Record<string, Buffer> };
}

/** `name: text` lines, an empty line, the value. */
const recorded = (type: string): Recorded => {
  const text = readFileSync(`${import.meta.dir}/fixtures/topic-v1/${type}.record`, "utf8");
  const [head = "", value = ""] = text.trimEnd().split("\n\n");
  const lines = head.split("\n").map((line) => line.split(": ") as [string, string]);
  const { partition, key, ...headers } = Object.fromEntries(lines);
  return {
    partition: Number(partition),
    message: {
      key: key === undefined ? null : Buffer.from(key),
      value: Buffer.from(value),
      headers: Object.fromEntries(
        Object.entries(headers).map(([name, one]) => [name, Buffer.from(String(one))]),
      ),
    },
  };
};
const decoded = (type: string): TopicRecord => {
  const { partition, message } = recorded(type);
  return decodeTopicRecord(message, partition);
};

/** By commitSeq; what has no symbol lies on partition 0, behind an epoch_started like the other's. */
const IN_ORDER = [
  ["epoch_started", "", 2],
  ["order_accepted", "BTCUSDT", 2],
  ["order_refused", "BTCUSDT", 2],
  ["order_changed", "BTCUSDT", 2],
  ["position_changed", "BTCUSDT", 2],
  ["execution_quarantined", "BTCUSDT", 2],
  ["account_changed", "account:42", 0],
  ["transfer_decided", "account:42", 0],
  ["settings_changed", "account:42", 0],
  ["trading_state_changed", "all", 0],
] as const;

describe("a recorded record of version 1", () => {
  test("is there of each type", () => {
    expect(IN_ORDER.map(([type]) => type).toSorted()).toEqual([...RECORD_TYPES].toSorted());
  });

  test.each([...IN_ORDER])("%s decodes to what it says", (type, key, partition) => {
    const commitSeq = IN_ORDER.findIndex(([name]) => name === type) + 1;
    expect(decoded(type)).toEqual({
      type,
      shard: "shard1",
      epoch: 1,
      partition,
      seq: partition === 2 ? commitSeq : commitSeq - 5,
      commitSeq,
      at: 1790000000000 + commitSeq - 1,
      key,
      value: recorded(type).message.value.toString(),
      prevHash: recorded(type).message.headers.prevHash?.toString() ?? "",
      hash: recorded(type).message.headers.hash?.toString() ?? "",
      generation: 1,
    });
  });

  test.each([...RECORD_TYPES])("%s is what we still write", (type) => {
    const { message } = recorded(type);
    const { key, value, headers } = encodeTopicRecord(decoded(type), 1);
    expect(key).toBe(message.key?.toString() ?? null);
    expect(value).toBe(message.value.toString());
    expect(Object.entries(headers)).toEqual(
      Object.entries(message.headers).map(([name, text]) => [name, text.toString()]),
    );
    expect(Object.keys(headers)).toEqual([...TOPIC_HEADERS]);
  });

  test("follows the one before it", () => {
    const started = decoded("epoch_started");
    const ends = new Map([
      [2, started.prevHash],
      [0, started.hash],
    ]);
    expect(started.prevHash).toBe("0".repeat(64));
    for (const [type] of IN_ORDER) {
      const { partition, prevHash, hash, value } = decoded(type);
      expect(prevHash).toBe(ends.get(partition) ?? "");
      expect(hash).toBe(chainHash(prevHash, value));
      ends.set(partition, hash);
    }
  });

  test("lies on its key's partition of twelve", () => {
    for (const [, key, partition] of IN_ORDER.slice(1)) {
      expect(partition).toBe(partitionOf(key, 12) as typeof partition);
    }
  });
});

type Change = (message: Recorded["message"]) => RawTopicMessage;
const withHeader =
  (name: string, text: string | Buffer): Change =>
  (message) => ({ ...message, headers: { ...message.headers, [name]: Buffer.from(text) } });

describe("what no version of ours has written is refused", () => {
  const cases: readonly (readonly [what: string, change: Change, message: string])[] = [
    ...TOPIC_HEADERS.map(
      (name) =>
        [
          `no ${name}`,
          (message: Recorded["message"]) => {
            const { [name]: _, ...headers } = message.headers;
            return { ...message, headers };
          },
          `header ${name} is missing`,
        ] as const,
    ),
    ["no headers", (m) => ({ key: m.key, value: m.value }), "header version is missing"],
    ["a later version", withHeader("version", "2"), 'version is "2"; this process reads 1'],
    ["an unknown type", withHeader("type", "trade"), 'type is "trade": unknown'],
    ["no shard's name", withHeader("shard", "shard0"), 'shard is "shard0": no name of a shard'],
    ["epoch 0", withHeader("epoch", "0"), 'epoch is "0": no whole number from 1 to 2^53 - 1'],
    ["a fraction", withHeader("seq", "1.5"), 'seq is "1.5": no whole number from 1 to 2^53 - 1'],
    ["a sign", withHeader("seq", "-1"), 'seq is "-1": no whole number from 1 to 2^53 - 1'],
    ["an exponent", withHeader("at", "1e3"), 'at is "1e3": no whole number from 0 to 2^53 - 1'],
    ["no digits", withHeader("at", ""), 'at is "": no whole number from 0 to 2^53 - 1'],
    [
      "a number past 2^53",
      withHeader("commitSeq", "9007199254740992"),
      'commitSeq is "9007199254740992": no whole number from 1 to 2^53 - 1',
    ],
    ["a short hash", withHeader("hash", "abc"), 'hash is "abc": not 64 hex digits'],
    [
      "another record's event id",
      withHeader("eventId", "shard1-1-9"),
      'eventId is "shard1-1-9", the record is shard1-1-2',
    ],
    [
      "a header twice",
      (m) => ({ ...m, headers: { ...m.headers, seq: ["2", "2"] } }),
      "header seq is there 2 times",
    ],
    ["a header in Latin-1", withHeader("shard", Buffer.from([0xe9])), "header shard is not UTF-8"],
    ["no value", (m) => ({ ...m, value: null }), "the value is missing"],
    [
      "a value in Latin-1",
      (m) => ({ ...m, value: Buffer.from([0x22, 0xe9, 0x22]) }),
      "value is not UTF-8",
    ],
    ["a key in Latin-1", (m) => ({ ...m, key: Buffer.from([0xe9]) }), "key is not UTF-8"],
    [
      "an order without a key",
      (m) => ({ ...m, key: null }),
      'a record order_accepted with the key ""',
    ],
  ];
  test.each(cases.map((one) => [...one] as const))("%s", (_, change, message) => {
    const { partition, message: whole } = recorded("order_accepted");
    expect(() => decodeTopicRecord(change(whole), partition)).toThrow(new FrameError(message));
  });
});

test("an execution whose symbol nobody knows has no key", () => {
  const { partition, message } = recorded("execution_quarantined");
  const { key: _, ...record } = decoded("execution_quarantined");
  expect(decodeTopicRecord({ ...message, key: null }, partition)).toEqual({ ...record, key: "" });
});

test("a header that is not known is passed over", () => {
  const { partition, message } = recorded("order_accepted");
  const more = withHeader("traceparent", "00-0af7")(message);
  expect(decodeTopicRecord(more, partition)).toEqual(decoded("order_accepted"));
});

test("text beyond ASCII comes back as it was", () => {
  const value = '{"text":"ü€📈"}';
  const record = { ...decoded("order_accepted"), value, key: "ü" };
  const { key, headers } = encodeTopicRecord(record, record.generation);
  const raw = { key: Buffer.from(key ?? ""), value: Buffer.from(value), headers };
  expect(decodeTopicRecord(raw, record.partition)).toEqual(record);
});
