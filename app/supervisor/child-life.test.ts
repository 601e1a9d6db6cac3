import { describe, expect, test } from "bun:test";
import {
  CHILD_STATES,
  type ChildEffect,
  type ChildEvent,
  type ChildLife,
  type ChildState,
  firstStep,
  nextStep,
  PAUSE_MS_MIN,
} from "./child-life.ts";

const EVENTS = {
  ready: { type: "ready" },
  died: { type: "died", upMs: 0 },
  refusedToRun: { type: "refusedToRun" },
  pauseOver: { type: "pauseOver" },
  stop: { type: "stop" },
  kill: { type: "kill" },
} as const satisfies { readonly [T in ChildEvent["type"]]: Extract<ChildEvent, { type: T }> };

type Cell = `${ChildState}${"" | `: ${ChildEffect["type"]}`}`;

/** Where each event leads, and what is done then. */
const EXPECTED: Record<ChildState, Record<ChildEvent["type"], Cell>> = {
  starting: {
    ready: "serving",
    died: "waiting: pause",
    refusedToRun: "refused",
    pauseOver: "starting",
    stop: "stopping: askToDrain",
    kill: "stopping: kill",
  },
  serving: {
    ready: "serving",
    died: "waiting: pause",
    refusedToRun: "refused",
    pauseOver: "serving",
    stop: "stopping: askToDrain",
    kill: "stopping: kill",
  },
  waiting: {
    ready: "waiting",
    died: "waiting",
    refusedToRun: "waiting",
    pauseOver: "starting: spawn",
    stop: "ended: endPause",
    kill: "ended: endPause",
  },
  refused: {
    ready: "refused",
    died: "refused",
    refusedToRun: "refused",
    pauseOver: "refused",
    stop: "ended",
    kill: "ended",
  },
  stopping: {
    ready: "stopping",
    died: "ended",
    refusedToRun: "ended",
    pauseOver: "stopping",
    stop: "stopping",
    kill: "stopping: kill",
  },
  ended: {
    ready: "ended",
    died: "ended",
    refusedToRun: "ended",
    pauseOver: "ended",
    stop: "ended",
    kill: "ended",
  },
};

const die = (life: ChildLife, upMs: number): { life: ChildLife; pauseMs: number } => {
  const died = nextStep(life, { type: "died", upMs });
  const pause = died.effects.find((effect) => effect.type === "pause");
  return { life: nextStep(died.life, EVENTS.pauseOver).life, pauseMs: pause?.pauseMs ?? -1 };
};

describe("a child's life", () => {
  test("begins with a start", () => {
    expect(firstStep()).toEqual({
      life: { state: "starting", nextPauseMs: PAUSE_MS_MIN, refusalsLeft: 0 },
      effects: [{ type: "spawn" }],
    });
  });

  for (const state of CHILD_STATES) {
    for (const event of Object.values(EVENTS)) {
      const expected = EXPECTED[state][event.type];
      test(`${state}, ${event.type} → ${expected}`, () => {
        const { life, effects } = nextStep(
          { state, nextPauseMs: PAUSE_MS_MIN, refusalsLeft: 0 },
          event,
        );
        expect([life.state, ...effects.map(({ type }) => type)].join(": ")).toBe(expected);
      });
    }
  }

  test("the pause doubles from 50 ms to 2 s", () => {
    let life = firstStep().life;
    const pauses: number[] = [];
    for (let death = 0; death < 8; death += 1) {
      const next = die(life, 100);
      pauses.push(next.pauseMs);
      life = next.life;
    }
    expect(pauses).toEqual([50, 100, 200, 400, 800, 1600, 2000, 2000]);
  });

  test("the pause is short again after 10 s up, and not a millisecond before", () => {
    const tired: ChildLife = { state: "serving", nextPauseMs: 1600, refusalsLeft: 0 };
    expect(die(tired, 9999).pauseMs).toBe(1600);
    const settled = die(tired, 10_000);
    expect(settled.pauseMs).toBe(50);
    expect(die(settled.life, 0).pauseMs).toBe(100);
  });

  test("one that has served is started five times more after a refusal, then it stays down", () => {
    let { life } = nextStep(firstStep().life, EVENTS.ready);
    life = die(life, 100).life;
    const pauses: number[] = [];
    while (life.state === "starting" && pauses.length < 100) {
      const refused = nextStep(life, EVENTS.refusedToRun);
      life = nextStep(refused.life, EVENTS.pauseOver).life;
      for (const effect of refused.effects) {
        if (effect.type === "pause") pauses.push(effect.pauseMs);
      }
    }
    expect(pauses).toEqual([100, 200, 400, 800, 1600]);
    expect(life.state).toBe("refused");
  });

  test("one that serves again has all five before it", () => {
    const serve = (life: ChildLife): ChildLife => nextStep(life, EVENTS.ready).life;
    const served = serve(firstStep().life);
    const refused = nextStep(die(served, 0).life, EVENTS.refusedToRun).life;
    expect(refused.refusalsLeft).toBe(served.refusalsLeft - 1);
    const again = serve(nextStep(refused, EVENTS.pauseOver).life);
    expect(again.refusalsLeft).toBe(served.refusalsLeft);
  });
});
