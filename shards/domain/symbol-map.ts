/**
 * Which shard owns which symbol. Read from the predecessor's own setting, so that a team can bring
 * its file as it is:
 *
 *     sharding:
 *       enabled: true
 *       shard1: { symbols: "BTCUSDT,BTCBUSD" }
 *       shard2: { symbols: "" }                  # every other symbol
 *
 * A map that leaves a symbol without a shard, or gives it to two, is refused with a sentence that
 * names the setting, its value and the way out. Once a shard's file exists its map is pinned there
 * as {@link describeShardMap} text.
 */
import type { InstrumentSymbol, ShardName } from "./brands.ts";

export interface ShardOfMap {
  readonly name: ShardName;
  /** The number in the name, 1 … 1023. */
  readonly index: number;
  /** Empty for the shard of the rest. */
  readonly symbols: readonly InstrumentSymbol[];
  /** Owns every symbol that no other shard names; exactly one shard of a map does. */
  readonly rest: boolean;
}

/** Ordered by index. */
export interface ShardMap {
  readonly shards: readonly ShardOfMap[];
}

/** The setting `sharding` is wrong; the message says what to write instead. */
export class ShardMapError extends Error {
  override readonly name = "ShardMapError";
}

/** The setting's value when nothing is configured. */
export const defaultSharding = {
  enabled: true,
  shard1: { symbols: "BTCUSDT,BTCBUSD,BTCUSDC" },
  shard2: { symbols: "ETHUSDT,ETHBUSD,ETHUSDC" },
  shard3: { symbols: "" },
} as const;

const SHARD_NAME = /^shard([1-9]\d{0,3})$/;
const SHARD_INDEX_MAX = 1023;
const SYMBOL = /^[A-Z0-9_-]{1,32}$/;

/** Reads the value of the setting `sharding`. Throws {@link ShardMapError}. */
export const parseShardMap = (value: unknown): ShardMap => {
  const { enabled, ...entries } = expectObject("sharding", value);
  if (typeof enabled !== "boolean") {
    throw new ShardMapError(`sharding.enabled is ${shown(enabled)}: write true or false.`);
  }
  const shards = Object.entries(entries)
    .map(([name, entry]) => parseShard(name, entry))
    .sort((a, b) => a.index - b.index);
  if (!enabled) return { shards: [THE_ONLY_SHARD] };
  expectOneRest(shards);
  expectOwnSymbols(shards);
  return { shards };
};

const THE_ONLY_SHARD: ShardOfMap = {
  name: "shard1" as ShardName,
  index: 1,
  symbols: [],
  rest: true,
};

const shown = (value: unknown): string =>
  value === undefined ? "missing" : (JSON.stringify(value) ?? String(value));

const expectObject = (setting: string, value: unknown): Readonly<Record<string, unknown>> => {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  const example =
    setting === "sharding"
      ? '{ enabled: true, shard1: { symbols: "" } }'
      : '{ symbols: "BTCUSDT" }';
  throw new ShardMapError(`${setting} is ${shown(value)}: write it as ${example}.`);
};

const parseShard = (name: string, entry: unknown): ShardOfMap => {
  const index = Number(SHARD_NAME.exec(name)?.[1] ?? Number.NaN);
  if (!(index <= SHARD_INDEX_MAX)) {
    throw new ShardMapError(
      `sharding.${name} is no setting: use enabled, or a shard name from shard1 to ` +
        `shard${SHARD_INDEX_MAX}.`,
    );
  }
  const { symbols, ...unknown } = expectObject(`sharding.${name}`, entry);
  const [stray] = Object.keys(unknown);
  if (stray !== undefined) {
    throw new ShardMapError(
      `sharding.${name}.${stray} is no setting: a shard has symbols and nothing else.`,
    );
  }
  const list = parseSymbols(`sharding.${name}.symbols`, symbols);
  return { name: name as ShardName, index, symbols: list, rest: list.length === 0 };
};

