/** For tests: records as a shard makes them, chained, with values from the domain's own renderers. */
import {
  type AccountId,
  type ClientOrderId,
  type InstrumentSymbol,
  makeOrderId,
  type ShardName,
} from "../../shards/domain/brands.ts";
import { type EntityType, renderPosition } from "../../shards/domain/entities.ts";
import type { ChangeReason, FillEffect } from "../../shards/domain/event.ts";
import type { Order, Stamp } from "../../shards/domain/order.ts";
import { renderOrder, renderOrderChange, renderRefusal } from "../../shards/domain/order-body.ts";
import type { Position } from "../../shards/domain/risk/types.ts";
import {
  type CommittedRecord,
  chainHash,
  type RecordType,
  ZERO_HASH,
} from "../../shards/protocol/record.ts";

interface StreamEnd {
  readonly epoch: number;
  readonly seq: number;
  readonly hash: string;
}

const EMPTY: StreamEnd = { epoch: 0, seq: 0, hash: ZERO_HASH };
const STARTED_AT = 1_790_000_000_000;

export class TestShard {
  readonly shard: ShardName;
  readonly #index: number;
  #epoch = 1;
  #commitSeq = 0;
  #orders = 0;
  /** Milliseconds since 1970 of the next record; one more with each. */
  now = STARTED_AT;
  readonly #ends = new Map<number, StreamEnd>();

  constructor(index = 1) {
    this.#index = index;
    this.shard = `shard${index}` as ShardName;
  }

  /** A new disk: its streams go on from where `this` is. */
  startEpoch(epoch: number): void {
    this.#epoch = epoch;
    this.#commitSeq = 0;
  }

  endOf(partition: number): StreamEnd {
    return this.#ends.get(partition) ?? EMPTY;
  }

  epochStarted(partition: number): CommittedRecord {
    const { epoch, seq, hash } = this.endOf(partition);
    const value = { previousEpoch: epoch, previousSeq: seq, previousHash: hash };
    return this.append("epoch_started", partition, "", () => JSON.stringify(value));
  }

  order(changes: Partial<Order> = {}): Order {
    const counter = ++this.#orders;
    return {
      orderId: makeOrderId(counter, this.#index),
      accountId: 42 as AccountId,
      clientOrderId: `c-${counter}` as ClientOrderId,
      symbol: "BTCUSDT" as InstrumentSymbol,
      side: "BUY",
      type: "LIMIT",
      timeInForce: "GTC",
      goodTillDate: null,
      priceUnits: 5_000_010,
      quantityUnits: 10,
      executedUnits: 0,
      priceScale: 2,
      quantityScale: 3,
      selfTradePrevention: "NONE",
      stopPriceUnits: null,
      workingType: null,
      reduceOnly: false,
      closePosition: false,
      positionSide: "BOTH",
      children: [],
      parentId: null,
      costUnits: 0n,
      marginPriceUnits: 0,
      openLossMinor: 0n,
      amendment: null,
      status: "NEW",
      version: 1,
      createdAt: this.now,
      updatedAt: this.now,
      receipt: { epoch: 0, commitSeq: 0, partition: 0, seq: 0 },
      ...changes,
    };
  }

  accepted(partition: number, changes: Partial<Order> = {}): CommittedRecord {
    return this.place(partition, changes).record;
  }

  /** Like `accepted`, with the order to change it later. */
  place(
    partition: number,
    changes: Partial<Order> = {},
  ): { readonly order: Order; readonly record: CommittedRecord } {
    let order = this.order(changes);
    const record = this.append("order_accepted", partition, order.symbol, (receipt) => {
      order = { ...order, receipt };
      return renderOrder(order, this.shard);
    });
    return { order, record };
  }

  changed(partition: number, order: Order, reason: ChangeReason = "CANCELED"): CommittedRecord {
    return this.append("order_changed", partition, order.symbol, () =>
      renderOrderChange(order, this.shard, reason),
    );
  }

  refused(partition: number): CommittedRecord {
    const { accountId, clientOrderId, symbol, side, type, timeInForce } = this.order();
    const request = { clientOrderId, symbol, side, type, timeInForce, goodTillDate: null };
    const at = this.now;
    const whole = { ...request, price: "1", quantity: "1", selfTradePrevention: "NONE" } as never;
    const refusal = { accountId, at, request: whole, status: 422, code: "price_off_tick" };
    return this.append("order_refused", partition, symbol, () =>
      renderRefusal({ ...refusal, answer: "{}" }),
    );
  }

  position(changes: Partial<Position> = {}): Position {
    return {
      accountId: 42 as AccountId,
      symbol: "BTCUSDT" as InstrumentSymbol,
      side: "BOTH",
      quantityUnits: -10,
      costUnits: 50_000_100n,
      priceScale: 2,
      quantityScale: 3,
      realisedMinor: -123_456_789n,
      feesMinor: 20_000_040n,
      version: 1,
      updatedAt: this.now,
      ...changes,
    };
  }

  positionChanged(
    partition: number,
    changes: Partial<Position> = {},
    feeAsset = "USDT",
  ): CommittedRecord {
    const position = this.position(changes);
    const fill: FillEffect = {
      executionId: `e-${position.version}`,
      orderId: makeOrderId(1, this.#index),
      realisedMinor: -123_456_789n,
      feeMinor: -5n,
      feeAsset,
    };
    return this.entity(
      partition,
      "position_changed",
      position.symbol,
      renderPosition(position, fill),
    );
  }

  /** Any value of a type that is kept by its key. */
  entity(partition: number, type: EntityType, key: string, value: string): CommittedRecord {
    return this.append(type, partition, key, () => value);
  }

  /** Any value, chained as it should be. */
  append(
    type: RecordType,
    partition: number,
    key: string,
    makeValue: (stamp: Stamp) => string,
  ): CommittedRecord {
    const end = this.endOf(partition);
    const epoch = this.#epoch;
    const seq = end.epoch === epoch ? end.seq + 1 : 1;
    const commitSeq = ++this.#commitSeq;
    const value = makeValue({ epoch, commitSeq, partition, seq });
    const hash = chainHash(end.hash, value);
    this.#ends.set(partition, { epoch, seq, hash });
    const at = this.now++;
    const { shard } = this;
    return {
      type,
      shard,
      epoch,
      partition,
      seq,
      commitSeq,
      at,
      key,
      value,
      prevHash: end.hash,
      hash,
    };
  }
}
