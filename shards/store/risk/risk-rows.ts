/** What batches change beside orders and records, but for purses and executions. */
import type { Database } from "bun:sqlite";
import { scopeKey } from "../../domain/entities.ts";
import type { LoadedRisk, RiskWrites } from "../../writer/store-port.ts";
import { loadPurses } from "./load-purses.ts";
import { storable } from "./money.ts";
import { PurseRows } from "./purse-rows.ts";
import {
  ACCOUNT_SETTINGS,
  LAST_PRICES,
  MARK_PRICES,
  POSITIONS,
  readAll,
  SYMBOL_SETTINGS,
  TRADING_STATES,
} from "./row-kinds.ts";

/** Without what belongs to executions. */
export type RiskState = Omit<RiskWrites, "executions" | "quarantined">;

export class RiskRows {
  readonly purses: PurseRows;
  readonly #position;
  readonly #symbolSettings;
  readonly #accountSettings;
  readonly #mark;
  readonly #lastPrice;
  readonly #tradingState;

  constructor(database: Database) {
    this.purses = new PurseRows(database);
    this.#position = database.prepare(
      "REPLACE INTO position VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    );
    this.#symbolSettings = database.prepare(
      "REPLACE INTO symbol_setting VALUES (?, ?, ?, ?, ?, ?)",
    );
    this.#accountSettings = database.prepare("REPLACE INTO account_setting VALUES (?, ?, ?, ?)");
    this.#mark = database.prepare("REPLACE INTO mark_price VALUES (?, ?, ?)");
    this.#lastPrice = database.prepare("REPLACE INTO last_price VALUES (?, ?)");
    this.#tradingState = database.prepare("REPLACE INTO trading_state VALUES (?, ?, ?, ?)");
  }

  /** `commitSeq`: the batch's last. */
  write(risk: RiskState, commitSeq: number): void {
    this.purses.write(risk.purses, commitSeq);
    this.purses.writeTransfers(risk.transfers, commitSeq);
    this.#writePositions(risk, commitSeq);
    for (const { accountId, symbol, leverage, marginMode, version } of risk.symbolSettings) {
      this.#symbolSettings.run(accountId, symbol, leverage, marginMode, version, commitSeq);
    }
    for (const { accountId, positionMode, version } of risk.accountSettings) {
      this.#accountSettings.run(accountId, positionMode, version, commitSeq);
    }
    for (const { scope, state, version } of risk.tradingStates) {
      this.#tradingState.run(scopeKey(scope), state, version, commitSeq);
    }
    for (const { symbol, priceUnits, at } of risk.marks) this.#mark.run(symbol, priceUnits, at);
    for (const { symbol, priceUnits } of risk.lastPrices) this.#lastPrice.run(symbol, priceUnits);
  }

  #writePositions({ positions }: RiskState, commitSeq: number): void {
    for (const position of positions) {
      this.#position.run(
        position.accountId,
        position.symbol,
        position.side,
        position.quantityUnits,
        String(position.costUnits),
        position.priceScale,
        position.quantityScale,
        storable(position.realisedMinor),
        storable(position.feesMinor),
        position.version,
        position.updatedAt,
        commitSeq,
      );
    }
  }
}

export const loadRisk = (database: Database): LoadedRisk => ({
  purses: loadPurses(database),
  positions: readAll(database, POSITIONS),
  symbolSettings: readAll(database, SYMBOL_SETTINGS),
  accountSettings: readAll(database, ACCOUNT_SETTINGS),
  marks: readAll(database, MARK_PRICES),
  lastPrices: readAll(database, LAST_PRICES),
  tradingStates: readAll(database, TRADING_STATES),
});
