import { describe, expect, test } from "bun:test";
import { describeInstrument } from "../../shards/domain/instrument.ts";
import { UsageError } from "../../shards/process/failure.ts";
import { defaultInstruments } from "./default-set.ts";
import {
  parseInstrumentFile,
  parseInstrumentFiles,
  renderInstrumentFile,
} from "./instrument-file.ts";

/** A made-up contract in the shape of an exchange's file; single fields are replaced per test. */
const contract = (symbol: string, filters: Record<string, object> = {}, rest: object = {}) => ({
  symbol,
  pair: symbol,
  contractType: "PERPETUAL",
  status: "TRADING",
  baseAsset: "GOLD",
  quoteAsset: "USDT",
  marginAsset: "USDT",
  pricePrecision: 2,
  quantityPrecision: 3,
  ...rest,
  filters: Object.entries({
    PRICE_FILTER: { tickSize: "0.50", minPrice: "10", maxPrice: "100000" },
    LOT_SIZE: { stepSize: "0.001", minQty: "0.002", maxQty: "500" },
    MARKET_LOT_SIZE: { stepSize: "0.01", minQty: "0.01", maxQty: "50" },
    MIN_NOTIONAL: { notional: "5" },
    PERCENT_PRICE: { multiplierUp: "1.0500", multiplierDown: "0.9500", multiplierDecimal: "4" },
    MAX_NUM_ORDERS: { limit: 150 },
    MAX_NUM_ALGO_ORDERS: { limit: 20 },
    POSITION_RISK_CONTROL: { positionControlSide: "NONE" },
    ...filters,
  }).map(([filterType, fields]) => ({ filterType, ...fields })),
});
const exchangeInfo = (...symbols: object[]): string =>
  JSON.stringify({ timezone: "UTC", rateLimits: [], symbols }, null, 2);

const gold = contract("GOLDUSDT");
const goldBrackets = `[{ "symbol": "GOLDUSDT", "notionalCoef": 1.5, "brackets": [
  { "bracket": 2, "initialLeverage": 2, "notionalCap": 6E8, "notionalFloor": 50000.5,
    "maintMarginRatio": 0.25, "cum": 4.97038E7 },
  { "bracket": "1", "initialLeverage": "75", "notionalCap": "50000.5", "notionalFloor": 0,
    "maintMarginRatio": 65e-4, "cum": 0.0 } ] }]`;

const flatCorn = {
  symbol: "CORNUSDT",
  baseAsset: "CORN",
  quoteAsset: "USDT",
  marginAsset: "USDT",
  status: "SETTLING",
  tickSize: "0.00010",
  minPrice: "0.00010",
  maxPrice: "100",
  stepSize: "1",
  minQty: "1",
  maxQty: "10000000",
  marketStepSize: "1",
  marketMinQty: "1",
  marketMaxQty: "100000",
  minNotional: "5",
  multiplierUp: "1.1000",
  multiplierDown: "0.9000",
  maxNumOrders: 200,
  maxNumAlgoOrders: 10,
  pricePrecision: 3,
  quantityPrecision: 0,
};

