import type { AccountId, InstrumentSymbol, OrderId, ShardName } from "../domain/brands.ts";
import type { Instrument } from "../domain/instrument.ts";
import type { Order } from "../domain/order.ts";
import { partitionOf } from "../protocol/partition.ts";
import { OpenOrders } from "./open-orders.ts";
import { RiskState, type RiskTerms } from "./risk/risk-state.ts";
import type { LoadedRisk, PartitionRaise } from "./store-port.ts";

/** The end of one partition's stream. */
export interface StreamEnd {
  readonly seq: number;
  readonly hash: string;
}

export interface InitialState {
  readonly shard: ShardName;
  readonly shardIndex: number;
  readonly epoch: number;
  readonly partitionCount: number;
  /** Counts the changes of partitionCount, from 1. */
  readonly generation: number;
  readonly orderCounter: number;
  readonly commitSeq: number;
  readonly streams: readonly (StreamEnd & { readonly partition: number })[];
  readonly openOrders: readonly Order[];
  readonly instruments: readonly Instrument[];
  readonly risk: LoadedRisk;
}

/**
 * What a shard knows in memory: exactly what its file's last commit says. Changed only by a batch
 * that has committed.
 */
export class ShardState {
  readonly shard: ShardName;
  readonly shardIndex: number;
  readonly epoch: number;
  partitionCount: number;
  generation: number;
  readonly instruments: ReadonlyMap<string, Instrument>;
  readonly risk: RiskState;
  orderCounter: number;
  commitSeq: number;
  readonly #streams: StreamEnd[] = [];
  readonly #open = new OpenOrders();
  readonly #partitions = new Map<string, number>();

  constructor(initial: InitialState, terms: RiskTerms) {
    this.shard = initial.shard;
    this.shardIndex = initial.shardIndex;
    this.epoch = initial.epoch;
    this.partitionCount = initial.partitionCount;
    this.generation = initial.generation;
    this.orderCounter = initial.orderCounter;
    this.commitSeq = initial.commitSeq;
    this.instruments = new Map(initial.instruments.map((i) => [i.symbol, i]));
    for (const { partition, seq, hash } of initial.streams)
      this.#streams[partition] = { seq, hash };
    for (const order of initial.openOrders) this.put(order);
    this.risk = new RiskState(terms, initial.risk, initial.openOrders, {
      instrument: (symbol) => this.instruments.get(symbol),
      openOrdersIn: (accountId, symbol) => this.openOrdersIn(accountId, symbol),
    });
  }

  get openCount(): number {
    return this.#open.size;
  }

  /** Open orders only. */
  openOrder(orderId: OrderId): Order | undefined {
    return this.#open.get(orderId);
  }

  allOpenOrders(): Iterable<Order> {
    return this.#open.all();
  }

  openOrdersOf(accountId: AccountId): Iterable<Order> {
    return this.#open.of(accountId);
  }

  openOrdersIn(accountId: AccountId, symbol: InstrumentSymbol): Iterable<Order> {
    return this.#open.in(accountId, symbol);
  }

  streamEnd(partition: number): StreamEnd {
    const end = this.#streams[partition];
    if (end === undefined) throw new Error(`no stream for partition ${partition}`);
    return end;
  }

  setStreamEnd(partition: number, end: StreamEnd): void {
    this.#streams[partition] = end;
  }

  /** Spreads keys anew; the new streams' ends are set by {@link setStreamEnd}. */
  raise({ partitionCount, generation }: PartitionRaise): void {
    this.partitionCount = partitionCount;
    this.generation = generation;
    this.#partitions.clear();
  }

  /** Where records with this key go: a symbol, `account:<id>`, or another of a record's keys. */
  partitionFor(key: string): number {
    const known = this.#partitions.get(key);
    if (known !== undefined) return known;
    const partition = partitionOf(key, this.partitionCount);
    // Unknown symbols come from clients, and accounts are many: only known symbols are kept.
    if (this.instruments.has(key)) this.#partitions.set(key, partition);
    return partition;
  }

  /** Takes an order as a committed batch left it. */
  put(order: Order): void {
    this.#open.put(order);
  }
}
