/**
 * Thirty instruments on three shards, who trades which of them, and the orders themselves. Each
 * account trades two symbols of each shard, buying and selling in turns, a little off the mark.
 */
import { defaultInstruments } from "../../app/instruments/default-set.ts";
import type { ClientOrderId, InstrumentSymbol } from "../../shards/domain/brands.ts";
import { canonicalDecimal, formatUnits } from "../../shards/domain/decimal.ts";
import type { Instrument } from "../../shards/domain/instrument.ts";
import type { ChildRequest, OrderRequest, Side } from "../../shards/domain/order.ts";
import { parseShardMap } from "../../shards/domain/symbol-map.ts";
import { PLAIN } from "../system/commands.ts";

export const SHARD_COUNT = 3;

/** Beside the default set, so that there are thirty. */
const MORE_SYMBOLS = ["ONEUSDT", "TWOUSDT"] as const;
const LIKE: string = "SOLUSDT";

const likeMore = defaultInstruments.filter(({ symbol }) => symbol === LIKE);
/** All of them open for trading: the default set has some that are being settled. */
export const INSTRUMENTS: readonly Instrument[] = [
  ...defaultInstruments,
  ...MORE_SYMBOLS.flatMap((symbol) =>
    likeMore.map((one) => ({ ...one, symbol: symbol as InstrumentSymbol })),
  ),
].map((one) => ({ ...one, status: "TRADING" }));

/** Every third to the same shard, so that each has ten. */
const perShard = Array.from({ length: SHARD_COUNT }, (_, shard) =>
  INSTRUMENTS.filter((_instrument, i) => i % SHARD_COUNT === shard),
);

/** The value of the setting `sharding`: the last shard takes the rest. */
export const SHARDING = {
  enabled: true,
  ...Object.fromEntries(
    perShard.map((instruments, shard) => {
      const isRest = shard === SHARD_COUNT - 1;
      const symbols = isRest ? "" : instruments.map(({ symbol }) => symbol).join(",");
      return [`shard${shard + 1}`, { symbols }];
    }),
  ),
};
export const SHARD_MAP = parseShardMap(SHARDING);

/** What every instrument is worth, ticks: a hundredth of a percent is one tick. */
const MARK_TICKS = 10_000;
/** From the mark to a resting price, and to the prices of a bracket. */
const REST_TICKS = 10;
const BRACKET_TICKS = 200;
/** An order's worth against the instrument's minimum. */
const NOTIONAL_TIMES = 2;

/** With both attached children, or none. */
export type Shape = "plain" | "bracket";

export class Market {
  readonly instrument: Instrument;
  readonly #quantity: string;

  constructor(instrument: Instrument) {
    this.instrument = instrument;
    const { stepSizeUnits, minQuantityUnits, minNotionalUnits, quantityScale } = instrument;
    const stepWorth = MARK_TICKS * instrument.tickSizeUnits * stepSizeUnits;
    const steps = Math.ceil((NOTIONAL_TIMES * minNotionalUnits) / stepWorth);
    const units = Math.max(steps * stepSizeUnits, minQuantityUnits);
    this.#quantity = formatUnits(units, quantityScale);
  }

  get symbol(): InstrumentSymbol {
    return this.instrument.symbol;
  }

  get mark(): string {
    return this.#price(0);
  }

  #price(ticks: number): string {
    const { tickSizeUnits, priceScale } = this.instrument;
    return formatUnits((MARK_TICKS + ticks) * tickSizeUnits, priceScale);
  }

  /** An order as a client writes it, without its id. */
  fields(side: Side, shape: Shape) {
    const up = side === "BUY" ? 1 : -1;
    const order = {
      symbol: this.symbol,
      side,
      type: "LIMIT",
      timeInForce: "GTC",
      price: this.#price(-up * REST_TICKS),
      quantity: this.#quantity,
    } as const;
    if (shape === "plain") return order;
    return {
      ...order,
      takeProfit: { stopPrice: this.#price(up * BRACKET_TICKS) },
      stopLoss: { stopPrice: this.#price(-up * BRACKET_TICKS) },
    };
  }

  /** The same as a shard gets it. */
  request(side: Side, shape: Shape, clientOrderId: string): OrderRequest {
    const { price, quantity, takeProfit, stopLoss, ...order } = {
      takeProfit: null,
      stopLoss: null,
      ...this.fields(side, shape),
    };
    return {
      ...PLAIN,
      ...order,
      clientOrderId: clientOrderId as ClientOrderId,
      goodTillDate: null,
      price: canonicalDecimal(price),
      quantity: canonicalDecimal(quantity),
      takeProfit: childOf(takeProfit),
      stopLoss: childOf(stopLoss),
    };
  }
}

const childOf = (child: { readonly stopPrice: string } | null): ChildRequest | null =>
  child === null
    ? null
    : {
        clientOrderId: null,
        stopPrice: canonicalDecimal(child.stopPrice),
        price: null,
        workingType: "MARK_PRICE",
      };

/** Ten of each shard, one shard after the other. */
export const MARKETS: readonly Market[] = perShard.flat().map((one) => new Market(one));
const MARKETS_PER_SHARD = MARKETS.length / SHARD_COUNT;

/** Symbols that one account trades: two of each shard. */
export const SYMBOLS_EACH = 2 * SHARD_COUNT;
const SECOND_SYMBOL = 3;

/**
 * By the account's number in the first index (modulo {@link MARKETS_PER_SHARD}) and its turn in the
 * second (modulo {@link SYMBOLS_EACH}): the place in {@link MARKETS}. Turns go round the shards.
 */
export const CHOICES: readonly (readonly number[])[] = Array.from(
  { length: MARKETS_PER_SHARD },
  (_, account) =>
    Array.from({ length: SYMBOLS_EACH }, (_turn, turn) => {
      const second = turn < SHARD_COUNT ? 0 : SECOND_SYMBOL;
      const place = (account + second) % MARKETS_PER_SHARD;
      return (turn % SHARD_COUNT) * MARKETS_PER_SHARD + place;
    }),
);

/** The markets of the account with this number, from 0. */
export const marketsOf = (account: number): readonly Market[] =>
  (CHOICES[account % CHOICES.length] ?? []).flatMap((place) => MARKETS[place] ?? []);

/** Which market the account's order of this pass is for, and which way it goes. */
export const orderAt = (account: number, pass: number): { market: Market; side: Side } => {
  const markets = marketsOf(account);
  const market = markets[(account + pass) % markets.length] as Market;
  return { market, side: pass % 2 === 0 ? "BUY" : "SELL" };
};

/** Which shard, from 0, has the market. */
export const shardOfMarket = (market: Market): number =>
  Math.floor(MARKETS.indexOf(market) / MARKETS_PER_SHARD);
