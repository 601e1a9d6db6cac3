/**
 * Random streams of orders, fills, cancels, amendments and leverage changes of one account in one
 * symbol. After each step all that is kept incrementally is compared with an oracle that knows the
 * list of orders and the list of all fills and nothing else.
 */
import { expect, test } from "bun:test";
import {
  fillsOf,
  MINOR,
  type OracleInput,
  oracleMargin,
  oracleNumbers,
  oraclePosition,
  up,
  wide,
} from "../../../tests/support/margin-oracle.ts";
import { printedSeed, type Random, randomOf, wholeOf } from "../../../tests/support/random.ts";
import type { AccountId, InstrumentSymbol, OrderId } from "../brands.ts";
import type { Order, OrderStatus, PositionSide } from "../order.ts";
import {
  type Exposure,
  emptyExposure,
  highestHeldPrice,
  orderChanged,
  positionChanged,
} from "./exposure.ts";
import { type InitialMargin, initialMarginMinor } from "./margin.ts";
import { applyFill, fitsPosition, type PositionFill } from "./position.ts";
import type { Position } from "./types.ts";

const LONG = process.env.SLUICE_TEST_LONG === "1";
const STEPS = LONG ? 1_000_000 : 20_000;
const STREAM_STEPS = 100;
const ORDERS_MAX = 12;

const MARKETS = [
  { priceScale: 0, quantityScale: 0, priceMax: 500, quantityMax: 20 },
  { priceScale: 1, quantityScale: 0, priceMax: 4, quantityMax: 4 },
  { priceScale: 2, quantityScale: 3, priceMax: 9_999_999, quantityMax: 50_000 },
  { priceScale: 4, quantityScale: 4, priceMax: 40_000, quantityMax: 3 },
  { priceScale: 5, quantityScale: 4, priceMax: 7, quantityMax: 1_000 },
  { priceScale: 8, quantityScale: 8, priceMax: 10 ** 12, quantityMax: 10 ** 12 },
  { priceScale: 0, quantityScale: 3, priceMax: 2 ** 53 - 1, quantityMax: 2 ** 50 },
  { priceScale: 18, quantityScale: 18, priceMax: 2 ** 53 - 1, quantityMax: 2 ** 53 - 1 },
] as const;
type Market = (typeof MARKETS)[number];

const ACCOUNT = 7 as AccountId;
const SYMBOL = "BTCUSDT" as InstrumentSymbol;

// ---------------------------------------------------------------- the stream

interface World extends OracleInput {
  readonly random: Random;
  readonly market: Market;
  readonly isHedge: boolean;
  leverage: number;
  readonly orders: Order[];
  readonly fills: PositionFill[];
  readonly positions: Map<PositionSide, Position>;
  lastRealisedMinor: bigint;
  exposure: Exposure;
}

const worldOf = (random: Random): World => ({
  random,
  market: pick(random, MARKETS),
  isHedge: random() < 0.4,
  feeRateUnits: pick(random, [0, 1, 50_000, 99_999_999]),
  leverage: wholeOf(random, 1, 125),
  orders: [],
  fills: [],
  positions: new Map(),
  lastRealisedMinor: 0n,
  exposure: emptyExposure,
});

const pick = <T>(random: Random, values: readonly T[]): T => {
  const value = values[Math.floor(random() * values.length)];
  if (value === undefined) throw new Error("nothing to pick");
  return value;
};

/** 1 … max, all 53 bits; the ends and small numbers are likelier than others. */
const unitsOf = (random: Random, max: number): number => {
  const kind = random();
  if (kind < 0.1) return max;
  if (kind < 0.2) return Math.min(max, wholeOf(random, 1, 9));
  const wide = Math.floor(random() * 2 ** 21) * 2 ** 32 + Math.floor(random() * 2 ** 32);
  return (wide % max) + 1;
};

const replace = (world: World, before: Order | undefined, after: Order | undefined): void => {
  world.exposure = orderChanged(world.exposure, before, after);
  const index = before === undefined ? world.orders.length : world.orders.indexOf(before);
  world.orders.splice(index, before === undefined ? 0 : 1, ...(after === undefined ? [] : [after]));
};

const PLACED: readonly OrderStatus[] = ["NEW", "NEW", "NEW", "UNTRIGGERED", "PENDING"];

