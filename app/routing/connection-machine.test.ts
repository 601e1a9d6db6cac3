import { describe, expect, test } from "bun:test";
import {
  CONNECTION_EVENTS,
  CONNECTION_STATES,
  type ConnectionEvent,
  type ConnectionState,
  pauseMs,
  stepConnection,
} from "./connection-machine.ts";

/** The path of a connection: each event with the state and the effects that it leads to. */
const walk = (...events: ConnectionEvent[]): string[] => {
  let state: ConnectionState = "closed";
  return events.map((event) => {
    const step = stepConnection(state, event);
    if (step === undefined) return `${event}: stay`;
    state = step.to;
    return `${event}: ${[state, ...step.effects].join(" ")}`;
  });
};

describe("a connection", () => {
  test("opens, greets, serves and ends", () => {
    expect(walk("start", "opened", "welcomed", "stop")).toEqual([
      "start: connecting open",
      "opened: greeting say_hello",
      "welcomed: serving resend",
      "stop: closed drop give_up",
    ]);
  });

  test("that is lost pauses, connects again and sends again what is pending", () => {
    const path = walk("start", "opened", "welcomed", "lost", "time_up", "opened", "welcomed");
    expect(path.slice(3)).toEqual([
      "lost: waiting refuse_queries pause",
      "time_up: connecting open",
      "opened: greeting say_hello",
      "welcomed: serving resend",
    ]);
  });

  test("to a shard that ends refuses what was not sent and waits for the next one", () => {
    const path = walk("start", "opened", "welcomed", "drain_announced", "drain_announced", "lost");
    expect(path.slice(3)).toEqual([
      "drain_announced: draining refuse_unsent",
      "drain_announced: stay",
      "lost: waiting refuse_queries pause",
    ]);
  });

  test("drops a peer that does not answer in time, at either step", () => {
    expect(walk("start", "time_up", "time_up", "opened", "time_up")).toEqual([
      "start: connecting open",
      "time_up: waiting drop pause",
      "time_up: connecting open",
      "opened: greeting say_hello",
      "time_up: waiting drop pause",
    ]);
  });
});

const cells = CONNECTION_STATES.flatMap((state) =>
  CONNECTION_EVENTS.map((event) => ({ state, event, step: stepConnection(state, event) })),
);
const moves = cells.flatMap(({ state, event, step }) =>
  step === undefined ? [] : [{ state, event, step }],
);

describe("in every cell of the table", () => {
  test("only a welcome leads to serving, and what is pending is sent then", () => {
    for (const { event, step } of moves) {
      const serves = step.to === "serving";
      expect([event === "welcomed", step.effects.includes("resend")]).toEqual([serves, serves]);
    }
  });

  test("who waits has a timer running, and no socket", () => {
    for (const { event, step } of moves.filter((move) => move.step.to === "waiting")) {
      expect(step.effects.at(-1)).toBe("pause");
      expect(step.effects.includes("drop")).toBe(event !== "lost");
    }
  });

  test("queries end with the connection that they were sent on, and only there", () => {
    for (const { state, step } of moves.filter((move) => move.step.to === "waiting")) {
      const served = state === "serving" || state === "draining";
      expect([state, step.effects.includes("refuse_queries")]).toEqual([state, served]);
    }
  });

  test("pending operations are given up at the end, and only there", () => {
    for (const { event, step } of moves) {
      const ends = event === "stop";
      expect([step.to === "closed", step.effects.includes("give_up")]).toEqual([ends, ends]);
    }
  });

  test("stop ends each state but the end itself", () => {
    const ended = moves.filter((move) => move.event === "stop").map((move) => move.state);
    expect(ended).toEqual(CONNECTION_STATES.filter((state) => state !== "closed"));
  });

  test("a state with a socket reacts to its loss and to an unfit peer", () => {
    for (const state of ["connecting", "greeting", "serving", "draining"] as const) {
      expect(stepConnection(state, "lost")?.to).toBe("waiting");
      expect(stepConnection(state, "unfit")?.to).toBe("waiting");
    }
  });
});

describe("the pause before the next attempt", () => {
  test.each([
    [1, 0, 10],
    [2, 0, 20],
    [7, 0, 640],
    [8, 0, 1000],
    [5000, 0, 1000],
    [1, 1, 5],
    [8, 0.5, 750],
    [8, 1, 500],
  ])("after %d failures with spread %d is %d ms", (failures, spread, expected) => {
    expect(pauseMs(failures, spread)).toBe(expected);
  });
});
