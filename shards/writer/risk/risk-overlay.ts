/**
 * The part of a batch's view that is about risk: what is committed, covered by what this batch has
 * decided. Applied and dropped together with the orders (overlay.ts).
 */
import type { AccountId, InstrumentSymbol, OrderId } from "../../domain/brands.ts";
import type { BookAfter } from "../../domain/decide/types.ts";
import { accountKey, scopeKey } from "../../domain/entities.ts";
import { canRealise, type Purse } from "../../domain/escrow/purse.ts";
import type { PurseKey, Transfer } from "../../domain/escrow/types.ts";
import type { Instrument } from "../../domain/instrument.ts";
import type { Order, PositionSide, WorkingType } from "../../domain/order.ts";
import {
  type Exposure,
  emptyExposure,
  orderChanged,
  positionChanged,
} from "../../domain/risk/exposure.ts";
import { mostRestrictive } from "../../domain/risk/trading-state.ts";
import type {
  AccountSettings,
  MarkPrice,
  Position,
  PositionMode,
  ScopedTradingState,
  SymbolSettings,
  TradingScope,
  TradingState,
} from "../../domain/risk/types.ts";
import type { QuarantinedExecution, RiskWrites, SeenExecution } from "../store-port.ts";
import {
  type Book,
  type BookContents,
  type BookDraft,
  Books,
  emptyBook,
  positionIn,
  withPosition,
} from "./books.ts";
import { newCell, type PurseCell, type PurseContents, Purses } from "./purses.ts";
import type { RiskState } from "./risk-state.ts";
import { isDurablyChanged, riskWrites } from "./risk-writes.ts";

/** What it needs to know of orders. */
export interface OrdersView {
  instrument(symbol: InstrumentSymbol): Instrument | undefined;
  openOrdersIn(accountId: AccountId, symbol: InstrumentSymbol): readonly Order[];
}

const NO_ORDERS: readonly OrderId[] = [];

/** A price that may trigger orders, each as it came: one that has gone again counts too. */
export interface SeenPrice {
  readonly symbol: InstrumentSymbol;
  readonly workingType: WorkingType;
  /** Units of 10^-priceScale. */
  readonly priceUnits: number;
}

export class RiskOverlay {
  readonly #state: RiskState;
  readonly #orders: OrdersView;
  readonly #now: number;
  readonly #books = new Map<Book, BookDraft>();
  readonly #newBooks = new Books();
  readonly #purses = new Map<PurseCell, PurseContents>();
  readonly #newPurses = new Purses();
  readonly #modes = new Map<AccountId, AccountSettings>();
  readonly #marks = new Map<InstrumentSymbol, MarkPrice>();
  readonly #lastPrices = new Map<InstrumentSymbol, number>();
  readonly #tradingStates = new Map<string, ScopedTradingState>();
  readonly #transfers = new Map<string, PurseKey & Transfer>();
  readonly #executions = new Map<string, SeenExecution>();
  readonly #quarantined: QuarantinedExecution[] = [];
  readonly #prices: SeenPrice[] = [];
  #latestBook: Book | undefined;
  #latestCell: PurseCell | undefined;

  constructor(state: RiskState, orders: OrdersView, now: number) {
    this.#state = state;
    this.#orders = orders;
    this.#now = now;
  }

  #contents(accountId: AccountId, symbol: InstrumentSymbol): BookContents | undefined {
    const book = this.#find(accountId, symbol);
    return book === undefined ? undefined : (this.#books.get(book) ?? book);
  }

