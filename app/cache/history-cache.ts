import type { Clock } from "../../shards/process/clock.ts";
import { Counter, type Registry } from "../../shards/process/metrics.ts";
import { CACHE_TTL_SECONDS, copyKey, readStanding } from "./account-versions.ts";
import type { RedisConnection } from "./redis.ts";

/** Copies of an account's reads of central, shared by all processes on the same Redis. */
export interface HistoryCache {
  /**
   * The copy of the answer to `question`, or what `load` gives, which is then copied. `T` is JSON
   * data. Throws only what `load` throws.
   */
  read<T>(accountId: number, question: string, load: () => Promise<T>): Promise<T>;
}

export interface HistoryCacheParts {
  readonly redis: RedisConnection;
  readonly clock: Clock;
  readonly registry: Registry;
}

interface Copy {
  /** Of the account, before the copy was read. */
  readonly standing: string;
  /** Milliseconds since 1970 at which the read of central began. */
  readonly readAt: number;
  readonly value: unknown;
}

export const createHistoryCache = (parts: HistoryCacheParts): HistoryCache =>
  new RedisHistoryCache(parts);

const TTL_MS = CACHE_TTL_SECONDS * 1000;

class RedisHistoryCache implements HistoryCache {
  readonly #parts: HistoryCacheParts;
  readonly #reads: Counter<"result">;

  constructor(parts: HistoryCacheParts) {
    this.#parts = parts;
    this.#reads = new Counter({
      name: "sluice_history_cache_reads_total",
      help: "Reads of history: from a copy, from central and copied, or past a Redis that is down",
      labelNames: ["result"],
      registers: [parts.registry],
    });
  }

  async read<T>(accountId: number, question: string, load: () => Promise<T>): Promise<T> {
    const { clock, redis } = this.#parts;
    const key = copyKey(accountId, question);
    const found = await this.#ask(accountId, key);
    if (found === undefined) {
      this.#reads.inc({ result: "bypassed" });
      return load();
    }
    const readAt = clock.now();
    const copy = found.copy === null ? undefined : (JSON.parse(found.copy) as Copy);
    if (copy?.standing === found.standing && isYoung(readAt - copy.readAt)) {
      this.#reads.inc({ result: "hit" });
      return copy.value as T;
    }
    this.#reads.inc({ result: "miss" });
    const value = await load();
    const fresh: Copy = { standing: found.standing, readAt, value };
    redis.client
      .set(key, JSON.stringify(fresh), "EX", CACHE_TTL_SECONDS)
      // The answer is there already, and whether Redis is up is told by the connection.
      .catch(() => undefined);
    return value;
  }

  /** undefined while Redis does not answer. */
  async #ask(accountId: number, key: string) {
    try {
      return await readStanding(this.#parts.redis.client, accountId, key);
    } catch {
      return undefined;
    }
  }
}

/**
 * Redis ends a copy too, but counts from when it got it: a Redis that hung for an hour takes late
 * what was sent to it before. A clock that was set back makes no copy good for longer.
 */
const isYoung = (ageMs: number): boolean => ageMs >= 0 && ageMs < TTL_MS;
