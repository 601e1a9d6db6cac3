import type { ShardName } from "../../shards/domain/brands.ts";
import type { Clock } from "../../shards/process/clock.ts";
import { reasonOf } from "../../shards/process/failure.ts";
import type { Logger } from "../../shards/process/logger.ts";
import {
  ANSWERS,
  type Answer,
  DRAINING,
  decodeAnswer,
  decodeProgress,
  PROGRESS,
} from "../../shards/protocol/answer.ts";
import { decodeFrame, encodeFrame, type Frame } from "../../shards/protocol/frame.ts";
import { HELLO, type Hello, readShardWelcome, WELCOME } from "../../shards/protocol/hello.ts";
import type { Operation } from "../../shards/protocol/operation.ts";
import { murmur2 } from "../../shards/protocol/partition.ts";
import { roomFor } from "../../shards/protocol/priority.ts";
import { BatchSender } from "./batch-sender.ts";
import {
  type ConnectionEffect,
  type ConnectionEvent,
  type ConnectionState,
  pauseMs,
  stepConnection,
} from "./connection-machine.ts";
import { type PendingOperation, PendingOperations } from "./pending-operations.ts";
import { ProgressBoard } from "./progress-board.ts";
import { RoutingError } from "./routing-error.ts";

/** Limit for opening a socket, and again for the shard's welcome. */
const ATTEMPT_MS_MAX = 2000;
/** A shard that served this long was well: the pauses between attempts begin anew. */
const HEALTHY_MS = 1000;
/** An operation expired this long after it was sent and nothing was heard since: a dead peer. */
const SILENCE_MS_MAX = 1000;

export interface ShardConnectionOptions {
  readonly shard: ShardName;
  /** `ws://host:port/shard`. */
  readonly url: string;
  readonly apiName: string;
  readonly clusterSecret: string;
  /** New orders that may be unanswered, cancels and the like twice as many; else `overloaded`. */
  readonly queueMax: number;
  readonly logger: Logger;
  readonly clock: Clock;
}

export interface ShardState {
  readonly shard: ShardName;
  readonly state: "serving" | "unreachable" | "draining";
  /** Of the latest welcome; null before the first. */
  readonly epoch: number | null;
  /** Why it does not serve; null when it does. */
  readonly detail: string | null;
}

/**
 * One WebSocket to one shard, for all requests of this api to its symbols. The states are those of
 * connection-machine.ts; here is what they do to a socket.
 */
export class ShardConnection {
  readonly progress: ProgressBoard;
  private readonly options: ShardConnectionOptions;
  private readonly pending: PendingOperations;
  private readonly sender: BatchSender;
  private state: ConnectionState = "closed";
  private socket: WebSocket | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private failuresInRow = 0;
  private servingSinceMs = Number.POSITIVE_INFINITY;
  private lastHeardMs = 0;
  private epoch: number | null = null;
  private detail: string | null = "not connected yet";

  constructor(options: ShardConnectionOptions) {
    this.options = options;
    this.progress = new ProgressBoard(options.clock);
    this.pending = new PendingOperations(options.clock, this.expire);
    this.sender = new BatchSender(options.clock);
  }

  start(): void {
    this.on("start", null);
  }

  /** Rejects what is unanswered and closes the socket. */
  stop(): void {
    this.on("stop", "this api is stopping");
    this.progress.stop();
  }

  /** See ShardRouter.request. */
  request(operation: Operation, deadlineAt: number): Promise<Answer> {
    if (this.state !== "serving") {
      return Promise.reject(new RoutingError("shard_unavailable", this.why()));
    }
    const { queueMax, shard } = this.options;
    const room = roomFor(operation, queueMax);
    if (this.pending.size >= room) {
      const message = `${room} operations wait for ${shard}; it can take no more now`;
      return Promise.reject(new RoutingError("overloaded", message));
    }
    const operationSent = this.pending.add(operation, deadlineAt);
    this.sender.push(operationSent);
    return operationSent.answer;
  }

  get shardState(): ShardState {
    const { state, epoch, detail } = this;
    const { shard } = this.options;
    const shown = state === "serving" || state === "draining" ? state : "unreachable";
    return { shard, state: shown, epoch, detail };
  }

  private why(): string {
    return `${this.options.shard} takes no operations: ${this.detail}`;
  }

  private on(event: ConnectionEvent, detail: string | null): void {
    const step = stepConnection(this.state, event);
    if (step === undefined) return;
    const from = this.state;
    this.state = step.to;
    clearTimeout(this.timer);
    this.tell(from, detail);
    for (const effect of step.effects) this.perform(effect);
  }

  /** Logs what operators must know; of many failures in a row only those with another reason. */
  private tell(from: ConnectionState, detail: string | null): void {
    const { logger, shard, url } = this.options;
    if (this.state === "serving") {
      this.detail = null;
      logger.info({ shard, url, epoch: this.epoch }, "shard connected");
    } else if (detail !== null) {
      const isNews = detail !== this.detail;
      this.detail = detail;
      if (isNews && this.state !== "closed") {
        logger.warn({ shard, url, from, pending: this.pending.size, detail }, "shard not serving");
      }
    }
  }

