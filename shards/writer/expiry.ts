import type { OrderId } from "../domain/brands.ts";
import { isOpen, type Order } from "../domain/order.ts";

/** Width of a bucket and of the timer's tick: an order ends at most two of these late. */
const TICK_MS = 100;

/** When good-till-date orders end. Kept in buckets of time, because many end together. */
export class Expiry {
  readonly #buckets = new Map<number, OrderId[]>();
  #doneTo = 0;

  /** Called once with each order: when a start loads it, or when a batch has accepted it. */
  add(order: Order): void {
    if (order.goodTillDate === null || !isOpen(order.status)) return;
    this.#schedule(order.orderId, order.goodTillDate);
  }

  /** The end of this order could not be written: it is due again with the next tick. */
  retry(orderId: OrderId): void {
    this.#schedule(orderId, 0);
  }

  #schedule(orderId: OrderId, at: number): void {
    const bucket = Math.max(Math.floor(at / TICK_MS), this.#doneTo);
    const orders = this.#buckets.get(bucket);
    if (orders === undefined) this.#buckets.set(bucket, [orderId]);
    else orders.push(orderId);
  }

  /** Orders whose date has passed; some may have ended otherwise. Each is given once, until `retry`. */
  due(now: number): readonly OrderId[] {
    const to = Math.floor(now / TICK_MS);
    const due: OrderId[] = [];
    for (const [bucket, orders] of this.#buckets) {
      if (bucket >= to) continue;
      for (const orderId of orders) due.push(orderId);
      this.#buckets.delete(bucket);
    }
    this.#doneTo = to;
    return due;
  }
}

export const EXPIRY_TICK_MS = TICK_MS;
