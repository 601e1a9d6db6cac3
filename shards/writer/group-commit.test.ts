import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  type Effect,
  step,
  WRITER_EVENTS,
  WRITER_STATES,
  type WriterEvent,
  type WriterState,
} from "./group-commit.ts";

/** Next state and effects, with nothing waiting and with one command waiting. */
type Cells = Readonly<
  Record<WriterState, Readonly<Record<WriterEvent, readonly [string, string]>>>
>;

const same = (cell: string): readonly [string, string] => [cell, cell];
const FAILS = same("failed: answer_unknown exit");

const TABLE: Cells = {
  filling: {
    arrived: ["filling: enqueue schedule", "filling: enqueue"],
    turn: ["filling:", "committing: commit"],
    committed: same("filling:"),
    batch_lost: same("filling:"),
    batch_unknown: FAILS,
    drain: ["drained: close", "draining:"],
    fail: FAILS,
  },
  committing: {
    arrived: same("committing: enqueue"),
    turn: same("committing:"),
    committed: ["filling: answer", "filling: answer schedule"],
    batch_lost: ["filling: answer_lost", "filling: answer_lost schedule"],
    batch_unknown: FAILS,
    drain: same("flushing:"),
    fail: FAILS,
  },
  draining: {
    arrived: same("draining: refuse"),
    turn: ["drained: close", "flushing: commit"],
    committed: same("draining:"),
    batch_lost: same("draining:"),
    batch_unknown: FAILS,
    drain: same("draining:"),
    fail: FAILS,
  },
  flushing: {
    arrived: same("flushing: refuse"),
    turn: same("flushing:"),
    committed: ["drained: answer close", "draining: answer schedule"],
    batch_lost: ["drained: answer_lost close", "draining: answer_lost schedule"],
    batch_unknown: FAILS,
    drain: same("flushing:"),
    fail: FAILS,
  },
  drained: {
    arrived: same("drained: refuse"),
    turn: same("drained:"),
    committed: same("drained:"),
    batch_lost: same("drained:"),
    batch_unknown: FAILS,
    drain: same("drained:"),
    fail: FAILS,
  },
  failed: {
    arrived: same("failed: refuse"),
    turn: same("failed:"),
    committed: same("failed:"),
    batch_lost: same("failed:"),
    batch_unknown: same("failed:"),
    drain: same("failed:"),
    fail: same("failed:"),
  },
};

const shown = (state: WriterState, event: WriterEvent, waiting: number): string => {
  const { state: next, effects } = step(state, event, waiting);
  return `${next}:${effects.map((effect) => ` ${effect}`).join("")}`;
};

describe("the group commit's table", () => {
  test("is written down for every state and event", () => {
    expect(Object.keys(TABLE)).toEqual([...WRITER_STATES]);
    for (const state of WRITER_STATES) {
      expect(Object.keys(TABLE[state])).toEqual([...WRITER_EVENTS]);
    }
  });

  for (const state of WRITER_STATES) {
    test(`in ${state} every event leads where it should`, () => {
      for (const event of WRITER_EVENTS) {
        const [none, one] = TABLE[state][event];
        expect({ event, none: shown(state, event, 0) }).toEqual({ event, none });
        expect({ event, one: shown(state, event, 1) }).toEqual({ event, one });
        expect({ event, many: shown(state, event, 500) }).toEqual({ event, many: one });
      }
    });
  }
});

type Fate = "answered" | "lost" | "unknown" | "refused";

/** Does what the effects say, with a queue, at most `batchMax` commands a batch, and turns. */
class World {
  state: WriterState = "filling";
  readonly fates = new Map<number, Fate>();
  readonly committed = new Set<number>();
  readonly #batchMax: number;
  #queue: number[] = [];
  batch: number[] | null = null;
  turns = 0;
  arrivals = 0;
  closed = 0;
  exited = 0;

  constructor(batchMax: number) {
    this.#batchMax = batchMax;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  on(event: WriterEvent): void {
    if (event === "arrived") this.arrivals++;
    if (event === "turn") this.turns--;
    if (event === "committed") for (const id of this.batch ?? []) this.committed.add(id);
    const { state, effects } = step(this.state, event, this.#queue.length);
    this.state = state;
    for (const effect of effects) this.#perform(effect);
  }

  #settle(ids: readonly number[], fate: Fate): void {
    for (const id of ids) {
      expect({ id, fate: this.fates.get(id) }).toEqual({ id, fate: undefined });
      this.fates.set(id, fate);
    }
  }