  /** One decision asks for its own book again and again. */
  #find(accountId: AccountId, symbol: InstrumentSymbol): Book | undefined {
    const latest = this.#latestBook;
    if (latest?.accountId === accountId && latest.symbol === symbol) return latest;
    const book =
      this.#state.books.find(accountId, symbol) ?? this.#newBooks.find(accountId, symbol);
    if (book !== undefined) this.#latestBook = book;
    return book;
  }

  #draft(accountId: AccountId, symbol: InstrumentSymbol): BookDraft {
    let book = this.#find(accountId, symbol);
    if (book === undefined) {
      book = emptyBook(accountId, symbol);
      this.#newBooks.add(book);
    }
    const known = this.#books.get(book);
    if (known !== undefined) return known;
    const { exposure, usedMinor, positions, settings } = book;
    const draft = { book, exposure, usedMinor, positions, settings, orderIds: [] };
    this.#books.set(book, draft);
    return draft;
  }

  exposure(accountId: AccountId, symbol: InstrumentSymbol): Exposure {
    return this.#contents(accountId, symbol)?.exposure ?? emptyExposure;
  }

  /** Orders of this account and symbol that this batch has made or changed. */
  orderIdsIn(accountId: AccountId, symbol: InstrumentSymbol): readonly OrderId[] {
    const book = this.#find(accountId, symbol);
    return (book && this.#books.get(book)?.orderIds) ?? NO_ORDERS;
  }

  position(
    accountId: AccountId,
    symbol: InstrumentSymbol,
    side: PositionSide,
  ): Position | undefined {
    const contents = this.#contents(accountId, symbol);
    return contents && positionIn(contents, side);
  }

  positionsOf(accountId: AccountId): readonly Position[] {
    const books = [...this.#state.books.of(accountId), ...this.#newBooks.of(accountId)];
    return books.flatMap((book) => (this.#books.get(book) ?? book).positions);
  }

  symbolSettings(accountId: AccountId, symbol: InstrumentSymbol): SymbolSettings | undefined {
    return this.#contents(accountId, symbol)?.settings;
  }

  #mode(accountId: AccountId): AccountSettings | undefined {
    return this.#modes.get(accountId) ?? this.#state.modes.get(accountId);
  }

  positionMode(accountId: AccountId): PositionMode {
    return this.#mode(accountId)?.positionMode ?? "ONE_WAY";
  }

  accountSettingsVersion(accountId: AccountId): number {
    return this.#mode(accountId)?.version ?? 0;
  }

  mark(symbol: InstrumentSymbol): MarkPrice | undefined {
    return this.#marks.get(symbol) ?? this.#state.marks.get(symbol);
  }

  lastPrice(symbol: InstrumentSymbol): number | undefined {
    return this.#lastPrices.get(symbol) ?? this.#state.lastPrices.get(symbol);
  }

  #scoped(key: string): ScopedTradingState | undefined {
    return this.#tradingStates.get(key) ?? this.#state.tradingState(key);
  }

  scopedTradingState(scope: TradingScope): ScopedTradingState | undefined {
    return this.#scoped(scopeKey(scope));
  }

  tradingState(accountId: AccountId, symbol: InstrumentSymbol): TradingState {
    if (!this.#state.hasTradingStates && this.#tradingStates.size === 0) return "ACTIVE";
    return mostRestrictive(
      this.#scoped("all")?.state ?? "ACTIVE",
      this.#scoped(symbol)?.state ?? "ACTIVE",
      this.#scoped(accountKey(accountId))?.state ?? "ACTIVE",
    );
  }

  /** Applied or put aside by this batch. */
  hasExecution(symbol: InstrumentSymbol, executionId: string): boolean {
    return this.#executions.has(executionKey(symbol, executionId));
  }

  usedInMinor(accountId: AccountId, symbol: InstrumentSymbol): bigint {
    return this.#contents(accountId, symbol)?.usedMinor ?? 0n;
  }

  usedMinor(accountId: AccountId, asset: string): bigint {
    return this.#purseContents(accountId, asset)?.usedMinor ?? 0n;
  }

  /** Those of a purse that waits for its numbers are only a claim: nothing may be opened on them. */
  rightsMinor(accountId: AccountId, asset: string): bigint {
    const allotment = this.#purseContents(accountId, asset)?.purse.allotment;
    return allotment?.state === "LIVE" ? allotment.rightsMinor : 0n;
  }

  canRealise(accountId: AccountId, asset: string, deltaMinor: bigint): boolean {
    const purse = this.#purseContents(accountId, asset)?.purse;
    return purse === undefined || canRealise(purse, deltaMinor);
  }

  #purseContents(accountId: AccountId, asset: string): PurseContents | undefined {
    const cell = this.#cell(accountId, asset);
    return cell === undefined ? undefined : (this.#purses.get(cell) ?? cell);
  }

  #cell(accountId: AccountId, asset: string): PurseCell | undefined {
    const latest = this.#latestCell;
    if (latest?.key.accountId === accountId && latest.key.asset === asset) return latest;
    const cell =
      this.#state.purses.find(accountId, asset) ?? this.#newPurses.find(accountId, asset);
    if (cell !== undefined) this.#latestCell = cell;
    return cell;
  }

  #purseDraft({ accountId, asset }: PurseKey): PurseContents {
    let cell = this.#cell(accountId, asset);
    if (cell === undefined) {
      cell = newCell(accountId, asset, this.#state.contextOf(accountId, this.#now));
      this.#newPurses.add(cell);
    }
    const known = this.#purses.get(cell);
    if (known !== undefined) return known;
    const draft = { purse: cell.purse, usedMinor: cell.usedMinor };
    this.#purses.set(cell, draft);
    return draft;
  }

  /** The purse as this batch has it now; a new one for an account never heard of. */
  purse(key: PurseKey): Purse {
    return this.#purseDraft(key).purse;
  }

  setPurse(purse: Purse): void {
    this.#purseDraft(purse.key).purse = purse;
  }

  transfer({ accountId, asset }: PurseKey, transferId: string): Transfer | undefined {
    return this.#transfers.get(`${accountId}:${asset}:${transferId}`);
  }

  /** An order was made (`before` undefined) or changed; `known`: to what that leads, if known. */
  orderChanged(before: Order | undefined, after: Order, known: BookAfter | null = null): void {
    const draft = this.#draft(after.accountId, after.symbol);
    draft.exposure = known?.exposure ?? orderChanged(draft.exposure, before, after);
    draft.orderIds.push(after.orderId);
    this.#revalue(draft, known?.usedMinor);
  }

  positionChanged(position: Position): void {
    const draft = this.#draft(position.accountId, position.symbol);
    draft.exposure = positionChanged(draft.exposure, position);
    draft.positions = withPosition(draft.positions, position);
    this.#revalue(draft);
  }

  symbolSettingsChanged(settings: SymbolSettings): void {
    const draft = this.#draft(settings.accountId, settings.symbol);
    draft.settings = settings;
    this.#revalue(draft);
  }

  /** What is used follows from exposure and settings. */
  #revalue(draft: BookDraft, knownMinor?: bigint): void {
    const { risk } = this.#state.terms;
    if (risk === "none") return;
    const { accountId, symbol } = draft.book;
    const instrument = this.#orders.instrument(symbol);
    if (instrument === undefined) throw new Error(`${accountId} trades ${symbol}, not known here`);
    const openOrders = (): readonly Order[] => this.#orders.openOrdersIn(accountId, symbol);
    const usedMinor =
      knownMinor ??
      this.#state.marginOf(draft.exposure, draft.settings, instrument, openOrders).usedMinor;
    if (usedMinor === draft.usedMinor) return;
    const purse = this.#purseDraft({ accountId, asset: instrument.marginAsset });
    purse.usedMinor += usedMinor - draft.usedMinor;
    draft.usedMinor = usedMinor;
  }

  accountSettingsChanged(settings: AccountSettings): void {
    this.#modes.set(settings.accountId, settings);
  }

  tradingStateChanged(state: ScopedTradingState): void {
    this.#tradingStates.set(scopeKey(state.scope), state);
  }

  marked(mark: MarkPrice): void {
    const { symbol, priceUnits } = mark;
    this.#marks.set(symbol, mark);
    this.#prices.push({ symbol, workingType: "MARK_PRICE", priceUnits });
  }

  traded(symbol: InstrumentSymbol, priceUnits: number): void {
    this.#lastPrices.set(symbol, priceUnits);
    this.#prices.push({ symbol, workingType: "LAST_PRICE", priceUnits });
  }

  executed(seen: SeenExecution): void {
    this.#executions.set(executionKey(seen.symbol, seen.executionId), seen);
  }

  quarantined(execution: QuarantinedExecution): void {
    this.#quarantined.push(execution);
  }

  transferred(transfer: PurseKey & Transfer): void {
    const { accountId, asset, transferId } = transfer;
    this.#transfers.set(`${accountId}:${asset}:${transferId}`, transfer);
  }

  /** Purses whose bank says something new to central; each before and after. */
  *changedBanks(): Iterable<Purse> {
    for (const [cell, { purse }] of this.#purses) {
      if (purse.bank !== null && purse.bank.version !== cell.purse.bank?.version) yield purse;
    }
  }

  /** In the order in which they came. */
  get prices(): readonly SeenPrice[] {
    return this.#prices;
  }

  /** null when nothing of this changed. */
  writes(): RiskWrites | null {
    return riskWrites(this.#books.values(), this.#purses, {
      accountSettings: [...this.#modes.values()],
      marks: [...this.#marks.values()],
      lastPrices: [...this.#lastPrices].map(([symbol, priceUnits]) => ({ symbol, priceUnits })),
      tradingStates: [...this.#tradingStates.values()],
      transfers: [...this.#transfers.values()],
      executions: [...this.#executions.values()],
      quarantined: this.#quarantined,
    });
  }

  /** After COMMIT. */
  apply(): void {
    const state = this.#state;
    for (const book of this.#newBooks.all()) state.books.add(book);
    for (const cell of this.#newPurses.all()) state.purses.add(cell);
    for (const { book, exposure, usedMinor, positions, settings } of this.#books.values()) {
      book.exposure = exposure;
      book.usedMinor = usedMinor;
      book.positions = positions;
      book.settings = settings;
    }
    for (const [cell, { purse, usedMinor }] of this.#purses) {
      cell.isStored ||= isDurablyChanged(cell, purse);
      // An order inside the rights gives the timers nothing to do.
      const isPlain =
        purse === cell.purse &&
        usedMinor >= cell.usedMinor &&
        usedMinor <= purse.allotment.rightsMinor;
      cell.purse = purse;
      cell.usedMinor = usedMinor;
      if (!isPlain) state.noteTick(cell, this.#now);
    }
    for (const [accountId, mode] of this.#modes) state.modes.set(accountId, mode);
    for (const [symbol, mark] of this.#marks) state.marks.set(symbol, mark);
    for (const [symbol, price] of this.#lastPrices) state.lastPrices.set(symbol, price);
    for (const scoped of this.#tradingStates.values()) state.setTradingState(scoped);
  }
}

const executionKey = (symbol: InstrumentSymbol, executionId: string): string =>
  `${symbol}:${executionId}`;
