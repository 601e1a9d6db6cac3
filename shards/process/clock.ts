/** The only source of time. Order of events and ids never depend on it. */
export interface Clock {
  /** Milliseconds since 1970, whole. */
  now(): number;
  /** Milliseconds from an unnamed start, fractional, never backwards; for durations. */
  monotonicMs(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
};
