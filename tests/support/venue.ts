/**
 * A matching engine that a test plays for one account in one symbol. What it has decided holds: it
 * is sent until it is known to be taken, and everything that it filled is in its ledger.
 */
import type { AccountId } from "../../shards/domain/brands.ts";
import type { PositionSide, Side } from "../../shards/domain/order.ts";
import type { OrderBody } from "../../shards/domain/order-body.ts";
import type { PositionFill } from "../../shards/domain/risk/position.ts";
import { oraclePosition } from "./margin-oracle.ts";
import { type Exchange, type Market, moneyOf, type SentExecution } from "./trading.ts";

/** What a taker pays of the notional; 10^-8, as the shards hold back for it. */
const FEE_RATE_UNITS = 50_000n;

export interface FillWish {
  readonly priceUnits: number;
  readonly quantityUnits: number;
  /** Minor units; the taker's fee when left out. */
  readonly feeMinor?: bigint;
  /** The margin asset when left out. */
  readonly feeAsset?: string;
}

/** Whether nothing but closing can come of it. */
export const isReducing = (order: OrderBody): boolean =>
  order.reduceOnly ||
  order.closePosition === true ||
  order.parentOrderId !== undefined ||
  (order.positionSide === "LONG" && order.side === "SELL") ||
  (order.positionSide === "SHORT" && order.side === "BUY");

/** Whether a matching engine has it. */
export const isLive = ({ status }: OrderBody): boolean =>
  status === "NEW" || status === "PARTIALLY_FILLED" || status === "PENDING_CANCEL";

export class VenuePair {
  readonly account: number;
  readonly market: Market;
  /** What it filled, in its order. */
  readonly fills: PositionFill[] = [];
  /** By asset, rebates below zero; minor units. */
  readonly fees = new Map<string, bigint>();
  /** Everything that is known to be taken, to be sent once more. */
  readonly taken: SentExecution[] = [];
  /** What was answered otherwise than it should. */
  readonly faults: string[] = [];
  readonly #exchange: Exchange;
  /** Decided, not sent. */
  #queue: SentExecution[] = [];
  #count = 0;

  constructor(exchange: Exchange, account: number, market: Market) {
    this.#exchange = exchange;
    this.account = account;
    this.market = market;
  }

  get isBehind(): boolean {
    return this.#queue.length > 0;
  }

  /** Signed units of the position that its fills have made. */
  positionUnits(side: PositionSide): number {
    return Number(this.#position(side).quantity);
  }

  /** What the fills realised, fees not taken off; minor units of the margin asset. */
  realisedMinor(side: PositionSide): bigint {
    return this.#position(side).realised;
  }

  #position(side: PositionSide) {
    const fills = this.fills.filter(({ positionSide }) => positionSide === side);
    return oraclePosition(fills, this.market.instrument);
  }

  /** How much of an order the position lets it close. */
  closableUnits({ positionSide, side }: OrderBody): number {
    const held = this.positionUnits(positionSide);
    return Math.max(0, side === "SELL" ? held : -held);
  }

  fill(order: OrderBody, wish: FillWish): void {
    const { market } = this;
    const { priceUnits, quantityUnits } = wish;
    const feeMinor = wish.feeMinor ?? this.#feeOf(priceUnits, quantityUnits);
    const asset = wish.feeAsset ?? market.instrument.marginAsset;
    this.fills.push({
      accountId: this.account as AccountId,
      symbol: market.symbol,
      side: order.side as Side,
      positionSide: order.positionSide,
      priceUnits,
      quantityUnits,
    });
    this.fees.set(asset, (this.fees.get(asset) ?? 0n) + feeMinor);
    this.say(order, "FILL", {
      price: market.textOfPrice(priceUnits),
      quantity: market.quantity(quantityUnits),
      fee: moneyOf(feeMinor),
      ...(wish.feeAsset === undefined ? {} : { feeAsset: wish.feeAsset }),
    });
  }

  /** Puts one execution behind what is decided already. */
  say(
    { orderId }: OrderBody,
    kind: SentExecution["kind"],
    fields: Partial<Pick<SentExecution, "price" | "quantity" | "fee" | "feeAsset">> = {},
  ): void {
    this.#count += 1;
    const { symbol } = this.market;
    const executionId = `${this.account}.${symbol}.${this.#count}`;
    this.#queue.push({ executionId, orderId, symbol, kind, ...fields, at: Date.now() });
  }

  /** Sends what is decided; `copies` of each, one behind the other. */
  async flush(copies = 1): Promise<void> {
    const sent = this.#queue;
    this.#queue = [];
    const doubled = sent.flatMap((one) => Array.from({ length: copies }, () => one));
    for (const { executionId, status, reason } of await this.#exchange.execute(doubled)) {
      if (status === "applied" || status === "duplicate") continue;
      this.faults.push(`execution ${executionId} is ${status}: ${reason}`);
    }
    this.taken.push(...sent);
  }

  /** What was taken before is sent once more, and must be a duplicate. */
  async repeat(execution: SentExecution): Promise<void> {
    for (const { executionId, status } of await this.#exchange.execute([execution])) {
      if (status !== "duplicate") this.faults.push(`execution ${executionId} again is ${status}`);
    }
  }

  /** A fill that can't be must be put aside: of an order unknown or too small. */
  async lie(orderId: string, steps: number): Promise<void> {
    this.#count += 1;
    const { market } = this;
    const execution: SentExecution = {
      executionId: `${this.account}.${market.symbol}.${this.#count}`,
      orderId,
      symbol: market.symbol,
      kind: "FILL",
      price: market.price(0),
      quantity: market.quantity(steps * market.instrument.stepSizeUnits),
      at: Date.now(),
    };
    for (const { executionId, status } of await this.#exchange.execute([execution])) {
      if (status === "quarantined" || status === "duplicate") continue;
      this.faults.push(`execution ${executionId}, which can't be, is ${status}`);
    }
  }

  /** Rounded up. The rate's decimals and those of money are as many. */
  #feeOf(priceUnits: number, quantityUnits: number): bigint {
    const { priceScale, quantityScale } = this.market.instrument;
    const dividend = BigInt(priceUnits) * BigInt(quantityUnits) * FEE_RATE_UNITS;
    const divisor = 10n ** BigInt(priceScale + quantityScale);
    return (dividend + divisor - 1n) / divisor;
  }
}
