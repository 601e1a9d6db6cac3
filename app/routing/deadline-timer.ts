import type { Clock } from "../../shards/process/clock.ts";

/** A deadline is met at most this late; it bounds how often many near ones are looked through. */
const RECHECK_MS_MIN = 10;

/**
 * One timer for any number of deadlines: 25,000 requests a second can't have one each. It is set to
 * the earliest that it was told of. Most of those are answered by then, so when it fires the owner
 * looks through what is left, ends what is due and names the next: about once per deadline's length.
 */
export class DeadlineTimer {
  private readonly clock: Clock;
  private readonly endDue: (nowMs: number) => number;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private armedForMs = Number.POSITIVE_INFINITY;

  /** `endDue` ends what is due at `nowMs` and gives the earliest of the rest; Infinity: none. */
  constructor(clock: Clock, endDue: (nowMs: number) => number) {
    this.clock = clock;
    this.endDue = endDue;
  }

  /**
   * The same moment on the clock that never jumps, for a deadline in milliseconds since 1970; only
   * such moments are compared here.
   */
  monotonic(deadlineAt: number): number {
    return this.clock.monotonicMs() + deadlineAt - this.clock.now();
  }

  /** Takes a moment on that clock into account. */
  watch(expiresMs: number): void {
    if (expiresMs < this.armedForMs) this.arm(expiresMs, 0);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.armedForMs = Number.POSITIVE_INFINITY;
  }

  private arm(expiresMs: number, delayMsMin: number): void {
    clearTimeout(this.timer);
    this.armedForMs = expiresMs;
    const delayMs = Math.ceil(expiresMs - this.clock.monotonicMs());
    this.timer = setTimeout(this.fire, Math.max(delayMsMin, delayMs));
  }

  private readonly fire = (): void => {
    this.armedForMs = Number.POSITIVE_INFINITY;
    const nextMs = this.endDue(this.clock.monotonicMs());
    if (nextMs < this.armedForMs) this.arm(nextMs, RECHECK_MS_MIN);
  };
}
