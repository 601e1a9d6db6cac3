/**
 * The open orders in memory, laid out for the garbage collector: it looks again through every old
 * object that was written to since, so one map of a million orders would cost milliseconds with each
 * order that comes. Orders lie in pages by their number, of which only the newest is written to; an
 * account has, for each symbol, a list of plain numbers, which the collector does not walk.
 */
import {
  type AccountId,
  counterOf,
  type InstrumentSymbol,
  type OrderId,
} from "../domain/brands.ts";
import { isOpen, type Order } from "../domain/order.ts";

const PAGE_ORDERS = 4096;

/** Ids in the order of their acceptance. Closed ones stay until they are the larger part. */
interface OrderList {
  orderIds: OrderId[];
  open: number;
}

export class OpenOrders {
  readonly #pages = new Map<number, Map<OrderId, Order>>();
  readonly #symbols = new Map<InstrumentSymbol, Map<AccountId, OrderList>>();
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
  of(accountId: AccountId): readonly Order[] {
    const found: Order[] = [];
    for (const symbol of this.#symbols.keys()) found.push(...this.in(accountId, symbol));
    return found.sort((a, b) => a.orderId - b.orderId);
  }

  /** Oldest first. */
  *in(accountId: AccountId, symbol: InstrumentSymbol): Iterable<Order> {
    for (const orderId of this.#symbols.get(symbol)?.get(accountId)?.orderIds ?? []) {
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
      this.#closed(order);
    }
  }

  #opened({ accountId, symbol, orderId }: Order): void {
    this.#size++;
    const accounts = this.#symbols.get(symbol);
    const list = accounts?.get(accountId);
    if (list !== undefined) {
      list.orderIds.push(orderId);
      list.open++;
      return;
    }
    const first = { orderIds: [orderId], open: 1 };
    if (accounts === undefined) this.#symbols.set(symbol, new Map([[accountId, first]]));
    else accounts.set(accountId, first);
  }

  #closed({ accountId, symbol }: Order): void {
    this.#size--;
    const accounts = this.#symbols.get(symbol);
    const list = accounts?.get(accountId);
    if (list === undefined) return;
    list.open--;
    if (list.open === 0) accounts?.delete(accountId);
    else if (list.open * 2 < list.orderIds.length) {
      list.orderIds = list.orderIds.filter((orderId) => this.get(orderId) !== undefined);
    }
  }
}

const pageOf = (orderId: OrderId): number => Math.floor(counterOf(orderId) / PAGE_ORDERS);
