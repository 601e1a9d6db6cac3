import { describe, expect, test } from "bun:test";
import { type CommittedRecord, chainHash, ZERO_HASH } from "../../shards/protocol/record.ts";
import type { Stopped } from "../../shards/protocol/relay.ts";
import { emptyCursor, planPush } from "./chain.ts";
import { TestShard } from "./test-shard.ts";

const P = 4;

/** A stream whose records 1 (epoch_started), 2 and 3 are applied, and its next two records. */
const streamAtThree = () => {
  const shard = new TestShard();
  const before = [shard.epochStarted(P), shard.accepted(P), shard.accepted(P)];
  const cursor = { partition: P, ...shard.endOf(P) };
  const next = [shard.accepted(P), shard.accepted(P)] as const;
  return { shard, before, cursor, next };
};
type Stream = ReturnType<typeof streamAtThree>;

const rechained = (record: CommittedRecord, value: string): CommittedRecord => ({
  ...record,
  value,
  hash: chainHash(record.prevHash, value),
});
const OTHER_HASH = "ab".repeat(32);

interface Expected {
  readonly applied: number;
  readonly duplicates?: number;
  readonly skipped?: number;
  readonly stopped?: Stopped["code"];
}

/** The granted epoch is 1. */
const CASES: readonly [string, (s: Stream) => readonly CommittedRecord[], Expected][] = [
  ["the next records", (s) => s.next, { applied: 2 }],
  ["all again and the next", (s) => [...s.before, ...s.next], { applied: 2, duplicates: 3 }],
  ["only what was applied", (s) => s.before, { applied: 0, duplicates: 3 }],
  ["the next record twice", ({ next: [a] }) => [a, a], { applied: 1, duplicates: 1 }],
  ["a record left out", (s) => [s.next[1]], { applied: 0, skipped: 1, stopped: "gap" }],
  [
    "a record left out that comes after all",
    (s) => [s.next[1], ...s.next],
    { applied: 2, skipped: 1 },
  ],
  [
    "another record in the cursor's place",
    (s) => [{ ...(s.before[2] as CommittedRecord), hash: OTHER_HASH }],
    { applied: 0, skipped: 1, stopped: "hash_mismatch" },
  ],
  [
    "another record in the cursor's place, and the chain's own after it",
    (s) => [{ ...(s.before[2] as CommittedRecord), hash: OTHER_HASH }, ...s.next],
    { applied: 2, skipped: 1 },
  ],
  [
    "another previous hash",
    (s) => [{ ...s.next[0], prevHash: OTHER_HASH }],
    { applied: 0, skipped: 1, stopped: "hash_mismatch" },
  ],
  [
    "a hash that the value does not have",
    (s) => [s.next[0], { ...s.next[1], hash: OTHER_HASH }],
    { applied: 1, skipped: 1, stopped: "hash_mismatch" },
  ],
  [
    "a value that was changed on the way",
    (s) => [{ ...s.next[0], value: s.next[0].value.replace("BUY", "SELL") }],
    { applied: 0, skipped: 1, stopped: "hash_mismatch" },
  ],
  [
    "a value that can't be read, well chained",
    (s) => [s.next[0], rechained(s.next[1], '{"orderId":"1"}')],
    { applied: 1, skipped: 1, stopped: "unreadable" },
  ],
  [
    "no number for a seq",
    (s) => [{ ...s.next[0], seq: Number.NaN }],
    { applied: 0, skipped: 1, stopped: "unreadable" },
  ],
  [
    "half a seq",
    (s) => [{ ...s.next[0], seq: 3.5 }],
    { applied: 0, skipped: 1, stopped: "unreadable" },
  ],
  [
    "an epoch start in the middle",
    (s) => [
      rechained(
        { ...s.next[0], type: "epoch_started", key: "" },
        JSON.stringify({ previousEpoch: 1, previousSeq: 3, previousHash: s.cursor.hash }),
      ),
    ],
    { applied: 0, skipped: 1, stopped: "unreadable" },
  ],
  [
    "an older epoch",
    (s) => s.next.map((r) => ({ ...r, epoch: 0 })),
    { applied: 0, skipped: 2, stopped: "old_epoch" },
  ],
  [
    "an epoch that was never granted",
    (s) => s.next.map((r) => ({ ...r, epoch: 2 })),
    { applied: 0, skipped: 2, stopped: "refused_by_store" },
  ],
];

describe("a push of", () => {
  test.each(CASES)("%s", (_name, recordsOf, expected) => {
    const { applied, duplicates = 0, skipped = 0, stopped = null } = expected;
    const stream = streamAtThree();
    const plan = planPush(
      { cursor: stream.cursor, grantedEpoch: 1, stopped: null },
      recordsOf(stream),
    );
    const shown = {
      applied: plan.apply.length,
      duplicates: plan.duplicates,
      skipped: plan.skipped,
      stopped: plan.stopped?.code ?? null,
    };
    expect(shown).toEqual({ applied, duplicates, skipped, stopped });
    const last = plan.apply.at(-1)?.record ?? stream.cursor;
    expect(plan.cursor).toEqual({
      partition: P,
      epoch: last.epoch,
      seq: last.seq,
      hash: last.hash,
    });
  });
});

