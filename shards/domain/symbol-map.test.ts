import { describe, expect, test } from "bun:test";
import type { InstrumentSymbol, ShardName } from "./brands.ts";
import {
  createSymbolRouter,
  defaultSharding,
  describeShardMap,
  parseShardMap,
  ShardMapError,
  shardOf,
  symbolsThatMove,
} from "./symbol-map.ts";

const symbol = (text: string): InstrumentSymbol => text as InstrumentSymbol;
const shard = (text: string): ShardName => text as ShardName;

describe("a sharding setting is read as", () => {
  test("the contract's map by default", () => {
    expect(parseShardMap(defaultSharding)).toEqual({
      shards: [
        {
          name: shard("shard1"),
          index: 1,
          symbols: ["BTCUSDT", "BTCBUSD", "BTCUSDC"].map(symbol),
          rest: false,
        },
        {
          name: shard("shard2"),
          index: 2,
          symbols: ["ETHUSDT", "ETHBUSD", "ETHUSDC"].map(symbol),
          rest: false,
        },
        { name: shard("shard3"), index: 3, symbols: [], rest: true },
      ],
    });
  });

  test("shards in the order of their index, blanks around symbols left out", () => {
    const map = parseShardMap({
      enabled: true,
      shard10: { symbols: " " },
      shard1023: { symbols: "A" },
      shard9: { symbols: " ADAUSDT , X_1-2 " },
    });
    expect(map.shards.map(({ name, symbols, rest }) => [name, symbols, rest])).toEqual([
      [shard("shard9"), ["ADAUSDT", "X_1-2"].map(symbol), false],
      [shard("shard10"), [], true],
      [shard("shard1023"), ["A"].map(symbol), false],
    ]);
  });

  test.each([
    ["alone", { enabled: false }],
    ["with the shards still listed", { ...defaultSharding, enabled: false }],
    ["with a list that would not do", { enabled: false, shard4: { symbols: "A" } }],
  ])("one shard for all when it is switched off, %s", (_, value) => {
    expect(parseShardMap(value)).toEqual({
      shards: [{ name: shard("shard1"), index: 1, symbols: [], rest: true }],
    });
  });
});

const REST = { symbols: "" };
const NO_SETTING = "is no setting: use enabled, or a shard name from shard1 to shard1023.";
const WRITE_TEXT = `write a text, symbols with commas between, or "" for every other symbol.`;
const WRITE_MAP = `write it as { enabled: true, shard1: { symbols: "" } }.`;
const SYMBOL_RULE = "a symbol is 1 to 32 of A-Z, 0-9, _ and -, with a comma to the next one.";

const REFUSED: readonly (readonly [what: string, value: unknown, sentence: string])[] = [
  [
    "a symbol in two shards",
    { enabled: true, shard1: { symbols: "A,B" }, shard2: { symbols: "C,B" }, shard3: REST },
    "sharding.shard1.symbols and sharding.shard2.symbols both have B: " +
      "a symbol belongs to one shard, leave it out of the other.",
  ],
  [
    "no shard for the rest",
    { enabled: true, shard1: { symbols: "A" } },
    'sharding has no shard for the rest: give one shard symbols: "", ' +
      "it takes every symbol that no other shard names.",
  ],
  [
    "no shard at all",
    { enabled: true },
    'sharding has no shard for the rest: give one shard symbols: "", ' +
      "it takes every symbol that no other shard names.",
  ],
  [
    "two shards for the rest",
    { enabled: true, shard2: REST, shard1: REST },
    'sharding.shard1.symbols and sharding.shard2.symbols are both "": ' +
      "only one shard can take the rest, name the symbols of the other.",
  ],
  ["shard0", { enabled: true, shard0: REST }, `sharding.shard0 ${NO_SETTING}`],
  ["shard1024", { enabled: true, shard1024: REST }, `sharding.shard1024 ${NO_SETTING}`],
  ["a zero in front", { enabled: true, shard01: REST }, `sharding.shard01 ${NO_SETTING}`],
  ["another name", { enabled: true, Shard1: REST }, `sharding.Shard1 ${NO_SETTING}`],
  ["an unknown key", { enabled: true, shards: 3 }, `sharding.shards ${NO_SETTING}`],
  [
    "an unknown key though switched off",
    { enabled: false, default: REST },
    `sharding.default ${NO_SETTING}`,
  ],
  [
    "an unknown key of a shard",
    { enabled: true, shard1: { symbols: "", url: "x" } },
    "sharding.shard1.url is no setting: a shard has symbols and nothing else.",
  ],
  [
    "a symbol in small letters",
    { enabled: true, shard1: { symbols: "BTCUSDT,ethusdt" } },
    `sharding.shard1.symbols has "ethusdt": ${SYMBOL_RULE}`,
  ],
  [
    "a symbol of 33 characters",
    { enabled: true, shard1: { symbols: "A".repeat(33) } },
    `sharding.shard1.symbols has "${"A".repeat(33)}": ${SYMBOL_RULE}`,
  ],
  [
    "a comma too many",
    { enabled: true, shard1: { symbols: "BTCUSDT," } },
    `sharding.shard1.symbols has "": ${SYMBOL_RULE}`,
  ],
  [
    "a symbol twice in one shard",
    { enabled: true, shard1: { symbols: "A,B,A" } },
    "sharding.shard1.symbols has A twice: leave one of them out.",
  ],
  [
    "symbols left empty",
    { enabled: true, shard1: { symbols: null } },
    `sharding.shard1.symbols is null: ${WRITE_TEXT}`,
  ],
  [
    "no symbols",
    { enabled: true, shard1: {} },
    `sharding.shard1.symbols is missing: ${WRITE_TEXT}`,
  ],
  [
    "symbols as a list",
    { enabled: true, shard1: { symbols: ["A"] } },
    `sharding.shard1.symbols is ["A"]: ${WRITE_TEXT}`,
  ],
  [
    "a shard that is a text",
    { enabled: true, shard1: "BTCUSDT" },
    `sharding.shard1 is "BTCUSDT": write it as { symbols: "BTCUSDT" }.`,
  ],
  [
    "enabled as a text",
    { enabled: "yes", shard1: REST },
    `sharding.enabled is "yes": write true or false.`,
  ],
  ["no enabled", { shard1: REST }, "sharding.enabled is missing: write true or false."],
  ["nothing", undefined, `sharding is missing: ${WRITE_MAP}`],
  ["null", null, `sharding is null: ${WRITE_MAP}`],
  ["a list", [], `sharding is []: ${WRITE_MAP}`],
];

