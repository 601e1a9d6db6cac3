import type { OrderId } from "../domain/brands.ts";
import { isOpen, type Order } from "../domain/order.ts";

/** Width of a bucket and of the timer's tick: an order ends at most two of these late. */
const TICK_MS = 100;

const bucketOf = (at: number): number => Math.floor(at / TICK_MS);

/** When good-till-date orders end. Kept in buckets of time, because many end together. */
export class Expiry {
  readonly #buckets = new Map<number, Set<OrderId>>();
  /** Every bucket below has been given. */
  #doneTo = 0;

  /** Called with each order that a start loads or a batch leaves. */
  note(order: Order): void {
    if (order.goodTillDate === null) return;
    if (isOpen(order.status)) this.#schedule(order.orderId, order.goodTillDate);
    else this.#forget(order.orderId, order.goodTillDate);
  }

  /** The end of this order could not be written: it is due again with the next tick. */
  retry(orderId: OrderId): void {
    this.#schedule(orderId, 0);
  }

  #schedule(orderId: OrderId, at: number): void {
    const bucket = Math.max(bucketOf(at), this.#doneTo);
    const orders = this.#buckets.get(bucket);
    if (orders === undefined) this.#buckets.set(bucket, new Set([orderId]));
    else orders.add(orderId);
  }

  #forget(orderId: OrderId, at: number): void {
    const bucket = bucketOf(at);
    const orders = this.#buckets.get(bucket);
    orders?.delete(orderId);
    if (orders?.size === 0) this.#buckets.delete(bucket);
  }

  /**
   * At most `most` orders whose date has passed, earliest first; some may have ended otherwise. The
   * rest comes with the next call. Each is given once, until `retry`.
   */
  due(now: number, most: number): readonly OrderId[] {
    const due: OrderId[] = [];
    for (const bucket of this.#passed(bucketOf(now))) {
      this.#doneTo = Math.max(this.#doneTo, bucket);
      const orders = this.#buckets.get(bucket);
      for (const orderId of orders ?? []) {
        if (due.length >= most) return due;
        orders?.delete(orderId);
        due.push(orderId);
      }
      this.#buckets.delete(bucket);
    }
    this.#doneTo = Math.max(this.#doneTo, bucketOf(now));
    return due;
  }

  /** Buckets with orders before `to`: usually that of one tick, all only after a jump in time. */
  #passed(to: number): readonly number[] {
    if (to - this.#doneTo > this.#buckets.size) {
      return [...this.#buckets.keys()].filter((bucket) => bucket < to).sort((a, b) => a - b);
    }
    const passed: number[] = [];
    for (let bucket = this.#doneTo; bucket < to; bucket++) {
      if (this.#buckets.has(bucket)) passed.push(bucket);
    }
    return passed;
  }
}

export const EXPIRY_TICK_MS = TICK_MS;