describe("a stopped stream", () => {
  const stopOf = (code: Stopped["code"]): Stopped => ({ partition: P, code, detail: "as it was" });

  test("keeps its first reason while nothing continues its chain", () => {
    const { shard, cursor, next } = streamAtThree();
    const stopped = stopOf("hash_mismatch");
    const state = { cursor, grantedEpoch: 1, stopped };
    const plan = planPush(state, [
      next[1],
      { ...next[0], prevHash: OTHER_HASH },
      shard.accepted(P),
    ]);
    expect(plan).toEqual({
      cursor,
      apply: [],
      duplicates: 0,
      skipped: 3,
      stopped,
      stoppedBy: null,
    });
  });

  test("goes on with the record that continues it, wherever that stands", () => {
    const { before, cursor, next } = streamAtThree();
    const state = { cursor, grantedEpoch: 1, stopped: stopOf("gap") };
    const plan = planPush(state, [...before, next[1], ...next]);
    expect(plan).toMatchObject({ duplicates: 3, skipped: 1, stopped: null, stoppedBy: null });
    expect(plan.apply.map(({ record }) => record)).toEqual([...next]);
  });

  test("stops anew, and says by which record", () => {
    const { cursor, next, shard } = streamAtThree();
    const bad = rechained(next[1], "{");
    const state = { cursor, grantedEpoch: 1, stopped: stopOf("gap") };
    const plan = planPush(state, [next[0], bad, shard.accepted(P)]);
    expect(plan).toMatchObject({ skipped: 2, stopped: { code: "unreadable" }, stoppedBy: bad });
    expect(plan.apply).toHaveLength(1);
  });

  test("is not continued by a record of an epoch that is over", () => {
    const { cursor, next } = streamAtThree();
    const stopped = stopOf("old_epoch");
    const plan = planPush({ cursor, grantedEpoch: 2, stopped }, next);
    expect(plan).toMatchObject({ apply: [], skipped: 2, stopped });
  });
});

/** What the first record of epoch 2 says, given the true end of epoch 1. */
const STARTS: readonly [
  string,
  (end: { epoch: number; seq: number; hash: string }) => object,
  Stopped["code"] | null,
][] = [
  ["names the cursor", (end) => asPrevious(end), null],
  ["names an earlier record", (end) => asPrevious({ ...end, seq: end.seq - 1 }), "gap"],
  ["names a later record", (end) => asPrevious({ ...end, seq: end.seq + 1 }), "gap"],
  ["names another epoch", (end) => asPrevious({ ...end, epoch: 0 }), "gap"],
  ["names another hash", (end) => asPrevious({ ...end, hash: OTHER_HASH }), "hash_mismatch"],
  ["can't be read", () => ({}), "unreadable"],
];
const asPrevious = (end: { epoch: number; seq: number; hash: string }) => ({
  previousEpoch: end.epoch,
  previousSeq: end.seq,
  previousHash: end.hash,
});

describe("a new epoch whose first record", () => {
  test.each(STARTS)("%s", (_name, makeValue, expected) => {
    const { shard } = streamAtThree();
    const end = shard.endOf(P);
    shard.startEpoch(2);
    const first = shard.append("epoch_started", P, "", () => JSON.stringify(makeValue(end)));
    const records = [first, shard.accepted(P)];
    const plan = planPush(
      { cursor: { partition: P, ...end }, grantedEpoch: 2, stopped: null },
      records,
    );
    expect(plan.stopped?.code ?? null).toBe(expected);
    expect(plan.apply.length).toBe(expected === null ? 2 : 0);
  });

  test("is an order, or a later record, is refused", () => {
    const { shard } = streamAtThree();
    const state = { cursor: { partition: P, ...shard.endOf(P) }, grantedEpoch: 2, stopped: null };
    shard.startEpoch(2);
    const [order, later] = [shard.accepted(P), shard.accepted(P)];
    expect(planPush(state, [order]).stopped?.code).toBe("unreadable");
    expect(planPush(state, [later]).stopped?.code).toBe("gap");
    expect(planPush(state, [{ ...order, seq: 0 }]).stopped?.code).toBe("gap");
  });

  test("is there fences the epoch before, even for records applied long ago", () => {
    const { before, cursor } = streamAtThree();
    const plan = planPush({ cursor, grantedEpoch: 2, stopped: null }, before);
    expect(plan.stopped?.code).toBe("old_epoch");
    expect(plan.duplicates).toBe(0);
  });
});

describe("an unknown stream", () => {
  test("starts at epoch_started that names nothing before it", () => {
    const shard = new TestShard();
    const records = [shard.epochStarted(P), shard.accepted(P)];
    const plan = planPush({ cursor: emptyCursor(P), grantedEpoch: 1, stopped: null }, records);
    expect(plan.apply.length).toBe(2);
    expect(records[0]?.prevHash).toBe(ZERO_HASH);
  });

  test("refuses everything of a shard that holds no epoch", () => {
    const records = [new TestShard().epochStarted(P)];
    const plan = planPush({ cursor: emptyCursor(P), grantedEpoch: 0, stopped: null }, records);
    expect(plan.stopped?.code).toBe("refused_by_store");
  });
});
