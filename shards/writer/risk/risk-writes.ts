import type { Purse } from "../../domain/escrow/purse.ts";
import type { Position, SymbolSettings } from "../../domain/risk/types.ts";
import type { PurseWrite, RiskWrites } from "../store-port.ts";
import type { BookDraft } from "./books.ts";
import type { PurseCell, PurseContents } from "./purses.ts";

/** Whether the file has to know: times and who waits are of this process only. */
export const isDurablyChanged = ({ purse }: PurseCell, after: Purse): boolean =>
  after.allotment !== purse.allotment || after.bank !== purse.bank;

/** What a batch changed beside orders and records; null when there is nothing. */
export const riskWrites = (
  books: Iterable<BookDraft>,
  purses: ReadonlyMap<PurseCell, PurseContents>,
  rest: Omit<RiskWrites, "purses" | "positions" | "symbolSettings">,
): RiskWrites | null => {
  const positions: Position[] = [];
  const symbolSettings: SymbolSettings[] = [];
  for (const draft of books) {
    const { book } = draft;
    if (draft.positions !== book.positions) {
      for (const one of draft.positions) if (!book.positions.includes(one)) positions.push(one);
    }
    const { settings } = draft;
    if (settings !== undefined && settings !== book.settings) symbolSettings.push(settings);
  }
  const writes = { ...rest, positions, symbolSettings, purses: purseWrites(purses) };
  return Object.values(writes).some((list) => list.length > 0) ? writes : null;
};

const purseWrites = (purses: ReadonlyMap<PurseCell, PurseContents>): readonly PurseWrite[] => {
  const writes: PurseWrite[] = [];
  for (const [cell, { purse }] of purses) {
    if (!isDurablyChanged(cell, purse)) continue;
    const { allotment, bank } = cell.purse;
    const before = cell.isStored ? { allotment, bank } : undefined;
    const after = { allotment: purse.allotment, bank: purse.bank };
    writes.push({ key: cell.key, before, after });
  }
  return writes;
};