describe("a sharding setting is refused for", () => {
  test.each(REFUSED)("%s", (_, value, sentence) => {
    expect(() => parseShardMap(value)).toThrow(new ShardMapError(sentence));
  });
});

describe("a symbol is routed", () => {
  const map = parseShardMap(defaultSharding);

  test.each([
    ["BTCUSDT", "shard1"],
    ["BTCUSDC", "shard1"],
    ["ETHBUSD", "shard2"],
    ["ADAUSDT", "shard3"],
    ["BTC", "shard3"],
    ["__proto__", "shard3"],
    ["constructor", "shard3"],
  ])("%s to %s", (text, owner) => {
    expect(createSymbolRouter(map)(symbol(text))).toBe(shard(owner));
    expect(shardOf(map, symbol(text))).toBe(shard(owner));
  });
});

describe("a map's text", () => {
  const text = "shard1=BTCBUSD,BTCUSDC,BTCUSDT;shard2=ETHBUSD,ETHUSDC,ETHUSDT;shard3=*";

  test("is the same however the setting was written", () => {
    expect(describeShardMap(parseShardMap(defaultSharding))).toBe(text);
    const reordered = {
      shard3: { symbols: " " },
      shard2: { symbols: "ETHUSDC, ETHUSDT,ETHBUSD" },
      enabled: true,
      shard1: { symbols: "BTCUSDT,BTCUSDC,BTCBUSD" },
    };
    expect(describeShardMap(parseShardMap(reordered))).toBe(text);
  });

  test("orders shards by number, not by letters", () => {
    const map = { enabled: true, shard10: { symbols: "B" }, shard2: REST };
    expect(describeShardMap(parseShardMap(map))).toBe("shard2=*;shard10=B");
  });
});

describe("symbols that move", () => {
  const oldText = describeShardMap(parseShardMap(defaultSharding));
  const withRows = (...texts: string[]): InstrumentSymbol[] => texts.map(symbol);
  const CHANGES: readonly (readonly [
    what: string,
    change: object,
    of: string,
    rows: string[],
    moved: string[],
  ])[] = [
    ["none when the map is the same", {}, "shard3", ["ADAUSDT", "XRPUSDT"], []],
    [
      "none when a shard is added for symbols without rows",
      { shard4: { symbols: "SOLUSDT" } },
      "shard3",
      ["ADAUSDT"],
      [],
    ],
    [
      "those that the rest gives away",
      { shard4: { symbols: "ADAUSDT,XRPUSDT" } },
      "shard3",
      ["ADAUSDT", "DOTUSDT", "XRPUSDT"],
      ["ADAUSDT", "XRPUSDT"],
    ],
    [
      "those that fall back to the rest",
      { shard1: { symbols: "BTCUSDT" } },
      "shard1",
      ["BTCBUSD", "BTCUSDT"],
      ["BTCBUSD"],
    ],
    ["all when the map is switched off", { enabled: false }, "shard2", ["ETHUSDT"], ["ETHUSDT"]],
    ["none of the shard that is left", { enabled: false }, "shard1", ["BTCUSDT"], []],
  ];

  test.each(CHANGES)("are %s", (_, change, of, rows, moved) => {
    const newMap = parseShardMap({ ...defaultSharding, ...change });
    expect(symbolsThatMove(oldText, newMap, shard(of), withRows(...rows))).toEqual(
      moved.map(symbol),
    );
  });
});