const parseSymbols = (setting: string, value: unknown): InstrumentSymbol[] => {
  if (typeof value !== "string") {
    throw new ShardMapError(
      `${setting} is ${shown(value)}: write a text, symbols with commas between, ` +
        `or "" for every other symbol.`,
    );
  }
  if (value.trim() === "") return [];
  const symbols = value.split(",").map((part) => part.trim());
  const seen = new Set<string>();
  for (const symbol of symbols) {
    if (!SYMBOL.test(symbol)) {
      throw new ShardMapError(
        `${setting} has ${shown(symbol)}: a symbol is 1 to 32 of A-Z, 0-9, _ and -, ` +
          `with a comma to the next one.`,
      );
    }
    if (seen.has(symbol)) {
      throw new ShardMapError(`${setting} has ${symbol} twice: leave one of them out.`);
    }
    seen.add(symbol);
  }
  return symbols as InstrumentSymbol[];
};

const expectOneRest = (shards: readonly ShardOfMap[]): void => {
  const [first, second] = shards.filter((shard) => shard.rest);
  if (first === undefined) {
    throw new ShardMapError(
      `sharding has no shard for the rest: give one shard symbols: "", ` +
        `it takes every symbol that no other shard names.`,
    );
  }
  if (second !== undefined) {
    throw new ShardMapError(
      `sharding.${first.name}.symbols and sharding.${second.name}.symbols are both "": ` +
        `only one shard can take the rest, name the symbols of the other.`,
    );
  }
};

const expectOwnSymbols = (shards: readonly ShardOfMap[]): void => {
  const owners = new Map<InstrumentSymbol, ShardName>();
  for (const { name, symbols } of shards) {
    for (const symbol of symbols) {
      const owner = owners.get(symbol);
      if (owner !== undefined) {
        throw new ShardMapError(
          `sharding.${owner}.symbols and sharding.${name}.symbols both have ${symbol}: ` +
            `a symbol belongs to one shard, leave it out of the other.`,
        );
      }
      owners.set(symbol, name);
    }
  }
};

/** Gives the owner of any symbol in one look-up; for paths that route each order. */
export const createSymbolRouter = (map: ShardMap): ((symbol: InstrumentSymbol) => ShardName) => {
  const owners = new Map<InstrumentSymbol, ShardName>();
  let rest = THE_ONLY_SHARD.name;
  for (const shard of map.shards) {
    if (shard.rest) rest = shard.name;
    for (const symbol of shard.symbols) owners.set(symbol, shard.name);
  }
  return (symbol) => owners.get(symbol) ?? rest;
};

/** The owner of one symbol; {@link createSymbolRouter} for many. */
export const shardOf = (map: ShardMap, symbol: InstrumentSymbol): ShardName =>
  createSymbolRouter(map)(symbol);

/**
 * The map as text that is equal for equal maps, however they were written:
 * `shard1=BTCBUSD,BTCUSDT;shard2=*`. None of its separators can be in a symbol.
 */
export const describeShardMap = (map: ShardMap): string =>
  map.shards
    .toSorted((a, b) => a.index - b.index)
    .map(({ name, symbols, rest }) => `${name}=${rest ? "*" : symbols.toSorted().join(",")}`)
    .join(";");

/**
 * Of the symbols with rows in the file of `shard`, those that `newMap` gives to another shard.
 * `oldText` is what {@link describeShardMap} gave when the file was made or last opened.
 */
export const symbolsThatMove = (
  oldText: string,
  newMap: ShardMap,
  shard: ShardName,
  symbolsWithRows: Iterable<InstrumentSymbol>,
): InstrumentSymbol[] => {
  if (describeShardMap(newMap) === oldText) return [];
  const ownerOf = createSymbolRouter(newMap);
  return Array.from(symbolsWithRows).filter((symbol) => ownerOf(symbol) !== shard);
};
