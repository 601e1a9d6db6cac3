/**
 * What each account holds and has open in each symbol, in memory. A book is an object that stays,
 * so that a commit writes to small young objects and never to one large map (open-orders.ts says why).
 */
import type { AccountId, InstrumentSymbol, OrderId } from "../../domain/brands.ts";
import type { PositionSide } from "../../domain/order.ts";
import { type Exposure, emptyExposure } from "../../domain/risk/exposure.ts";
import type { Position, SymbolSettings } from "../../domain/risk/types.ts";

/** One account in one symbol. */
export interface BookContents {
  exposure: Exposure;
  /** Initial margin of the exposure, minor units of the margin asset; 0 with `risk: none`. */
  usedMinor: bigint;
  /** One for each side that ever had a fill; a flat one stays, for its totals. */
  positions: readonly Position[];
  settings: SymbolSettings | undefined;
}

export interface Book extends BookContents {
  readonly accountId: AccountId;
  readonly symbol: InstrumentSymbol;
}

/** A book as one batch leaves it. */
export interface BookDraft extends BookContents {
  readonly book: Book;
  /** Orders of it that the batch has made or changed. */
  readonly orderIds: OrderId[];
}

export const emptyBook = (accountId: AccountId, symbol: InstrumentSymbol): Book => ({
  accountId,
  symbol,
  exposure: emptyExposure,
  usedMinor: 0n,
  positions: NO_POSITIONS,
  settings: undefined,
});

const NO_POSITIONS: readonly Position[] = [];

export const positionIn = (
  { positions }: BookContents,
  side: PositionSide,
): Position | undefined => {
  for (const position of positions) if (position.side === side) return position;
  return undefined;
};

export const withPosition = (
  positions: readonly Position[],
  position: Position,
): readonly Position[] => [...positions.filter(({ side }) => side !== position.side), position];

/** The books of one shard. */
export class Books {
  readonly #symbols = new Map<InstrumentSymbol, Map<AccountId, Book>>();

  find(accountId: AccountId, symbol: InstrumentSymbol): Book | undefined {
    return this.#symbols.get(symbol)?.get(accountId);
  }

  *of(accountId: AccountId): Iterable<Book> {
    for (const accounts of this.#symbols.values()) {
      const book = accounts.get(accountId);
      if (book !== undefined) yield book;
    }
  }

  *all(): Iterable<Book> {
    for (const accounts of this.#symbols.values()) yield* accounts.values();
  }

  add(book: Book): void {
    const accounts = this.#symbols.get(book.symbol);
    if (accounts === undefined) this.#symbols.set(book.symbol, new Map([[book.accountId, book]]));
    else accounts.set(book.accountId, book);
  }
}
