/**
 * Tells readers that accounts have changed in central. What can't be told is made up for: after
 * each failure and each time the connection comes up (so at every start, too) every copy of every
 * account is made wrong at once.
 */
import { changeGeneration, changeVersions } from "./account-versions.ts";
import type { RedisConnection } from "./redis.ts";

export interface Invalidator {
  /** To be called after the commit, with each account whose orders it touched. Never throws. */
  accountsChanged(accountIds: Iterable<number>): void;
}

/** Accounts in one command: about 1 ms of Redis. */
const ACCOUNTS_PER_COMMAND = 1000;

/** With more waiting it is cheaper, and bounded, to make every copy wrong. */
const ACCOUNTS_WAITING_MAX = 10_000;

export const createInvalidator = (redis: RedisConnection): Invalidator =>
  new RedisInvalidator(redis);

class RedisInvalidator implements Invalidator {
  readonly #redis: RedisConnection;
  readonly #waiting = new Set<number>();
  #everything = false;
  #telling = false;

  constructor(redis: RedisConnection) {
    this.#redis = redis;
    redis.onUp(() => {
      this.#everything = true;
      this.#tell();
    });
  }

  accountsChanged(accountIds: Iterable<number>): void {
    // Nothing is kept while Redis is down: `onUp` makes up for it.
    if (!this.#redis.up) return;
    for (const accountId of accountIds) this.#waiting.add(accountId);
    if (this.#waiting.size > ACCOUNTS_WAITING_MAX) this.#everything = true;
    this.#tell();
  }

  #tell(): void {
    if (this.#telling) return;
    this.#telling = true;
    void this.#tellAll();
  }

  /** One command at a time; what comes meanwhile goes with the next. */
  async #tellAll(): Promise<void> {
    try {
      while (this.#everything || this.#waiting.size > 0) await this.#tellSome();
    } catch {
      // Tried again with the next commit, or when the connection is up again.
      this.#everything = true;
    } finally {
      this.#telling = false;
    }
  }

  async #tellSome(): Promise<void> {
    const { client } = this.#redis;
    if (this.#everything) {
      this.#everything = false;
      this.#waiting.clear();
      return changeGeneration(client);
    }
    const some = [...this.#waiting.values().take(ACCOUNTS_PER_COMMAND)];
    for (const accountId of some) this.#waiting.delete(accountId);
    return changeVersions(client, some);
  }
}
