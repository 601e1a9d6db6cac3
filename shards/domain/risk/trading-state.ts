import { TRADING_STATES, type TradingState } from "./types.ts";

/** What holds where several states apply (all, symbol, account); ACTIVE without any. */
export const mostRestrictive = (...states: readonly TradingState[]): TradingState => {
  let most: TradingState = "ACTIVE";
  for (const state of states) {
    if (TRADING_STATES.indexOf(state) > TRADING_STATES.indexOf(most)) most = state;
  }
  return most;
};