describe("an exchangeInfo file", () => {
  test("gives integers in units of the decimals shown or needed", () => {
    expect(parseInstrumentFile(exchangeInfo(gold))).toEqual([
      {
        symbol: "GOLDUSDT" as never,
        baseAsset: "GOLD",
        quoteAsset: "USDT",
        marginAsset: "USDT",
        status: "TRADING",
        priceScale: 2,
        quantityScale: 3,
        tickSizeUnits: 50,
        minPriceUnits: 1_000,
        maxPriceUnits: 10_000_000,
        stepSizeUnits: 1,
        minQuantityUnits: 2,
        maxQuantityUnits: 500_000,
        marketStepSizeUnits: 10,
        marketMinQuantityUnits: 10,
        marketMaxQuantityUnits: 50_000,
        minNotionalUnits: 500_000,
        multiplierUpUnits: 105_000_000,
        multiplierDownUnits: 95_000_000,
        maxOrders: 150,
        maxConditionalOrders: 20,
        leverageBrackets: [],
        version: 1,
      },
    ]);
  });

  test("has its scales raised where a filter needs more decimals than the precision shows", () => {
    const fine = contract("GOLDUSDT", {
      PRICE_FILTER: { tickSize: "0.000100", minPrice: "0.5", maxPrice: "10" },
      MARKET_LOT_SIZE: { stepSize: "0.00001", minQty: "0.00001", maxQty: "50" },
    });
    const [instrument] = parseInstrumentFile(exchangeInfo(fine));
    expect(instrument).toMatchObject({ priceScale: 4, quantityScale: 5, tickSizeUnits: 1 });
  });

  test("switches a rule off with 0, and misses optional filters", () => {
    const { filters, ...rest } = contract("GOLDUSDT", {
      PRICE_FILTER: { tickSize: "0", minPrice: "0", maxPrice: "0" },
    });
    const needed = filters.filter(({ filterType }) =>
      ["PRICE_FILTER", "LOT_SIZE", "PERCENT_PRICE"].includes(filterType),
    );
    const [instrument] = parseInstrumentFile(exchangeInfo({ ...rest, filters: needed }));
    expect(instrument).toMatchObject({
      tickSizeUnits: 1,
      minPriceUnits: 1,
      maxPriceUnits: Number.MAX_SAFE_INTEGER,
      marketStepSizeUnits: 1,
      marketMinQuantityUnits: 2,
      marketMaxQuantityUnits: 500_000,
      minNotionalUnits: 0,
      maxOrders: 200,
      maxConditionalOrders: 10,
    });
  });

  test.each([
    ["PENDING_TRADING", "PENDING_TRADING"],
    ["TRADING_HALT", "HALTED"],
    ["PRE_DELIVERING", "SETTLING"],
    ["PRE_SETTLE", "SETTLING"],
    ["SETTLING", "SETTLING"],
    ["DELIVERED", "CLOSED"],
    ["CLOSE", "CLOSED"],
  ] as const)("status %s is read as %s", (theirs, ours) => {
    const [instrument] = parseInstrumentFile(
      exchangeInfo(contract("GOLDUSDT", {}, { status: theirs })),
    );
    expect(instrument?.status).toBe(ours);
  });
});

describe("several files together", () => {
  test("merge filters and brackets, with numbers and exponents read exactly", () => {
    const { instruments, notes } = parseInstrumentFiles([
      { name: "brackets.json", text: goldBrackets },
      { name: "info.json", text: exchangeInfo(gold) },
    ]);
    expect(notes).toEqual([]);
    expect(instruments[0]?.leverageBrackets).toEqual([
      {
        bracket: 1,
        notionalFloorMinor: "0",
        notionalCapMinor: "5000050000000",
        initialLeverage: 75,
        maintenanceMarginRatioUnits: 650_000,
        maintenanceAmountMinor: "0",
      },
      {
        bracket: 2,
        notionalFloorMinor: "5000050000000",
        notionalCapMinor: "60000000000000000",
        initialLeverage: 2,
        maintenanceMarginRatioUnits: 25_000_000,
        maintenanceAmountMinor: "4970380000000000",
      },
    ]);
  });

  test("come out sorted by symbol, whatever their form", () => {
    const { instruments } = parseInstrumentFiles([
      { name: "info.json", text: exchangeInfo(gold, contract("1000ANTUSDT")) },
      { name: "flat.json", text: JSON.stringify([flatCorn]) },
    ]);
    expect(instruments.map(({ symbol, status }) => `${symbol} ${status}`)).toEqual([
      "1000ANTUSDT TRADING",
      "CORNUSDT SETTLING",
      "GOLDUSDT TRADING",
    ]);
  });

  test("note what is left out", () => {
    const { instruments, notes } = parseInstrumentFiles([
      { name: "info.json", text: exchangeInfo(gold, contract("gold/usdt")) },
      { name: "brackets.json", text: goldBrackets.replace("GOLDUSDT", "TINUSDT") },
    ]);
    expect(instruments).toHaveLength(1);
    expect(notes).toEqual([
      "info.json: gold/usdt left out: a symbol must match ^[A-Z0-9_-]{1,32}$",
      "brackets.json: brackets of TINUSDT left out: no file has that instrument",
    ]);
  });
});

describe("a number longer than a double", () => {
  test("is refused for its decimals, not rounded", () => {
    const text = exchangeInfo(gold).replace('"0.50"', "0.1000000000000000055");
    expect(() => parseInstrumentFile(text)).toThrow("pricePrecision 19 is needed, but at most 18");
  });
});

