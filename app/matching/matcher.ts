/**
 * A paper matching engine for one symbol: price-time priority over committed orders. Pure: an order
 * or a wish comes in, executions come out, and the ids of those executions are made of the orders
 * and of what they had filled before, so that the same match after a restart has the same ids.
 *
 * - LIMIT rests with GTC and GTD; IOC and the market types expire what does not trade at once; FOK
 *   trades whole or expires; GTX expires instead of taking.
 * - an order of the same account on the other side trades, unless selfTradePrevention says whose
 *   order expires.
 * - a smaller quantity at the same price keeps its place in time; any other amendment loses it.
 *
 * It knows no margin and no positions: the shard has checked them before.
 */
import type { OrderId } from "../../shards/domain/brands.ts";
import { isMarket, type Order, type Side } from "../../shards/domain/order.ts";
import { Book, type Resting } from "./book.ts";

/** An execution before it is written out; units of the instrument. */
export type Match =
  | {
      readonly kind: "FILL";
      readonly executionId: string;
      readonly orderId: OrderId;
      readonly priceUnits: number;
      readonly quantityUnits: number;
      readonly isTaker: boolean;
    }
  | {
      readonly kind: "CANCEL" | "EXPIRE" | "AMEND_REJECTED";
      readonly executionId: string;
      readonly orderId: OrderId;
    }
  | {
      readonly kind: "AMENDED";
      readonly executionId: string;
      readonly orderId: OrderId;
      readonly priceUnits: number;
      readonly quantityUnits: number;
    };

/** What the matcher needs of an order. */
export type MatchedOrder = Pick<
  Order,
  | "orderId"
  | "accountId"
  | "side"
  | "type"
  | "timeInForce"
  | "priceUnits"
  | "quantityUnits"
  | "executedUnits"
  | "selfTradePrevention"
  | "version"
>;

export interface Amendment {
  readonly priceUnits: number;
  readonly quantityUnits: number;
  /** Of the order's change that asked for it. */
  readonly version: number;
}

const OTHER: Readonly<Record<Side, Side>> = { BUY: "SELL", SELL: "BUY" };

export class Matcher {
  readonly #book = new Book();
  #lastPriceUnits: number | undefined;

