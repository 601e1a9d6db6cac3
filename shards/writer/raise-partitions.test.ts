import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { MemoryStore } from "../../tests/support/memory-store.ts";
import { openFile, temporaryFolder } from "../../tests/support/shard-file.ts";
import {
  describeState,
  emptyState,
  faultsOf,
  hashKey,
  INSTRUMENTS,
  PARTITIONS,
  place,
  START_AT,
  SYMBOLS,
} from "../../tests/support/shard-state.ts";
import { CommitError } from "../process/commit-error.ts";
import { createLogger } from "../process/logger.ts";
import { createRegistry } from "../process/metrics.ts";
import type { Answer } from "../protocol/answer.ts";
import { partitionOf } from "../protocol/partition.ts";
import { chainHash, ZERO_HASH } from "../protocol/record.ts";
import { JournalReader } from "../store/journal.ts";
import { Admission } from "./admission.ts";
import { WriterMetrics } from "./metrics.ts";
import { Writer } from "./writer.ts";

const NOTHING_BEFORE = JSON.stringify({
  previousEpoch: 0,
  previousSeq: 0,
  previousHash: ZERO_HASH,
});

const benchOf = () => {
  const store = new MemoryStore();
  const state = emptyState();
  const committed: number[] = [];
  const failures: string[] = [];
  const writer = new Writer({
    state,
    store,
    hashKey,
    admission: new Admission({
      freeSpaceFloorBytes: 0,
      backlogRecordsMax: 1_000,
      backlogBytesMax: 1_000_000,
    }),
    clock: { now: () => START_AT, monotonicMs: () => 0 },
    logger: createLogger("test", "silent"),
    metrics: new WriterMetrics(createRegistry({})),
    limits: {
      batchOrdersMax: 8,
      intakeQueueMax: 8,
      intakeWaitMaxMs: 50,
      openOrdersMax: 99,
      grantWaitersMax: 9,
    },
    onCommitted: ({ commitSeq }) => committed.push(commitSeq),
    onBankMessages: () => {},
    onDrained: () => {},
    onFailed: (reason, recoverable) => failures.push(`${reason}, ${recoverable}`),
  });
  const answers: Answer[] = [];
  const sender = {
    answer: (one: Answer): void => {
      answers.push(one);
    },
  };
  const raise = (partitionCount: number): Answer => {
    writer.raisePartitions(sender, 7, partitionCount);
    return answers.at(-1) as Answer;
  };
  /** One order of each symbol, each a batch. */
  const orders = async (name: string): Promise<void> => {
    for (const symbol of SYMBOLS) {
      writer.submit(sender, 1, START_AT, place({ clientOrderId: name, symbol }));
      do await new Promise(setImmediate);
      while (writer.waiting > 0);
    }
  };
  return { store, state, writer, answers, committed, failures, raise, orders };
};

const bodyOf = ({ body }: Answer): unknown => JSON.parse(body);

describe("a raise of the partitions", () => {
  test("begins each new stream, and from then on keys are spread anew", async () => {
    const { store, state, committed, raise, orders } = benchOf();
    await orders("a");
    expect(bodyOf(raise(10))).toEqual({ shard: "shard1", partitionCount: 10, generation: 2 });
    await orders("b");
    expect(faultsOf(store.records)).toEqual([]);
    expect(committed).toEqual([1, 2, 3, 9, 10, 11, 12]);
    const begun = store.records.slice(3, 9);
    expect(begun.map(({ partition }) => partition)).toEqual([4, 5, 6, 7, 8, 9]);
    for (const record of begun) {
      expect(record).toMatchObject({ type: "epoch_started", epoch: 1, seq: 1, key: "" });
      expect([record.value, record.prevHash]).toEqual([NOTHING_BEFORE, ZERO_HASH]);
      expect(record.hash).toBe(chainHash(ZERO_HASH, NOTHING_BEFORE));
    }
    for (const [i, symbol] of SYMBOLS.entries()) {
      expect(store.records[i]?.partition).toBe(partitionOf(symbol, PARTITIONS));
      expect(store.records[9 + i]?.partition).toBe(partitionOf(symbol, 10));
    }
    expect([state.partitionCount, state.generation]).toEqual([10, 2]);
  });

  test("to as many as there are is done already, and writes nothing", () => {
    const { store, raise } = benchOf();
    const same = { shard: "shard1", partitionCount: PARTITIONS, generation: 1 };
    expect(bodyOf(raise(PARTITIONS))).toEqual(same);
    raise(5);
    expect(bodyOf(raise(5))).toEqual({ ...same, partitionCount: 5, generation: 2 });
    expect(store.batches).toHaveLength(1);
  });

  test.each([PARTITIONS - 1, 0, -1, 1.5, 1001, Number.NaN])("to %p is refused", (count) => {
    const { store, state, raise } = benchOf();
    const before = describeState(state);
    const answer = raise(count);
    expect([answer.status, answer.kind]).toEqual([400, "problem"]);
    expect(bodyOf(answer)).toMatchObject({
      code: "invalid_request",
      detail: expect.stringContaining("is not from 4, which shard1 has, to 1000"),
    });
    expect([store.batches, describeState(state)]).toEqual([[], before]);
  });

  test("that the disk refuses has not happened, and can be asked for again", async () => {
    const { store, state, writer, raise, orders } = benchOf();
    await orders("a");
    const before = describeState(state);
    store.failure = new CommitError(true, new Error("disk is full"));
    const answer = raise(10);
    expect([answer.status, bodyOf(answer)]).toEqual([
      503,
      {
        code: "shard_unavailable",
        detail: "It could not be written: disk is full. Nothing happened.",
      },
    ]);
    expect([describeState(state), writer.state, writer.reason]).toEqual([before, "filling", null]);
    expect(raise(10).status).toBe(200);
    expect(faultsOf(store.records)).toEqual([]);
  });

  test("whose commit fails ends the process: the next start knows", () => {
    const { store, state, writer, failures, raise } = benchOf();
    const before = describeState(state);
    store.failure = new CommitError(false, new Error("disk I/O error"));
    const answer = raise(10);
    expect([answer.status, bodyOf(answer)]).toMatchObject([504, { code: "outcome_unknown" }]);
    expect([writer.state, failures]).toEqual(["failed", ["disk I/O error, true"]]);
    expect(describeState(state)).toEqual(before);
    expect(raise(10).status).toBe(503);
  });

  test("is refused while the writer stops", () => {
    const { writer, store, raise } = benchOf();
    writer.drain();
    expect([raise(10).status, store.batches]).toEqual([503, []]);
  });
});

