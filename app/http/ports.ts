/** What the edge needs from the rest: the shards behind their router, and central's history. */
import type {
  AccountId,
  ClientOrderId,
  InstrumentSymbol,
  OrderId,
  ShardName,
} from "../../shards/domain/brands.ts";
import type { Answer, RecordPlace } from "../../shards/protocol/answer.ts";
import type { Operation } from "../../shards/protocol/operation.ts";

/** How far a record has got, in rising order. */
export const DURABILITY_LEVELS = ["local", "replicated", "central"] as const;
export type Durability = (typeof DURABILITY_LEVELS)[number];

/** `code` of the error that {@link ShardRouter.request} rejects with. */
export const ROUTING_CODES = ["shard_unavailable", "overloaded", "outcome_unknown"] as const;
export type RoutingCode = (typeof ROUTING_CODES)[number];

/** A shard as the router sees it. */
export interface RoutedShard {
  readonly shard: ShardName;
  readonly state: "serving" | "unreachable" | "draining";
  /** null until the shard has been reached once. */
  readonly epoch: number | null;
  /** Why it is not serving. */
  readonly detail: string | null;
}

export interface ShardRouter {
  readonly shards: readonly ShardName[];
  shardOfSymbol(symbol: InstrumentSymbol): ShardName;
  /** undefined: there is no such shard. */
  shardOfOrder(orderId: OrderId): ShardName | undefined;
  /**
   * Operations of one shard are sent in the order of the calls. Rejects with an error whose `code`
   * is one of {@link ROUTING_CODES}; the first two mean that certainly nothing happened.
   */
  request(shard: ShardName, operation: Operation, deadlineAt: number): Promise<Answer>;
  /** The level that the record has reached: the one asked for or, at the deadline, a lower one. */
  waitFor(
    shard: ShardName,
    place: RecordPlace,
    level: Exclude<Durability, "local">,
    deadlineAt: number,
  ): Promise<Durability>;
  states(): readonly RoutedShard[];
  /** Largest age over the shards of a committed record that central lacks. */
  lagMs(): number;
}

/** Where a page of history ended: its last order. */
export interface HistoryPosition {
  readonly createdAt: number;
  readonly orderId: number;
}

export interface HistoryQuery {
  readonly accountId: AccountId;
  readonly symbol: InstrumentSymbol | null;
  /** Of createdAt: at or after `from`, before `to`; null means no bound. */
  readonly from: number | null;
  readonly to: number | null;
  readonly limit: number;
  readonly after: HistoryPosition | null;
}

/** Orders that central has. Bodies are the JSON text of the order, as the shard would give it. */
export interface OrderHistory {
  order(accountId: AccountId, orderId: OrderId): Promise<string | undefined>;
  find(
    accountId: AccountId,
    symbol: InstrumentSymbol,
    clientOrderId: ClientOrderId,
  ): Promise<string | undefined>;
  /** Newest first. */
  page(query: HistoryQuery): Promise<{ bodies: string[]; next: HistoryPosition | null }>;
}