const place = (world: World): void => {
  const { random, market } = world;
  const side = pick(random, ["BUY", "SELL"] as const);
  const positionSide = world.isHedge ? pick(random, ["LONG", "SHORT"] as const) : "BOTH";
  const status = pick(random, PLACED);
  const reduceOnly = !world.isHedge && (status === "PENDING" || random() < 0.2);
  const isFree = reduceOnly || (world.isHedge && (positionSide === "LONG") === (side === "SELL"));
  const priceUnits = unitsOf(random, market.priceMax);
  const loss = random() < 0.5 ? 0n : BigInt(unitsOf(random, market.priceMax));
  replace(world, undefined, {
    orderId: (world.orders.length + 1) as OrderId,
    accountId: ACCOUNT,
    symbol: SYMBOL,
    side,
    type: status === "NEW" ? "LIMIT" : "STOP",
    priceUnits,
    quantityUnits: unitsOf(random, market.quantityMax),
    executedUnits: 0,
    reduceOnly,
    closePosition: false,
    positionSide,
    parentId: null,
    marginPriceUnits: isFree ? 0 : Math.min(market.priceMax, priceUnits + wholeOf(random, 0, 2)),
    openLossMinor: loss,
    amendment: null,
    status,
  } as unknown as Order);
};

const LIVE: readonly OrderStatus[] = ["NEW", "PARTIALLY_FILLED", "PENDING_CANCEL"];

/** Fills as a matching engine does: reduce-only orders never turn a position around. */
const fill = (world: World, order: Order): void => {
  const { random, market } = world;
  const whole = Math.max(order.quantityUnits, order.amendment?.quantityUnits ?? 0);
  const left = whole - order.executedUnits;
  const position = world.positions.get(order.positionSide);
  let quantityUnits = random() < 0.4 ? left : unitsOf(random, left);
  if (order.marginPriceUnits === 0) {
    const held = position?.quantityUnits ?? 0;
    if (held === 0 || held > 0 !== (order.side === "SELL")) return;
    quantityUnits = Math.min(quantityUnits, Math.abs(held));
  }
  const isFree = order.marginPriceUnits === 0;
  const heldPriceUnits = Math.max(order.marginPriceUnits, order.amendment?.priceUnits ?? 0);
  const usualUnits = isFree ? market.priceMax : heldPriceUnits;
  const priceUnits =
    random() < 0.1
      ? unitsOf(random, market.priceMax)
      : random() < 0.5
        ? usualUnits
        : unitsOf(random, usualUnits);
  const { side, positionSide } = order;
  const made = {
    accountId: ACCOUNT,
    symbol: SYMBOL,
    side,
    positionSide,
    priceUnits,
    quantityUnits,
  };
  if (!fitsPosition(position, made)) return;
  const after = applyFill(position, made, market, 1);
  const executedUnits = order.executedUnits + quantityUnits;
  const before = marginOf(world);
  world.fills.push(made);
  world.positions.set(positionSide, after.position);
  world.lastRealisedMinor = after.realisedMinor;
  world.exposure = positionChanged(world.exposure, after.position);
  const status = executedUnits === whole ? "FILLED" : "PARTIALLY_FILLED";
  replace(world, order, { ...order, executedUnits, status });
  checkFill(world, isFree ? null : heldPriceUnits, made, before);
};

/** I-MARGIN, and what is known of the fills that it leaves out. */
const checkFill = (
  world: World,
  heldPriceUnits: number | null,
  made: PositionFill,
  before: InitialMargin,
): void => {
  const { usedMinor } = marginOf(world);
  let riseMinor = 0n;
  if (heldPriceUnits === null) {
    const { positionUnits, buys, sells } = world.exposure.both;
    const against = made.side === "SELL" ? sells : buys;
    if (against.quantityUnits > Math.abs(positionUnits)) return;
  } else if (made.priceUnits > heldPriceUnits) {
    const above = BigInt(made.priceUnits - heldPriceUnits) * BigInt(made.quantityUnits);
    riseMinor = up(wide(above, world.market), BigInt(world.leverage) * MINOR);
  }
  if (usedMinor > before.usedMinor + riseMinor) {
    throw new Error(`a fill raised what is used from ${before.usedMinor} to ${usedMinor}`);
  }
};

const amend = (world: World, order: Order): void => {
  const { random, market } = world;
  const quantityUnits = Math.max(unitsOf(random, market.quantityMax), order.executedUnits + 1);
  const priceUnits = unitsOf(random, market.priceMax);
  if (order.amendment === null && random() < 0.7) {
    replace(world, order, { ...order, amendment: { priceUnits, quantityUnits } });
  } else if (order.amendment === null || random() < 0.5) {
    const wish = order.amendment ?? { priceUnits, quantityUnits };
    const marginPriceUnits = order.marginPriceUnits === 0 ? 0 : wish.priceUnits;
    const quantity = Math.max(wish.quantityUnits, order.executedUnits + 1);
    replace(world, order, {
      ...order,
      ...{ priceUnits: wish.priceUnits, quantityUnits: quantity, marginPriceUnits },
      openLossMinor: BigInt(unitsOf(random, 1000)),
      amendment: null,
    });
  } else if (order.executedUnits < order.quantityUnits) {
    neverMore(world, () => replace(world, order, { ...order, amendment: null }));
  }
};

