/**
 * One batch's view of the state: what is committed, covered by what this batch has decided so
 * far. Applied after COMMIT returned; dropped if it fails, and then nothing has happened.
 */
import {
  type AccountId,
  type ClientOrderId,
  type InstrumentSymbol,
  makeOrderId,
  type OrderId,
} from "../domain/brands.ts";
import { CODES } from "../domain/codes.ts";
import type { DecisionView, Outcome } from "../domain/decide.ts";
import type { DomainEvent } from "../domain/event.ts";
import type { Instrument } from "../domain/instrument.ts";
import { isOpen, type Order, type Stamp } from "../domain/order.ts";
import { renderOrder, renderOrderChange, renderRefusal } from "../domain/order-body.ts";
import { type Problem, renderProblem } from "../domain/problem.ts";
import { type CommittedRecord, chainHash } from "../protocol/record.ts";
import type { ShardState, StreamEnd } from "./state.ts";
import type { BatchWrites, OrderWrite, WriterStore } from "./store-port.ts";

export class Overlay implements DecisionView {
  readonly #state: ShardState;
  readonly #store: Pick<WriterStore, "findOutcome" | "readOrder">;
  readonly #hashKey: (key: string) => number;
  readonly #admission: Problem | undefined;
  readonly #openOrdersMax: number;
  readonly #now: number;
  readonly #records: CommittedRecord[] = [];
  readonly #orders = new Map<OrderId, OrderWrite>();
  readonly #outcomes = new Map<string, Outcome>();
  readonly #outcomeKeys: { hash: number; commitSeq: number }[] = [];
  readonly #streams = new Map<number, StreamEnd>();
  /** Sequences given to events that are not added yet. */
  readonly #reserved = new Map<number, number>();
  #orderCounter: number;
  #commitSeq: number;
  #opened = 0;
  /** Key and hash of the latest look-up: the event that follows is this key's outcome. */
  #key = "";
  #keyHash = 0;

  constructor(
    state: ShardState,
    options: {
      readonly store: Pick<WriterStore, "findOutcome" | "readOrder">;
      readonly hashKey: (key: string) => number;
      /** Why no new order is taken in this batch. */
      readonly admission: Problem | undefined;
      readonly openOrdersMax: number;
      readonly now: number;
    },
  ) {
    this.#state = state;
    this.#store = options.store;
    this.#hashKey = options.hashKey;
    this.#admission = options.admission;
    this.#openOrdersMax = options.openOrdersMax;
    this.#now = options.now;
    this.#orderCounter = state.orderCounter;
    this.#commitSeq = state.commitSeq;
  }

  instrument(symbol: InstrumentSymbol): Instrument | undefined {
    return this.#state.instruments.get(symbol);
  }

  order(orderId: OrderId): Order | undefined {
    return (
      this.#orders.get(orderId)?.order ??
      this.#state.openOrder(orderId) ??
      this.#store.readOrder(orderId)
    );
  }

