import type { AccountId } from "../../shards/domain/brands.ts";
import type { Clock } from "../../shards/process/clock.ts";
import { randomId } from "../../shards/process/ids.ts";
import type { ShardTiming } from "../../shards/protocol/answer.ts";

const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;
const NOT_REACHED = -1;

/** One HTTP request on its way: who asked, until when an answer is of use, where the time went. */
export class Call {
  readonly requestId: string;
  /** Monotonic milliseconds. */
  readonly startedMs: number;
  /** Milliseconds since 1970. */
  deadlineAt: number;
  /** The same moment in monotonic milliseconds, for waits in this process. */
  expiresMs: number;
  /** Set by the authentication; 0 on routes that need none. */
  accountId = 0 as AccountId;
  /** Milliseconds spent in each stage, -1 until it has happened. */
  authMs = NOT_REACHED;
  parseMs = NOT_REACHED;
  /** From handing over to the router until its answer, the shard's own stages included. */
  routedMs = NOT_REACHED;
  private shardTiming: ShardTiming | undefined;

  constructor(
    readonly request: Request,
    /** What stands in the path where the route has its parameter. */
    readonly pathId: string,
    private readonly clock: Clock,
    private readonly deadlineMs: number,
  ) {
    this.startedMs = clock.monotonicMs();
    this.deadlineAt = clock.now() + deadlineMs;
    this.expiresMs = this.startedMs + deadlineMs;
    const given = request.headers.get("x-request-id");
    this.requestId = given !== null && REQUEST_ID.test(given) ? given : randomId();
  }

  /** The whole body has come. A slow sender's time is its own: it does not count for the answer. */
  bodyArrived(): void {
    this.deadlineAt = this.clock.now() + this.deadlineMs;
    this.expiresMs = this.clock.monotonicMs() + this.deadlineMs;
  }

  /** Of several answers the slowest is shown. */
  noteShard(timing: ShardTiming): void {
    if (this.shardTiming === undefined || sumUs(timing) > sumUs(this.shardTiming)) {
      this.shardTiming = timing;
    }
  }

  /** The Server-Timing header (W3C): milliseconds with three decimals, stages that happened. */
  serverTiming(totalMs: number): string {
    let text = "";
    if (this.authMs >= 0) text += `auth;dur=${fromMs(this.authMs)}, `;
    if (this.parseMs >= 0) text += `parse;dur=${fromMs(this.parseMs)}, `;
    if (this.routedMs >= 0) {
      const timing = this.shardTiming;
      const shardUs = timing === undefined ? 0 : sumUs(timing);
      text += `route;dur=${fromUs(Math.max(0, Math.round(this.routedMs * 1000) - shardUs))}, `;
      if (timing !== undefined) {
        text +=
          `queue;dur=${fromUs(timing.queueUs)}, decide;dur=${fromUs(timing.decideUs)}, ` +
          `commit;dur=${fromUs(timing.commitUs)}, `;
      }
    }
    return `${text}total;dur=${fromMs(totalMs)}`;
  }
}

const sumUs = (timing: ShardTiming): number => timing.queueUs + timing.decideUs + timing.commitUs;

/** Seven numbers a request: `toFixed` would cost more than all the rest of the header. */
const FRACTIONS = Array.from({ length: 1000 }, (_, us) => `.${String(us).padStart(3, "0")}`);

const fromUs = (us: number): string => `${Math.trunc(us / 1000)}${FRACTIONS[us % 1000]}`;
const fromMs = (ms: number): string => fromUs(Math.round(ms * 1000));
