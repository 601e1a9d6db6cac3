/**
 * `validateOrder` of the predecessor: the instrument's rules and the available balance, which is
 * the wallet less the margin of positions and of open orders. Asked of MySQL for each order, one
 * question after the other or all at once. Two orders of one account at the same time may spend
 * the same margin: its description has no lock, so neither does this.
 *
 * Money is floating point here: nothing is kept of it but the margin of one order, rounded.
 */
import type { Database } from "./database.ts";
import { OrderRefused, type OrderRequest } from "./order-request.ts";
import type { Account, Instrument } from "./reference.ts";
import type { Lookups } from "./settings.ts";

export interface MarginMode {
  readonly margin_mode: string;
  readonly leverage: number;
}

const DEFAULT_MODE: MarginMode = { margin_mode: "CROSSED", leverage: 20 };

export const readMarginMode = async (
  database: Database,
  accountId: number,
  symbol: string,
): Promise<MarginMode> => {
  const [mode] = await database.select<MarginMode>(
    "SELECT margin_mode, leverage FROM account_settings WHERE account_id = ? AND symbol = ?",
    [accountId, symbol],
  );
  return mode ?? DEFAULT_MODE;
};

/** What the database knows of the account when the order comes. */
interface Holdings {
  readonly wallet: number;
  readonly positionMargin: number;
  readonly orderMargin: number;
  /** In the order's symbol; negative when short. */
  readonly position: number;
  readonly openOrders: number;
}

export const readHoldings = async (
  database: Database,
  lookups: Lookups,
  accountId: number,
  { symbol, margin_asset: asset }: Instrument,
): Promise<Holdings> => {
  const number = async (sql: string, name: string): Promise<number> => {
    const [row] = await database.select<{ readonly value: string | number | null }>(sql, [
      accountId,
      name,
    ]);
    return Number(row?.value ?? 0);
  };
  const questions = [
    () => number("SELECT wallet AS value FROM balances WHERE account_id = ? AND asset = ?", asset),
    () =>
      number(
        "SELECT SUM(margin) AS value FROM positions WHERE account_id = ? AND asset = ?",
        asset,
      ),
    () =>
      number(
        "SELECT SUM(margin) AS value FROM orders WHERE account_id = ? AND asset = ? AND is_open = 1",
        asset,
      ),
    () =>
      number(
        "SELECT SUM(quantity) AS value FROM positions WHERE account_id = ? AND symbol = ?",
        symbol,
      ),
    () =>
      number(
        "SELECT COUNT(*) AS value FROM orders WHERE account_id = ? AND symbol = ? AND is_open = 1",
        symbol,
      ),
  ] as const;
  const answers: number[] = [];
  if (lookups === "parallel") answers.push(...(await Promise.all(questions.map((ask) => ask()))));
  else for (const ask of questions) answers.push(await ask());
  const [wallet = 0, positionMargin = 0, orderMargin = 0, position = 0, openOrders = 0] = answers;
  return { wallet, positionMargin, orderMargin, position, openOrders };
};

/** Far below the smallest tick, far above the error of one division. */
const STEP_ERROR = 1e-6;

const isOnStep = (value: number, step: number): boolean => {
  const steps = value / step;
  return Math.abs(steps - Math.round(steps)) < STEP_ERROR;
};

/** The rules that need no database. Throws {@link OrderRefused}. */
export const checkRules = (
  order: OrderRequest,
  account: Account | null,
  instrument: Instrument | null,
): Instrument => {
  if (account?.status !== "ACTIVE") throw new OrderRefused("account_not_found");
  if (instrument === null) throw new OrderRefused("unknown_symbol");
  const price = Number(order.price);
  const quantity = Number(order.quantity);
  if (instrument.status !== "TRADING") throw new OrderRefused("instrument_not_trading");
  if (!isOnStep(price, Number(instrument.tick_size))) throw new OrderRefused("price_off_tick");
  if (!isOnStep(quantity, Number(instrument.step_size))) {
    throw new OrderRefused("quantity_off_step");
  }
  if (
    quantity < Number(instrument.min_quantity) ||
    quantity > Number(instrument.max_quantity) ||
    price * quantity < Number(instrument.min_notional)
  ) {
    throw new OrderRefused("quantity_out_of_range");
  }
  return instrument;
};

/** The order's margin as decimal text. Throws {@link OrderRefused}. */
export const checkHoldings = (
  order: OrderRequest,
  { leverage }: MarginMode,
  instrument: Instrument,
  holdings: Holdings,
): string => {
  if (holdings.openOrders >= instrument.max_orders) throw new OrderRefused("too_many_open_orders");
  const signed = order.side === "BUY" ? Number(order.quantity) : -Number(order.quantity);
  const added = Math.abs(holdings.position + signed) - Math.abs(holdings.position);
  const margin = (Math.max(0, added) * Number(order.price)) / leverage;
  const available = holdings.wallet - holdings.positionMargin - holdings.orderMargin;
  if (margin > available) throw new OrderRefused("margin_insufficient");
  return margin.toFixed(8);
};
