/** The matchers of all symbols, and what they say as the executions that a shard takes. */
import type { InstrumentSymbol } from "../../shards/domain/brands.ts";
import { formatUnits, MONEY_SCALE } from "../../shards/domain/decimal.ts";
import { RATIO_SCALE } from "../../shards/domain/instrument.ts";
import { isOpen } from "../../shards/domain/order.ts";
import { type Match, Matcher } from "./matcher.ts";
import type { OrderNews, VenueOrder } from "./order-events.ts";

/** As `POST /admin/v1/executions` takes it. */
export interface ExecutionText {
  readonly executionId: string;
  readonly orderId: string;
  readonly symbol: string;
  readonly kind: Match["kind"];
  readonly price?: string;
  readonly quantity?: string;
  readonly fee?: string;
  readonly at: number;
}

export interface MarkPriceText {
  readonly symbol: string;
  readonly markPrice: string;
  readonly at: number;
}

interface SymbolState {
  readonly matcher: Matcher;
  priceScale: number;
  quantityScale: number;
}

export class PaperEngine {
  readonly #feeRateUnits: number;
  readonly #symbols = new Map<InstrumentSymbol, SymbolState>();

  /** `feeRateUnits`: what a taker pays of its notional, 10^-8; a maker pays nothing. */
  constructor(feeRateUnits: number) {
    this.#feeRateUnits = feeRateUnits;
  }

  /** `now` in milliseconds since 1970 goes into the executions only. */
  take(news: OrderNews, now: number): readonly ExecutionText[] {
    const { order } = news;
    const state = this.#stateOf(order);
    return this.#matchesOf(state, news).map((match) =>
      this.#textOf(state, order.symbol, match, now),
    );
  }

  /** Of every symbol that has a price. */
  marks(now: number): readonly MarkPriceText[] {
    const marks: MarkPriceText[] = [];
    for (const [symbol, { matcher, priceScale }] of this.#symbols) {
      const units = matcher.markUnits();
      if (units !== undefined && units > 0) {
        marks.push({ symbol, markPrice: formatUnits(units, priceScale), at: now });
      }
    }
    return marks;
  }

  #matchesOf({ matcher }: SymbolState, news: OrderNews): readonly Match[] {
    const { order } = news;
    switch (news.kind) {
      case "live":
        return matcher.place(order);
      case "cancel_requested":
        return matcher.cancel(order.orderId);
      case "amend_requested":
        return order.amendment === null ? [] : matcher.amend(order, order.amendment);
      case "heard":
        matcher.heard(order.orderId, { ...order, isOver: !isOpen(order.status) });
        return [];
    }
  }

  #stateOf({ symbol, priceScale, quantityScale }: VenueOrder): SymbolState {
    let state = this.#symbols.get(symbol);
    if (state === undefined) {
      state = { matcher: new Matcher(), priceScale: priceScale ?? 0, quantityScale };
      this.#symbols.set(symbol, state);
    }
    if (priceScale !== null) state.priceScale = priceScale;
    return state;
  }

  #textOf(
    { priceScale, quantityScale }: SymbolState,
    symbol: InstrumentSymbol,
    match: Match,
    at: number,
  ): ExecutionText {
    const { executionId, kind } = match;
    const text = { executionId, orderId: String(match.orderId), symbol, kind, at };
    if (match.kind !== "FILL" && match.kind !== "AMENDED") return text;
    const price = formatUnits(match.priceUnits, priceScale);
    const quantity = formatUnits(match.quantityUnits, quantityScale);
    if (match.kind === "AMENDED") return { ...text, price, quantity };
    const fee = match.isTaker
      ? this.#feeOf(match.priceUnits, match.quantityUnits, priceScale + quantityScale)
      : "0";
    return { ...text, price, quantity, fee };
  }

  /** Rounded up to 10^-8 of the asset. */
  #feeOf(priceUnits: number, quantityUnits: number, notionalScale: number): string {
    const product = BigInt(priceUnits) * BigInt(quantityUnits) * BigInt(this.#feeRateUnits);
    const scale = notionalScale + RATIO_SCALE - MONEY_SCALE;
    const unit = 10n ** BigInt(Math.max(0, scale));
    return formatUnits((product + unit - 1n) / unit, MONEY_SCALE);
  }
}
