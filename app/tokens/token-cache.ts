import type { Clock } from "../../shards/process/clock.ts";

const AGE_MS_MAX = 60_000;
/** Least recently used to this resolution: a hot token is not moved on every request. */
const RECENCY_MS = 1000;

interface Remembered<T> {
  readonly value: T;
  readonly validUntil: number;
  usedAt: number;
}

/** What tokens stand for, for a minute at most and never past their `exp`. */
export class TokenCache<T> {
  /** In the order of their last use, the oldest first. */
  readonly #entries = new Map<string, Remembered<T>>();

  constructor(
    private readonly clock: Clock,
    private readonly tokensMax: number,
  ) {}

  get(token: string): T | undefined {
    const known = this.#entries.get(token);
    if (known === undefined) return undefined;
    const now = this.clock.now();
    if (now >= known.validUntil) {
      this.#entries.delete(token);
      return undefined;
    }
    if (now - known.usedAt >= RECENCY_MS) {
      known.usedAt = now;
      this.#entries.delete(token);
      this.#entries.set(token, known);
    }
    return known.value;
  }

  /** `expiresAt` in milliseconds since 1970; past it nothing is kept. */
  set(token: string, value: T, expiresAt: number): void {
    const now = this.clock.now();
    if (expiresAt <= now) return;
    this.#entries.delete(token);
    if (this.#entries.size >= this.tokensMax) {
      const oldest = this.#entries.keys().next();
      if (oldest.done !== true) this.#entries.delete(oldest.value);
    }
    const validUntil = Math.min(expiresAt, now + AGE_MS_MAX);
    this.#entries.set(token, { value, validUntil, usedAt: now });
  }
}
