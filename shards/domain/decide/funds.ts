/** What an order, an amendment or another leverage would need, and whether the account has it. */
import type { AccountId, InstrumentSymbol } from "../brands.ts";
import type { Instrument } from "../instrument.ts";
import type { Order } from "../order.ts";
import { type Exposure, highestHeldPrice, orderChanged } from "../risk/exposure.ts";
import {
  type InitialMargin,
  initialMarginMinor,
  leverageFor,
  maxNotionalAt,
} from "../risk/margin.ts";
import { formatMoney, marginCeil } from "../risk/money.ts";
import { type Refusal, refusal } from "./problems.ts";
import type { Decision, DecisionView, Funding } from "./types.ts";

/** What one (account, symbol) would use after a change. */
export interface Funds {
  readonly instrument: Instrument;
  readonly accountId: AccountId;
  readonly leverage: number;
  readonly exposure: Exposure;
  readonly margin: InitialMargin;
  /** Of the margin asset, more than now; < 0 where it frees some. */
  readonly increaseMinor: bigint;
}

/** After `order` stands where `before` stood; undefined: it is new. */
export const fundsWith = (
  view: DecisionView,
  instrument: Instrument,
  exposure: Exposure,
  order: Order,
  before: Order | undefined,
): Funds => {
  const { accountId, symbol } = order;
  const settings = view.symbolSettings(accountId, symbol);
  const leverage = leverageFor(settings, instrument, view.riskSettings);
  const after = orderChanged(exposure, before, order);
  const margin = initialMarginMinor(
    after,
    { leverage, instrument, feeRateUnits: view.riskSettings.feeRateUnits },
    (side) => highestHeldPrice([...othersThan(view, order), order], side),
  );
  const increaseMinor = margin.usedMinor - view.usedInMinor(accountId, symbol);
  return { instrument, accountId, leverage, exposure: after, margin, increaseMinor };
};

const othersThan = (view: DecisionView, { accountId, symbol, orderId }: Order): readonly Order[] =>
  view.openOrdersIn(accountId, symbol).filter((other) => other.orderId !== orderId);

/** With the same orders and position, at another leverage. */
export const fundsAt = (
  view: DecisionView,
  instrument: Instrument,
  accountId: AccountId,
  leverage: number,
): Funds => {
  const symbol: InstrumentSymbol = instrument.symbol;
  const exposure = view.exposure(accountId, symbol);
  const margin = initialMarginMinor(
    exposure,
    { leverage, instrument, feeRateUnits: view.riskSettings.feeRateUnits },
    (side) => highestHeldPrice(view.openOrdersIn(accountId, symbol), side),
  );
  const increaseMinor = margin.usedMinor - view.usedInMinor(accountId, symbol);
  return { instrument, accountId, leverage, exposure, margin, increaseMinor };
};

/**
 * The brackets allow each leverage up to a notional only. What does not add to the notional passes,
 * so that a table that shrank stops nobody from closing.
 */
export const checkLeverage = (
  view: DecisionView,
  { instrument, accountId, leverage, margin }: Funds,
): Refusal | null => {
  const maxNotionalMinor = maxNotionalAt(instrument, leverage);
  if (maxNotionalMinor === null) return null;
  const notionalMinor = marginCeil(margin.notionalUnits, instrument);
  if (notionalMinor <= maxNotionalMinor) return null;
  const now = fundsAt(view, instrument, accountId, leverage).margin;
  if (margin.notionalUnits <= now.notionalUnits) return null;
  return leverageTooHigh(leverage, notionalMinor, maxNotionalMinor);
};

export const leverageTooHigh = (
  leverage: number,
  notionalMinor: bigint,
  maxNotionalMinor: bigint,
): Refusal =>
  refusal("leverage_too_high", {
    leverage: String(leverage),
    notional: formatMoney(notionalMinor),
    maxNotional: formatMoney(maxNotionalMinor),
  });

/**
 * `short`: the bank is to be asked, for the first time or again: since its answer so much may have
 * become unused here that the account has enough. A refusal names what the whole account has left:
 * all shards have given to the bank what they had unused before it said no.
 */
export const checkMargin = (
  view: DecisionView,
  { instrument: { marginAsset: asset }, accountId, increaseMinor }: Funds,
  funding: Funding,
): Refusal | Extract<Decision, { kind: "short" }> | null => {
  if (increaseMinor <= 0n) return null;
  const rightsMinor = view.rightsMinor(accountId, asset);
  const usedMinor = view.usedMinor(accountId, asset);
  if (usedMinor + increaseMinor <= rightsMinor) return null;
  const short = { kind: "short", key: { accountId, asset }, needMinor: increaseMinor } as const;
  if (funding === "ask") return short;
  const availableMinor = funding.freeMinor + rightsMinor - usedMinor;
  if (increaseMinor <= availableMinor) return short;
  const required = formatMoney(increaseMinor);
  const available = formatMoney(availableMinor > 0n ? availableMinor : 0n);
  return refusal(
    "margin_insufficient",
    { asset, required, available },
    `${required} ${asset} are needed and ${available} are available.`,
  );
};