describe("a file whose partitions were raised", () => {
  const symbols = INSTRUMENTS.map(({ symbol }) => symbol);

  test("is what it was after a restart, whatever the setting says", async () => {
    const folder = temporaryFolder();
    const path = join(folder.path, "shard1.sqlite");
    const file = await openFile(path);
    file.run(symbols.map((symbol) => place({ clientOrderId: "a", symbol })));
    file.raise(10);
    file.run(symbols.map((symbol) => place({ clientOrderId: "b", symbol })));
    file.raise(12);
    const before = describeState(file.state);
    const { epoch } = file.state;
    const reader = new JournalReader(file.database, "shard1", epoch);
    expect(reader.generations()).toEqual([
      { generation: 1, partitionCount: PARTITIONS, firstCommitSeq: 1 },
      { generation: 2, partitionCount: 10, firstCommitSeq: PARTITIONS + 4 },
      { generation: 3, partitionCount: 12, firstCommitSeq: PARTITIONS + 4 + 6 + 3 },
    ]);
    const fresh = { replicatedSeq: 0, replicatedHash: ZERO_HASH, appliedSeq: 0 };
    expect(reader.standing().streams[11]).toMatchObject({ partition: 11, seq: 1, ...fresh });
    file.close();

    const again = await openFile(path, { config: { partitionCount: 1 } });
    expect(describeState(again.state)).toEqual(before);
    expect(again.state.partitionCount).toBe(12);
    again.run(symbols.map((symbol) => place({ clientOrderId: "c", symbol })));
    again.applied();
    again.run([place({ clientOrderId: "d" })]);
    expect(again.number("SELECT count(*) FROM stream WHERE applied_seq = seq")).toBe(11);
    again.close();
  });

  test("is as before when the transaction is gone", async () => {
    const folder = temporaryFolder();
    const path = join(folder.path, "shard1.sqlite");
    const file = await openFile(path);
    file.database.exec(
      "CREATE TRIGGER refuse BEFORE UPDATE ON cluster BEGIN SELECT RAISE(ABORT, 'no'); END",
    );
    expect(() => file.raise(10)).toThrow(CommitError);
    file.database.exec("DROP TRIGGER refuse");
    expect(file.number("SELECT count(*) FROM stream")).toBe(PARTITIONS);
    expect(file.state.partitionCount).toBe(PARTITIONS);
    file.raise(10);
    file.run([place()]);
    file.close();
    const again = await openFile(path);
    expect(again.loaded).toMatchObject({ partitionCount: 10, generation: 2 });
    again.close();
  });

  test("keeps each symbol's partitions in the order of the generations", async () => {
    const folder = temporaryFolder();
    const file = await openFile(join(folder.path, "shard1.sqlite"));
    for (const count of [4, 5, 9]) {
      if (count > 4) file.raise(count);
      file.run(symbols.map((symbol) => place({ clientOrderId: `n${count}`, symbol })));
    }
    const reader = new JournalReader(file.database, "shard1", 1);
    for (const symbol of symbols) {
      const own = reader.read(0, 1_000).filter(({ key }) => key === symbol);
      const expected = [4, 5, 9].map((count) => partitionOf(symbol, count));
      expect(own.map(({ partition }) => partition)).toEqual(expected);
    }
    file.close();
  });
});