  openOrdersOf(accountId: AccountId): readonly Order[] {
    const found: Order[] = [];
    for (const order of this.#state.openOrdersOf(accountId)) {
      if (!this.#orders.has(order.orderId)) found.push(order);
    }
    for (const { order } of this.#orders.values()) {
      if (order.accountId === accountId && isOpen(order.status)) found.push(order);
    }
    return found.sort((a, b) => a.orderId - b.orderId);
  }

  outcome(
    accountId: AccountId,
    symbol: InstrumentSymbol,
    clientOrderId: ClientOrderId,
  ): Outcome | undefined {
    this.#key = `${accountId}:${symbol}:${clientOrderId}`;
    this.#keyHash = this.#hashKey(this.#key);
    const decided = this.#outcomes.get(this.#key);
    if (decided !== undefined) return decided;
    const key = { accountId, symbol, clientOrderId, hash: this.#keyHash };
    return this.#store.findOutcome(key, this.#now);
  }

  admission(): Problem | undefined {
    if (this.#admission !== undefined) return this.#admission;
    if (this.#state.openCount + this.#opened < this.#openOrdersMax) return undefined;
    return {
      code: "overloaded",
      detail: `The shard holds ${this.#openOrdersMax} open orders, its openOrdersMax.`,
    };
  }

  nextOrderId(): OrderId {
    this.#orderCounter++;
    return makeOrderId(this.#orderCounter, this.#state.shardIndex);
  }

  nextStamp(symbol: InstrumentSymbol): Stamp {
    const partition = this.#state.partitionFor(symbol);
    // The events of one decision are added in the order of their stamps, after it.
    const pending = this.#reserved.get(partition) ?? this.#endOf(partition).seq;
    this.#reserved.set(partition, pending + 1);
    this.#commitSeq++;
    return {
      epoch: this.#state.epoch,
      commitSeq: this.#commitSeq,
      partition,
      seq: pending + 1,
    };
  }

  #endOf(partition: number): StreamEnd {
    return this.#streams.get(partition) ?? this.#state.streamEnd(partition);
  }

  /** Adds an event of the latest decision; gives the body that its client gets. */
  add(event: DomainEvent): string {
    switch (event.type) {
      case "order_accepted": {
        const { order, request, stamp } = event;
        const body = renderOrder(order, this.#state.shard);
        this.#append(event, order.symbol, body);
        this.#orders.set(order.orderId, { order, isNew: true, lastCommitSeq: stamp.commitSeq });
        if (isOpen(order.status)) this.#opened++;
        const { orderId } = order;
        this.#remember(stamp, { status: 201, body, request, stamp, orderId });
        return body;
      }
      case "order_refused": {
        const { accountId, request, at, code, detail, context, stamp } = event;
        const { status } = CODES[code];
        const answer = renderProblem({ code, detail, context });
        const value = renderRefusal({ accountId, at, request, status, code, answer });
        this.#append(event, request.symbol, value);
        this.#remember(stamp, { status, body: answer, request, stamp, orderId: null });
        return answer;
      }
      case "order_changed": {
        const { order, reason, stamp } = event;
        this.#append(event, order.symbol, renderOrderChange(order, this.#state.shard, reason));
        const isNew = this.#orders.get(order.orderId)?.isNew ?? false;
        this.#orders.set(order.orderId, { order, isNew, lastCommitSeq: stamp.commitSeq });
        if (!isOpen(order.status)) this.#opened--;
        return renderOrder(order, this.#state.shard);
      }
    }
  }

  #append(event: DomainEvent, key: string, value: string): void {
    const { partition, seq, commitSeq, epoch } = event.stamp;
    const prevHash = this.#endOf(partition).hash;
    const hash = chainHash(prevHash, value);
    const { shard } = this.#state;
    const at = this.#now;
    const { type } = event;
    this.#records.push({
      type,
      shard,
      epoch,
      partition,
      seq,
      commitSeq,
      at,
      key,
      value,
      prevHash,
      hash,
    });
    this.#streams.set(partition, { seq, hash });
  }

  #remember(stamp: Stamp, outcome: Outcome): void {
    this.#outcomes.set(this.#key, outcome);
    this.#outcomeKeys.push({ hash: this.#keyHash, commitSeq: stamp.commitSeq });
  }

  /** What the transaction writes. */
  writes(): BatchWrites {
    return {
      at: this.#now,
      raise: null,
      records: this.#records,
      orders: [...this.#orders.values()],
      outcomeKeys: this.#outcomeKeys,
      orderCounter: this.#orderCounter,
      commitSeq: this.#commitSeq,
    };
  }

  /** After COMMIT: the state is now what the file says. Gives the orders that changed. */
  apply(): Iterable<OrderWrite> {
    this.#state.orderCounter = this.#orderCounter;
    this.#state.commitSeq = this.#commitSeq;
    for (const [partition, end] of this.#streams) this.#state.setStreamEnd(partition, end);
    for (const { order } of this.#orders.values()) this.#state.put(order);
    return this.#orders.values();
  }
}