const neverMore = (world: World, change: () => void): void => {
  const before = marginOf(world).usedMinor;
  change();
  const after = marginOf(world).usedMinor;
  if (after > before) throw new Error(`used rose from ${before} to ${after} without a fill`);
};

const NEXT: Partial<Record<OrderStatus, OrderStatus>> = {
  PENDING: "UNTRIGGERED",
  UNTRIGGERED: "NEW",
  NEW: "PENDING_CANCEL",
};

const step = (world: World): void => {
  const { random, orders } = world;
  if (orders.length === 0 || (orders.length < ORDERS_MAX && random() < 0.3)) {
    place(world);
    return;
  }
  const order = pick(random, orders);
  const kind = random();
  if (kind < 0.04) world.leverage = wholeOf(random, 1, 125);
  else if (kind < 0.55 && LIVE.includes(order.status)) fill(world, order);
  else if (kind < 0.7) amend(world, order);
  else if (kind < 0.85) {
    const status = NEXT[order.status];
    const change = () => replace(world, order, { ...order, status: status ?? order.status });
    if (order.status === "PENDING") change();
    else neverMore(world, change);
  } else if (kind < 0.93) {
    const gone = random() < 0.5 ? undefined : { ...order, status: "CANCELED" as const };
    neverMore(world, () => replace(world, order, gone));
  }
};

// ---------------------------------------------------------------- the comparison

const marginOf = (world: World): InitialMargin =>
  initialMarginMinor(
    world.exposure,
    { leverage: world.leverage, instrument: world.market, feeRateUnits: world.feeRateUnits },
    (side) => {
      const { positionUnits, buys, sells } = world.exposure.both;
      const size = Math.abs(positionUnits);
      if (size === 0 || (side === "BUY" ? buys : sells).quantityUnits <= size) {
        throw new Error("orders were looked through that only close");
      }
      return highestHeldPrice(world.orders, side);
    },
  );

const numbersOf = ({ both, long, short, ...rest }: Exposure): (bigint | number)[] => [
  ...[both, long, short].flatMap(({ positionUnits, costUnits, buys, sells }) => [
    BigInt(positionUnits),
    costUnits,
    ...[buys, sells].flatMap((side) => [
      side.quantityUnits,
      side.notionalUnits,
      side.reducingUnits,
    ]),
  ]),
  ...[rest.openLossMinor, rest.openOrders, rest.conditionalOrders],
];

const compare = (world: World): void => {
  const margin = marginOf(world);
  const oracle = oracleMargin(world);
  const positions = [...world.positions.values()];
  const replayed = positions.map(({ side }) => oraclePosition(fillsOf(world, side), world.market));
  const lastFill = world.fills.at(-1);
  const last = lastFill && oraclePosition(fillsOf(world, lastFill.positionSide), world.market);
  const ours = [
    ...numbersOf(world.exposure),
    ...[margin.usedMinor, margin.positionsMinor, margin.feesMinor, margin.notionalUnits],
    margin.positionsMinor + margin.ordersMinor,
    ...positions.map(({ realisedMinor }) => realisedMinor),
    world.lastRealisedMinor,
  ];
  const theirs = [
    ...oracleNumbers(world),
    ...[oracle.used, oracle.positions, oracle.fees, oracle.notional],
    oracle.used,
    ...replayed.map(({ realised }) => realised),
    last?.lastRealised ?? 0n,
  ];
  if (String(ours) !== String(theirs)) throw new Error(`ours   ${ours}\noracle ${theirs}`);
  if (oracle.worst > oracle.notional)
    throw new Error("some order of fills needs more than is held");
};

test(
  `${STEPS} random steps give what the oracle gives, and no fill needs more than was held`,
  () => {
    const seed = printedSeed("margin streams");
    let fills = 0;
    for (let stream = 0; stream < STEPS / STREAM_STEPS; stream++) {
      const world = worldOf(randomOf(seed + stream));
      for (let count = 0; count < STREAM_STEPS; count++) {
        try {
          step(world);
          compare(world);
        } catch (cause) {
          throw new Error(`seed ${seed}, stream ${stream}, step ${count}: ${cause}`, { cause });
        }
      }
      fills += world.fills.length;
    }
    expect(fills).toBeGreaterThan(STEPS / 20);
  },
  LONG ? 1_800_000 : 30_000,
);
