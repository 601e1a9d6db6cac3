/** Account and instrument: from Redis while they are fresh, else from MySQL. */
import type { Redis } from "ioredis";
import type { Database } from "./database.ts";

export interface Account {
  readonly account_id: number;
  readonly status: string;
  readonly position_mode: string;
}

/** Sizes and limits are decimal text. */
export interface Instrument {
  readonly symbol: string;
  readonly status: string;
  readonly margin_asset: string;
  readonly tick_size: string;
  readonly step_size: string;
  readonly min_quantity: string;
  readonly max_quantity: string;
  readonly min_notional: string;
  readonly max_orders: number;
}

const ACCOUNT_TTL_SECONDS = 60;
const INSTRUMENT_TTL_SECONDS = 300;

export class Reference {
  readonly #database: Database;
  readonly #redis: Redis;
  readonly #prefix: string;

  constructor(database: Database, redis: Redis, prefix: string) {
    this.#database = database;
    this.#redis = redis;
    this.#prefix = prefix;
  }

  account(id: number): Promise<Account | null> {
    return this.#cached(`account:${id}`, ACCOUNT_TTL_SECONDS, () =>
      this.#database.select<Account>(
        "SELECT account_id, status, position_mode FROM accounts WHERE account_id = ?",
        [id],
      ),
    );
  }

  instrument(symbol: string): Promise<Instrument | null> {
    return this.#cached(`instrument:${symbol}`, INSTRUMENT_TTL_SECONDS, () =>
      this.#database.select<Instrument>("SELECT * FROM instruments WHERE symbol = ?", [symbol]),
    );
  }

  async #cached<T>(
    name: string,
    ttlSeconds: number,
    read: () => Promise<readonly T[]>,
  ): Promise<T | null> {
    const key = `${this.#prefix}${name}`;
    const text = await this.#redis.get(key);
    if (text !== null) return JSON.parse(text) as T;
    const [value] = await read();
    if (value === undefined) return null;
    await this.#redis.set(key, JSON.stringify(value), "EX", ttlSeconds);
    return value;
  }
}
