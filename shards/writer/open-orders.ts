/**
 * The open orders in memory, laid out for the garbage collector: it looks again through every old
 * object that was written to since, so one map of a million orders would cost milliseconds with each
 * order that comes. Orders lie in pages by their number, of which only the newest is written to; an
 * account has a list of plain numbers, which the collector does not walk.
 */
import { type AccountId, counterOf, type OrderId } from "../domain/brands.ts";
import { isOpen, type Order } from "../domain/order.ts";

const PAGE_ORDERS = 4096;

/** Ids in the order of their acceptance. Closed ones stay until they are the larger part. */
interface AccountOrders {
  orderIds: OrderId[];
  open: number;
}

export class OpenOrders {
  readonly #pages = new Map<number, Map<OrderId, Order>>();
  readonly #accounts = new Map<AccountId, AccountOrders>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(orderId: OrderId): Order | undefined {
    return this.#pages.get(pageOf(orderId))?.get(orderId);
  }

  *all(): Iterable<Order> {
    for (const orders of this.#pages.values()) yield* orders.values();
  }

  /** Oldest first. */
  *of(accountId: AccountId): Iterable<Order> {
    for (const orderId of this.#accounts.get(accountId)?.orderIds ?? []) {
      const order = this.get(orderId);
      if (order !== undefined) yield order;
    }
  }

  /** Takes an order as it now is: kept while it is open. */
  put(order: Order): void {
    const page = pageOf(order.orderId);
    const orders = this.#pages.get(page);
    const isKnown = orders?.has(order.orderId) === true;
    if (isOpen(order.status)) {
      if (orders === undefined) this.#pages.set(page, new Map([[order.orderId, order]]));
      else orders.set(order.orderId, order);
      if (!isKnown) this.#opened(order);
    } else if (isKnown) {
      orders?.delete(order.orderId);
      if (orders?.size === 0) this.#pages.delete(page);
      this.#closed(order.accountId);
    }
  }

  #opened({ accountId, orderId }: Order): void {
    this.#size++;
    const account = this.#accounts.get(accountId);
    if (account === undefined) {
      this.#accounts.set(accountId, { orderIds: [orderId], open: 1 });
      return;
    }
    account.orderIds.push(orderId);
    account.open++;
  }

  #closed(accountId: AccountId): void {
    this.#size--;
    const account = this.#accounts.get(accountId);
    if (account === undefined) return;
    account.open--;
    if (account.open === 0) this.#accounts.delete(accountId);
    else if (account.open * 2 < account.orderIds.length) {
      account.orderIds = account.orderIds.filter((orderId) => this.get(orderId) !== undefined);
    }
  }
}

const pageOf = (orderId: OrderId): number => Math.floor(counterOf(orderId) / PAGE_ORDERS);
