/**
 * What positions, exposure and initial margin must come to, from the list of orders and the list of
 * all fills and nothing else: the other way of counting that shards/domain/risk is tested against.
 * Costs are signed, money is counted in 10^-44 of the asset, so that every scale is whole, and each
 * formula divides once at its end.
 */
import type { Order, OrderStatus, PositionSide, Side } from "../../shards/domain/order.ts";
import type { Scales } from "../../shards/domain/risk/money.ts";
import type { PositionFill } from "../../shards/domain/risk/position.ts";

/** One account in one symbol. */
export interface OracleInput {
  readonly market: Scales;
  readonly leverage: number;
  readonly feeRateUnits: number;
  readonly orders: readonly Order[];
  /** All, oldest first. */
  readonly fills: readonly PositionFill[];
}

const DIGITS = 44n;
export const MINOR = 10n ** (DIGITS - 8n);
export const wide = (units: bigint, market: Scales): bigint =>
  units * 10n ** (DIGITS - BigInt(market.priceScale + market.quantityScale));
export const up = (dividend: bigint, divisor: bigint): bigint =>
  (dividend + divisor - 1n) / divisor;
const sum = (values: readonly bigint[]): bigint =>
  values.reduce((total, value) => total + value, 0n);
const largest = (...values: readonly bigint[]): bigint => {
  let most = 0n;
  for (const value of values) if (value > most) most = value;
  return most;
};

export interface OraclePosition {
  /** Signed, like the quantity. */
  readonly cost: bigint;
  readonly quantity: bigint;
  readonly realised: bigint;
  readonly lastRealised: bigint;
}

/** Replays all fills with signed costs: what a fill realises is what it moves beyond the cost. */
export const oraclePosition = (fills: readonly PositionFill[], market: Scales): OraclePosition => {
  let [quantity, cost, realised, lastRealised] = [0n, 0n, 0n, 0n];
  for (const fill of fills) {
    const signed = BigInt(fill.quantityUnits) * (fill.side === "BUY" ? 1n : -1n);
    const after = quantity + signed;
    const moved = signed * BigInt(fill.priceUnits);
    let costAfter = cost + moved;
    if (quantity * signed < 0n) {
      const kept = quantity * after > 0n ? after : 0n;
      const size = quantity < 0n ? -quantity : quantity;
      const magnitude = up((cost < 0n ? -cost : cost) * (kept < 0n ? -kept : kept), size);
      const opened = (after - kept) * BigInt(fill.priceUnits);
      costAfter = (quantity < 0n ? -magnitude : magnitude) + opened;
    }
    const gained = wide(costAfter - cost - moved, market);
    lastRealised = gained >= 0n ? gained / MINOR : -up(-gained, MINOR);
    [quantity, cost, realised] = [after, costAfter, realised + lastRealised];
  }
  return { cost, quantity, realised, lastRealised };
};

interface Counted {
  readonly side: Side;
  readonly book: PositionSide;
  readonly quantity: bigint;
  readonly price: bigint;
  readonly loss: bigint;
  readonly isReducing: boolean;
  readonly isConditional: boolean;
}

const COUNTED: readonly OrderStatus[] = [
  "UNTRIGGERED",
  "NEW",
  "PARTIALLY_FILLED",
  "PENDING_CANCEL",
];

const counted = (orders: readonly Order[]): Counted[] =>
  orders
    .filter((order) => COUNTED.includes(order.status))
    .map((order) => {
      const whole = Math.max(order.quantityUnits, order.amendment?.quantityUnits ?? 0);
      const quantity = BigInt(whole - order.executedUnits);
      const isFree = order.marginPriceUnits === 0;
      const closes =
        order.reduceOnly ||
        `${order.positionSide} ${order.side}`.match(/LONG SELL|SHORT BUY/) !== null;
      return {
        side: order.side,
        book: order.positionSide,
        quantity,
        price: isFree
          ? 0n
          : BigInt(Math.max(order.marginPriceUnits, order.amendment?.priceUnits ?? 0)),
        loss: isFree ? 0n : up(order.openLossMinor * quantity, BigInt(order.quantityUnits)),
        isReducing: closes && order.status !== "UNTRIGGERED",
        isConditional: order.status === "UNTRIGGERED",
      };
    });

