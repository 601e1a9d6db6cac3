import type { Clock } from "../../shards/process/clock.ts";
import type { Logger } from "../../shards/process/logger.ts";
import type { OrderHistory } from "../central/history.ts";
import type { ShardRouter } from "../routing/router.ts";
import type { Scope } from "../tokens/verifier.ts";
import type { Call } from "./call.ts";
import type { OrderLimit } from "./rate-limit.ts";
import type { Reply } from "./reply.ts";

export const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const;
export type Method = (typeof METHODS)[number];

/** What handlers work with. */
export interface Edge {
  readonly router: ShardRouter;
  readonly history: OrderHistory;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly orderLimit: OrderLimit;
}

/** One method of one path. One segment of the path may be a parameter, such as `:orderId`. */
export interface Route {
  readonly method: Method;
  readonly path: string;
  /** null: no token is asked for. */
  readonly scope: Scope | null;
  readonly handle: (call: Call) => Reply | Promise<Reply>;
}