describe("a file that cannot be used is refused with file, symbol, field and value", () => {
  const lot = (fields: object): string =>
    exchangeInfo(contract("GOLDUSDT", { LOT_SIZE: { stepSize: "1", minQty: "1", ...fields } }));
  const price = (fields: object): string =>
    exchangeInfo(
      contract("GOLDUSDT", {
        PRICE_FILTER: { tickSize: "0.5", minPrice: "1", maxPrice: "9", ...fields },
      }),
    );
  const brackets = (change: (text: string) => string): string =>
    change(JSON.stringify({ ...flatCorn, leverageBrackets: JSON.parse(goldBrackets)[0].brackets }));

  test.each([
    [lot({ maxQty: "1,5" }), 'f: GOLDUSDT: filters.LOT_SIZE.maxQty "1,5": "1,5" is not a decimal'],
    [lot({}), "f: GOLDUSDT: filters.LOT_SIZE.maxQty undefined: must be a decimal"],
    [lot({ maxQty: "-3" }), 'f: GOLDUSDT: filters.LOT_SIZE.maxQty "-3": must not be negative'],
    [lot({ maxQty: "0.5" }), 'f: GOLDUSDT: minQuantity "1" is above maxQuantity'],
    [price({ minPrice: "9.5" }), 'f: GOLDUSDT: minPrice "9.5" is above maxPrice'],
    [
      price({ maxPrice: "1e16" }),
      'f: GOLDUSDT: maxPrice "10000000000000000" passes 2^53 - 1 at 2 decimals',
    ],
    [
      exchangeInfo(contract("GOLDUSDT", { MIN_NOTIONAL: { notional: "0.0000001" } })),
      'f: GOLDUSDT: minNotional "0.0000001" has more than 5 decimals',
    ],
    [
      exchangeInfo(contract("GOLDUSDT", {}, { status: "BREAK" })),
      'f: GOLDUSDT: status "BREAK": must be one of PENDING_TRADING, TRADING,',
    ],
    [
      exchangeInfo({ ...gold, filters: "none" }),
      'f: GOLDUSDT: filters "none": Invalid input: expected object, received string',
    ],
    [exchangeInfo({ ...gold, pricePrecision: 2.5 }), 'pricePrecision "2.5": must be an integer'],
    [exchangeInfo(gold, gold), "f: GOLDUSDT stands in f already: remove one"],
    [
      brackets((text) => text.replaceAll('"bracket":2', '"bracket":3')),
      "f: CORNUSDT: bracket 3 stands where 2 is due",
    ],
    [
      brackets((text) => text.replaceAll('"notionalFloor":50000.5', '"notionalFloor":50001')),
      'f: CORNUSDT: brackets[2].notionalFloor "50001" is not where the bracket before it ends',
    ],
    [
      brackets((text) => text.replaceAll('"notionalCap":600000000', '"notionalCap":1')),
      'f: CORNUSDT: brackets[2].notionalCap "1" is not above notionalFloor',
    ],
    [
      brackets((text) => text.replaceAll('"initialLeverage":2', '"initialLeverage":0')),
      "f: CORNUSDT: brackets[2].initialLeverage 0 is below 1",
    ],
    ["[1]", 'f: "1" has no symbol, so it is not an instrument'],
    ["{", "f: not JSON: "],
    [`${JSON.stringify(flatCorn)}\n\n{"symbol":`, "f, line 3: not JSON: "],
    [goldBrackets, "no instrument in f: give an exchangeInfo file too"],
  ])("case %#", (text, message) => {
    const run = (): unknown => parseInstrumentFile(text, "f");
    expect(run).toThrow(UsageError);
    expect(run).toThrow(message);
  });
});

describe("the project's own form", () => {
  test("is a line per instrument and reads back as the same instruments", () => {
    const { instruments } = parseInstrumentFiles([
      { name: "info.json", text: exchangeInfo(gold) },
      { name: "brackets.json", text: goldBrackets },
      { name: "flat.json", text: JSON.stringify(flatCorn) },
    ]);
    const text = renderInstrumentFile(instruments);
    expect(
      text
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toEqual(instruments.map(describeInstrument));
    expect(parseInstrumentFile(text)).toEqual([...instruments]);
    expect(parseInstrumentFile(renderInstrumentFile(defaultInstruments))).toEqual([
      ...defaultInstruments,
    ]);
  });
});
