/**
 * The life of one supervised process, as a pure machine: it is told what happened and says what to
 * do; `supervisor.ts` does it.
 *
 * A child *starts*, says that it is ready and *serves*. When it dies, however, it is started again
 * after a pause (it *waits*): 50 ms at first, twice that after each death, 2 s at most; a child that
 * lived for 10 s has earned the short pause again. Start is recovery, so that covers a broken
 * invariant too. Only exit code 2 is different: the child was started wrongly or its file is
 * damaged, it has said so in a sentence, and starting it again would say it again: it is *refused*
 * and stays down while the others go on. One that has served before was not started wrongly, and
 * what refuses a restart of it may pass, like a port that another process has for a moment: it is
 * started five times more before it counts as refused.
 *
 * A stop asks a live child to drain (*stopping*) and waits for its end; one that does not come to
 * an end in its time is killed. *ended* is final.
 */
export const CHILD_STATES = [
  "starting",
  "serving",
  "waiting",
  "refused",
  "stopping",
  "ended",
] as const;
export type ChildState = (typeof CHILD_STATES)[number];

export type ChildEvent =
  /** The child says that it serves. */
  | { readonly type: "ready" }
  /** The process is gone. `upMs` since it was started. */
  | { readonly type: "died"; readonly upMs: number }
  /** The process is gone with exit code 2. */
  | { readonly type: "refusedToRun" }
  | { readonly type: "pauseOver" }
  /** Drain and end. */
  | { readonly type: "stop" }
  /** The drain took too long, or a second Ctrl-C came. */
  | { readonly type: "kill" };

export type ChildEffect =
  | { readonly type: "spawn" }
  | { readonly type: "pause"; readonly pauseMs: number }
  | { readonly type: "endPause" }
  | { readonly type: "askToDrain" }
  | { readonly type: "kill" };

export interface ChildLife {
  readonly state: ChildState;
  /** The pause before the next start, ms. */
  readonly nextPauseMs: number;
  /** Starts that may still end with exit code 2 before it is refused. */
  readonly refusalsLeft: number;
}

export interface Step {
  readonly life: ChildLife;
  readonly effects: readonly ChildEffect[];
}

export const PAUSE_MS_MIN = 50;
export const PAUSE_MS_MAX = 2000;
/** A child that was up this long starts with the shortest pause again. */
export const SETTLED_MS = 10_000;
/** Of restarts in a row; the first start has none. */
const REFUSALS_MAX = 5;

/** A child whose first start is to be made now. */
export const firstStep = (): Step => ({
  life: { state: "starting", nextPauseMs: PAUSE_MS_MIN, refusalsLeft: 0 },
  effects: [{ type: "spawn" }],
});

export const nextStep = (life: ChildLife, event: ChildEvent): Step => {
  const handle = TABLE[life.state][event.type] as (life: ChildLife, event: ChildEvent) => Step;
  return handle(life, event);
};

type Handler<T extends ChildEvent["type"]> = (
  life: ChildLife,
  event: Extract<ChildEvent, { type: T }>,
) => Step;

const goTo =
  (state: ChildState, ...effects: readonly ChildEffect[]) =>
  (life: ChildLife): Step => ({ life: { ...life, state }, effects });

const stay = (life: ChildLife): Step => ({ life, effects: [] });

const startAgain: Handler<"died"> = (life, { upMs }) => {
  const pauseMs = upMs >= SETTLED_MS ? PAUSE_MS_MIN : life.nextPauseMs;
  return {
    life: { ...life, state: "waiting", nextPauseMs: Math.min(pauseMs * 2, PAUSE_MS_MAX) },
    effects: [{ type: "pause", pauseMs }],
  };
};

const serve = (life: ChildLife): Step => ({
  life: { ...life, state: "serving", refusalsLeft: REFUSALS_MAX },
  effects: [],
});

const tryAgainOrRefuse: Handler<"refusedToRun"> = (life) => {
  const refusalsLeft = life.refusalsLeft - 1;
  if (refusalsLeft < 0) return goTo("refused")(life);
  return startAgain({ ...life, refusalsLeft }, { type: "died", upMs: 0 });
};

const drain = goTo("stopping", { type: "askToDrain" });
const killAndWait = goTo("stopping", { type: "kill" });
const endThePause = goTo("ended", { type: "endPause" });

const TABLE: Readonly<Record<ChildState, { readonly [T in ChildEvent["type"]]: Handler<T> }>> = {
  starting: {
    ready: serve,
    died: startAgain,
    refusedToRun: tryAgainOrRefuse,
    pauseOver: stay,
    stop: drain,
    kill: killAndWait,
  },
  serving: {
    ready: stay,
    died: startAgain,
    refusedToRun: goTo("refused"),
    pauseOver: stay,
    stop: drain,
    kill: killAndWait,
  },
  waiting: {
    ready: stay,
    died: stay,
    refusedToRun: stay,
    pauseOver: goTo("starting", { type: "spawn" }),
    stop: endThePause,
    kill: endThePause,
  },
  refused: {
    ready: stay,
    died: stay,
    refusedToRun: stay,
    pauseOver: stay,
    stop: goTo("ended"),
    kill: goTo("ended"),
  },
  stopping: {
    ready: stay,
    died: goTo("ended"),
    refusedToRun: goTo("ended"),
    pauseOver: stay,
    stop: stay,
    kill: killAndWait,
  },
  ended: {
    ready: stay,
    died: stay,
    refusedToRun: stay,
    pauseOver: stay,
    stop: stay,
    kill: stay,
  },
};
