import { describe, expect, test } from "bun:test";
import { MemoryStore } from "../../tests/support/memory-store.ts";
import {
  cancel,
  describeState,
  emptyState,
  faultsOf,
  place,
  START_AT,
} from "../../tests/support/shard-state.ts";
import type { OrderId } from "../domain/brands.ts";
import type { Command } from "../domain/command.ts";
import { CommitError } from "../process/commit-error.ts";
import { createLogger } from "../process/logger.ts";
import { createRegistry } from "../process/metrics.ts";
import type { Answer } from "../protocol/answer.ts";
import { Admission } from "./admission.ts";
import { WriterMetrics } from "./metrics.ts";
import type { BatchWrites } from "./store-port.ts";
import { Writer, type WriterOptions } from "./writer.ts";

const FOR_EVER = Number.MAX_SAFE_INTEGER;

/** Says what happens in which order. */
class LoggingStore extends MemoryStore {
  readonly #log: string[];
  onCommit: () => void = () => {};

  constructor(log: string[]) {
    super();
    this.#log = log;
  }

  override commit(batch: BatchWrites): void {
    this.onCommit();
    super.commit(batch);
    this.#log.push(`commit of ${batch.records.length}`);
  }
}

const benchOf = (limits: Partial<WriterOptions["limits"]> = {}) => {
  const log: string[] = [];
  const store = new LoggingStore(log);
  const state = emptyState();
  const clock = { at: START_AT, ms: 0, now: () => clock.at, monotonicMs: () => clock.ms };
  const admission = new Admission({
    freeSpaceFloorBytes: 1_000,
    backlogRecordsMax: 1_000,
    backlogBytesMax: 1_000_000,
  });
  const metrics = new WriterMetrics(createRegistry({ shard: "shard1" }));
  const writer = new Writer({
    state,
    store,
    hashKey: (key) => Number(BigInt.asUintN(53, Bun.hash.wyhash(key))),
    admission,
    clock,
    logger: createLogger("test", "silent"),
    metrics,
    limits: {
      batchOrdersMax: 1024,
      intakeQueueMax: 8192,
      intakeWaitMaxMs: 50,
      openOrdersMax: 1000,
      grantWaitersMax: 100,
      ...limits,
    },
    onCommitted: ({ commitSeq }) => log.push(`committed ${commitSeq}`),
    onBankMessages: () => {},
    onDrained: () => log.push("drained"),
    onFailed: (reason, recoverable) => log.push(`failed: ${reason}, ${recoverable}`),
  });
  const answers: Answer[] = [];
  const sender = {
    answer: (answer: Answer): void => {
      answers.push(answer);
      log.push(`answer ${answer.requestId}: ${answer.status}`);
    },
  };
  const submit = (requestId: number, command: Command, deadlineAt = FOR_EVER): void =>
    writer.submit(sender, requestId, deadlineAt, command);
  return { writer, store, state, clock, admission, metrics, log, answers, submit };
};

/** Until every turn that was asked for has come. */
const settle = async (writer: Writer): Promise<void> => {
  do await new Promise(setImmediate);
  while (writer.waiting > 0 && writer.state !== "failed");
};

const named = (clientOrderId: string): Command => place({ clientOrderId });
const codeOf = ({ body }: Answer): string => JSON.parse(body).code;

