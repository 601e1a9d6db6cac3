/** Leverage, margin mode, position mode; mark prices; trading states. */
import type { AccountId, CanonicalDecimal, InstrumentSymbol } from "../brands.ts";
import { parseUnits } from "../decimal.ts";
import {
  accountKey,
  renderAccountSettings,
  renderSymbolSettings,
  renderTradingState,
  scopeKey,
} from "../entities.ts";
import type { Problem } from "../problem.ts";
import { leverageFor, leverageMaxOf, maxNotionalAt } from "../risk/margin.ts";
import { marginCeil } from "../risk/money.ts";
import type {
  AccountSettings,
  MarginMode,
  PositionMode,
  ScopedTradingState,
  SymbolSettings,
  TradingScope,
  TradingState,
} from "../risk/types.ts";
import { checkMargin, fundsAt, leverageTooHigh } from "./funds.ts";
import { type Refusal, refusal, refused, unknownSymbol } from "./problems.ts";
import type { Decision, DecisionView, Funding } from "./types.ts";

interface SymbolSettingsCommand {
  readonly accountId: AccountId;
  readonly symbol: InstrumentSymbol;
  /** null: stays as it is. */
  readonly leverage: number | null;
  readonly marginMode: MarginMode | null;
}

export const decideSymbolSettings = (
  view: DecisionView,
  { accountId, symbol, ...wish }: SymbolSettingsCommand,
  funding: Funding,
): Decision => {
  const instrument = view.instrument(symbol);
  if (instrument === undefined) return refused(unknownSymbol(symbol));
  const chosen = view.symbolSettings(accountId, symbol);
  const held = {
    leverage: leverageFor(chosen, instrument, view.riskSettings),
    marginMode: chosen?.marginMode ?? "CROSS",
  } as const;
  const leverage = wish.leverage ?? held.leverage;
  const marginMode = wish.marginMode ?? held.marginMode;
  const version = chosen?.version ?? 0;
  if (leverage === held.leverage && marginMode === held.marginMode) {
    const body = renderSymbolSettings({ accountId, symbol, ...held, version });
    return { kind: "settings", event: null, body };
  }
  if (marginMode !== held.marginMode) {
    const open = decideWhileOpen(view, accountId, symbol);
    if (open !== null) return open;
  }
  if (leverage !== held.leverage) {
    const funds = fundsAt(view, instrument, accountId, leverage);
    const maxMinor = maxNotionalAt(instrument, leverage);
    const notionalMinor = marginCeil(funds.margin.notionalUnits, instrument);
    const broken: Refusal | null =
      leverage > leverageMaxOf(instrument)
        ? refusal("leverage_too_high", {
            leverage: String(leverage),
            maxLeverage: String(leverageMaxOf(instrument)),
          })
        : maxMinor !== null && notionalMinor > maxMinor
          ? leverageTooHigh(leverage, notionalMinor, maxMinor)
          : null;
    if (broken !== null) return refused(broken);
    const short = view.risk === "none" ? null : checkMargin(view, funds, funding);
    if (short !== null) return "kind" in short ? short : refused(short);
  }
  const next: SymbolSettings = { accountId, symbol, leverage, marginMode, version: version + 1 };
  const stamp = view.nextStamp(accountKey(accountId));
  return {
    kind: "settings",
    event: { type: "settings_changed", stamp, settings: { of: "symbol", ...next } },
    body: renderSymbolSettings(next),
  };
};

/** Refused where an order is open or a position held; in all symbols of the shard without one. */
const decideWhileOpen = (
  view: DecisionView,
  accountId: AccountId,
  symbol: InstrumentSymbol | null,
): Decision | null => {
  const orders =
    symbol === null ? view.openOrdersOf(accountId) : view.openOrdersIn(accountId, symbol);
  const positions = view
    .positionsOf(accountId)
    .filter((one) => one.quantityUnits !== 0 && (symbol === null || one.symbol === symbol));
  if (orders.length === 0 && positions.length === 0) return null;
  const symbols = new Set([...orders, ...positions].map((one) => one.symbol));
  return refused({
    code: "position_or_orders_open",
    detail: `${orders.length} orders and ${positions.length} positions are open.`,
    context: {
      openOrders: String(orders.length),
      openPositions: String(positions.length),
      symbols: [...symbols].sort(),
    },
  });
};

interface AccountSettingsCommand {
  readonly accountId: AccountId;
  readonly positionMode: PositionMode;
  /** Only say whether it could be done. */
  readonly isTrial: boolean;
}

export const decideAccountSettings = (
  view: DecisionView,
  { accountId, positionMode, isTrial }: AccountSettingsCommand,
): Decision => {
  const version = view.accountSettingsVersion(accountId);
  if (positionMode === view.positionMode(accountId)) {
    const body = renderAccountSettings({ accountId, positionMode, version });
    return { kind: "settings", event: null, body };
  }
  const open = decideWhileOpen(view, accountId, null);
  if (open !== null) return open;
  const next: AccountSettings = { accountId, positionMode, version: version + 1 };
  const body = renderAccountSettings(next);
  if (isTrial) return { kind: "settings", event: null, body };
  const stamp = view.nextStamp(accountKey(accountId));
  const event = { type: "settings_changed", stamp, settings: { of: "account", ...next } } as const;
  return { kind: "settings", event, body };
};

/** Further ahead no clock is by chance: such a mark would let none come after it. */
const MARK_AHEAD_MS_MAX = 60_000;

/** On the price's scale and above 0; one that is older than what is known changes nothing. */
export const decideMark = (
  view: DecisionView,
  {
    symbol,
    price,
    at,
  }: { readonly symbol: InstrumentSymbol; readonly price: CanonicalDecimal; readonly at: number },
  now: number,
): Decision => {
  const instrument = view.instrument(symbol);
  if (instrument === undefined) return refused(unknownSymbol(symbol));
  if (at > now + MARK_AHEAD_MS_MAX) return refused(aheadOfTime(symbol, at, now));
  const priceUnits = parseUnits(price, instrument.priceScale);
  const context = { symbol, price, priceDecimals: String(instrument.priceScale) };
  if (priceUnits === "too_precise") return refused(refusal("price_off_tick", context));
  if (priceUnits === "out_of_range" || priceUnits === 0) {
    return refused(refusal("price_out_of_range", context));
  }
  const known = view.mark(symbol);
  if (known !== undefined && at < known.at) return { kind: "marked", mark: null };
  return { kind: "marked", mark: { symbol, priceUnits, at } };
};

const aheadOfTime = (symbol: InstrumentSymbol, at: number, now: number): Problem => ({
  code: "invalid_request",
  detail: `The mark of ${symbol} is of ${at}, ${at - now} ms ahead of the shard's clock.`,
  context: { symbol, at: String(at), aheadMsMax: String(MARK_AHEAD_MS_MAX) },
});

export const decideTradingState = (
  view: DecisionView,
  { scope, state }: { readonly scope: TradingScope; readonly state: TradingState },
): Decision => {
  if (scope.kind === "symbol" && view.instrument(scope.symbol) === undefined) {
    return refused(unknownSymbol(scope.symbol));
  }
  const known = view.scopedTradingState(scope) ?? { scope, state: "ACTIVE", version: 0 };
  if (known.state === state) {
    return { kind: "trading_state", event: null, body: renderTradingState(known) };
  }
  const tradingState: ScopedTradingState = { scope, state, version: known.version + 1 };
  const stamp = view.nextStamp(scopeKey(scope));
  return {
    kind: "trading_state",
    event: { type: "trading_state_changed", stamp, tradingState },
    body: renderTradingState(tradingState),
  };
};