  private perform(effect: ConnectionEffect): void {
    switch (effect) {
      case "open":
        this.open();
        break;
      case "say_hello":
        this.sayHello();
        break;
      case "resend":
        this.resend();
        break;
      case "refuse_unsent":
        this.sender.detach();
        this.refuse((pending) => !pending.wasSent);
        break;
      case "refuse_queries":
        this.refuse((pending) => pending.isQuery);
        break;
      case "drop":
        this.forgetSocket()?.terminate();
        break;
      case "pause":
        this.pause();
        break;
      case "give_up":
        this.giveUp();
        break;
    }
  }

  private open(): void {
    const socket = new WebSocket(this.options.url);
    this.socket = socket;
    const unlessOld = (event: ConnectionEvent, detail: string | null): void => {
      if (socket === this.socket) this.on(event, detail);
    };
    socket.onopen = () => unlessOld("opened", null);
    socket.onmessage = ({ data }) => {
      if (socket === this.socket) this.receive(data);
    };
    socket.onclose = ({ code, reason }) => {
      const said = reason === "" ? "" : `, ${reason}`;
      unlessOld("lost", `no connection to ${this.options.url} (code ${code}${said})`);
    };
    this.limitAttempt();
  }

  private sayHello(): void {
    const { apiName, clusterSecret } = this.options;
    const hello: Hello = { role: "api", name: apiName, secret: clusterSecret };
    this.socket?.send(encodeFrame(HELLO, [JSON.stringify(hello)]));
    this.limitAttempt();
  }

  private limitAttempt(): void {
    const detail = `${this.options.url} did not answer within ${ATTEMPT_MS_MAX} ms`;
    this.timer = setTimeout(() => this.on("time_up", detail), ATTEMPT_MS_MAX);
  }

  private resend(): void {
    this.servingSinceMs = this.options.clock.monotonicMs();
    if (this.socket !== undefined) this.sender.attach(this.socket, this.pending.inOrder());
  }

  private refuse(isRefused: (pending: PendingOperation) => boolean): void {
    for (const pending of this.pending.inOrder()) {
      if (isRefused(pending)) this.pending.reject(pending, "shard_unavailable", this.why());
    }
  }

  private pause(): void {
    this.forgetSocket();
    const { shard, apiName, clock } = this.options;
    const wasWell = clock.monotonicMs() - this.servingSinceMs >= HEALTHY_MS;
    this.servingSinceMs = Number.POSITIVE_INFINITY;
    this.failuresInRow = wasWell ? 1 : this.failuresInRow + 1;
    const spread = (murmur2(`${apiName} ${shard} ${this.failuresInRow}`) % 1000) / 1000;
    const delayMs = pauseMs(this.failuresInRow, spread);
    this.timer = setTimeout(() => this.on("time_up", null), delayMs);
  }

  private giveUp(): void {
    this.pending.stop();
    for (const pending of this.pending.inOrder()) this.rejectUnanswered(pending);
  }

  private forgetSocket(): WebSocket | undefined {
    const { socket } = this;
    this.socket = undefined;
    this.sender.detach();
    return socket;
  }

  private receive(data: unknown): void {
    this.lastHeardMs = this.options.clock.monotonicMs();
    try {
      if (typeof data !== "string") throw new Error("a binary message");
      this.take(decodeFrame(data));
    } catch (error) {
      this.on("unfit", `${this.options.url} sent ${reasonOf(error)}`);
    }
  }

  private take({ kind, entries }: Frame): void {
    if (kind === WELCOME) {
      this.welcome(entries);
    } else if (this.state === "greeting" && kind !== DRAINING) {
      throw new Error(`${kind} before its welcome`);
    } else if (kind === ANSWERS) {
      for (const entry of entries) this.pending.answer(decodeAnswer(entry));
    } else if (kind === PROGRESS) {
      for (const entry of entries) this.progress.update(decodeProgress(entry));
    } else if (kind === DRAINING) {
      this.on("drain_announced", "it is stopping");
    } else {
      throw new Error(`a frame of the unknown kind ${JSON.stringify(kind.slice(0, 40))}`);
    }
  }

  private welcome(entries: readonly string[]): void {
    const { shard, url } = this.options;
    const welcome = readShardWelcome(entries);
    if (welcome.shard !== shard) {
      const detail = `${url} is ${welcome.shard}, not ${shard}: correct shardUrls`;
      this.on("unfit", detail);
      return;
    }
    this.epoch = welcome.epoch;
    this.on("welcomed", null);
  }

  /** Of an operation past its deadline, or of one that is given up. */
  private rejectUnanswered(pending: PendingOperation): void {
    const { shard } = this.options;
    if (pending.wasSent) {
      const message = `${shard} did not answer by the deadline`;
      this.pending.reject(pending, "outcome_unknown", message);
    } else if (this.state === "serving") {
      const message = `${shard} read too slowly to be sent this by the deadline`;
      this.pending.reject(pending, "overloaded", message);
    } else {
      this.pending.reject(pending, "shard_unavailable", this.why());
    }
  }

  private readonly expire = (pending: PendingOperation, nowMs: number): void => {
    this.rejectUnanswered(pending);
    const silentMs = nowMs - pending.sentMs;
    if (pending.sentMs > this.lastHeardMs && silentMs >= SILENCE_MS_MAX) {
      this.on("unfit", `${this.options.url} said nothing for ${Math.round(silentMs)} ms`);
    }
  };
}
