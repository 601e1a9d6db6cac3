/**
 * Central as the operators' tools read it, beside the appliers that write: short statements, each
 * with what is committed by then, never a transaction that is held.
 */
import type { EntityType } from "../../shards/domain/entities.ts";
import type { Cursor } from "../../shards/protocol/hello.ts";
import type { Stopped } from "../../shards/protocol/relay.ts";
import type { EntityRow } from "./entity-row.ts";
import { type OrderRow, renderOrderRow } from "./order-row.ts";
import type { TopicPosition } from "./store.ts";

/** A refusal as central keeps it. */
export interface OutcomeRow {
  readonly epoch: number;
  readonly commitSeq: number;
  /** Milliseconds since 1970, at the shard's commit. */
  readonly at: number;
  readonly value: string;
}

/** Order ids of one shard, both ends included; other shards' ids between them don't count. */
export interface OrderIdRange {
  readonly shardIndex: number;
  readonly from: number;
  readonly to: number;
}

/** Every method throws a retryable `OperatingError` when central can't be read now. */
export interface CentralReader {
  centralId(): Promise<string>;
  /** The epoch that the shard was given last; 0 when central does not know it. */
  epochOf(shard: string): Promise<number>;
  /** Where each stream stands, by partition, all read at one time. */
  cursors(shard: string): Promise<readonly Cursor[]>;
  /** Streams of the shard that central has stopped, of any epoch. */
  stopsOf(shard: string): Promise<readonly (Stopped & { readonly epoch: number })[]>;
  /** Those that exist of at most a few thousand ids, in any order. */
  orders(orderIds: readonly number[]): Promise<readonly OrderRow[]>;
  orderIds(range: OrderIdRange): Promise<readonly number[]>;
  /** How many orders of the epoch there are; `first` is the smallest id, null when none. */
  countOrders(range: OrderIdRange, epoch: number): Promise<OrderCount>;
  /** The highest order id of the shard; null when it has none. */
  newestOrderId(shardIndex: number): Promise<number | null>;
  /** Orders that are open, or were created at `since` (ms since 1970) or later; by id. */
  ordersToRestore(range: OrderIdRange, since: number): Promise<readonly OrderRow[]>;
  /** How many orders were created at `since` (ms since 1970) or later. */
  countCreated(range: OrderIdRange, since: number): Promise<number>;
  /** Of each symbol's orders the time of the latest change. */
  latestChanges(range: OrderIdRange): Promise<readonly SymbolTime[]>;
  /** Refusals from the first commitSeq to the last, both included. */
  outcomes(
    shard: string,
    epoch: number,
    commitSeqs: { readonly from: number; readonly to: number },
  ): Promise<readonly OutcomeRow[]>;
  /** The highest commitSeq of the epoch's refusals; 0 when there are none. */
  newestOutcome(shard: string, epoch: number): Promise<number>;
  /** The next refusals behind a place, of every epoch, oldest first. */
  outcomesAfter(
    shard: string,
    after: { readonly epoch: number; readonly commitSeq: number },
    limit: number,
  ): Promise<readonly OutcomeRow[]>;
  /** How many refusals there are from `since` (ms since 1970) on, of every epoch. */
  countOutcomes(shard: string, since: number): Promise<number>;
  /** The next of a shard's entities of one type, behind a key, in the order of the keys' bytes. */
  entities(place: EntityPlace, limit: number): Promise<readonly EntityRow[]>;
  /** Those that exist of at most a few thousand keys, in any order. */
  entitiesByKey(
    shard: string,
    type: EntityType,
    keys: readonly string[],
  ): Promise<readonly EntityRow[]>;
  /** How far the topic has been read; empty where records come without one. */
  positions(): Promise<readonly TopicPosition[]>;
  close(): Promise<void>;
}

export interface EntityPlace {
  readonly shard: string;
  readonly type: EntityType;
  /** Empty: from the first. */
  readonly after: string;
}

export interface OrderCount {
  readonly count: number;
  readonly first: number | null;
}

export interface SymbolTime {
  readonly symbol: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** What counts as open for {@link CentralReader.ordersToRestore}. */
export const OPEN_STATUSES = [
  "PENDING",
  "UNTRIGGERED",
  "NEW",
  "PARTIALLY_FILLED",
  "PENDING_CANCEL",
] as const;

/**
 * The order as it was accepted: the 201's body, byte for byte. Nothing is executed then, and the
 * quantity's text has the digits that zero has.
 */
export const renderAcceptedRow = (row: OrderRow): string =>
  renderOrderRow({
    ...row,
    price: row.acceptedPrice,
    quantity: row.acceptedQuantity,
    executedQuantity: row.acceptedQuantity.replace(/^\d+/, "0").replaceAll(/[1-9]/g, "0"),
    averagePrice: null,
    status: row.acceptedStatus,
    amendmentPrice: null,
    amendmentQuantity: null,
    updatedAt: row.createdAt,
  });
