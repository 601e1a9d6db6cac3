/**
 * This shard's connection to another one: what its purses and banks have to say goes out here, and
 * what the other one says comes in on the other's own connection. Messages that find no connection
 * are dropped; their purses send them again, all at once after each welcome and by their timers.
 *
 * `connecting` → `greeting` → `serving`; whatever fails leads to `waiting`, a pause that grows, and
 * back to `connecting`, until it is stopped.
 */
import { reasonOf } from "../process/failure.ts";
import type { Logger } from "../process/logger.ts";
import { BANK } from "../protocol/bank.ts";
import { decodeFrame, encodeFrame } from "../protocol/frame.ts";
import { HELLO, type Hello, readShardWelcome, SHARD_PATH, WELCOME } from "../protocol/hello.ts";

export interface PeerOptions {
  /** Index of the other shard. */
  readonly shardIndex: number;
  /** `ws://host:port`. */
  readonly url: string;
  readonly hello: Hello;
  readonly logger: Logger;
  /** The other shard can be spoken to, for the first time or again. */
  readonly onServing: () => void;
}

type PeerState = "connecting" | "greeting" | "serving" | "waiting" | "stopped";

/** For the socket to open and the other shard to greet, together. */
const ATTEMPT_MS_MAX = 2000;
const PAUSE_MS_MIN = 20;
const PAUSE_MS_MAX = 1000;
/** So many failures in a row, about two seconds, are told once. */
const NEWS_FAILURES = 7;
/** With so much unread, messages are dropped. */
const BUFFERED_BYTES_MAX = 16 * 1024 ** 2;
/**
 * A host that vanishes, or a shard that hangs, closes nothing: of two pings in a row one has to be
 * answered, or the connection is made anew.
 */
const PING_MS = 1500;
/** Far below what a socket takes: after an absence purses have a lot to say at once. */
const FRAME_LENGTH_MAX = 1024 ** 2;

export class PeerConnection {
  readonly #options: PeerOptions;
  #state: PeerState = "waiting";
  #socket: WebSocket | undefined;
  #timer: Timer | undefined;
  #failuresInRow = 0;

  constructor(options: PeerOptions) {
    this.#options = options;
  }

  get isServing(): boolean {
    return this.#state === "serving";
  }

  start(): void {
    this.#state = "connecting";
    const { url } = this.#options;
    const socket = new WebSocket(`${url}${SHARD_PATH}`);
    this.#socket = socket;
    const unlessOld = (what: () => void) => (): void => {
      if (socket === this.#socket) what();
    };
    socket.onopen = unlessOld(() => this.#greet(socket));
    socket.onclose = unlessOld(() => this.#fail("the connection was closed"));
    socket.onerror = unlessOld(() => this.#fail("not reachable"));
    socket.onmessage = ({ data }) => {
      if (socket === this.#socket) this.#receive(socket, String(data));
    };
    this.#timer = setTimeout(() => this.#fail("no answer"), ATTEMPT_MS_MAX);
  }

  /** In their order. Dropped without a connection, and what is too much for it. */
  send(entries: readonly string[]): void {
    if (this.#state !== "serving" || this.#socket === undefined) return;
    for (const frame of framesOf(entries)) {
      if (this.#socket.bufferedAmount > BUFFERED_BYTES_MAX) return;
      this.#socket.send(encodeFrame(BANK, frame));
    }
  }

  stop(): void {
    this.#state = "stopped";
    this.#drop();
  }

  #greet(socket: WebSocket): void {
    this.#state = "greeting";
    socket.send(encodeFrame(HELLO, [JSON.stringify(this.#options.hello)]));
  }

  #receive(socket: WebSocket, message: string): void {
    // Only the welcome matters here: progress and the rest are for apis.
    if (this.#state !== "greeting") return;
    try {
      const { kind, entries } = decodeFrame(message);
      if (kind !== WELCOME) return;
      const { shard, shardIndex } = readShardWelcome(entries);
      if (shardIndex === this.#options.shardIndex) this.#serve(socket);
      else this.#fail(`${shard} answers there, with index ${shardIndex}`);
    } catch (error) {
      this.#fail(reasonOf(error));
    }
  }

  #serve(socket: WebSocket): void {
    clearTimeout(this.#timer);
    this.#state = "serving";
    this.#failuresInRow = 0;
    this.#ping(socket, false);
    this.#options.onServing();
  }

  /** `isOverdue`: the ping before has no answer yet. */
  #ping(socket: WebSocket, isOverdue: boolean): void {
    let isAnswered = false;
    const answered = (): void => {
      isAnswered = true;
    };
    socket.addEventListener("pong", answered, { once: true });
    socket.ping();
    this.#timer = setTimeout(() => {
      if (isAnswered || !isOverdue) this.#ping(socket, !isAnswered);
      else this.#fail("it does not answer");
    }, PING_MS);
  }

  #fail(reason: string): void {
    const { logger, shardIndex, url } = this.#options;
    // A shard that starts or restarts is back before that; after it nothing is news.
    if (this.#failuresInRow === NEWS_FAILURES) {
      logger.warn({ peer: shardIndex, url, reason }, "another shard cannot be reached");
    }
    this.#drop();
    this.#state = "waiting";
    const pauseMs = Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** this.#failuresInRow);
    this.#failuresInRow++;
    this.#timer = setTimeout(() => this.start(), pauseMs);
  }

  #drop(): void {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
  }
}

/** Entries in frames of about the largest length each; an entry is far shorter. */
const framesOf = (entries: readonly string[]): readonly (readonly string[])[] => {
  const frames: string[][] = [];
  let length = FRAME_LENGTH_MAX;
  for (const entry of entries) {
    if (length + entry.length > FRAME_LENGTH_MAX) {
      frames.push([]);
      length = 0;
    }
    frames.at(-1)?.push(entry);
    length += entry.length;
  }
  return frames;
};
