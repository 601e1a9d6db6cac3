/**
 * Whose turn the scenario's order number N is and what it is. Alone in its file and without imports,
 * because k6 reads it too; `scenario.lua` does the same for wrk.
 */
export interface Sizes {
  readonly accounts: number;
  /** Of each shard, symbols that the scenario trades there. */
  readonly symbols: readonly number[];
}

export interface Pick {
  /** From 0. */
  readonly account: number;
  /** Of the order's symbol, side and shape, from 0: see {@link variantOf}. */
  readonly variant: number;
}

/** Every so many-th order has a take-profit and a stop-loss. */
const BRACKET_EVERY = 5;

/** `symbol` counts through all shards. */
export const variantOf = (symbol: number, isSell: boolean, isBracket: boolean): number =>
  4 * symbol + 2 * Number(isSell) + Number(isBracket);

/** Accounts take turns; an account goes round the shards, to one symbol of its own in each. */
export const pick = (place: number, { accounts, symbols }: Sizes): Pick => {
  const account = place % accounts;
  const pass = (place - account) / accounts;
  const shard = (account + pass) % symbols.length;
  let symbol = Math.floor(account / symbols.length) % (symbols[shard] ?? 1);
  for (let before = 0; before < shard; before++) symbol += symbols[before] ?? 0;
  const isBracket = (account + pass) % BRACKET_EVERY === 0;
  return { account, variant: variantOf(symbol, pass % 2 === 1, isBracket) };
};
