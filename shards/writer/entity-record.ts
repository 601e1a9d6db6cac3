import {
  accountKey,
  renderAccountSettings,
  renderPosition,
  renderQuarantined,
  renderSymbolSettings,
  renderTradingState,
  renderTransfer,
  scopeKey,
} from "../domain/entities.ts";
import type { EntityEvent } from "../domain/event.ts";

/** What a record says and what decides its partition. */
export interface EntityRecord {
  readonly key: string;
  readonly value: string;
}

/**
 * The record of an event that is not about an order. Its key is the one that its stamp was made
 * with: an execution's is its symbol where the shard knows it, and empty elsewhere.
 */
export const entityRecord = (
  event: EntityEvent,
  isSymbol: (text: string) => boolean,
): EntityRecord => {
  switch (event.type) {
    case "position_changed":
      return { key: event.position.symbol, value: renderPosition(event.position, event.fill) };
    case "settings_changed": {
      const { settings } = event;
      const value =
        settings.of === "symbol" ? renderSymbolSettings(settings) : renderAccountSettings(settings);
      return { key: accountKey(settings.accountId), value };
    }
    case "trading_state_changed": {
      const { tradingState } = event;
      return { key: scopeKey(tradingState.scope), value: renderTradingState(tradingState) };
    }
    case "execution_quarantined": {
      const { symbol }: { symbol: string } = JSON.parse(event.execution);
      return { key: isSymbol(symbol) ? symbol : "", value: renderQuarantined(event) };
    }
    case "account_changed":
      return { key: accountKey(event.accountId), value: event.value };
    case "transfer_decided": {
      const { accountId, asset } = event;
      return { key: accountKey(accountId), value: renderTransfer(accountId, asset, event) };
    }
  }
};
