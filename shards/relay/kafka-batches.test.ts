import { describe, expect, test } from "bun:test";
import type { CommittedRecord } from "../protocol/record.ts";
import { explain, splitBatches } from "./kafka-batches.ts";

const recordsOf = (...sizes: number[]): CommittedRecord[] =>
  sizes.map((size, index) => ({
    type: "order_accepted",
    shard: "shard1",
    epoch: 1,
    partition: 0,
    seq: index + 1,
    commitSeq: index + 1,
    at: 0,
    key: "A",
    value: "x".repeat(size),
    prevHash: "",
    hash: "",
  }));
const sizesOf = (batches: CommittedRecord[][]): number[][] =>
  batches.map((batch) => batch.map(({ value }) => value.length));

describe("a send is cut into batches", () => {
  /** 400 bytes of headers and framing are counted for each record. */
  test.each([
    ["none", [], []],
    ["one that fits", [100], [[100]]],
    ["two that fit exactly", [600, 600], [[600, 600]]],
    ["two that don't", [600, 601], [[600], [601]]],
    ["one larger than a batch, alone", [100, 9000, 100], [[100], [9000], [100]]],
  ])("%s", (_, sizes, batches) => {
    expect(sizesOf(splitBatches(recordsOf(...sizes), 2000))).toEqual(batches);
  });

  test("by bytes of UTF-8, not by characters", () => {
    const [one, two] = recordsOf(0, 0) as [CommittedRecord, CommittedRecord];
    const value = "€".repeat(300);
    expect(
      splitBatches(
        [
          { ...one, value },
          { ...two, value },
        ],
        2000,
      ),
    ).toHaveLength(2);
  });

  test("of 500 records at most, in order", () => {
    const records = recordsOf(...Array.from({ length: 1201 }, () => 1));
    const batches = splitBatches(records, 1 << 20);
    expect(batches.map((batch) => batch.length)).toEqual([500, 500, 201]);
    expect(batches.flat()).toEqual(records);
  });
});

describe("what the broker says is told as a sentence", () => {
  const wrapped = (type: string): Error =>
    new Error("gave up", { cause: Object.assign(new Error("x"), { type }) });

  test.each([
    ["MESSAGE_TOO_LARGE", true, "raise its max.message.bytes"],
    ["TOPIC_AUTHORIZATION_FAILED", true, "grant it WRITE"],
    ["UNKNOWN_TOPIC_OR_PARTITION", true, "has no partition 3 of topic t"],
    ["NOT_ENOUGH_REPLICAS", false, "too few replicas"],
  ])("%s", (type, operator, part) => {
    const trouble = explain(wrapped(type), "t", 3);
    expect(trouble.operator).toBe(operator);
    expect(trouble.sentence).toContain(part);
  });

  test("an error without a type by its message", () => {
    expect(explain(new Error("connect refused"), "t", 0)).toEqual({
      sentence: "connect refused",
      operator: false,
    });
  });
});
