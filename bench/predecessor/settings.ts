/** What the processes of the rebuilt predecessor are told, and how their numbers are read. */
import type { StatementCounts } from "./database.ts";
import type { OrderIds } from "./order-store.ts";
import type { StageSummary } from "./profiler.ts";

/** The two ways in which its description asks the database for one order's numbers. */
export const LOOKUPS = ["sequential", "parallel"] as const;
export type Lookups = (typeof LOOKUPS)[number];

export interface PredecessorSettings {
  readonly mysqlUrl: string;
  readonly redisUrl: string;
  readonly kafkaBrokers: readonly string[];
  /** `<run>.save_order_from_client_v2`. */
  readonly topic: string;
  readonly jwtSecret: string;
  /** Every key of this installation in Redis begins with it. */
  readonly redisPrefix: string;
  readonly lookups: Lookups;
  readonly consumers: number;
}

/** The topic's name as the predecessor had it. */
export const TOPIC = "save_order_from_client_v2";

/** The environment variable that has {@link PredecessorSettings} as JSON. */
export const SETTINGS_VARIABLE = "PREDECESSOR_SETTINGS";

export const readSettings = (): PredecessorSettings =>
  JSON.parse(process.env[SETTINGS_VARIABLE] ?? "") as PredecessorSettings;

/** `GET /profile` of the api. */
export interface ApiProfile {
  /** Accepted since the start. */
  readonly orders: number;
  /** Requests that have no answer yet. */
  readonly underWay: number;
  /** Since the start. */
  readonly statements: StatementCounts;
  /** Since the last `GET /profile?reset`. */
  readonly stages: readonly StageSummary[];
}

/** `GET /profile` of the consumers' process. */
export interface ConsumerProfile {
  /** Dealt with since the start; one that came again after a rebalance counts once. */
  readonly records: number;
  /** Since the start. */
  readonly statements: StatementCounts;
}

/** The record in the topic. */
export interface SavedOrder {
  /** The order's own first, then its children's. */
  readonly orderIds: OrderIds;
  readonly accountId: number;
  readonly asset: string;
  /** Decimal text. */
  readonly margin: string;
}
