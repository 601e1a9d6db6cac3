/**
 * What both systems are sent: orders on the symbols of the predecessor's own sharding map, a third
 * to each shard, every fifth one with take-profit and stop-loss, each account's in turn.
 */
import { defaultInstruments } from "../../app/instruments/default-set.ts";
import type { Instrument } from "../../shards/domain/instrument.ts";
import type { Side } from "../../shards/domain/order.ts";
import { defaultSharding, parseShardMap, type ShardMap } from "../../shards/domain/symbol-map.ts";
import { FIRST_NUMBER } from "../load/orders.ts";
import { type Pick, pick, type Sizes } from "../load/scenario-pick.ts";
import { assetsOf, makeTraders, type Trader } from "../risk/accounts.ts";
import { Market, type Shape } from "../risk/market.ts";

export const SHARD_MAP: ShardMap = parseShardMap(defaultSharding);

const INSTRUMENTS: readonly Instrument[] = defaultInstruments.filter(
  ({ status }) => status === "TRADING",
);

const marketsOfShard = (place: number): readonly Market[] => {
  const named = new Set(SHARD_MAP.shards.flatMap(({ symbols }) => symbols));
  const { rest, symbols } = SHARD_MAP.shards[place] as ShardMap["shards"][number];
  return INSTRUMENTS.filter(({ symbol }) =>
    rest ? !named.has(symbol) : symbols.includes(symbol),
  ).map((instrument) => new Market(instrument));
};

const byShard = SHARD_MAP.shards.map((_, place) => marketsOfShard(place));

/** Shard after shard. */
export const MARKETS: readonly Market[] = byShard.flat();

export const sizesFor = (accounts: number): Sizes => ({
  accounts,
  symbols: byShard.map(({ length }) => length),
});

const SIDES: readonly Side[] = ["BUY", "SELL"];
const SHAPES: readonly Shape[] = ["plain", "bracket"];

/** An order without its client order id. */
export interface Variant {
  readonly market: Market;
  readonly side: Side;
  readonly shape: Shape;
}

/** In the order in which `variantOf` counts. */
export const VARIANTS: readonly Variant[] = MARKETS.flatMap((market) =>
  SIDES.flatMap((side) => SHAPES.map((shape) => ({ market, side, shape }))),
);

export const fieldsOf = ({ market, side, shape }: Variant) => market.fields(side, shape);

const FIRST_ACCOUNT = 10_001;

/** Accounts, and what each of them trades. */
export class Scenario {
  readonly traders: readonly Trader[];
  readonly sizes: Sizes;

  private constructor(traders: readonly Trader[]) {
    this.traders = traders;
    this.sizes = sizesFor(traders.length);
  }

  static async make(accounts: number): Promise<Scenario> {
    return new Scenario(await makeTraders(FIRST_ACCOUNT, accounts));
  }

  /** The order that the generators send with this number when `offset` orders came before. */
  orderAt(number: number, offset: number): { readonly trader: Trader; readonly variant: Variant } {
    const { account, variant }: Pick = pick(number + offset, this.sizes);
    return {
      trader: this.traders[account] as Trader,
      variant: VARIANTS[variant] as Variant,
    };
  }

  /** What the account with this place in {@link traders} trades: a symbol of each shard. */
  marketsOf(account: number): readonly Market[] {
    const { accounts, symbols } = this.sizes;
    return symbols.map((_, pass) => {
      const { variant } = pick(account + pass * accounts, this.sizes);
      return (VARIANTS[variant] as Variant).market;
    });
  }

  assetsOf(account: number): readonly string[] {
    return assetsOf(this.marketsOf(account));
  }
}

/** So that the first order of a stream is the first account's: numbers have ten digits. */
export const offsetFor = (sent: number): number => sent - (FIRST_NUMBER + 1);
