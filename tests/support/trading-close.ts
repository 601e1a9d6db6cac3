/** The end of random trading: everything is closed, and every unit of money is accounted for. */
import { expect } from "bun:test";
import type { Balance } from "../../app/http/account/balances.ts";
import type { OrderBody } from "../../shards/domain/order-body.ts";
import { type Exchange, minorOf, moneyOf } from "./trading.ts";
import type { Trading } from "./trading-load.ts";
import type { Pair } from "./trading-orders.ts";
import { inLanes, until } from "./until.ts";
import { isLive } from "./venue.ts";

const LANES = 16;
const QUIET_MS_MAX = 60_000;

const accountsOf = ({ pairs }: Trading): readonly number[] => [
  ...new Set(pairs.map(({ account }) => account)),
];

/** Cancels every order and closes every position, as clients and as the engine. */
export const closeAll = async (exchange: Exchange, trading: Trading): Promise<void> => {
  const pairOf = new Map(
    trading.pairs.map((pair) => [`${pair.account}:${pair.market.symbol}`, pair]),
  );
  const pairFor = (account: number, symbol: string) => pairOf.get(`${account}:${symbol}`) as Pair;
  await inLanes(accountsOf(trading), LANES, async (account) => {
    for (const pair of trading.pairs) if (pair.account === account) await pair.venue.flush();
    await exchange.cancelAll(account);
    for (const order of (await exchange.openOrders(account)).filter(isLive)) {
      pairFor(account, order.symbol).venue.say(order, "CANCEL");
    }
    for (const { symbol, positionSide, quantity } of await exchange.positions(account)) {
      await closePosition(exchange, pairFor(account, symbol), positionSide, quantity);
    }
    for (const pair of trading.pairs) if (pair.account === account) await pair.venue.flush();
    expect(await exchange.openOrders(account)).toEqual([]);
    expect(await exchange.positions(account)).toEqual([]);
  });
};

const closePosition = async (
  exchange: Exchange,
  { account, market, venue }: Pair,
  positionSide: OrderBody["positionSide"],
  quantity: string,
): Promise<void> => {
  await venue.flush();
  expect(market.quantity(venue.positionUnits(positionSide))).toBe(quantity);
  const order = await exchange.placed(account, {
    clientOrderId: `close-${account}-${positionSide}`,
    symbol: market.symbol,
    side: quantity.startsWith("-") ? "BUY" : "SELL",
    positionSide,
    type: "MARKET",
    reduceOnly: true,
    quantity: quantity.replace("-", ""),
  });
  const quantityUnits = market.units(order.quantity);
  venue.fill(order, { priceUnits: market.priceUnits(0), quantityUnits });
  await venue.flush();
};

/** What each `account:asset` must have now; minor units. */
const expectedWallets = (trading: Trading): ReadonlyMap<string, bigint> => {
  const wallets = new Map(trading.paidIn);
  const add = (account: number, asset: string, minor: bigint): void => {
    const key = `${account}:${asset}`;
    wallets.set(key, (wallets.get(key) ?? 0n) + minor);
  };
  for (const { account, market, venue } of trading.pairs) {
    const { marginAsset } = market.instrument;
    for (const side of ["BOTH", "LONG", "SHORT"] as const) {
      add(account, marginAsset, venue.realisedMinor(side));
    }
    for (const [asset, minor] of venue.fees) add(account, asset, -minor);
  }
  return wallets;
};

const isQuiet = ({ inTransit, usedByOrders, usedByPositions }: Balance): boolean =>
  [inTransit, usedByOrders, usedByPositions].every((money) => minorOf(money) === 0n);

/**
 * Once all is closed: each wallet has to the last unit what went in, came out and was realised, and
 * all of it can be paid out, wherever it lies.
 */
export const expectConserved = async (exchange: Exchange, trading: Trading): Promise<void> => {
  const wallets = expectedWallets(trading);
  await inLanes(accountsOf(trading), LANES, async (account) => {
    const differences = () =>
      balances
        .filter((one) => minorOf(one.wallet) !== (wallets.get(`${account}:${one.asset}`) ?? 0n))
        .map((one) => `${one.asset} ${one.wallet}, not ${wallets.get(`${account}:${one.asset}`)}`);
    let balances: readonly Balance[] = [];
    await until(
      () => `${account} is quiet: ${differences()} ${JSON.stringify(balances)}`,
      QUIET_MS_MAX,
      async () => {
        balances = await exchange.balances(account);
        return balances.every(isQuiet) && differences().length === 0;
      },
    );
    for (const { asset, available, wallet } of balances) {
      const minor = minorOf(wallet);
      expect({ account, asset, available }).toEqual({
        account,
        asset,
        available: moneyOf(minor > 0n ? minor : 0n),
      });
      if (minor <= 0n) continue;
      const paid = await exchange.transfer(account, `out-${asset}`, asset, -minor);
      expect({ account, asset, wallet, paid }).toEqual({ account, asset, wallet, paid: true });
    }
    const left = await exchange.balances(account);
    expect(left.filter(({ wallet }) => minorOf(wallet) > 0n)).toEqual([]);
  });
};
