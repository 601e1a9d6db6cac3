/**
 * When a batch is committed.
 *
 * The writer clocks itself: while a batch is in COMMIT, the commands that arrive wait, and all of
 * them are the next batch. There is no timer, so a lone order is committed at once, and two hundred
 * that wait share one sync of the disk.
 *
 * - `filling`: commands gather until the end of this turn of the event loop.
 * - `committing`: a batch is decided and its transaction runs; what arrives is the next batch.
 * - `draining`: nothing new is taken; what waits is still committed.
 * - `flushing`: a batch is in COMMIT while draining.
 * - `drained`: nothing waits and nothing new is taken.
 * - `failed`: the outcome of a batch is not known, or the file is not the one central knows. The
 *   process must end; start is recovery.
 *
 * Pure: an event and the number of waiting commands give the next state and what is to be done.
 */
export const WRITER_STATES = [
  "filling",
  "committing",
  "draining",
  "flushing",
  "drained",
  "failed",
] as const;
export type WriterState = (typeof WRITER_STATES)[number];

export const WRITER_EVENTS = [
  /** A command came. */
  "arrived",
  /** The turn that was asked for with `schedule` has come. */
  "turn",
  /** COMMIT returned. */
  "committed",
  /** The transaction is gone: nothing of the batch will ever be seen. */
  "batch_lost",
  /** COMMIT failed in a way that leaves the outcome open. */
  "batch_unknown",
  /** The process was asked to stop. */
  "drain",
  /** The file must not be written any more. */
  "fail",
] as const;
export type WriterEvent = (typeof WRITER_EVENTS)[number];

export type Effect =
  /** Put the command into the queue (it may still be refused as too much). */
  | "enqueue"
  /** Answer that the shard takes nothing now. */
  | "refuse"
  /** Send `turn` when the commands of this turn have arrived. */
  | "schedule"
  /** Decide what waits and run its transaction. */
  | "commit"
  /** Send the answers of the batch. */
  | "answer"
  /** Tell the senders of the batch that nothing happened. */
  | "answer_lost"
  /** Tell the senders of the batch that its outcome is not known; refuse what waits. */
  | "answer_unknown"
  /** Nothing waits any more: close. */
  | "close"
  | "exit";

export interface Step {
  readonly state: WriterState;
  readonly effects: readonly Effect[];
}

type Cell = (waiting: number) => Step;

const to =
  (state: WriterState, ...effects: Effect[]): Cell =>
  () => ({ state, effects });

const stay = (state: WriterState): Cell => to(state);

/** `turn` or the end of a batch: goes on if commands wait. */
const ifWaiting =
  (more: Step, none: Step): Cell =>
  (waiting) =>
    waiting > 0 ? more : none;

const after = (...effects: Effect[]) => ({
  filling: ifWaiting(
    { state: "filling", effects: [...effects, "schedule"] },
    { state: "filling", effects },
  ),
  draining: ifWaiting(
    { state: "draining", effects: [...effects, "schedule"] },
    { state: "drained", effects: [...effects, "close"] },
  ),
});

const FAIL = to("failed", "answer_unknown", "exit");

export const GROUP_COMMIT: Readonly<Record<WriterState, Readonly<Record<WriterEvent, Cell>>>> = {
  filling: {
    arrived: (waiting) => ({
      state: "filling",
      effects: waiting === 0 ? ["enqueue", "schedule"] : ["enqueue"],
    }),
    turn: ifWaiting(
      { state: "committing", effects: ["commit"] },
      { state: "filling", effects: [] },
    ),
    committed: stay("filling"),
    batch_lost: stay("filling"),
    batch_unknown: FAIL,
    drain: ifWaiting({ state: "draining", effects: [] }, { state: "drained", effects: ["close"] }),
    fail: FAIL,
  },
  committing: {
    arrived: to("committing", "enqueue"),
    turn: stay("committing"),
    committed: after("answer").filling,
    batch_lost: after("answer_lost").filling,
    batch_unknown: FAIL,
    drain: stay("flushing"),
    fail: FAIL,
  },
  draining: {
    arrived: to("draining", "refuse"),
    turn: ifWaiting(
      { state: "flushing", effects: ["commit"] },
      { state: "drained", effects: ["close"] },
    ),
    committed: stay("draining"),
    batch_lost: stay("draining"),
    batch_unknown: FAIL,
    drain: stay("draining"),
    fail: FAIL,
  },
  flushing: {
    arrived: to("flushing", "refuse"),
    turn: stay("flushing"),
    committed: after("answer").draining,
    batch_lost: after("answer_lost").draining,
    batch_unknown: FAIL,
    drain: stay("flushing"),
    fail: FAIL,
  },
  drained: {
    arrived: to("drained", "refuse"),
    turn: stay("drained"),
    committed: stay("drained"),
    batch_lost: stay("drained"),
    batch_unknown: FAIL,
    drain: stay("drained"),
    fail: FAIL,
  },
  failed: {
    arrived: to("failed", "refuse"),
    turn: stay("failed"),
    committed: stay("failed"),
    batch_lost: stay("failed"),
    batch_unknown: stay("failed"),
    drain: stay("failed"),
    fail: stay("failed"),
  },
};

export const step = (state: WriterState, event: WriterEvent, waiting: number): Step =>
  GROUP_COMMIT[state][event](waiting);
