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
const ALL_ACCOUNTS = "SELECT account_id, status, position_mode FROM accounts";
const ALL_INSTRUMENTS = "SELECT * FROM instruments";

const accountKey = (id: number): string => `account:${id}`;
const instrumentKey = (symbol: string): string => `instrument:${symbol}`;

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
    return this.#cached(accountKey(id), ACCOUNT_TTL_SECONDS, () =>
      this.#database.select<Account>(`${ALL_ACCOUNTS} WHERE account_id = ?`, [id]),
    );
  }

  instrument(symbol: string): Promise<Instrument | null> {
    return this.#cached(instrumentKey(symbol), INSTRUMENT_TTL_SECONDS, () =>
      this.#database.select<Instrument>(`${ALL_INSTRUMENTS} WHERE symbol = ?`, [symbol]),
    );
  }

  /** Brings everything to Redis, as if each account had just traded. */
  async fill(): Promise<void> {
    const accounts = await this.#database.select<Account>(ALL_ACCOUNTS, []);
    const instruments = await this.#database.select<Instrument>(ALL_INSTRUMENTS, []);
    await Promise.all([
      ...accounts.map((one) => this.#set(accountKey(one.account_id), one, ACCOUNT_TTL_SECONDS)),
      ...instruments.map((one) =>
        this.#set(instrumentKey(one.symbol), one, INSTRUMENT_TTL_SECONDS),
      ),
    ]);
  }

  async #cached<T extends object>(
    name: string,
    ttlSeconds: number,
    read: () => Promise<readonly T[]>,
  ): Promise<T | null> {
    const text = await this.#redis.get(`${this.#prefix}${name}`);
    if (text !== null) return JSON.parse(text) as T;
    const [value] = await read();
    if (value === undefined) return null;
    await this.#set(name, value, ttlSeconds);
    return value;
  }

  async #set(name: string, value: object, ttlSeconds: number): Promise<void> {
    await this.#redis.set(`${this.#prefix}${name}`, JSON.stringify(value), "EX", ttlSeconds);
  }
}