  /** Of the latest trade, else the middle of the best prices; undefined while there is neither. */
  markUnits(): number | undefined {
    if (this.#lastPriceUnits !== undefined) return this.#lastPriceUnits;
    const [bid, ask] = [this.#book.best("BUY"), this.#book.best("SELL")];
    return bid === undefined || ask === undefined ? undefined : Math.floor((bid + ask) / 2);
  }

  /** A live order that the matcher has not seen. */
  place(order: MatchedOrder): readonly Match[] {
    const taker = restingOf(order);
    if (this.#book.get(order.orderId) !== undefined || taker.remainingUnits <= 0) return [];
    if (order.timeInForce === "GTX" && this.#crosses(taker)) return [expire(taker)];
    if (order.timeInForce === "FOK" && !this.#fillsWhole(taker)) return [expire(taker)];
    const matches = this.#take(taker);
    if (taker.remainingUnits > 0 && !matches.some((match) => endsOrder(match, taker.orderId))) {
      if (rests(order)) this.#book.add(taker);
      else matches.push(expire(taker));
    }
    return matches;
  }

  /** The order's sender wants it cancelled. Nothing when it is no longer here: its end is on the way. */
  cancel(orderId: OrderId): readonly Match[] {
    const order = this.#book.get(orderId);
    if (order === undefined) return [];
    this.#book.remove(orderId);
    return [{ kind: "CANCEL", executionId: `${orderId}-c`, orderId }];
  }

  /** The order's sender wants another price or quantity. Nothing when it is no longer here, as above. */
  amend(order: MatchedOrder, { priceUnits, quantityUnits, version }: Amendment): readonly Match[] {
    const { orderId } = order;
    const resting = this.#book.get(orderId);
    const executionId = `${orderId}-a${version}`;
    if (resting === undefined) return [];
    if (quantityUnits <= resting.executedUnits) {
      return [{ kind: "AMEND_REJECTED", executionId, orderId }];
    }
    const { executedUnits } = resting;
    const amended: Match = { kind: "AMENDED", executionId, orderId, priceUnits, quantityUnits };
    const remainingUnits = quantityUnits - executedUnits;
    if (priceUnits === resting.priceUnits && remainingUnits <= resting.remainingUnits) {
      resting.remainingUnits = remainingUnits;
      return [amended];
    }
    this.#book.remove(orderId);
    return [amended, ...this.place({ ...order, priceUnits, quantityUnits, executedUnits })];
  }

  /**
   * What the shard says of an order that others may have filled or ended too. It may be behind what
   * was said from here, so that only what it has filled beyond that counts.
   */
  heard(
    orderId: OrderId,
    { executedUnits, isOver }: { executedUnits: number; isOver: boolean },
  ): void {
    const order = this.#book.get(orderId);
    if (order === undefined) return;
    const byOthersUnits = Math.max(0, executedUnits - order.executedUnits);
    order.executedUnits += byOthersUnits;
    order.remainingUnits -= byOthersUnits;
    if (isOver || order.remainingUnits <= 0) this.#book.remove(orderId);
  }

  #crosses(taker: Resting): boolean {
    const best = this.#book.best(OTHER[taker.side]);
    return best !== undefined && accepts(taker, best);
  }

  #fillsWhole(taker: Resting): boolean {
    let missing = taker.remainingUnits;
    for (const maker of this.#book.of(OTHER[taker.side])) {
      if (missing <= 0 || !accepts(taker, maker.priceUnits)) break;
      if (preventsTrade(taker, maker)) continue;
      missing -= maker.remainingUnits;
    }
    return missing <= 0;
  }

  #take(taker: Resting): Match[] {
    const matches: Match[] = [];
    for (const maker of this.#book.of(OTHER[taker.side])) {
      if (taker.remainingUnits <= 0 || !accepts(taker, maker.priceUnits)) break;
      if (preventsTrade(taker, maker)) {
        if (taker.selfTradePrevention !== "EXPIRE_TAKER") {
          this.#book.remove(maker.orderId);
          matches.push(expire(maker));
        }
        if (taker.selfTradePrevention === "EXPIRE_MAKER") continue;
        matches.push(expire(taker));
        break;
      }
      this.#trade(taker, maker, matches);
    }
    return matches;
  }

  #trade(taker: Resting, maker: Resting, matches: Match[]): void {
    const quantityUnits = Math.min(taker.remainingUnits, maker.remainingUnits);
    const { priceUnits } = maker;
    const trade = `${maker.orderId}x${taker.orderId}:${taker.executedUnits}`;
    for (const [order, suffix] of [
      [maker, "m"],
      [taker, "t"],
    ] as const) {
      order.remainingUnits -= quantityUnits;
      order.executedUnits += quantityUnits;
      matches.push({
        kind: "FILL",
        executionId: `${trade}${suffix}`,
        orderId: order.orderId,
        priceUnits,
        quantityUnits,
        isTaker: order === taker,
      });
    }
    this.#lastPriceUnits = priceUnits;
    if (maker.remainingUnits === 0) this.#book.remove(maker.orderId);
  }
}

const rests = ({ type, timeInForce }: MatchedOrder): boolean =>
  !isMarket(type) && timeInForce !== "IOC" && timeInForce !== "FOK";

/** A market order takes any price. */
const restingOf = (order: MatchedOrder): Resting => ({
  orderId: order.orderId,
  accountId: order.accountId,
  side: order.side,
  priceUnits: order.priceUnits ?? (order.side === "BUY" ? Number.MAX_SAFE_INTEGER : 0),
  selfTradePrevention: order.selfTradePrevention,
  executedUnits: order.executedUnits,
  remainingUnits: order.quantityUnits - order.executedUnits,
});

const accepts = ({ side, priceUnits }: Resting, offerUnits: number): boolean =>
  side === "BUY" ? offerUnits <= priceUnits : offerUnits >= priceUnits;

const preventsTrade = (taker: Resting, maker: Resting): boolean =>
  taker.accountId === maker.accountId && taker.selfTradePrevention !== "NONE";

const expire = ({ orderId }: Resting): Match => ({
  kind: "EXPIRE",
  executionId: `${orderId}-e`,
  orderId,
});

const endsOrder = (match: Match, orderId: OrderId): boolean =>
  match.kind === "EXPIRE" && match.orderId === orderId;
