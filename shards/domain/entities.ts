/**
 * What is replicated beside the orders: positions, settings, trading states, accounts, transfers,
 * executions that were put aside. Each is one record with the whole value after the change; central
 * keeps the newest of each (type, entityKey). The text is made here only, by the shard that writes
 * it and by whoever compares a shard's tables with central.
 */
import type { AccountId, InstrumentSymbol } from "./brands.ts";
import { formatUnits, MONEY_SCALE } from "./decimal.ts";
import type { Bank, Transfer } from "./escrow/types.ts";
import type { EntityEvent, ExecutionQuarantined, FillEffect } from "./event.ts";
import type { PositionSide } from "./order.ts";
import type {
  AccountSettings,
  Position,
  ScopedTradingState,
  SymbolSettings,
  TradingScope,
} from "./risk/types.ts";

export type EntityType = EntityEvent["type"];

export const ENTITY_TYPES = [
  "position_changed",
  "settings_changed",
  "trading_state_changed",
  "execution_quarantined",
  "account_changed",
  "transfer_decided",
] as const satisfies readonly EntityType[];

/** The key of records about an account rather than a symbol. */
export const accountKey = (accountId: AccountId): string => `account:${accountId}`;

const money = (minor: bigint): string => formatUnits(minor, MONEY_SCALE);

export const positionKey = (accountId: AccountId, symbol: InstrumentSymbol, side: PositionSide) =>
  `${accountId}:${symbol}:${side}`;
export const symbolSettingsKey = (accountId: AccountId, symbol: InstrumentSymbol): string =>
  `${accountId}:${symbol}`;
export const accountSettingsKey = (accountId: AccountId): string => `${accountId}`;
export const purseKey = (accountId: AccountId, asset: string): string => `${accountId}:${asset}`;
export const transferKey = (accountId: AccountId, asset: string, transferId: string): string =>
  `${accountId}:${asset}:${transferId}`;
/** An execution's id is its symbol's own. */
export const executionKey = (symbol: string, executionId: string): string =>
  `${symbol}:${executionId}`;
export const scopeKey = (scope: TradingScope): string =>
  scope.kind === "all"
    ? "all"
    : scope.kind === "symbol"
      ? scope.symbol
      : accountKey(scope.accountId);

/** Of a `position_changed` record; `fill` is absent where the position is shown without one. */
export const renderPosition = (position: Position, fill?: FillEffect): string =>
  JSON.stringify({
    accountId: String(position.accountId),
    symbol: position.symbol,
    positionSide: position.side,
    quantity: formatUnits(position.quantityUnits, position.quantityScale),
    cost: formatUnits(position.costUnits, position.priceScale + position.quantityScale),
    priceDecimals: position.priceScale,
    quantityDecimals: position.quantityScale,
    realised: money(position.realisedMinor),
    fees: money(position.feesMinor),
    version: position.version,
    updatedAt: position.updatedAt,
    fill:
      fill === undefined
        ? undefined
        : {
            executionId: fill.executionId,
            orderId: String(fill.orderId),
            realised: money(fill.realisedMinor),
            fee: money(fill.feeMinor),
            feeAsset: fill.feeAsset,
          },
  });

export const renderSymbolSettings = (settings: SymbolSettings): string =>
  JSON.stringify({
    accountId: String(settings.accountId),
    symbol: settings.symbol,
    leverage: settings.leverage,
    marginMode: settings.marginMode,
    version: settings.version,
  });

export const renderAccountSettings = (settings: AccountSettings): string =>
  JSON.stringify({
    accountId: String(settings.accountId),
    positionMode: settings.positionMode,
    version: settings.version,
  });

export const renderTradingState = ({ scope, state, version }: ScopedTradingState): string =>
  JSON.stringify({ scope: scopeKey(scope), state, version });

/** Of the bank's side of a purse. */
export const renderAccount = (accountId: AccountId, asset: string, bank: Bank): string =>
  JSON.stringify({
    accountId: String(accountId),
    asset,
    deposited: money(bank.depositedMinor),
    withdrawn: money(bank.withdrawnMinor),
    realised: money(bank.shards.reduce((sum, { pnlTotalMinor }) => sum + pnlTotalMinor, 0n)),
    granted: money(bank.shards.reduce((sum, { grantedMinor }) => sum + grantedMinor, 0n)),
    term: bank.term,
    version: bank.version,
  });

export const renderTransfer = (accountId: AccountId, asset: string, transfer: Transfer): string =>
  JSON.stringify({
    accountId: String(accountId),
    asset,
    transferId: transfer.transferId,
    amount: money(transfer.amountMinor),
    outcome: transfer.outcome,
    at: transfer.at,
  });

/** Of an execution that was put aside; its entity key is {@link executionKey} of its own symbol. */
export const renderQuarantined = ({
  executionId,
  reason,
  at,
  execution,
}: Pick<ExecutionQuarantined, "executionId" | "reason" | "at" | "execution">): string =>
  `{"executionId":${JSON.stringify(executionId)},"reason":${JSON.stringify(reason)},"at":${at},` +
  `"execution":${execution}}`;
