/** For unit tests of decisions: an instrument and requests that every rule lets pass. */
import type { AccountId, InstrumentSymbol } from "./brands.ts";
import type { Instrument } from "./instrument.ts";
import type { ChildRequest, OrderRequest } from "./order.ts";
import type { RiskSettings } from "./risk/types.ts";

export const ACCOUNT = 42 as AccountId;
export const STRANGER = 43 as AccountId;
export const BTC = "BTCUSDT" as InstrumentSymbol;
export const ETH = "ETHUSDT" as InstrumentSymbol;
/** Milliseconds since 1970 at which the tests begin. */
export const START_AT = 1_790_000_000_000;

/**
 * Tick 0.10, step 0.001, notional of 100 at least, band of 5 % around the mark, 20 × leverage up to
 * 100,000 USDT, 10 × up to 1,000,000, 5 orders, 2 of them conditional.
 */
export const bitcoin: Instrument = {
  symbol: BTC,
  baseAsset: "BTC",
  quoteAsset: "USDT",
  marginAsset: "USDT",
  status: "TRADING",
  priceScale: 2,
  quantityScale: 3,
  tickSizeUnits: 10,
  minPriceUnits: 55_680,
  maxPriceUnits: 452_976_400,
  stepSizeUnits: 1,
  minQuantityUnits: 1,
  maxQuantityUnits: 1_000_000,
  marketStepSizeUnits: 1,
  marketMinQuantityUnits: 1,
  marketMaxQuantityUnits: 120_000,
  minNotionalUnits: 10_000_000,
  multiplierUpUnits: 105_000_000,
  multiplierDownUnits: 95_000_000,
  maxOrders: 5,
  maxConditionalOrders: 2,
  leverageBrackets: [
    {
      bracket: 1,
      notionalFloorMinor: "0",
      notionalCapMinor: "10000000000000",
      initialLeverage: 20,
      maintenanceMarginRatioUnits: 400_000,
      maintenanceAmountMinor: "0",
    },
    {
      bracket: 2,
      notionalFloorMinor: "10000000000000",
      notionalCapMinor: "100000000000000",
      initialLeverage: 10,
      maintenanceMarginRatioUnits: 500_000,
      maintenanceAmountMinor: "0",
    },
  ],
  version: 1,
};

export const riskSettings: RiskSettings = {
  feeRateUnits: 50_000,
  marketBufferUnits: 500_000,
  markAgeMsMax: 10_000,
  leverageDefault: 10,
};

export type RequestChanges = Partial<
  Record<Exclude<keyof OrderRequest, "takeProfit" | "stopLoss">, string | number | boolean | null>
> & {
  readonly takeProfit?: Partial<Record<keyof ChildRequest, string | null>> | null;
  readonly stopLoss?: Partial<Record<keyof ChildRequest, string | null>> | null;
};

const childOf = (
  changes: Partial<Record<keyof ChildRequest, string | null>> | null | undefined,
): object | null =>
  changes === null || changes === undefined
    ? null
    : { clientOrderId: null, price: null, workingType: "MARK_PRICE", ...changes };

/** A buy of 0.01 BTC at 50,000 that every rule lets pass. */
export const limit = (changes: RequestChanges = {}): OrderRequest =>
  ({
    clientOrderId: "a-1",
    symbol: BTC,
    side: "BUY",
    type: "LIMIT",
    timeInForce: "GTC",
    goodTillDate: null,
    price: "50000",
    quantity: "0.01",
    stopPrice: null,
    workingType: null,
    reduceOnly: false,
    closePosition: false,
    positionSide: "BOTH",
    selfTradePrevention: "NONE",
    ...changes,
    takeProfit: childOf(changes.takeProfit),
    stopLoss: childOf(changes.stopLoss),
  }) as OrderRequest;

export const market = (changes: RequestChanges = {}): OrderRequest =>
  limit({ type: "MARKET", timeInForce: null, price: null, ...changes });

/** A stop that closes a long position when the mark falls to 45,000. */
export const stopMarket = (changes: RequestChanges = {}): OrderRequest =>
  market({
    side: "SELL",
    type: "STOP_MARKET",
    stopPrice: "45000",
    workingType: "MARK_PRICE",
    ...changes,
  });
