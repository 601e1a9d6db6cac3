/** What the orders and positions of a lost shard need, reckoned as its writer does it. */
import type { AccountId, InstrumentSymbol, OrderId } from "../../shards/domain/brands.ts";
import type { PurseKey } from "../../shards/domain/escrow/types.ts";
import type { ChangeReason } from "../../shards/domain/event.ts";
import type { Instrument } from "../../shards/domain/instrument.ts";
import { isOpen, type Order } from "../../shards/domain/order.ts";
import {
  type Exposure,
  emptyExposure,
  highestHeldPrice,
  orderChanged,
  positionChanged,
} from "../../shards/domain/risk/exposure.ts";
import { initialMarginMinor, leverageFor, marginPriceOf } from "../../shards/domain/risk/margin.ts";
import type {
  Position,
  RiskSettings,
  SymbolSettings,
  Venue,
} from "../../shards/domain/risk/types.ts";

export interface BookTerms {
  readonly instruments: ReadonlyMap<InstrumentSymbol, Instrument>;
  readonly riskSettings: RiskSettings;
  readonly venue: Venue;
  /** Milliseconds since 1970. */
  readonly now: number;
}

export interface OrderChange {
  readonly order: Order;
  readonly reason: ChangeReason;
}

interface Book {
  readonly symbol: InstrumentSymbol;
  exposure: Exposure;
  readonly orders: Map<OrderId, Order>;
  leverage: number;
}

/**
 * The order with the price at which it is held. Marks are not replicated: a limit order is held at
 * its own price without an open loss, a market order that is live at nothing until it fills.
 */
export const withMargin = (order: Order, riskSettings: RiskSettings): Order => ({
  ...order,
  marginPriceUnits: order.type === "MARKET" ? 0 : marginPriceOf(order, null, riskSettings),
  openLossMinor: 0n,
});

export class LostBooks {
  readonly #terms: BookTerms;
  readonly #orders: Map<OrderId, Order>;
  readonly #books = new Map<AccountId, Map<InstrumentSymbol, Book>>();
  readonly #changed = new Map<OrderId, OrderChange>();

  constructor(
    lost: {
      readonly openOrders: readonly Order[];
      readonly positions: readonly Position[];
      readonly symbolSettings: readonly SymbolSettings[];
    },
    terms: BookTerms,
  ) {
    this.#terms = terms;
    this.#orders = new Map(lost.openOrders.map((order) => [order.orderId, order]));
    for (const position of lost.positions) {
      const book = this.#bookOf(position.accountId, position.symbol);
      book.exposure = positionChanged(book.exposure, position);
    }
    for (const settings of lost.symbolSettings) {
      const book = this.#bookOf(settings.accountId, settings.symbol);
      const instrument = terms.instruments.get(settings.symbol);
      if (instrument !== undefined) {
        book.leverage = leverageFor(settings, instrument, terms.riskSettings);
      }
    }
    for (const order of lost.openOrders) {
      const book = this.#bookOf(order.accountId, order.symbol);
      book.exposure = orderChanged(book.exposure, undefined, order);
      book.orders.set(order.orderId, order);
    }
  }

  /** Accounts with the margin assets of what they hold or have open. */
  *purseKeys(): Iterable<PurseKey> {
    for (const [accountId, books] of this.#books) {
      for (const { symbol, exposure } of books.values()) {
        if (exposure === emptyExposure) continue;
        const asset = this.#terms.instruments.get(symbol)?.marginAsset;
        if (asset !== undefined) yield { accountId, asset };
      }
    }
  }

  /** Initial margin of the account's symbols with that margin asset; minor units. */
  usedMinor(key: PurseKey): bigint {
    return this.#booksOf(key).reduce((sum, book) => sum + this.#usedBy(book, book.exposure), 0n);
  }

  /**
   * Cancels resting orders, newest first, until what is used fits into the rights. What a matching
   * engine has is asked for, and counts until it confirms.
   */
  cancelDown(key: PurseKey, rightsMinor: bigint): void {
    const books = this.#booksOf(key);
    /** As if every cancel were confirmed. */
    const left = new Map(books.map((book) => [book, book.exposure]));
    const used = (): bigint =>
      [...left].reduce((sum, [book, exposure]) => sum + this.#usedBy(book, exposure), 0n);
    const resting = books.flatMap((book) =>
      [...book.orders.values()].map((order) => ({ book, order })),
    );
    resting.sort((a, b) => b.order.orderId - a.order.orderId);
    for (const { book, order } of resting) {
      if (used() <= rightsMinor) return;
      if (order.marginPriceUnits === 0) continue;
      left.set(book, orderChanged(left.get(book) ?? book.exposure, order, undefined));
      this.#cancel(book, order);
    }
  }

  /** Open orders as they are to be restored, the changed ones left out. */
  unchanged(): readonly Order[] {
    return [...this.#orders.values()].filter(({ orderId }) => !this.#changed.has(orderId));
  }

  changed(): readonly OrderChange[] {
    return [...this.#changed.values()];
  }

  #cancel(book: Book, order: Order): void {
    if (order.status === "PENDING_CANCEL") return;
    if (this.#terms.venue === "external" && order.status !== "UNTRIGGERED") {
      this.#change(book, order, { status: "PENDING_CANCEL" }, "CANCEL_REQUESTED");
      return;
    }
    this.#change(book, order, { status: "CANCELED", amendment: null }, "CANCELED");
    for (const { orderId } of order.children) {
      const child = this.#orders.get(orderId);
      if (child?.status === "PENDING") {
        this.#change(book, child, { status: "CANCELED" }, "CANCELED");
      }
    }
  }

  #change(
    book: Book,
    before: Order,
    change: Pick<Order, "status"> & Partial<Pick<Order, "amendment">>,
    reason: ChangeReason,
  ): void {
    const order = { ...before, ...change, version: before.version + 1, updatedAt: this.#terms.now };
    book.exposure = orderChanged(book.exposure, before, order);
    if (isOpen(order.status)) book.orders.set(order.orderId, order);
    else book.orders.delete(order.orderId);
    this.#changed.set(order.orderId, { order, reason });
  }

  #usedBy({ symbol, orders, leverage }: Book, exposure: Exposure): bigint {
    const instrument = this.#terms.instruments.get(symbol);
    if (instrument === undefined) return 0n;
    const { feeRateUnits } = this.#terms.riskSettings;
    const highest = (side: Order["side"]): number => highestHeldPrice(orders.values(), side);
    return initialMarginMinor(exposure, { leverage, instrument, feeRateUnits }, highest).usedMinor;
  }

  #booksOf({ accountId, asset }: PurseKey): readonly Book[] {
    const books = this.#books.get(accountId)?.values() ?? [];
    return [...books].filter(
      ({ symbol }) => this.#terms.instruments.get(symbol)?.marginAsset === asset,
    );
  }

  #bookOf(accountId: AccountId, symbol: InstrumentSymbol): Book {
    let books = this.#books.get(accountId);
    if (books === undefined) {
      books = new Map();
      this.#books.set(accountId, books);
    }
    const known = books.get(symbol);
    if (known !== undefined) return known;
    const { instruments, riskSettings } = this.#terms;
    const instrument = instruments.get(symbol);
    const leverage =
      instrument === undefined ? 1 : leverageFor(undefined, instrument, riskSettings);
    const book: Book = { symbol, exposure: emptyExposure, orders: new Map(), leverage };
    books.set(symbol, book);
    return book;
  }
}