describe("the writer", () => {
  test("answers a lone order in the next turn, after its commit", async () => {
    const { writer, log, submit, answers } = benchOf();
    submit(7, place());
    expect(log).toEqual([]);
    await settle(writer);
    expect(log).toEqual(["commit of 1", "committed 1", "answer 7: 201"]);
    expect(answers[0]).toMatchObject({
      kind: "final",
      place: { partition: expect.any(Number), epoch: 1, seq: 1 },
    });
  });

  test("commits what came in one turn together, and what comes in a commit next", async () => {
    const { writer, store, log, submit } = benchOf();
    store.onCommit = () => {
      store.onCommit = () => {};
      submit(3, named("late"));
    };
    submit(1, named("a"));
    submit(2, named("b"));
    await settle(writer);
    expect(log).toEqual([
      "commit of 2",
      "committed 2",
      "answer 1: 201",
      "answer 2: 201",
      "commit of 1",
      "committed 3",
      "answer 3: 201",
    ]);
    expect(faultsOf(store.records)).toEqual([]);
  });

  test("splits a crowd into batches and answers everybody once", async () => {
    const { writer, log, answers, submit, metrics } = benchOf({ batchOrdersMax: 4 });
    for (let i = 0; i < 10; i++) submit(i, named(`n${i}`));
    await settle(writer);
    expect(log.filter((line) => line.startsWith("commit of"))).toEqual([
      "commit of 4",
      "commit of 4",
      "commit of 2",
    ]);
    expect(answers.map(({ requestId }) => requestId)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(metrics.totals).toEqual({ accepted: 10, refused: 0, batches: 3 });
  });

  test("writes no transaction for commands that change nothing", async () => {
    const { writer, log, submit } = benchOf();
    submit(1, cancel(9 as OrderId));
    await settle(writer);
    expect(log).toEqual(["committed 0", "answer 1: 404"]);
  });

  test("counts what it accepts and refuses, replays not", async () => {
    const { writer, submit, metrics } = benchOf();
    submit(1, place());
    submit(2, place());
    submit(3, place({ clientOrderId: "b", price: "1" }));
    await settle(writer);
    expect(metrics.totals).toEqual({ accepted: 1, refused: 1, batches: 1 });
  });

  test("says how long an order waited, in microseconds", async () => {
    const { writer, store, submit, answers, clock } = benchOf();
    submit(1, place());
    clock.ms = 2.5;
    store.onCommit = () => {
      clock.ms += 4;
    };
    await settle(writer);
    expect(answers[0]?.timing).toEqual({ queueUs: 2500, decideUs: 0, commitUs: 4000 });
  });
});

describe("what waits too long", () => {
  test("is refused when the queue is full, and nothing is stored", async () => {
    const { writer, store, submit, answers } = benchOf({ intakeQueueMax: 2 });
    submit(1, named("a"));
    submit(2, named("b"));
    submit(3, named("c"));
    expect(answers.map((one) => [one.requestId, one.status, codeOf(one)])).toEqual([
      [3, 503, "overloaded"],
    ]);
    await settle(writer);
    expect(store.records).toHaveLength(2);
  });

  test("leaves room for cancels and executions, as much again", async () => {
    const { writer, store, submit, answers } = benchOf({ intakeQueueMax: 1 });
    submit(1, named("a"));
    submit(2, cancel(1025 as OrderId));
    submit(3, cancel(1025 as OrderId));
    expect(answers.map((one) => [one.requestId, codeOf(one)])).toEqual([[3, "overloaded"]]);
    await settle(writer);
    expect(store.records.map(({ type }) => type)).toEqual(["order_accepted", "order_changed"]);
  });

  test("is refused past intakeWaitMax when it is a new order; a cancel never", async () => {
    const { writer, store, submit, answers, clock } = benchOf();
    submit(1, named("a"));
    await settle(writer);
    submit(2, named("b"));
    submit(3, cancel(1025 as OrderId));
    clock.ms += 51;
    submit(4, named("c"));
    await settle(writer);
    expect(answers.map(({ requestId, status }) => [requestId, status])).toEqual([
      [1, 201],
      [2, 503],
      [3, 200],
      [4, 201],
    ]);
    expect(store.records).toHaveLength(3);
  });

  test("is not done after its deadline", async () => {
    const { writer, store, submit, answers, clock } = benchOf();
    submit(1, named("a"), START_AT + 10);
    submit(2, named("b"), START_AT + 11);
    clock.at += 11;
    await settle(writer);
    expect(answers.map(({ requestId, status }) => [requestId, status])).toEqual([
      [1, 503],
      [2, 201],
    ]);
    expect(store.records).toHaveLength(1);
  });
});

describe("a disk that fails", () => {
  const full = new CommitError(true, new Error("database or disk is full"));
  const broken = new CommitError(false, new Error("disk I/O error"));

  test("before the commit: 503 to the batch, the state untouched, new orders wait", async () => {
    const { writer, store, state, admission, submit, answers, log } = benchOf();
    submit(1, named("a"));
    await settle(writer);
    const before = describeState(state);
    store.failure = full;
    submit(2, named("b"));
    submit(3, cancel(1025 as OrderId));
    await settle(writer);
    expect(answers.slice(1).map((one) => [one.requestId, one.status, codeOf(one)])).toEqual([
      [2, 503, "shard_unavailable"],
      [3, 503, "shard_unavailable"],
    ]);
    expect(answers[1]?.body).toContain("database or disk is full");
    expect(describeState(state)).toEqual(before);
    submit(4, named("b"));
    submit(5, cancel(1025 as OrderId));
    await settle(writer);
    expect(answers.slice(3).map(({ status }) => status)).toEqual([503, 200]);
    admission.setFreeSpace(5_000);
    submit(6, named("b"));
    await settle(writer);
    expect(answers.at(-1)?.status).toBe(201);
    expect(faultsOf(store.records)).toEqual([]);
    expect(writer.state).toBe("filling");
    expect(log.some((line) => line.startsWith("failed"))).toBe(false);
  });

  test("in the commit: 504 to the batch, 503 to what waits, and the process must end", async () => {
    const { writer, store, submit, answers, log } = benchOf({ batchOrdersMax: 2 });
    store.failure = broken;
    submit(1, named("a"));
    submit(2, named("b"));
    submit(3, named("c"));
    await settle(writer);
    expect(answers.map((one) => [one.requestId, one.status, codeOf(one)])).toEqual([
      [1, 504, "outcome_unknown"],
      [2, 504, "outcome_unknown"],
      [3, 503, "shard_unavailable"],
    ]);
    expect(log.at(-1)).toBe("failed: disk I/O error, true");
    submit(4, named("d"));
    await settle(writer);
    expect(answers.at(-1)).toMatchObject({ requestId: 4, status: 503 });
    expect(store.records).toEqual([]);
  });

  test("while it drains: what is lost is said, what waits is still tried", async () => {
    const { writer, store, submit, answers, log } = benchOf({ batchOrdersMax: 1 });
    submit(1, named("a"));
    submit(2, named("b"));
    store.failure = full;
    writer.drain();
    await settle(writer);
    expect(answers.map(({ requestId, status }) => [requestId, status])).toEqual([
      [1, 503],
      [2, 503],
    ]);
    expect(log.at(-1)).toBe("drained");
  });
});

describe("a stop", () => {
  test("drains: what waits is committed, what comes is refused, and it is said once", async () => {
    const { writer, store, submit, answers, log } = benchOf({ batchOrdersMax: 1 });
    submit(1, named("a"));
    submit(2, named("b"));
    writer.drain();
    writer.drain();
    submit(3, named("c"));
    await settle(writer);
    expect(answers.map(({ requestId, status }) => [requestId, status])).toEqual([
      [3, 503],
      [1, 201],
      [2, 201],
    ]);
    expect(log.filter((line) => line === "drained")).toHaveLength(1);
    expect(log.at(-1)).toBe("drained");
    expect(store.records).toHaveLength(2);
  });

  test("is immediate when nothing waits", () => {
    const { writer, log } = benchOf();
    writer.drain();
    expect(log).toEqual(["drained"]);
  });

  test("for a file that must not be written refuses what waits and is not recoverable", async () => {
    const { writer, store, submit, answers, log } = benchOf();
    submit(1, named("a"));
    writer.refuseFile("it is an old copy");
    await settle(writer);
    expect(answers.map(({ status }) => status)).toEqual([503]);
    expect(log).toEqual(["answer 1: 503", "failed: it is an old copy, false"]);
    expect(store.records).toEqual([]);
  });
});
