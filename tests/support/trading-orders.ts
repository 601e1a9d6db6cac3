/** Random orders of every type, around what their market is worth. */
import type { PositionSide, Side } from "../../shards/domain/order.ts";
import type { HttpAnswer } from "./client.ts";
import { type Random, wholeOf } from "./random.ts";
import type { Market } from "./trading.ts";
import type { VenuePair } from "./venue.ts";

export interface PlacedOrder {
  readonly account: number;
  readonly symbol: string;
  readonly request: object;
  /** The first certain answer. */
  readonly answer: HttpAnswer;
}

/** An account in a symbol. */
export interface Pair {
  readonly account: number;
  readonly market: Market;
  readonly venue: VenuePair;
  readonly isHedged: boolean;
  readonly placed: PlacedOrder[];
}

const chosen = <T>(random: Random, from: readonly T[]): T =>
  from[wholeOf(random, 0, from.length - 1)] as T;

interface Direction {
  readonly side: Side;
  readonly positionSide: PositionSide;
}

const opening = (random: Random, { isHedged }: Pair): Direction => {
  const side = chosen(random, ["BUY", "SELL"] as const);
  if (!isHedged) return { side, positionSide: "BOTH" };
  return { side, positionSide: side === "BUY" ? "LONG" : "SHORT" };
};

/** What would close the pair's position, if it has one. */
const closing = (random: Random, { isHedged, venue }: Pair): Direction => {
  const positionSide = isHedged ? chosen(random, ["LONG", "SHORT"] as const) : "BOTH";
  return { side: venue.positionUnits(positionSide) > 0 ? "SELL" : "BUY", positionSide };
};

/** The fields of `POST /v1/orders` but for the id. */
export const orderFor = (random: Random, pair: Pair): object => {
  const draw = random();
  if (draw < 0.45) return limitOrder(random, pair);
  if (draw < 0.6) return marketOrder(random, pair);
  if (draw < 0.75) return reducingOrder(random, pair);
  return conditionalOrder(random, pair);
};

const sized = (random: Random, { market }: Pair): { readonly quantity: string } => ({
  quantity: market.quantity(market.quantityUnits(wholeOf(random, 100, 1500))),
});

const limitOrder = (random: Random, pair: Pair): object => {
  const direction = opening(random, pair);
  const ticks = wholeOf(random, -120, 120);
  const order = {
    symbol: pair.market.symbol,
    ...direction,
    type: "LIMIT",
    price: pair.market.price(ticks),
    ...sized(random, pair),
  };
  return random() < 0.35 ? { ...order, ...childrenOf(random, pair, direction.side, ticks) } : order;
};

/** Its children are judged by the mark: now and then one would trigger at once. */
const marketOrder = (random: Random, pair: Pair): object => {
  const direction = opening(random, pair);
  const order = {
    symbol: pair.market.symbol,
    ...direction,
    type: "MARKET",
    ...sized(random, pair),
  };
  return random() < 0.35 ? { ...order, ...childrenOf(random, pair, direction.side, 0) } : order;
};

/** Take-profit and stop-loss on their sides of the entry; one of them is left out now and then. */
const childrenOf = (random: Random, { market }: Pair, side: Side, ticks: number): object => {
  const way = side === "BUY" ? 1 : -1;
  const at = (away: number): string => market.price(ticks + way * away);
  const takeProfit = { stopPrice: at(wholeOf(random, 20, 200)) };
  const stop = wholeOf(random, 20, 200);
  // The limit price may trade on the wrong side of its stop a little.
  const stopLoss = { stopPrice: at(-stop), ...(random() < 0.5 ? { price: at(-stop - 10) } : {}) };
  const draw = random();
  if (draw < 0.6) return { takeProfit, stopLoss };
  return draw < 0.8 ? { takeProfit } : { stopLoss };
};

const reducingOrder = (random: Random, pair: Pair): object => {
  const { market, venue } = pair;
  const direction = closing(random, pair);
  const held = Math.abs(venue.positionUnits(direction.positionSide));
  const units = Math.max(market.instrument.stepSizeUnits, random() < 0.5 ? held : held >> 1);
  const step = market.instrument.stepSizeUnits;
  const order = {
    symbol: market.symbol,
    ...direction,
    reduceOnly: true,
    quantity: market.quantity(Math.max(step, Math.floor(units / step) * step)),
  };
  return random() < 0.5
    ? { ...order, type: "MARKET" }
    : { ...order, type: "LIMIT", price: market.price(wholeOf(random, -120, 120)) };
};

const conditionalOrder = (random: Random, pair: Pair): object => {
  const { market } = pair;
  const type = chosen(random, [
    "STOP",
    "STOP_MARKET",
    "TAKE_PROFIT",
    "TAKE_PROFIT_MARKET",
  ] as const);
  const closes = random() < 0.4;
  const direction = closes ? closing(random, pair) : opening(random, pair);
  const isAbove = (type === "STOP" || type === "STOP_MARKET") === (direction.side === "BUY");
  const ticks = (isAbove ? 1 : -1) * wholeOf(random, 30, 150);
  const order = {
    symbol: market.symbol,
    ...direction,
    type,
    stopPrice: market.price(ticks),
    workingType: chosen(random, ["MARK_PRICE", "LAST_PRICE"] as const),
    ...(type === "STOP" || type === "TAKE_PROFIT" ? { price: market.price(ticks) } : {}),
  };
  if (!closes) return { ...order, ...sized(random, pair) };
  if (order.price === undefined && random() < 0.5) return { ...order, closePosition: true };
  return { ...order, reduceOnly: true, ...sized(random, pair) };
};
