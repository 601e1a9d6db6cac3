/**
 * Conditional orders that wait for their price. For each symbol, kind of price and direction they
 * lie in a heap with the one that triggers first on top, so that a price costs O(due × log n). An
 * order that has ended or moved is left in its heap until it comes up or too many such are there.
 *
 * Each is given once for each time that it waits: whoever takes it submits its trigger, and notes it
 * again if nothing came of that.
 */
import type { InstrumentSymbol, OrderId } from "../../domain/brands.ts";
import type { Order, WorkingType } from "../../domain/order.ts";

/** A stop price at which an order waits. */
interface Entry {
  readonly orderId: OrderId;
  readonly stopPriceUnits: number;
}

/** `rising` orders trigger at or above their stop price, `falling` ones at or below. */
type Direction = "rising" | "falling";

const directionOf = ({ type, side }: Order): Direction => {
  const isStop = type === "STOP" || type === "STOP_MARKET";
  return isStop === (side === "BUY") ? "rising" : "falling";
};

const COMPACT_ENTRIES = 64;

export class Triggers {
  readonly #heaps = new Map<string, Heap>();
  /** The entry under which an order waits now; others of it are stale. */
  readonly #waiting = new Map<OrderId, Entry>();

  get size(): number {
    return this.#waiting.size;
  }

  /** Called with each order that a start loads or a batch leaves. */
  note(order: Order): void {
    const { orderId, stopPriceUnits } = order;
    if (stopPriceUnits === null) return;
    const known = this.#waiting.get(orderId);
    if (order.status !== "UNTRIGGERED") {
      if (known !== undefined) this.#waiting.delete(orderId);
      return;
    }
    if (known?.stopPriceUnits === stopPriceUnits) return;
    const entry = { orderId, stopPriceUnits };
    this.#waiting.set(orderId, entry);
    this.#heapOf(order).push(entry, this.#isLive);
  }

  readonly #isLive = (entry: Entry): boolean => this.#waiting.get(entry.orderId) === entry;

  #heapOf(order: Order): Heap {
    const direction = directionOf(order);
    const key = heapKey(order.symbol, order.workingType ?? "MARK_PRICE", direction);
    const known = this.#heaps.get(key);
    if (known !== undefined) return known;
    const heap = new Heap(direction);
    this.#heaps.set(key, heap);
    return heap;
  }

  /** Takes out all that a price (units of 10^-priceScale) triggers, those it met first in front. */
  due(symbol: InstrumentSymbol, workingType: WorkingType, priceUnits: number): readonly OrderId[] {
    const due: OrderId[] = [];
    for (const direction of ["rising", "falling"] as const) {
      const heap = this.#heaps.get(heapKey(symbol, workingType, direction));
      for (;;) {
        const entry = heap?.takeAt(priceUnits);
        if (entry === undefined) break;
        if (!this.#isLive(entry)) continue;
        this.#waiting.delete(entry.orderId);
        due.push(entry.orderId);
      }
    }
    return due;
  }
}

const heapKey = (symbol: InstrumentSymbol, type: WorkingType, direction: Direction): string =>
  `${symbol}:${type}:${direction}`;

/** A binary heap over stop prices; of equal ones the older order is first. */
class Heap {
  readonly #isRising: boolean;
  #entries: Entry[] = [];
  #compactAt = COMPACT_ENTRIES;

  constructor(direction: Direction) {
    this.#isRising = direction === "rising";
  }

  #isBefore(a: Entry, b: Entry): boolean {
    if (a.stopPriceUnits === b.stopPriceUnits) return a.orderId < b.orderId;
    return a.stopPriceUnits < b.stopPriceUnits === this.#isRising;
  }

  #isReached({ stopPriceUnits }: Entry, priceUnits: number): boolean {
    return this.#isRising ? priceUnits >= stopPriceUnits : priceUnits <= stopPriceUnits;
  }

  push(entry: Entry, isLive: (entry: Entry) => boolean): void {
    if (this.#entries.length >= this.#compactAt) this.#compact(isLive);
    const entries = this.#entries;
    let place = entries.length;
    entries.push(entry);
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const above = entries[parent] as Entry;
      if (!this.#isBefore(entry, above)) break;
      entries[place] = above;
      place = parent;
    }
    entries[place] = entry;
  }

  /** Stale entries are at most as many as live ones. A sorted array is a heap. */
  #compact(isLive: (entry: Entry) => boolean): void {
    this.#entries = this.#entries.filter(isLive).sort((a, b) => (this.#isBefore(a, b) ? -1 : 1));
    this.#compactAt = Math.max(COMPACT_ENTRIES, 2 * this.#entries.length);
  }

  /** The first entry, if this price reaches it. */
  takeAt(priceUnits: number): Entry | undefined {
    const entries = this.#entries;
    const [first] = entries;
    if (first === undefined || !this.#isReached(first, priceUnits)) return undefined;
    const last = entries.pop() as Entry;
    if (entries.length > 0) this.#sink(last);
    return first;
  }

  #sink(entry: Entry): void {
    const entries = this.#entries;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= entries.length) break;
      const right = child + 1;
      if (
        right < entries.length &&
        this.#isBefore(entries[right] as Entry, entries[child] as Entry)
      ) {
        child = right;
      }
      const below = entries[child] as Entry;
      if (!this.#isBefore(below, entry)) break;
      entries[place] = below;
      place = child;
    }
    entries[place] = entry;
  }
}