  #perform(effect: Effect): void {
    switch (effect) {
      case "enqueue":
        this.#queue.push(this.arrivals);
        return;
      case "refuse":
        this.#settle([this.arrivals], "refused");
        return;
      case "schedule":
        this.turns++;
        return;
      case "commit":
        expect(this.batch).toBeNull();
        this.batch = this.#queue.splice(0, this.#batchMax);
        expect(this.batch.length).toBeGreaterThan(0);
        return;
      case "answer":
        for (const id of this.batch ?? []) expect(this.committed.has(id)).toBe(true);
        this.#settle(this.batch ?? [], "answered");
        this.batch = null;
        return;
      case "answer_lost":
        this.#settle(this.batch ?? [], "lost");
        this.batch = null;
        return;
      case "answer_unknown":
        this.#settle(this.batch ?? [], "unknown");
        this.#settle(this.#queue.splice(0), "refused");
        this.batch = null;
        return;
      case "close":
        expect(this.#queue).toEqual([]);
        expect(this.batch).toBeNull();
        this.closed++;
        return;
      case "exit":
        this.exited++;
        return;
    }
  }

  /** Events that can come now: a batch ends only while one is in commit. */
  possible(event: WriterEvent): boolean {
    if (event === "turn") return this.turns > 0;
    if (event === "arrived" || event === "drain" || event === "fail") return true;
    return this.batch !== null;
  }

  /** A command that waits will be taken without another arrival. */
  expectProgress(): void {
    if (this.waiting > 0 && this.batch === null) expect(this.turns).toBeGreaterThan(0);
  }
}

const anyEvent = fc.oneof(
  { weight: 8, arbitrary: fc.constant<WriterEvent>("arrived") },
  { weight: 4, arbitrary: fc.constant<WriterEvent>("turn") },
  { weight: 4, arbitrary: fc.constant<WriterEvent>("committed") },
  { weight: 1, arbitrary: fc.constantFrom<WriterEvent>("batch_lost", "batch_unknown") },
  { weight: 1, arbitrary: fc.constantFrom<WriterEvent>("drain", "fail") },
);

const drive = (world: World, events: readonly WriterEvent[]): void => {
  for (const event of events) {
    if (!world.possible(event)) continue;
    world.on(event);
    world.expectProgress();
  }
};

describe("over any sequence of events", () => {
  const sequences = fc.array(anyEvent, { maxLength: 120 });

  test("one batch is in commit at a time, answers follow commits, nothing is lost", () => {
    const ends = { drained: 0, failed: 0 };
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), sequences, (batchMax, events) => {
        const world = new World(batchMax);
        drive(world, events);
        world.on("drain");
        while (world.batch !== null || world.turns > 0) {
          world.on(world.batch === null ? "turn" : "committed");
        }
        expect(world.state).toBeOneOf(["drained", "failed"]);
        expect(world.fates.size).toBe(world.arrivals);
        expect(world.closed + world.exited).toBeGreaterThan(0);
        expect(world.closed).toBeLessThanOrEqual(1);
        expect(world.exited).toBeLessThanOrEqual(1);
        for (const [id, fate] of world.fates) {
          if (fate === "answered") expect(world.committed.has(id)).toBe(true);
          else if (fate !== "unknown") expect(world.committed.has(id)).toBe(false);
        }
        ends[world.exited > 0 ? "failed" : "drained"]++;
      }),
      { numRuns: 3_000 },
    );
    expect(Math.min(ends.drained, ends.failed)).toBeGreaterThan(100);
  });

  test("after a drain or a failure nothing new is taken", () => {
    const stops = fc.constantFrom<WriterEvent>("drain", "fail");
    fc.assert(
      fc.property(sequences, stops, sequences, (before, stop, after) => {
        const world = new World(3);
        drive(world, before);
        world.on(stop);
        const waiting = world.waiting;
        const seen = world.arrivals;
        drive(world, after);
        expect(world.waiting).toBeLessThanOrEqual(waiting);
        for (let id = seen + 1; id <= world.arrivals; id++) {
          expect(world.fates.get(id)).toBe("refused");
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
