import { expect, test } from "bun:test";
import { FakeOutbox } from "../../tests/support/relay-bench.ts";
import type { Cursor } from "../protocol/hello.ts";
import { compareStanding, follows } from "./standing.ts";

const hash = "cd".repeat(32);
const cursorOf = (partition: number, seq: number, epoch = 1, own = hash): Cursor => ({
  partition,
  epoch,
  seq,
  hash: own,
});

test("a file is accepted in a new epoch, which central has nothing of", () => {
  const outbox = new FakeOutbox(2);
  outbox.commit(0);
  expect(
    compareStanding(outbox.standing(), {
      epoch: 2,
      cursors: [cursorOf(0, 50, 1), cursorOf(1, 3, 1)],
    }),
  ).toBe(undefined);
  expect(compareStanding(outbox.standing(), { epoch: 2, cursors: [] })).toBe(undefined);
});

test("a file is refused when central has given a later epoch, before a record of it came", () => {
  const outbox = new FakeOutbox(2);
  outbox.commit(0);
  expect(compareStanding(outbox.standing(), { epoch: 3, cursors: [] })).toContain("epoch 3");
});

test("the right file is told by the first record: seq and hash follow central's", () => {
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
