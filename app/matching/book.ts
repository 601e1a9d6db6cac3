/**
 * The orders that rest on one symbol, by price and then by time. A best price is found by its place
 * in a sorted list of levels; a level is a queue of orders in the order of their arrival.
 */
import type { AccountId, OrderId } from "../../shards/domain/brands.ts";
import type { SelfTradePrevention, Side } from "../../shards/domain/order.ts";

/** What is left of an order on the book. Units of the instrument. */
export interface Resting {
  readonly orderId: OrderId;
  readonly accountId: AccountId;
  readonly side: Side;
  readonly priceUnits: number;
  readonly selfTradePrevention: SelfTradePrevention;
  /** All that it has filled since it was accepted. */
  executedUnits: number;
  /** > 0. */
  remainingUnits: number;
}

interface Level {
  readonly priceUnits: number;
  readonly orders: Resting[];
}

export class Book {
  /** Best first: the highest bid, the lowest ask. */
  readonly #levels: Readonly<Record<Side, Level[]>> = { BUY: [], SELL: [] };
  readonly #orders = new Map<OrderId, Resting>();

  get(orderId: OrderId): Resting | undefined {
    return this.#orders.get(orderId);
  }

  /** Best price first, at one price the oldest first. */
  *of(side: Side): Iterable<Resting> {
    for (const { orders } of [...this.#levels[side]]) yield* [...orders];
  }

  best(side: Side): number | undefined {
    return this.#levels[side][0]?.priceUnits;
  }

  add(order: Resting): void {
    const levels = this.#levels[order.side];
    const at = this.#placeOf(order.side, order.priceUnits);
    const level = levels[at];
    if (level?.priceUnits === order.priceUnits) level.orders.push(order);
    else levels.splice(at, 0, { priceUnits: order.priceUnits, orders: [order] });
    this.#orders.set(order.orderId, order);
  }

  remove(orderId: OrderId): void {
    const order = this.#orders.get(orderId);
    if (order === undefined) return;
    this.#orders.delete(orderId);
    const levels = this.#levels[order.side];
    const at = this.#placeOf(order.side, order.priceUnits);
    const orders = levels[at]?.orders ?? [];
    orders.splice(orders.indexOf(order), 1);
    if (orders.length === 0) levels.splice(at, 1);
  }

  /** Where the level of this price is, or would be. */
  #placeOf(side: Side, priceUnits: number): number {
    const levels = this.#levels[side];
    const isBetter = (level: Level): boolean =>
      side === "BUY" ? level.priceUnits > priceUnits : level.priceUnits < priceUnits;
    let [low, high] = [0, levels.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isBetter(levels[middle] as Level)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
