import type { AccountId, InstrumentSymbol } from "../../domain/brands.ts";
import { scopeKey } from "../../domain/entities.ts";
import { type EscrowContext, needsTick, restorePurse } from "../../domain/escrow/purse.ts";
import type { Instrument } from "../../domain/instrument.ts";
import type { Order, Side } from "../../domain/order.ts";
import {
  type Exposure,
  highestHeldPrice,
  orderChanged,
  positionChanged,
} from "../../domain/risk/exposure.ts";
import { type InitialMargin, initialMarginMinor, leverageFor } from "../../domain/risk/margin.ts";
import type {
  AccountSettings,
  MarkPrice,
  RiskMode,
  RiskSettings,
  ScopedTradingState,
  SymbolSettings,
  Venue,
} from "../../domain/risk/types.ts";
import type { LoadedRisk } from "../store-port.ts";
import { type Book, Books, emptyBook, withPosition } from "./books.ts";
import {
  cellOf,
  contextOf,
  type EscrowTerms,
  newCell,
  type PurseCell,
  Purses,
  tickPauseMs,
} from "./purses.ts";

/** What an exchange sets for all its accounts, and where this shard stands among the others. */
export interface RiskTerms {
  readonly risk: RiskMode;
  readonly venue: Venue;
  readonly settings: RiskSettings;
  readonly escrow: EscrowTerms;
}

export const NO_RISK_LOADED: LoadedRisk = {
  purses: [],
  positions: [],
  symbolSettings: [],
  accountSettings: [],
  marks: [],
  lastPrices: [],
  tradingStates: [],
};

/** The order book's part that the state of all orders gives. */
interface OpenOrdersView {
  readonly instrument: (symbol: InstrumentSymbol) => Instrument | undefined;
  readonly openOrdersIn: (accountId: AccountId, symbol: InstrumentSymbol) => Iterable<Order>;
}

/**
 * Positions, settings, prices and purses as the last commit left them, and what follows from them:
 * exposures and the margin in use, which are never stored.
 */
export class RiskState {
  readonly terms: RiskTerms;
  readonly books = new Books();
  readonly purses = new Purses();
  readonly modes = new Map<AccountId, AccountSettings>();
  readonly marks = new Map<InstrumentSymbol, MarkPrice>();
  /** Of each symbol's latest fill; units of 10^-priceScale. */
  readonly lastPrices = new Map<InstrumentSymbol, number>();
  readonly #tradingStates = new Map<string, ScopedTradingState>();
  /** Purses with something to send again, to wait for or to give back. */
  readonly ticking = new Set<PurseCell>();

  constructor(terms: RiskTerms, loaded: LoadedRisk, orders: Iterable<Order>, view: OpenOrdersView) {
    this.terms = terms;
    for (const settings of loaded.accountSettings) this.modes.set(settings.accountId, settings);
    for (const mark of loaded.marks) this.marks.set(mark.symbol, mark);
    for (const { symbol, priceUnits } of loaded.lastPrices) this.lastPrices.set(symbol, priceUnits);
    for (const state of loaded.tradingStates) this.setTradingState(state);
    for (const purse of loaded.purses) {
      const { accountId, asset, allotment, bank } = purse;
      const cell = cellOf(restorePurse({ accountId, asset }, allotment, bank));
      cell.isStored = true;
      this.purses.add(cell);
    }
    this.#loadBooks(loaded, orders);
    if (terms.risk === "margin") for (const book of this.books.all()) this.#loadUsed(book, view);
    for (const cell of this.purses.all()) this.noteTick(cell, 0);
  }

  #loadBooks({ positions, symbolSettings }: LoadedRisk, orders: Iterable<Order>): void {
    for (const position of positions) {
      const book = this.#bookAt(position.accountId, position.symbol);
      book.exposure = positionChanged(book.exposure, position);
      book.positions = withPosition(book.positions, position);
    }
    for (const settings of symbolSettings) {
      this.#bookAt(settings.accountId, settings.symbol).settings = settings;
    }
    for (const order of orders) {
      const book = this.#bookAt(order.accountId, order.symbol);
      book.exposure = orderChanged(book.exposure, undefined, order);
    }
  }

  #bookAt(accountId: AccountId, symbol: InstrumentSymbol): Book {
    const known = this.books.find(accountId, symbol);
    if (known !== undefined) return known;
    const book = emptyBook(accountId, symbol);
    this.books.add(book);
    return book;
  }

  #loadUsed(book: Book, { instrument, openOrdersIn }: OpenOrdersView): void {
    const { accountId, symbol } = book;
    const rules = instrument(symbol);
    if (rules === undefined) throw new Error(`${accountId} holds ${symbol}, which is not known`);
    const orders = () => openOrdersIn(accountId, symbol);
    book.usedMinor = this.marginOf(book.exposure, book.settings, rules, orders).usedMinor;
    if (book.usedMinor === 0n) return;
    const asset = rules.marginAsset;
    const cell = this.purses.find(accountId, asset) ?? this.#addPurse(accountId, asset);
    cell.usedMinor += book.usedMinor;
  }

  /** One that a restored file does not have. While the file is read nothing is known to be sent. */
  #addPurse(accountId: AccountId, asset: string): PurseCell {
    const terms = { ...this.terms.escrow, replicatedCommitSeq: () => 0 };
    const cell = newCell(accountId, asset, contextOf(terms, accountId, 0));
    this.purses.add(cell);
    return cell;
  }

  contextOf(accountId: AccountId, now: number): EscrowContext {
    return contextOf(this.terms.escrow, accountId, now);
  }

  /** What these orders and positions need; `openOrders` is asked only where the sums do not do. */
  marginOf(
    exposure: Exposure,
    settings: SymbolSettings | undefined,
    instrument: Instrument,
    openOrders: () => Iterable<Order>,
  ): InitialMargin {
    const { feeRateUnits } = this.terms.settings;
    const leverage = leverageFor(settings, instrument, this.terms.settings);
    const highest = (side: Side): number => highestHeldPrice(openOrders(), side);
    return initialMarginMinor(exposure, { leverage, instrument, feeRateUnits }, highest);
  }

  get hasTradingStates(): boolean {
    return this.#tradingStates.size > 0;
  }

  tradingState(key: string): ScopedTradingState | undefined {
    return this.#tradingStates.get(key);
  }

  setTradingState(state: ScopedTradingState): void {
    this.#tradingStates.set(scopeKey(state.scope), state);
  }

  /** Called with each purse that a batch has changed. */
  noteTick(cell: PurseCell, now: number): void {
    const { pending, outbox } = cell.purse.allotment;
    cell.askedAt = pending === null ? null : (cell.askedAt ?? now);
    cell.outboxAt = outbox.length === 0 ? null : (cell.outboxAt ?? now);
    cell.tickAt = Math.min(cell.tickAt, now + tickPauseMs(cell));
    if (needsTick(cell.purse, cell.usedMinor)) this.ticking.add(cell);
    else this.ticking.delete(cell);
  }
}
