import { describe, expect, test } from "bun:test";
import { systemClock } from "../../shards/process/clock.ts";
import { OperatingError } from "../../shards/process/failure.ts";
import { createLogger } from "../../shards/process/logger.ts";
import { Applier, type ApplierLimits, type Commit } from "./applier.ts";
import { emptyCursor } from "./chain.ts";
import type { CentralStore, Intake, Push, PushResult } from "./store.ts";
import { TestShard } from "./test-shard.ts";

const LIMITS: ApplierLimits = {
  commitRecordsMax: 10,
  waitingBytesMax: 100_000,
  retryMsMin: 1,
  retryMsMax: 2,
};

/** Remembers what it is given; `gate` holds a transaction open, `failures` fail the next ones. */
const recordingStore = () => {
  const transactions: (readonly Push[])[] = [];
  const intakes: Intake[] = [];
  const state = { gate: Promise.resolve(), failures: [] as unknown[], tries: 0 };
  const apply = async (intake: Intake): Promise<readonly PushResult[]> => {
    const { pushes } = intake;
    state.tries++;
    if (state.failures.length > 0) throw state.failures.shift();
    intakes.push(intake);
    transactions.push(pushes);
    await state.gate;
    return pushes.map((push) => ({
      cursor: { ...emptyCursor(0), seq: push.at(-1)?.seq ?? 0 },
      applied: push.length,
      duplicates: 0,
      skipped: 0,
      stopped: null,
      isNewStop: false,
    }));
  };
  return { store: { apply } as unknown as CentralStore, transactions, intakes, state };
};

const applierOn = (store: CentralStore, limits: Partial<ApplierLimits> = {}) => {
  const commits: Commit[] = [];
  let failed = 0;
  const applier = new Applier({
    store,
    limits: { ...LIMITS, ...limits },
    observer: { committed: (commit) => commits.push(commit), failed: () => failed++ },
    clock: systemClock,
    logger: createLogger("test", "silent"),
  });
  return { applier, commits, failures: () => failed };
};

const pushOf = (count: number): Push => {
  const shard = new TestShard();
  return Array.from({ length: count }, () => shard.accepted(0));
};
const sizes = (transactions: readonly (readonly Push[])[]): number[][] =>
  transactions.map((pushes) => pushes.map((push) => push.length));

const passing = new OperatingError("central_store_failed", "no space", { retryable: true });

describe("the applier", () => {
  test("commits what comes in one turn together, and a lone push at once", async () => {
    const { store, transactions } = recordingStore();
    const { applier, commits } = applierOn(store);
    await Promise.all([applier.push(pushOf(1)), applier.push(pushOf(2))]);
    await applier.push(pushOf(3));
    expect(sizes(transactions)).toEqual([[1, 2], [3]]);
    expect(commits.map(({ results }) => results.length)).toEqual([2, 1]);
  });

  test("lets what arrives during a transaction wait for the next", async () => {
    const { store, transactions, state } = recordingStore();
    const { applier } = applierOn(store);
    const gate = Promise.withResolvers<void>();
    state.gate = gate.promise;
    const first = applier.push(pushOf(1));
    while (transactions.length === 0) await new Promise((done) => setImmediate(done));
    const rest = [applier.push(pushOf(2)), applier.push(pushOf(3))];
    gate.resolve();
    expect((await first).cursor.seq).toBe(1);
    expect((await Promise.all(rest)).map(({ cursor }) => cursor.seq)).toEqual([2, 3]);
    expect(sizes(transactions)).toEqual([[1], [2, 3]]);
  });

  test("bounds a transaction in whole pushes, and takes a larger one alone", async () => {
    const { store, transactions } = recordingStore();
    const { applier } = applierOn(store);
    await Promise.all([6, 4, 1, 25, 2].map((count) => applier.push(pushOf(count))));
    expect(sizes(transactions)).toEqual([[6, 4], [1], [25], [2]]);
  });

  test("commits what a topic brings together, positions included, and answers each its own", async () => {
    const { store, transactions, intakes } = recordingStore();
    const { applier } = applierOn(store);
    const none = { positions: [], quarantined: [] };
    const position = (partition: number) => ({ partition, from: "7", nextOffset: "9" });
    const aside = { partition: 2, offset: "7", shard: null, epoch: null, seq: null } as const;
    const bad = {
      ...aside,
      code: "unreadable",
      detail: "",
      key: "",
      headers: "",
      value: "",
    } as const;
    const answers = await Promise.all([
      applier.take({ pushes: [pushOf(1), pushOf(2)], ...none, positions: [position(1)] }),
      applier.take({ pushes: [], positions: [position(2)], quarantined: [bad] }),
      applier.take({ pushes: [pushOf(3)], ...none, positions: [position(3)] }),
    ]);
    expect(answers.map((results) => results.map(({ applied }) => applied))).toEqual([
      [1, 2],
      [],
      [3],
    ]);
    expect(sizes(transactions)).toEqual([[1, 2, 3]]);
    expect(intakes).toMatchObject([
      { positions: [position(1), position(2), position(3)], quarantined: [bad] },
    ]);
  });

  test("refuses what would make too much wait, and takes it when that is done", async () => {
    const { store } = recordingStore();
    const push = pushOf(3);
    const { applier } = applierOn(store, { waitingBytesMax: 1000 });
    const first = applier.push(push);
    expect(() => applier.push(push)).toThrow(OperatingError);
    await first;
    expect((await applier.push(push)).applied).toBe(3);
  });

  test("tries the same pushes again while the store fails in passing", async () => {
    const { store, transactions, state } = recordingStore();
    const { applier, failures } = applierOn(store);
    state.failures = [passing, passing, passing];
    const results = await Promise.all([applier.push(pushOf(1)), applier.push(pushOf(2))]);
    expect(results.map(({ applied }) => applied)).toEqual([1, 2]);
    expect(failures()).toBe(3);
    expect(sizes(transactions)).toEqual([[1, 2]]);
  });

  test("drains what waits and refuses what comes then", async () => {
    const { store, transactions } = recordingStore();
    const { applier } = applierOn(store);
    const waiting = [applier.push(pushOf(8)), applier.push(pushOf(8))];
    const drained = applier.drain();
    expect(() => applier.push(pushOf(1))).toThrow("the applier is stopping");
    await drained;
    expect(sizes(transactions)).toEqual([[8], [8]]);
    expect((await Promise.all(waiting)).length).toBe(2);
  });

  test("gives a failing store up when it drains", async () => {
    const { store, transactions, state } = recordingStore();
    const { applier } = applierOn(store);
    state.failures = Array.from({ length: 1000 }, () => passing);
    void applier.push(pushOf(1));
    while (state.tries === 0) await new Promise((done) => setImmediate(done));
    await applier.drain();
    expect(transactions).toEqual([]);
  });
});
