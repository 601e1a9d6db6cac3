/**
 * One api's connection to one shard, as a pure state machine; ShardConnection performs its effects.
 *
 * From `start` until `stop` it wants to be connected. It opens a socket (`connecting`), says hello
 * when the socket is open (`greeting`) and serves when the shard's welcome is the expected one
 * (`serving`). Opening and greeting share one time limit each. Whenever the socket is lost, or the
 * shard proves to be one that can't be talked to (another shard's name, a frame that can't be read,
 * silence), it waits with a growing pause (`waiting`) and opens a new socket.
 *
 * Operations are taken in `serving` only: in every other state they are refused at once, and as they
 * were not sent it is certain that nothing happened. Commands that were sent stay pending through
 * any number of reconnects, and each new `serving` sends them again in their first order, before
 * anything new: the shard gives the first outcome to whatever it had already met. Queries end with
 * their connection: an answer too large for a socket would cost each next one too. A shard that announces its end (`draining`) still answers
 * what it has; what it was not yet sent is refused at once.
 *
 * An event that says nothing in a state leaves it as it is (`stay`): a socket's events may come
 * late, a shard may announce its end twice.
 */
export const CONNECTION_STATES = [
  "closed",
  "connecting",
  "greeting",
  "serving",
  "draining",
  "waiting",
] as const;
export type ConnectionState = (typeof CONNECTION_STATES)[number];

/**
 * - `opened`, `lost`: what the socket reports
 * - `welcomed`, `drain_announced`: what the shard says
 * - `unfit`: this peer must not be talked to any longer, though its socket is open
 * - `time_up`: the one timer, for the limit of an attempt or for the pause between two
 */
export const CONNECTION_EVENTS = [
  "start",
  "opened",
  "welcomed",
  "drain_announced",
  "lost",
  "unfit",
  "time_up",
  "stop",
] as const;
export type ConnectionEvent = (typeof CONNECTION_EVENTS)[number];

/**
 * - `open`: make a socket and start the limit of the attempt
 * - `say_hello`: send the hello and start the limit again
 * - `resend`: send everything that is pending, in order
 * - `refuse_unsent`: reject what no socket was ever given, `shard_unavailable`
 * - `refuse_queries`: reject the queries, `shard_unavailable`
 * - `drop`: close the socket, whose later events count no more
 * - `pause`: start the timer of the next attempt
 * - `give_up`: reject everything that is pending
 */
export type ConnectionEffect =
  | "open"
  | "say_hello"
  | "resend"
  | "refuse_unsent"
  | "refuse_queries"
  | "drop"
  | "pause"
  | "give_up";

export interface ConnectionStep {
  readonly to: ConnectionState;
  readonly effects: readonly ConnectionEffect[];
}

type Cell = ConnectionStep | "stay";
type Table = Readonly<Record<ConnectionState, Readonly<Record<ConnectionEvent, Cell>>>>;

const go = (to: ConnectionState, ...effects: ConnectionEffect[]): ConnectionStep => ({
  to,
  effects,
});

const CONNECT = go("connecting", "open");
const RETRY = go("waiting", "pause");
const DROP_AND_RETRY = go("waiting", "drop", "pause");
const LOSE = go("waiting", "refuse_queries", "pause");
const DROP_AND_LOSE = go("waiting", "drop", "refuse_queries", "pause");
const END = go("closed", "drop", "give_up");

const TABLE: Table = {
  closed: {
    start: CONNECT,
    opened: "stay",
    welcomed: "stay",
    drain_announced: "stay",
    lost: "stay",
    unfit: "stay",
    time_up: "stay",
    stop: "stay",
  },
  connecting: {
    start: "stay",
    opened: go("greeting", "say_hello"),
    welcomed: "stay",
    drain_announced: "stay",
    lost: RETRY,
    unfit: DROP_AND_RETRY,
    time_up: DROP_AND_RETRY,
    stop: END,
  },
  greeting: {
    start: "stay",
    opened: "stay",
    welcomed: go("serving", "resend"),
    drain_announced: DROP_AND_RETRY,
    lost: RETRY,
    unfit: DROP_AND_RETRY,
    time_up: DROP_AND_RETRY,
    stop: END,
  },
  serving: {
    start: "stay",
    opened: "stay",
    welcomed: "stay",
    drain_announced: go("draining", "refuse_unsent"),
    lost: LOSE,
    unfit: DROP_AND_LOSE,
    time_up: "stay",
    stop: END,
  },
  draining: {
    start: "stay",
    opened: "stay",
    welcomed: "stay",
    drain_announced: "stay",
    lost: LOSE,
    unfit: DROP_AND_LOSE,
    time_up: "stay",
    stop: END,
  },
  waiting: {
    start: "stay",
    opened: "stay",
    welcomed: "stay",
    drain_announced: "stay",
    lost: "stay",
    unfit: "stay",
    time_up: CONNECT,
    stop: END,
  },
};

/** What an event does in a state; undefined when it does nothing. */
export const stepConnection = (
  state: ConnectionState,
  event: ConnectionEvent,
): ConnectionStep | undefined => {
  const cell = TABLE[state][event];
  return cell === "stay" ? undefined : cell;
};

const PAUSE_MS_MIN = 10;
const PAUSE_MS_MAX = 1000;

/**
 * Milliseconds before the next attempt: 10 doubled with each failure in a row up to 1,000, of which
 * `spread` (0 … 1) takes away up to half, so that the apis don't all knock at the same moment.
 */
export const pauseMs = (failuresInRow: number, spread: number): number =>
  Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** (failuresInRow - 1)) * (1 - spread / 2);
