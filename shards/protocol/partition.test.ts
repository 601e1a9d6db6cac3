import { describe, expect, test } from "bun:test";
import { murmur2, partitionOf } from "./partition.ts";

describe("murmur2 is Kafka's", () => {
  /** From org.apache.kafka.common.utils.UtilsTest; signed there, positive here. */
  test.each([
    ["21", -973932308],
    ["foobar", -790332482],
    ["a-little-bit-long-string", -985981536],
    ["a-little-bit-longer-string", -1486304829],
    ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971],
    ["abc", 479470107],
  ])("for %s", (text, signed) => {
    expect(murmur2(text)).toBe(signed & 0x7fffffff);
  });

  /** Computed with another implementation; partitions are pinned, so they may never change. */
  test.each([
    ["BTCUSDT", 2],
    ["ETHUSDT", 5],
    ["ADAUSDT", 8],
    ["account:42", 0],
    ["\u00fc\u20ac", 7],
  ])("and puts %s on partition %d of twelve", (key, partition) => {
    expect(partitionOf(key, 12)).toBe(partition);
  });
});
