/** What this shard knows of an account: its purses, its bank if that is here, its positions. */
import type { AccountId, InstrumentSymbol } from "../../domain/brands.ts";
import { formatUnits, multiplyExact } from "../../domain/decimal.ts";
import { equityOf, freeOf, grantedOf } from "../../domain/escrow/ledger.ts";
import { unusedOf } from "../../domain/escrow/purse.ts";
import type { Bank } from "../../domain/escrow/types.ts";
import type { Instrument } from "../../domain/instrument.ts";
import { leverageFor } from "../../domain/risk/margin.ts";
import { creditFloor, formatMoney } from "../../domain/risk/money.ts";
import { averageEntryPrice } from "../../domain/risk/position.ts";
import type { MarkPrice, Position } from "../../domain/risk/types.ts";
import type { ShardState } from "../state.ts";
import type { Book } from "./books.ts";
import type { PurseCell } from "./purses.ts";

const instrumentOf = (state: ShardState, symbol: InstrumentSymbol): Instrument => {
  const instrument = state.instruments.get(symbol);
  if (instrument === undefined) throw new Error(`a book in ${symbol}, which is not known`);
  return instrument;
};

/** JSON of the answer to `account`. */
export const describeAccount = (state: ShardState, accountId: AccountId): string => {
  const cells = state.risk.purses.of(accountId);
  const positions = usedByPositions(state, accountId);
  const isHome = state.risk.terms.escrow.homeOf(accountId) === state.shardIndex;
  const banks = cells.flatMap(({ key, purse }) =>
    purse.bank === null ? [] : [describeBank(key.asset, purse.bank)],
  );
  return JSON.stringify({
    shard: state.shard,
    purses: cells.map((cell) => describePurse(cell, positions.get(cell.key.asset) ?? 0n)),
    bank: isHome && cells.length > 0 ? banks : null,
  });
};

/** Margin of the positions alone, by margin asset. */
const usedByPositions = (state: ShardState, accountId: AccountId): ReadonlyMap<string, bigint> => {
  const used = new Map<string, bigint>();
  if (state.risk.terms.risk === "none") return used;
  for (const book of state.risk.books.of(accountId)) {
    const instrument = instrumentOf(state, book.symbol);
    const asset = instrument.marginAsset;
    const { positionsMinor } = state.risk.marginOf(book.exposure, book.settings, instrument, () =>
      state.openOrdersIn(accountId, book.symbol),
    );
    used.set(asset, (used.get(asset) ?? 0n) + positionsMinor);
  }
  return used;
};

const describePurse = ({ key, purse, usedMinor }: PurseCell, positionsMinor: bigint) => {
  const { rightsMinor, outbox } = purse.allotment;
  return {
    asset: key.asset,
    rights: formatMoney(rightsMinor),
    used: formatMoney(usedMinor),
    usedByOrders: formatMoney(usedMinor - positionsMinor),
    usedByPositions: formatMoney(positionsMinor),
    unused: formatMoney(unusedOf(purse, usedMinor)),
    outbox: formatMoney(outbox.reduce((sum, { unitsMinor }) => sum + unitsMinor, 0n)),
  };
};

const describeBank = (asset: string, bank: Bank) => ({
  asset,
  deposited: formatMoney(bank.depositedMinor),
  withdrawn: formatMoney(bank.withdrawnMinor),
  realised: formatMoney(bank.shards.reduce((sum, row) => sum + row.pnlTotalMinor, 0n)),
  granted: formatMoney(grantedOf(bank)),
  free: formatMoney(freeOf(bank)),
  equity: formatMoney(equityOf(bank)),
});

/** JSON of the answer to `positions`: those that are not closed. */
export const describePositions = (state: ShardState, accountId: AccountId): string => {
  const open = [...state.risk.books.of(accountId)].flatMap((book) =>
    book.positions
      .filter(({ quantityUnits }) => quantityUnits !== 0)
      .map((position) => describePosition(state, book, position)),
  );
  return JSON.stringify(open);
};

const describePosition = (state: ShardState, book: Book, position: Position) => {
  const { symbol, settings } = book;
  const { priceScale, quantityScale, quantityUnits } = position;
  const instrument = instrumentOf(state, symbol);
  const mark = state.risk.marks.get(symbol);
  return {
    symbol,
    positionSide: position.side,
    quantity: formatUnits(quantityUnits, quantityScale),
    averagePrice: averageEntryPrice(position),
    markPrice: mark === undefined ? null : formatUnits(mark.priceUnits, priceScale),
    unrealised: mark === undefined ? null : formatMoney(unrealisedMinor(position, mark)),
    realised: formatMoney(position.realisedMinor),
    fees: formatMoney(position.feesMinor),
    leverage: leverageFor(settings, instrument, state.risk.terms.settings),
    marginMode: settings?.marginMode ?? "CROSS",
    updatedAt: position.updatedAt,
  };
};

/** Against the mark, rounded down. */
const unrealisedMinor = (position: Position, { priceUnits }: MarkPrice): bigint => {
  const { quantityUnits, costUnits } = position;
  const worthUnits = multiplyExact(priceUnits, quantityUnits);
  const costNow = quantityUnits > 0 ? costUnits : -costUnits;
  return creditFloor(worthUnits - costNow, position);
};
