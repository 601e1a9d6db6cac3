/** What one shard commits, read from its file as it grows: first what is open, then what follows. */

import type { Order } from "../../shards/domain/order.ts";
import { ShardReader, type StoredRecord } from "../../shards/store/shard-reader.ts";
import { newsOf, newsOfOpen, type OrderNews } from "./order-events.ts";

/** Of a shard's file. */
export interface OrderSource {
  /** Every open order, oldest first, and the newest commit that they show. */
  openOrders(): { readonly commitSeq: number; readonly orders: readonly Order[] };
  records(commitSeq: number, limit: number): readonly StoredRecord[];
}

const RECORDS_A_READ = 1000;

/** Of a shard's file on this machine, read while its writer writes. */
export const openFeed = (path: string): { readonly feed: JournalFeed; close(): void } => {
  const reader = ShardReader.open(path);
  return { feed: new JournalFeed(reader), close: () => reader.close() };
};

export class JournalFeed {
  readonly #source: OrderSource;
  /** null until the open orders were read. */
  #commitSeq: number | null = null;

  constructor(source: OrderSource) {
    this.#source = source;
  }

  /** The next news, oldest first; empty when there are none now. */
  next(): readonly OrderNews[] {
    if (this.#commitSeq === null) {
      const { commitSeq, orders } = this.#source.openOrders();
      this.#commitSeq = commitSeq;
      return orders.flatMap(newsOfOpen);
    }
    const records = this.#source.records(this.#commitSeq, RECORDS_A_READ);
    this.#commitSeq = records.at(-1)?.commitSeq ?? this.#commitSeq;
    return records.flatMap(({ type, value }) => newsOf(type, value) ?? []);
  }
}