const notionalOf = (orders: readonly Counted[]): bigint =>
  sum(orders.map(({ quantity, price }) => quantity * price));

/** Every number of an exposure, in a fixed order. */
export const oracleNumbers = (input: OracleInput): (bigint | number)[] => {
  const orders = counted(input.orders);
  const books = (["BOTH", "LONG", "SHORT"] as const).flatMap((book) => {
    const { quantity, cost } = oraclePosition(fillsOf(input, book), input.market);
    const sides = (["BUY", "SELL"] as const).flatMap((side) => {
      const own = orders.filter((order) => order.book === book && order.side === side);
      const held = own.filter(({ price }) => price > 0n);
      const reducing = own.filter(({ isReducing }) => isReducing);
      return [
        sum(held.map((order) => order.quantity)),
        notionalOf(held),
        sum(reducing.map((order) => order.quantity)),
      ];
    });
    return [quantity, cost < 0n ? -cost : cost, ...sides];
  });
  const conditional = orders.filter(({ isConditional }) => isConditional).length;
  return [...books, sum(orders.map(({ loss }) => loss)), orders.length, conditional];
};

/** Used by all, used by positions, and what the worst order of fills really needs (notional). */
export const oracleMargin = (input: OracleInput) => {
  const { market, leverage, feeRateUnits } = input;
  const orders = counted(input.orders).filter(({ price }) => price > 0n);
  const of = (book: PositionSide, side: Side) =>
    orders.filter((order) => order.book === book && order.side === side);
  const size = (book: PositionSide) => {
    const { cost } = oraclePosition(fillsOf(input, book), market);
    return cost < 0n ? -cost : cost;
  };
  const { quantity } = oraclePosition(fillsOf(input, "BOTH"), market);
  const ways = (["BUY", "SELL"] as const).map((side) => {
    const own = of("BOTH", side);
    const position = side === "BUY" ? quantity : -quantity;
    if (position >= 0n) {
      const all = size("BOTH") + notionalOf(own);
      return { bound: all, worst: all };
    }
    const opening = largest(0n, sum(own.map((order) => order.quantity)) + position);
    const dearest = largest(...own.map(({ price }) => price)) * opening;
    const all = notionalOf(own);
    return { bound: dearest - largest(0n, dearest - all), worst: dearestFirst(own, opening) };
  });
  const hedge =
    size("LONG") + size("SHORT") + notionalOf(of("LONG", "BUY")) + notionalOf(of("SHORT", "SELL"));
  const bound = largest(...ways.map((way) => way.bound)) + hedge;
  const worst = largest(...ways.map((way) => way.worst)) + hedge;
  const perLeverage = (units: bigint) => up(wide(units, market), BigInt(leverage) * MINOR);
  const fees = up(wide(notionalOf(orders), market) * BigInt(feeRateUnits), 10n ** 8n * MINOR);
  const loss = sum(orders.map((order) => order.loss));
  const positions = perLeverage(size("BOTH") + size("LONG") + size("SHORT"));
  return { used: perLeverage(bound) + fees + loss, fees, positions, notional: bound, worst };
};

/** The notional of `opening` units when the cheap orders were filled first, to close. */
const dearestFirst = (orders: readonly Counted[], opening: bigint): bigint => {
  let [left, notional] = [opening, 0n];
  for (const { price, quantity } of [...orders].sort((a, b) => (a.price < b.price ? 1 : -1))) {
    const taken = quantity < left ? quantity : left;
    notional += taken * price;
    left -= taken;
  }
  return notional;
};

export const fillsOf = (input: OracleInput, book: PositionSide): PositionFill[] =>
  input.fills.filter(({ positionSide }) => positionSide === book);
